package nn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// anyOperator adds n as it is. Whether it may stay is decided once the whole graph is known (checkOperators): reason is
// what to say if not.
func (n *node) anyOperator(reason error) error {
	in := n.inputs(len(n.Inputs))
	for _, name := range in {
		if _, ok := n.im.integers[name]; ok && reason != nil {
			return reason
		} else if ok {
			return n.unsupported("reads the integer tensor %q", name)
		}
		if err := n.im.compute(name); err != nil {
			return err
		}
		if name == "" || n.im.batched[name] != nil {
			continue
		}
		if v, err := n.im.constant(name); err != nil {
			return err
		} else if v == nil && n.im.net.Values[name] == nil {
			return fmt.Errorf("no tensor %q", name)
		}
	}
	if err := n.addOperator(in); err != nil {
		return cmp.Or(reason, err)
	}
	reason = cmp.Or(reason, n.im.reasons[n.name])
	if n.im.net.Values[n.Outputs[0]].Shape == nil && reason == nil {
		reason = n.unsupported("%s", cmp.Or(n.im.net.tooLarge(in), "the shape of its output is not known"))
	}
	n.im.reasons[n.name] = reason
	return nil
}

// weighs reports whether n would be a layer with weights, if only its input was known. It is not carried through then: a trunk that
// ended there without a word would leave most of a network in float.
func (n *node) weighs() bool {
	switch n.OpType {
	case "Conv", "ConvTranspose", "Gemm":
		return true
	case "MatMul":
		w, err := n.constant(1)
		return err == nil && w != nil
	}
	return false
}

// stranger is why no layer of n's own kind can read its inputs: the shape of one is not known, and then it is the fault of
// the operator that makes it, or it does not hold floats. Nil where all are as they should be.
func (n *node) stranger() error {
	if (n.OpType == "Identity" || n.OpType == "Cast") && !n.handedOut() { // which can be read as nothing
		return nil
	}
	for i, name := range n.inputs(len(n.Inputs)) {
		v := n.im.net.Values[name]
		switch {
		case v == nil || v.Const():
		case n.im.batched[name] != nil || operator.WantsIntegers(n.OpType, i): // a shape, which its reader can judge
		case v.Shape == nil:
			if l := n.im.net.Producer(name); l != nil && n.im.reasons[l.Name] != nil {
				return n.im.reasons[l.Name]
			}
			return n.unsupported("the shape of its input %q is not known", name)
		case v.elementType() != onnx.Float:
			return n.unsupported("reads %v", v.elementType())
		}
	}
	return nil
}

// handedOut reports whether the graph has the output of n as its own.
func (n *node) handedOut() bool {
	return slices.ContainsFunc(n.im.graph.Outputs, func(v *onnx.ValueInfo) bool { return v.Name == n.Outputs[0] })
}

// optionalOutputs has the operators whose outputs may be left out, but for the first. All others, such as TopK, must name each of
// theirs, whether anybody reads it or not.
var optionalOutputs = map[string]bool{
	"Attention": true, "BatchNormalization": true, "Dropout": true, "GRU": true, "LSTM": true, "LayerNormalization": true, "MaxPool": true,
	"RNN": true, "SoftmaxCrossEntropyLoss": true, "Unique": true,
}

// addOperator adds a layer that does what n does.
func (n *node) addOperator(in []string) error {
	domain := n.Domain
	if domain == "ai.onnx" {
		domain = ""
	}
	captures, err := n.Captured()
	if err != nil {
		return err
	}
	l := &Layer{
		Name: n.name, Op: Operator{Type: n.OpType, Domain: domain, Opset: n.im.opsets[domain], Attributes: n.Attributes, Captures: captures},
		In: in, Out: slices.Clone(n.Outputs),
	}
	if optionalOutputs[n.OpType] && domain == "" { // those that nobody reads need not be made
		for i, name := range l.Out {
			if i > 0 && n.im.uses[name] == 0 {
				l.Out[i] = ""
			}
		}
		for len(l.Out) > 1 && l.Out[len(l.Out)-1] == "" {
			l.Out = l.Out[:len(l.Out)-1]
		}
	}
	err = n.im.net.inferShape(l)
	if errors.As(err, new(batchError)) { // the tail may have such tensors
		n.im.reasons[n.name], err = n.unsupported("%v", err), nil
	}
	if err != nil {
		return err
	}
	for _, name := range l.Out {
		if v := n.im.net.Values[name]; v != nil && v.Type == onnx.Undefined && v.Shape == nil {
			v.Type = n.im.declared(name)
		}
	}
	n.im.net.Layers = append(n.im.net.Layers, l)
	return nil
}

// declared returns the type that the file gives a tensor, Undefined where it gives none.
func (im *importer) declared(name string) onnx.DataType {
	for _, v := range slices.Concat(im.graph.Outputs, im.graph.Values) {
		if v.Name == name {
			return im.widened(v.Type)
		}
	}
	return onnx.Undefined
}

