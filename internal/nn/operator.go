package nn

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// tensor returns a constant as package operator takes it.
func (v *Value) tensor() *operator.Tensor {
	return &operator.Tensor{Type: v.elementType(), Shape: v.Shape, Data: v.Data, Ints: v.Ints}
}

// elementType is the type of the elements, float32 or int64 where it was not given.
func (v *Value) elementType() onnx.DataType {
	switch {
	case v.Type != onnx.Undefined:
		return v.Type
	case v.Ints != nil:
		return onnx.Int64
	}
	return onnx.Float
}

// The batches by which an Operator is tried to see how its shape follows from that of its inputs.
var tryBatches = [2]int{2, 3}

// inferOperator sets types and shapes of the outputs of l by running it on tensors of imageFill, or zeros where
// they are integers, for two batch sizes. A network with a baked-in batch of 1 may allow no other; then an axis of 1 in first
// place is the batch. What depends on the values of computed tensors, and what an unknown operator makes, has no shape.
func (n *Network) inferOperator(l *Layer, op Operator) error {
	for _, name := range l.Out {
		if name != "" && n.Values[name] == nil {
			n.Values[name] = &Value{Name: name}
		}
	}
	shapes, types, err := n.operatorShapes(l, op)
	for i, name := range l.Out {
		if name == "" || i >= len(shapes) {
			continue
		}
		n.Values[name].Shape, n.Values[name].Type = shapes[i], types[i]
	}
	return err
}

// errNoShape says that an output's shape cannot be known.
var errNoShape = errors.New("no shape")

// batchError says that an output's shape follows from the batch size otherwise than by an axis that is the batch: it is none
// that a Value could have.
type batchError struct{ error }

func (n *Network) operatorShapes(l *Layer, op Operator) (shapes [][]int, types []onnx.DataType, err error) {
	if !operator.Known(op.Domain, op.Type) {
		return nil, nil, nil
	}
	if err := n.checkTypes(l, op); err != nil {
		return nil, nil, err
	}
	a, err := n.tryOperator(l, op, tryBatches[0])
	var b []*operator.Tensor
	if err == nil {
		b, err = n.tryOperator(l, op, tryBatches[1])
	}
	if err == errNoShape {
		return nil, nil, nil
	}
	if err != nil && n.BatchDim == "" {
		if a, err = n.tryOperator(l, op, 1); err == nil {
			b = a
		}
	}
	if err != nil {
		return nil, nil, err
	}
	for i, t := range a {
		shape, follows := symbolicShape(t.Shape, b[i].Shape, a[i] == b[i])
		if follows != nil {
			err = batchError{follows}
		}
		shapes, types = append(shapes, shape), append(types, t.Type)
	}
	return shapes, types, err
}

// checkTypes refuses floats where an operator wants integers: a shape, indices or axes, that may be computed.
func (n *Network) checkTypes(l *Layer, op Operator) error {
	for i, name := range l.In {
		v := n.Values[name]
		if v == nil || !operator.WantsIntegers(op.Type, i) {
			continue
		}
		known := v.Const() && size(v.Shape) > 0 || !v.Const() && (v.Shape != nil || v.Type != onnx.Undefined)
		if typ := v.elementType(); known && v.Ints == nil && operator.IsFloat(typ) {
			return fmt.Errorf("input %q is %v where integers are wanted", name, typ)
		}
	}
	return nil
}

// mixesImages reports whether l's outputs are not one tensor for each image, in the order of the images: their first
// axis is not the batch, another one is, or elements come from another image.
func (n *Network) mixesImages(l *Layer, op Operator) bool {
	for _, name := range l.Out {
		if name == "" {
			continue
		}
		s := n.Values[name].Shape
		baked := n.BatchDim == "" && len(s) > 0 && s[0] == 1 // such as the sizes of a Resize
		if len(s) == 0 || s[0] != Batch && !baked || slices.Contains(s[1:], Batch) {
			return true
		}
	}
	if line, ok := n.lineOf(l, op); ok && slices.Contains(line.Axes, 0) {
		return true
	}
	if !op.Moves() {
		return false
	}
	const batch = 2
	out, err := n.tryOperator(l, op, batch)
	if err != nil { // a baked-in batch of 1
		return false
	}
	// What is too large to try has no elements here: of it the shape has said enough.
	for i, name := range l.Out {
		if name == "" || i >= len(out) || len(out[i].Shape) == 0 || out[i].Shape[0] != batch {
			continue
		}
		for j, v := range out[i].Data {
			if v != imageFill(j*batch/len(out[i].Data)) {
				return true
			}
		}
	}
	return false
}

// imageFill is what tryOperator has in the elements of the i-th image.
func imageFill(i int) float32 { return float32(i + 1) }

// symbolicShape compares the shapes that two batch sizes make. Where both are one, the batch was baked in.
func symbolicShape(a, b []int, baked bool) ([]int, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("shapes %v and %v follow from the batch size", a, b)
	}
	shape := slices.Clone(a)
	if baked {
		if len(shape) > 0 && shape[0] == 1 {
			shape[0] = Batch
		}
		return shape, nil
	}
	for i := range a {
		switch {
		case a[i] == b[i]:
		case a[i] == tryBatches[0] && b[i] == tryBatches[1]:
			shape[i] = Batch
		default:
			return nil, fmt.Errorf("axis %d of its output follows from the batch size: %d for %d, %d for %d", i, a[i], tryBatches[0], b[i], tryBatches[1])
		}
	}
	return shape, nil
}

