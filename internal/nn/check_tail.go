package nn

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// CheckTail returns an error that names what keeps a network from being computed image by image: behind the last layers with
// weights an operator that is not known, or one that makes of a batch something else than of its images one at a time; and an
// output that is not of images. Such a network can be quantized, and ONNX Runtime runs what is written. Where the file baked in a
// batch of 1, an image is all that there is to mix.
func (n *Network) CheckTail() error {
	live := n.live()
	for _, l := range n.Layers {
		op, ok := l.Op.(Operator)
		if !ok || live[l] {
			continue
		}
		reason := ""
		if operator.Known(op.Domain, op.Type) {
			if n.BatchDim == "" || !n.mixes(l, op) {
				continue
			}
			reason = "mixes the images of a batch, which are computed one at a time"
		}
		return &UnsupportedError{Node: l.Name, Op: op.Type, Domain: op.Domain, Reason: reason}
	}
	for _, name := range n.Outputs {
		switch v := n.Values[name]; {
		case v == nil || slices.Index(v.Shape, Batch) == 0:
		case n.BatchDim == "" && len(v.Shape) > 0 && v.Shape[0] == 1 && !slices.Contains(v.Shape, Batch): // of the one image
		case v.Shape == nil:
			return fmt.Errorf("output %q: its shape is not known", name)
		default:
			return fmt.Errorf("output %q: the first axis of %v is not the batch", name, v.Shape)
		}
	}
	return nil
}

// mixes reports whether l makes of a batch of two images something else than of one and the other. What is too large to try, or
// cannot be, such as indices that nobody knows, is believed to be well-behaved.
func (n *Network) mixes(l *Layer, op Operator) bool {
	most := 0
	for _, name := range slices.Concat(l.In, l.Out) {
		if name == "" || n.Values[name].Const() {
			continue
		}
		s := n.Values[name].Shape
		if i := slices.Index(s, Batch); i >= 0 && slices.Contains(s[i+1:], Batch) { // each image with each other
			return true
		}
		most = max(most, size(s))
	}
	if line, ok := n.lineOf(l, op); ok {
		return slices.Contains(line.Axes, slices.Index(n.Values[l.In[0]].Shape, Batch))
	}
	if op.Type == "Shape" || op.Type == "Size" || valueShaped[op.Type] || op.elementwise() || 2*most > maxTried {
		return false
	}
	var whole, one, other []*operator.Tensor
	for i, name := range l.In {
		v := n.Input(l, i)
		switch {
		case v == nil:
			whole, one, other = append(whole, nil), append(one, nil), append(other, nil)
		case v.Const():
			whole, one, other = append(whole, v.tensor()), append(one, v.tensor()), append(other, v.tensor())
		case v.Shape == nil:
			return false
		default:
			a := picture(v, float64(len(name)))
			b := a
			if slices.Contains(v.Shape, Batch) {
				b = picture(v, float64(len(name))+0.5)
			}
			both, err := besides(v, a, b)
			if err != nil {
				return false
			}
			whole, one, other = append(whole, both), append(one, a), append(other, b)
		}
	}
	var made [3][]*operator.Tensor
	for i, in := range [][]*operator.Tensor{whole, one, other} {
		var err error
		if made[i], err = operator.Eval(op.Node(l), op.Opset, in); err != nil {
			return false
		}
	}
	for i, name := range l.Out {
		if name == "" || i >= len(made[0]) || n.Values[name].Shape == nil {
			continue
		}
		want, err := besides(n.Values[name], made[1][i], made[2][i])
		if err != nil || !equalTensors(made[0][i], want) {
			return true
		}
	}
	return false
}

// elementwise reports whether the operator is a function of each element, or of each pair.
func (o Operator) elementwise() bool {
	_, unary := operator.Function(&onnx.Node{OpType: o.Type, Domain: o.Domain, Attributes: o.Attributes})
	_, binary := operator.PairOf(o.Type)
	return unary || binary
}

// picture returns a tensor of one image, of numbers that look like no others of another phase.
func picture(v *Value, phase float64) *operator.Tensor {
	t := operator.New(v.elementType(), withBatch(v.Shape, 1)...)
	for i := range t.Data {
		t.Data[i] = float32(math.Sin(1.7*float64(i)+phase) * math.Cos(0.31*float64(i)+2*phase))
	}
	for i := range t.Ints { // small enough for indices, and for booleans
		if math.Sin(1.7*float64(i)+phase) > 0 {
			t.Ints[i] = 1
		}
	}
	return t
}

// besides joins what two images make along the batch axis of v; where v has none, it is an error if they differ.
func besides(v *Value, a, b *operator.Tensor) (*operator.Tensor, error) {
	axis := slices.Index(v.Shape, Batch)
	if axis < 0 {
		if !equalTensors(a, b) {
			return nil, fmt.Errorf("%q has no batch axis", v.Name)
		}
		return a, nil
	}
	both, err := operator.Eval(&onnx.Node{OpType: "Concat", Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(axis))}}, minOpset, []*operator.Tensor{a, b})
	if err != nil {
		return nil, err
	}
	return both[0], nil
}
