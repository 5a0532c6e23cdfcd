package nn

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// importPad reads Pad, whose amounts were attributes before opset 11. Negative ones cut off.
func importPad(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	mode := n.text("mode", "constant")
	switch {
	case mode == "constant":
		mode = ""
	case mode != "reflect" && mode != "edge" && (mode != "wrap" || n.im.opset < 19):
		return n.unsupported("mode %q", mode)
	}
	pads, _, err := n.list("pads", 1, 11)
	if err != nil {
		return err
	}
	var value float32
	if n.im.opset < 11 {
		value, err = n.float("value", 0)
	} else {
		value, err = n.scalar(2, 0)
	}
	if err != nil {
		return err
	}
	if mode != "" {
		value = 0
	} else if value-value != 0 && !(value < 0 && n.isPooled()) {
		return n.unsupported("pads with %v", value)
	}
	if axes, ok, err := n.list("", 3, 18); err != nil {
		return err
	} else if ok {
		if pads, err = spreadPads(pads, axes, len(x)); err != nil {
			return err
		}
	}
	if len(pads) != 2*len(x) {
		return fmt.Errorf("has %d pads for input %v", len(pads), x)
	}
	var layers []Op
	if slices.ContainsFunc(pads, func(p int) bool { return p < 0 }) {
		if mode == "wrap" { // around what was there before or what is there after? implementations differ
			return n.unsupported("negative pads %v", pads)
		}
		layers = append(layers, cut(pads, x))
	}
	if slices.ContainsFunc(pads, func(p int) bool { return p != 0 }) {
		layers = append(layers, Pad{pads, value, mode})
	}
	if len(layers) == 0 {
		return n.forward(n.in(0))
	}
	return n.chain(layers, n.inputs(1))
}

// isPooled reports whether a MaxPool alone reads what n makes, which may take over the padding.
func (n *node) isPooled() bool {
	return n.im.uses[n.Outputs[0]] == 1 && slices.ContainsFunc(n.im.graph.Nodes, func(reader *onnx.Node) bool {
		return reader.OpType == "MaxPool" && slices.Contains(reader.Inputs, n.Outputs[0])
	})
}

// nothing is the least value that is one: below it, which is where float16 ends, a constant stands for -Inf, and would take all of
// the range of the tensor that has it.
const nothing = -65504

// takePadding has the windows of a MaxPool take over the padding in front of them, if the maximum is the same: the padding is of
// values that are never larger than what it surrounds. It returns what the windows are of then.
func (n *node) takePadding(p *pool) string {
	in, net := n.in(0), n.im.net
	l := net.Producer(in)
	if l == nil || n.im.uses[in] != 1 || len(net.Consumers(in)) > 0 { // a layer, too, where the file has a Reshape between both (row)
		return in
	}
	pad, ok := l.Op.(Pad)
	if !ok || pad.Mode != "" || !net.below(pad.Value, l.In[0]) || slices.Max(pad.Pads[:2]) > 0 || slices.Max(pad.Pads[4:6]) > 0 {
		return in
	}
	pads := p.pads
	for i := range 2 {
		pads[i], pads[2+i] = pads[i]+pad.Pads[2+i], pads[2+i]+pad.Pads[6+i]
		if max(pads[i], pads[2+i]) >= p.kernel[i] {
			return in
		}
	}
	if _, err := poolShape(net.Values[l.In[0]].Shape, p.kernel, p.stride, p.dilation, pads); err != nil { // a window of padding alone
		return in
	}
	p.pads = pads
	net.Layers = slices.DeleteFunc(net.Layers, func(other *Layer) bool { return other == l })
	delete(net.Values, in)
	return l.In[0]
}

// below reports whether no element of a tensor is smaller than x.
func (n *Network) below(x float32, tensor string) bool {
	if l := n.Producer(tensor); l != nil {
		switch op := l.Op.(type) {
		case Relu:
			return x < 0
		case Clip:
			return x < op.Min
		case Reshape:
			return n.below(x, l.In[0])
		}
	}
	return x <= nothing
}

// cut returns the Slice of x that negative pads are, and sets them to 0.
func cut(pads, x []int) (s Slice) {
	for a, d := range x {
		before, after := min(pads[a], 0), min(pads[len(x)+a], 0)
		if before == 0 && after == 0 {
			continue
		}
		s.Axes, s.Steps = append(s.Axes, a), append(s.Steps, 1)
		s.Starts, s.Ends = append(s.Starts, -before), append(s.Ends, d+after)
		pads[a], pads[len(x)+a] = max(pads[a], 0), max(pads[len(x)+a], 0)
	}
	return s
}

// spreadPads turns pads of some axes into pads of all of them.
func spreadPads(pads, axes []int, rank int) ([]int, error) {
	axes, err := resolveAxes(axes, rank)
	if err != nil {
		return nil, err
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("has %d pads for %d axes", len(pads), len(axes))
	}
	all := make([]int, 2*rank)
	for i, a := range axes {
		all[a], all[rank+a] = pads[i], pads[len(axes)+i]
	}
	return all, nil
}