// tryOperator runs l on tensors that have only the right shape. Where they are too large, it returns only types and
// shapes, if the operator has rules for them.
func (n *Network) tryOperator(l *Layer, op Operator, batch int) ([]*operator.Tensor, error) {
	if valueShaped[op.Type] {
		return nil, errNoShape
	}
	in := make([]*operator.Tensor, len(l.In))
	large := false
	for i, name := range l.In {
		v := n.Values[name]
		switch {
		case name == "":
		case v == nil:
			return nil, fmt.Errorf("no tensor %q", name)
		case v.Const():
			in[i] = v.tensor()
		case v.Shape == nil:
			return nil, errNoShape
		default:
			if i > 0 && shapedBy[op.Type] {
				return nil, errNoShape
			}
			if size(v.Shape)*batch > maxTried {
				in[i], large = &operator.Tensor{Type: v.elementType(), Shape: withBatch(v.Shape, batch)}, true
				continue
			}
			in[i] = operator.New(v.elementType(), withBatch(v.Shape, batch)...)
			perImage := len(in[i].Data)
			if len(v.Shape) > 0 && v.Shape[0] == Batch {
				perImage /= batch
			}
			for j := range in[i].Data {
				in[i].Data[j] = imageFill(j / perImage)
			}
		}
	}
	if large {
		out, err := operator.Outline(op.Node(l), op.Opset, in)
		if out == nil && err == nil {
			err = errNoShape
		}
		return out, err
	}
	return operator.Eval(op.Node(l), op.Opset, in)
}

// maxTried bounds the elements of a tensor that an operator is tried with.
const maxTried = 1 << 24

// tooLarge says which input of l is too large to find its output's shape by trying it; "" where none is.
func (n *Network) tooLarge(in []string) string {
	for _, name := range in {
		if v := n.Values[name]; v != nil && !v.Const() && size(v.Shape)*tryBatches[1] > maxTried {
			return fmt.Sprintf("its input %q is too large, %v, to find out the shape of its output", name, v.Shape)
		}
	}
	return ""
}

// valueShaped has the operators whose output's shape follows from the values of their first input, shapedBy those
// where it follows from another.
var (
	valueShaped = map[string]bool{"NonZero": true, "Compress": true, "ConstantOfShape": true, "Range": true}
	shapedBy    = map[string]bool{
		"Reshape": true, "Expand": true, "Tile": true, "Slice": true, "Pad": true, "Resize": true, "Upsample": true, "OneHot": true,
		"TopK": true, "Split": true, "Squeeze": true, "Unsqueeze": true, "ReduceSum": true, "ReduceMean": true, "ReduceMax": true,
		"ReduceMin": true, "ReduceProd": true, "ReduceL1": true, "ReduceL2": true, "ReduceLogSum": true, "ReduceLogSumExp": true,
		"ReduceSumSquare": true,
	}
)

// withBatch returns a shape with the batch filled in.
func withBatch(shape []int, batch int) []int {
	s := slices.Clone(shape)
	for i, d := range s {
		if d == Batch {
			s[i] = batch
		}
	}
	return s
}

// checkOperator checks a layer of any operator. Shapes are those that were inferred once; they are not inferred anew.
func (n *Network) checkOperator(l *Layer, ready map[string]bool) error {
	for _, name := range l.Out {
		switch {
		case name == "":
		case n.Values[name] == nil:
			return fmt.Errorf("output %q has no value", name)
		case ready[name]:
			return fmt.Errorf("makes %q, which is there already", name)
		}
		ready[name] = true
	}
	return nil
}

// trains reports whether the engine has the operator, with its gradient: it moves elements, interpolates between
// them, or is a function of each element, of each pair of two inputs, or of lines of elements.
func (o Operator) trains() bool {
	if o.Moves() || o.onLines() {
		return true
	}
	node := &onnx.Node{OpType: o.Type, Domain: o.Domain}
	_, unary := operator.Function(node)
	_, binary := operator.PairOf(o.Type)
	resize := o.Type == "Resize" || o.Type == "Upsample"
	return unary || (binary || resize) && operator.Known(o.Domain, o.Type)
}

// onLines reports whether the operator works on lines of elements: a Softmax, a normalization, a reduction.
func (o Operator) onLines() bool {
	return operator.Known(o.Domain, o.Type) && operator.TrainsLines(o.Type)
}

// lineOf returns what l does to lines of its first input. ok is false where that is not all it does, or follows from other inputs that
// are computed.
func (n *Network) lineOf(l *Layer, op Operator) (line operator.Line, ok bool) {
	in := make([]*operator.Tensor, len(l.In))
	for i := range in {
		switch v := n.Input(l, i); {
		case v == nil:
		case i == 0 && !v.Const() && v.Shape != nil:
			in[0] = &operator.Tensor{Type: v.elementType(), Shape: withBatch(v.Shape, 1)}
		case !v.Const():
			return line, false
		default:
			in[i] = v.tensor()
		}
	}
	if len(in) == 0 || in[0] == nil || in[0].Type != onnx.Float {
		return line, false
	}
	return operator.LineOf(op.Node(l), op.Opset, in)
}
