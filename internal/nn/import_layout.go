package nn

import (
	"fmt"
	"slices"
	"strings"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Networks from frameworks that keep channels last begin with images [N, H, W, C], which a Transpose brings to
// [N, C, H, W], at once or after the arithmetic that normalizes pixels. A Network has its input behind that Transpose:
// methods make images of three planes, and passes look for channels on axis 1. So the arithmetic before it is read with
// its constants transposed, and the Transpose is dropped; Export begins with one (Port).

// channelsLastInputs finds the inputs of g that are images with channels last: whatever reads them, through arithmetic
// and what keeps the axes in their order, ends in a Transpose to channels first.
func channelsLastInputs(g *onnx.Graph) map[string]bool {
	found := make(map[string]bool)
	for _, v := range g.Inputs {
		if len(v.Shape) == 4 && endsTransposed(g, v) {
			found[v.Name] = true
		}
	}
	return found
}

func endsTransposed(g *onnx.Graph, input *onnx.ValueInfo) bool {
	last, transposed := map[string]bool{input.Name: true}, false
	for _, n := range g.Nodes {
		if !slices.ContainsFunc(n.Inputs, func(t string) bool { return last[t] }) {
			continue
		}
		switch {
		case n.Domain != "" && n.Domain != "ai.onnx":
			return false
		case n.OpType == "Shape":
		case isTranspose(n, toChannelsFirst):
			transposed = true
		case n.OpType == "Reshape" && input.Shape[3].Size == 1: // of one channel, which exporters write for a Transpose
			transposed = true
		case elementwise(n) || keepsAxes[n.OpType]:
			for _, t := range n.Outputs {
				last[t] = true
			}
		default:
			return false
		}
	}
	for _, v := range g.Outputs {
		if v.Name == input.Name {
			return false
		}
	}
	return transposed
}

// keepsAxes has the operators that do something along axes and leave them in their order.
var keepsAxes = map[string]bool{
	"Concat": true, "DequantizeLinear": true, "Gather": true, "Pad": true, "QuantizeLinear": true, "Resize": true, "ReverseSequence": true,
	"Slice": true, "Split": true, "Upsample": true,
}

// elementwise reports whether a node computes each element from one of each input.
func elementwise(n *onnx.Node) bool {
	switch n.OpType {
	case "Cast", "Clip", "Dropout", "Identity", "LeakyRelu", "Relu":
		return true
	}
	_, unary := operator.Function(n)
	_, binary := operator.PairOf(n.OpType)
	return unary || binary
}

func isTranspose(n *onnx.Node, perm []int64) bool {
	if n.OpType != "Transpose" {
		return false
	}
	a := n.Attr("perm")
	return a != nil && slices.Equal(a.Ints, perm)
}

// channelsFirst makes of n, which may read tensors that the file has with channels last, one that reads them as the network
// has them. It reports whether n was the Transpose, of which nothing is left to be read.
func (n *node) channelsFirst() (dropped bool, err error) {
	last := n.im.channelsLast
	if n.beginsChannelsLast() {
		last[n.Outputs[0]] = true
		n.im.rename(n.Outputs[0], n.in(0))
		return true, nil
	}
	if !slices.ContainsFunc(n.Inputs, func(t string) bool { return last[t] }) {
		return false, nil
	}
	switch {
	case isTranspose(n.Node, toChannelsFirst):
		return true, n.forward(n.in(0))
	case n.OpType == "Shape": // see evaluate
		return false, nil
	case n.ordered() && last[n.Inputs[0]]:
		return false, nil
	case normalizesPixels(n.Node) && last[n.Inputs[0]]:
		return true, n.normalizePixels()
	case softmaxOfPixels(n.Node, n.im.opset) && last[n.Inputs[0]]:
		return true, n.importSoftmaxOfPixels()
	}
	clone := *n.Node
	n.Node = &clone
	transposed := slices.Clone(n.Inputs)
	ok := false
	switch {
	case n.pixelwise():
		ok = true
	case strings.HasPrefix(n.OpType, "Reduce") && last[n.Inputs[0]]:
		ok, err = n.reducesChannelsLast(transposed)
	case elementwise(n.Node):
		ok, err = n.transposeOperands(transposed)
	case n.OpType == "Pad":
		ok, err = n.transposePads(transposed)
	}
	if err != nil {
		return false, err
	}
	if ok {
		n.Inputs = transposed
		if n.int("keepdims", 1) == 0 { // a reduction to fewer axes, whose order is the same
			return false, nil
		}
		mark(last, n.Outputs)
		return false, nil
	}
	n.Inputs = slices.Clone(n.Inputs)
	for i, t := range n.Inputs {
		if last[t] {
			if n.Inputs[i], err = n.im.asDeclared(n.in(i)); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// ordered reports whether n gives its input another shape, without a look at single axes, and that has but one channel or one pixel:
// the order of its elements is the same for either layout.
func (n *node) ordered() bool {
	v := n.im.net.Values[n.in(0)]
	if v == nil || len(v.Shape) != 4 {
		return false
	}
	channels, pixels := v.Shape[1], v.Shape[2]*v.Shape[3]
	switch n.OpType {
	case "Reshape":
		target, _, err := n.symbolic(1)
		copies := len(target) > 1 && slices.Contains(target[1:], 0)
		return channels == 1 || pixels == 1 && err == nil && !copies
	case "Flatten":
		return (channels == 1 || pixels == 1) && n.int("axis", 1) == 1
	}
	return false
}

// transposeOperands puts transposed constants in the place of those in the list of n's inputs. ok is false where that is no
// way: an operand is computed elsewhere.
func (n *node) transposeOperands(in []string) (ok bool, err error) {
	last := n.im.channelsLast
	constants := make([]*Value, len(n.Inputs))
	for i, t := range n.Inputs {
		if t == "" || last[t] {
			continue
		}
		if n.im.batched[n.in(i)] != nil {
			return false, nil
		}
		c, err := n.constant(i)
		switch {
		case err != nil:
			return false, err
		case c == nil || len(c.Shape) > 4:
			return false, nil
		case size(c.Shape) == 1: // the same for all axes
		case c.Data == nil || c.Quant != nil:
			return false, nil
		default:
			constants[i] = c
		}
	}
	for i, c := range constants {
		if c == nil {
			continue
		}
		wide := slices.Concat(slices.Repeat([]int{1}, 4-len(c.Shape)), c.Shape)
		t, err := operator.Eval(&onnx.Node{OpType: "Transpose", Attributes: []*onnx.Attribute{onnx.AttrIs("perm", toChannelsFirst...)}},
			MaxOpset, []*operator.Tensor{{Type: onnx.Float, Shape: wide, Data: c.Data}})
		if err != nil {
			return false, err
		}
		in[i] = n.derived(c, t[0].Shape, t[0].Data).Name
	}
	return true, nil
}

// transposePads puts the pads of all axes, in the network's order, in the place of those of n. ok is false where they are not
// constant, or in an attribute.
func (n *node) transposePads(in []string) (ok bool, err error) {
	if n.im.opset < 11 || n.in(3) != "" {
		return false, nil
	}
	c, err := n.constant(1)
	if err != nil || c == nil || len(c.Ints) != 8 {
		return false, err
	}
	v := &Value{Name: n.im.uniqueName(c.Name + "_" + n.name), Shape: []int{8}, Type: onnx.Int64}
	for end := range 2 {
		for _, axis := range toChannelsFirst {
			v.Ints = append(v.Ints, c.Ints[4*end+int(axis)])
		}
	}
	n.im.net.Values[v.Name], n.im.types[v.Name], n.im.uses[v.Name] = v, v.Type, 1
	in[1] = v.Name
	return true, nil
}

// asDeclared returns the name of the tensor t with its channels last, for what is not read in another way.
func (im *importer) asDeclared(t string) (string, error) {
	if name, ok := im.transposed[t]; ok {
		return name, nil
	}
	out := im.uniqueName(t + "_transposed")
	im.transposed[t] = out
	im.uses[out] = 2 // or more: it is nobody's own
	return out, im.transpose(t, out)
}

// transpose adds a Transpose of t to channels last.
func (im *importer) transpose(t, out string) error {
	l := &Layer{
		Name: im.freeNodeName(t + "_Transpose"), In: []string{t}, Out: []string{out},
		Op: Operator{Type: "Transpose", Opset: im.opset, Attributes: []*onnx.Attribute{onnx.AttrIs("perm", toChannelsLast...)}},
	}
	im.net.Layers = append(im.net.Layers, l)
	return im.net.inferShape(l)
}

// handOutDeclared has the network hand out an output of the graph, which it has with channels first, as the file has it.
func (im *importer) handOutDeclared(output string) error {
	t := im.resolve(output)
	if t == output {
		if im.net.Producer(output) == nil {
			return fmt.Errorf("output %q is an input", output)
		}
		t = im.setAside(output, "_channels_first")
	}
	return im.transpose(t, output)
}