// checkOperators refuses operators that cannot be carried through: those that come before the last layer with weights,
// or do not follow from one at all, and that the engine does not train or that mix the images of a batch.
func (im *importer) checkOperators() error {
	live, after := im.net.live(), im.net.afterWeights()
	for _, l := range im.net.Layers {
		op, ok := l.Op.(Operator)
		if !ok || !live[l] && (after[l] || !im.net.computed(l)) || im.net.trains(l, op) && im.reasons[l.Name] == nil && im.net.untrained(l, op) == "" {
			continue
		}
		if reason := im.reasons[l.Name]; reason != nil {
			return reason
		}
		if im.net.trains(l, op) {
			return &UnsupportedError{Node: l.Name, Op: op.Type, Domain: op.Domain, Reason: im.net.untrained(l, op)}
		}
		return &UnsupportedError{Node: l.Name, Op: op.Type, Domain: op.Domain}
	}
	return nil
}

// checkOperands returns an error that names the first operator on the way to a layer with weights that computes with a constant
// which is not finite: nothing of what it makes has a range. So it is with what pads with such values. Behind them, a mask of -Inf may have its reasons.
func (n *Network) checkOperands() error {
	live := n.live()
	for _, l := range n.Layers {
		if pad, ok := l.Op.(Pad); ok && (pad.Value-pad.Value != 0 || live[l] && pad.Value <= nothing) {
			return &UnsupportedError{Node: l.Name, Op: "Pad", Reason: fmt.Sprintf("pads with %v, and no MaxPool behind it can do so itself", pad.Value)}
		}
		op, ok := l.Op.(Operator)
		if !ok || !live[l] {
			continue
		}
		for i := range l.In {
			if v := n.Input(l, i); v != nil && v.Const() {
				if err := checkLimits(v, op.Type); err != nil {
					return fmt.Errorf("node %q (%s): %w", l.Name, op.Type, err)
				}
			}
		}
	}
	return nil
}

// untrained is why the engine cannot train l, whose operator it knows; "" where it can.
func (n *Network) untrained(l *Layer, op Operator) string {
	if n.mixesImages(l, op) {
		return "mixes the images of a batch or moves its axis"
	}
	if op.onLines() {
		if len(l.Out) > 1 {
			return fmt.Sprintf("its output %q is used", l.Out[len(l.Out)-1])
		}
		if _, ok := n.lineOf(l, op); !ok {
			return "its scales or axes are computed, only constants are supported there"
		}
	}
	return ""
}

// computed reports whether l reads a tensor that is no constant.
func (n *Network) computed(l *Layer) bool {
	return slices.ContainsFunc(l.In, func(t string) bool { return n.Values[t] != nil && !n.Values[t].Const() })
}

// live returns the layers on the way to a layer with weights, those included.
func (n *Network) live() map[*Layer]bool {
	live, wanted := make(map[*Layer]bool), make(map[string]bool)
	for _, l := range slices.Backward(n.Layers) {
		if !hasWeights(l) && !slices.ContainsFunc(l.Out, func(t string) bool { return wanted[t] }) {
			continue
		}
		live[l] = true
		for _, t := range l.In {
			wanted[t] = true
		}
	}
	return live
}

// afterWeights returns the layers that follow from one with weights, and those that compute with nothing but shapes.
func (n *Network) afterWeights() map[*Layer]bool {
	after, made, shapes := make(map[*Layer]bool), make(map[string]bool), make(map[string]bool)
	for _, l := range n.Layers {
		to := made
		switch op, _ := l.Op.(Operator); {
		case hasWeights(l) || slices.ContainsFunc(l.In, func(t string) bool { return made[t] }):
		case op.Domain == "" && (op.Type == "Shape" || op.Type == "Size"),
			n.computed(l) && !slices.ContainsFunc(l.In, func(t string) bool { v := n.Values[t]; return v != nil && !v.Const() && !shapes[t] }):
			to = shapes
		default:
			continue
		}
		after[l] = true
		for _, t := range l.Out {
			to[t] = true
		}
	}
	return after
}

// fallback decides what becomes of a node that has no layer of its own: err, unless the operator as such may stay.
func (n *node) fallback(err error) error {
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) {
		return err
	}
	switch known := operator.Known(n.Domain, n.OpType); {
	case unsupported.Advice != "": // there is more to say of it than that it moves the batch axis
	case known && (Operator{Type: n.OpType, Domain: n.Domain, Attributes: n.Attributes}).trains():
		err = nil
	case known && unsupported.Reason == "":
		err = n.unsupported("only supported after the last layer with weights (Conv, Gemm, MatMul)")
	}
	return n.anyOperator(err)
}
