package nn

import (
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Exporters expand constants to the batch before they add or join them: the coordinates of pixels, a learnt token, zeros. What is the
// same for all images is one image's here, which arithmetic stretches; nothing is left of the batch size.

// image returns what t has for each image, as [1, ...]. It is nil where images differ, or where there are no floats.
func (t *twice) image() *operator.Tensor {
	a, b := t.of[0], t.of[1]
	if a.Data == nil || len(a.Shape) == 0 || len(a.Shape) != len(b.Shape) || a.Shape[0] != tryBatches[0] || b.Shape[0] != tryBatches[1] ||
		!slices.Equal(a.Shape[1:], b.Shape[1:]) {
		return nil
	}
	first := a.Data[:len(a.Data)/tryBatches[0]]
	for _, of := range t.of {
		for i, v := range of.Data {
			if v != first[i%len(first)] {
				return nil
			}
		}
	}
	shape := slices.Clone(a.Shape)
	shape[0] = 1
	return operator.Floats(first, shape...)
}

// imageOf returns the name of the constant [1, ...] that a constant for each image is, "" where it is none.
func (im *importer) imageOf(name string) string {
	t := im.batched[name]
	if t == nil {
		return ""
	}
	if made, ok := im.images[name]; ok {
		return made
	}
	made := ""
	if c := t.image(); c != nil {
		made = im.uniqueName(name + "_image")
		im.addConstant(made, c)
		im.uses[made] = im.uses[name]
	}
	im.images[name] = made
	return made
}

// oneImage has a function of two tensors read, beside a tensor with a batch, the constant of one image for one of each. The result is
// the same.
func (n *node) oneImage() {
	if _, ok := operator.PairOf(n.OpType); !ok || n.Domain != "" && n.Domain != "ai.onnx" {
		return
	}
	rank := 0
	for i := range n.Inputs {
		if v := n.im.net.Values[n.in(i)]; v != nil && !v.Const() && len(v.Shape) > 0 && v.Shape[0] == Batch {
			rank = len(v.Shape)
		}
	}
	for i := range n.Inputs {
		made := n.im.imageOf(n.in(i))
		if made == "" || len(n.im.net.Values[made].Shape) != rank {
			continue
		}
		clone := *n.Node
		clone.Inputs = slices.Clone(n.Inputs)
		clone.Inputs[i] = made
		n.Node = &clone
	}
}

// joinConstants reads a Concat of computed tensors and constants, in front of weights, as a sum: the computed tensors, with zeros where
// constants are, and these with zeros for the others. Behind the last weights it stays what it is.
func (n *node) joinConstants(rank int) error {
	axes, err := resolveAxes([]int{n.int("axis", 1)}, rank)
	if err != nil {
		return err
	}
	axis := axes[0]
	if axis == 0 || !n.im.feedsWeights(n.Outputs[0]) {
		return n.unsupported("joins constants")
	}
	var joined []string // computed
	var pads [][2]int   // for each: how many zeros before and behind it
	var parts []*operator.Tensor
	var like []int // shape of a computed tensor
	before := 0
	for i := range n.Inputs {
		c, err := n.image(i)
		switch {
		case err != nil:
			return err
		case c == nil:
			v := n.im.net.Values[n.in(i)]
			if v == nil || rank != len(v.Shape) || v.Shape[0] != Batch || slices.Contains(v.Shape[1:], Batch) || v.elementType() != onnx.Float {
				return n.unsupported("joins constants and %q", n.in(i))
			}
			like = v.Shape
			joined, pads = append(joined, n.in(i)), append(pads, [2]int{before, 0})
			before = 0
			shape := withBatch(v.Shape, 1)
			parts = append(parts, operator.New(onnx.Float, shape...))
		case c.Data == nil || rank != len(c.Shape) || c.Shape[0] != 1:
			return n.unsupported("joins the constant %q of shape %v", n.in(i), c.Shape)
		default:
			parts = append(parts, operator.Floats(c.Data, c.Shape...))
			if len(pads) > 0 {
				pads[len(pads)-1][1] += c.Shape[axis]
			} else {
				before += c.Shape[axis]
			}
		}
	}
	if len(joined) == 0 {
		return n.unsupported("joins constants of each image")
	}
	whole, err := operator.Eval(&onnx.Node{OpType: "Concat", Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(axis))}}, n.im.opset, parts)
	if err != nil {
		return err
	}
	for i, p := range pads {
		if p == [2]int{} {
			continue
		}
		all := make([]int, 2*len(like))
		all[axis], all[len(like)+axis] = p[0], p[1]
		if joined[i], err = n.before(Pad{Pads: all}, joined[i]); err != nil {
			return err
		}
	}
	sum := joined[0]
	if len(joined) > 1 {
		if sum, err = n.before(Concat{axis}, joined...); err != nil {
			return err
		}
	}
	constant := n.im.uniqueName(n.Outputs[0] + "_constants")
	n.im.addConstant(constant, whole[0])
	add := &onnx.Node{Name: n.Name, OpType: "Add", Inputs: []string{sum, constant}, Outputs: n.Outputs}
	return (&node{Node: add, im: n.im, name: n.name}).anyOperator(nil)
}

// image returns the i-th input if it is a constant, or one that is the same for each image.
func (n *node) image(i int) (*Value, error) {
	if made := n.im.imageOf(n.in(i)); made != "" {
		return n.im.net.Values[made], nil
	}
	return n.constant(i)
}

// feedsWeights reports whether something computed from a tensor of the graph goes into weights.
func (im *importer) feedsWeights(tensor string) bool {
	made := map[string]bool{tensor: true}
	for _, n := range im.graph.Nodes {
		if !slices.ContainsFunc(n.Inputs, func(t string) bool { return made[t] }) {
			continue
		}
		if (&node{Node: n, im: im}).weighs() {
			return true
		}
		mark(made, n.Outputs)
	}
	return false
}
