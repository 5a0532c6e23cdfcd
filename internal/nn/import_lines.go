package nn

import (
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// importSoftmax reads Softmax, LogSoftmax and Hardmax from before opset 13, which may run over several axes at once, as those over one: with a Reshape
// before and one behind.
func importSoftmax(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if n.im.opset >= 13 || n.OpType == "Hardmax" && n.im.feedsWeights(n.Outputs[0]) {
		return n.unsupported("") // an Operator, or refused
	}
	axes, err := resolveAxes([]int{n.int("axis", 1)}, len(x))
	if err != nil {
		return err
	}
	along := x[axes[0]:]
	wide := 0
	for _, d := range along {
		if d != 1 {
			wide++
		}
	}
	if wide < 2 || axes[0] == 0 || x[0] != Batch || slices.Contains(x[1:], Batch) {
		return n.unsupported("")
	}
	softmax := Operator{Type: n.OpType, Opset: 13, Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(axes[0]))}}
	flat := slices.Concat(x[:axes[0]], []int{size(along)})
	return n.chain([]Op{Reshape{flat}, softmax, Reshape{slices.Clone(x)}}, []string{n.in(0)})
}

// importGroupNorm reads the GroupNormalization of opset 18, whose groups have gains and which is not there any more, as that of opset 21, whose
// channels have them.
func importGroupNorm(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	groups := n.int("num_groups", 0)
	if n.im.opset >= 21 || len(x) < 2 || groups < 1 || x[1]%groups != 0 {
		return n.unsupported("")
	}
	in := n.inputs(3)
	for i := 1; i < len(n.Inputs); i++ {
		c, err := n.weight(i)
		if err != nil {
			return err
		}
		if len(c.Data) != groups {
			return n.unsupported("%q has shape %v for %d groups", c.Name, c.Shape, groups)
		}
		wide, err := operator.Eval(&onnx.Node{OpType: "Expand"}, MaxOpset, []*operator.Tensor{
			operator.Floats(c.Data, groups, 1), operator.Integers([]int64{int64(groups), int64(x[1] / groups)}, 2),
		})
		if err != nil {
			return err
		}
		in[i] = n.derived(c, []int{x[1]}, wide[0].Data).Name
	}
	n.im.net.Opset = max(n.im.net.Opset, 21)
	l := &Layer{Name: n.name, Op: Operator{Type: n.OpType, Opset: 21, Attributes: n.Attributes}, In: in, Out: n.Outputs[:1]}
	n.im.net.Layers = append(n.im.net.Layers, l)
	return n.im.net.inferShape(l)
}
