package nn

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
)

// symbolicBatch stands for the batch size among the integers that a graph computes from shapes, such as the
// target of a Reshape.
const symbolicBatch int64 = math.MinInt64

// importConstant reads Constant in any of its spellings; value_* came with opset 12.
func importConstant(n *node) error {
	for _, a := range n.Attributes {
		switch a.Name {
		case "value":
			if a.Tensor == nil {
				return fmt.Errorf("attribute value has no tensor")
			}
			_, err := n.im.addTensor(n.Outputs[0], a.Tensor)
			return err
		case "value_float":
			return n.fold(&Value{Shape: []int{}, Data: []float32{a.Float}}, onnx.Float)
		case "value_floats":
			return n.fold(&Value{Shape: []int{len(a.Floats)}, Data: slices.Concat([]float32{}, a.Floats)}, onnx.Float)
		case "value_int":
			return n.fold(&Value{Shape: []int{}, Ints: []int64{a.Int}}, onnx.Int64)
		case "value_ints":
			return n.fold(&Value{Shape: []int{len(a.Ints)}, Ints: slices.Concat([]int64{}, a.Ints)}, onnx.Int64)
		}
	}
	return n.unsupported("has no value, or none of numbers")
}

// importCast folds the Cast of a constant, and drops that of a computed tensor to the type it has.
func importCast(n *node) error {
	to := onnx.DataType(n.int("to", 0))
	c, err := n.constant(0)
	if err != nil {
		return err
	}
	if c == nil {
		if to != onnx.Float {
			return n.unsupported("to %v", to)
		}
		return n.forward(n.in(0))
	}
	v := Value{Shape: c.Shape}
	switch {
	case to == onnx.Float && c.Data != nil:
		v.Data, v.Quant = c.Data, c.Quant
	case to == onnx.Float:
		v.Data = make([]float32, len(c.Ints))
		for i, x := range c.Ints {
			if x == symbolicBatch {
				return n.unsupported("casts the batch size to %v", to)
			}
			v.Data[i] = float32(x)
		}
	case c.Data == nil:
		lo, hi, ok := integerRange(to)
		if !ok {
			return n.unsupported("to %v", to)
		}
		for _, x := range c.Ints {
			if x != symbolicBatch && (x < lo || x > hi) {
				return fmt.Errorf("%d does not fit %v", x, to)
			}
		}
		v.Ints = c.Ints
	default:
		return n.unsupported("casts floats to %v", to)
	}
	return n.fold(&v, to)
}

// integerRange returns the least and greatest value of an integer type.
func integerRange(t onnx.DataType) (lo, hi int64, ok bool) {
	bits := t.Bits()
	switch t {
	case onnx.Int64, onnx.Int32, onnx.Int16, onnx.Int8, onnx.Int4, onnx.Int2:
		return -1 << (bits - 1), 1<<(bits-1) - 1, true
	case onnx.Uint32, onnx.Uint16, onnx.Uint8, onnx.Uint4, onnx.Uint2:
		return 0, 1<<bits - 1, true
	}
	return 0, 0, false
}

// importShape makes a constant of a tensor's shape. Opset 15 added a range of axes.
func importShape(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	start := resolveIndex(n.int("start", 0), len(x))
	end := resolveIndex(n.int("end", len(x)), len(x))
	ints := make([]int64, 0, len(x))
	for i := start; i < end; i++ {
		d := int64(x[i])
		if x[i] == Batch {
			d = symbolicBatch
		}
		ints = append(ints, d)
	}
	return n.fold(&Value{Shape: []int{len(ints)}, Ints: ints}, onnx.Int64)
}

// importGather picks elements of a constant list of integers, as graphs do that compute with shapes.
func importGather(n *node) error {
	list, err := n.integers(0)
	if err != nil {
		return err
	}
	index, err := n.integers(1)
	if err != nil {
		return err
	}
	if len(list.Shape) != 1 {
		return n.unsupported("from the scalar %q", list.Name)
	}
	v := &Value{Shape: index.Shape, Ints: make([]int64, len(index.Ints))}
	for i, at := range index.Ints {
		if at < 0 {
			at += int64(len(list.Ints))
		}
		if at < 0 || at >= int64(len(list.Ints)) {
			return fmt.Errorf("index %d is outside %d elements", index.Ints[i], len(list.Ints))
		}
		v.Ints[i] = list.Ints[at]
	}
	return n.fold(v, n.im.types[list.Name])
}

// importConcat joins constant lists of integers.
func importConcat(n *node) error {
	v := &Value{Ints: []int64{}}
	var typ onnx.DataType
	for i := range n.Inputs {
		list, err := n.integers(i)
		if err != nil {
			return err
		}
		if len(list.Shape) != 1 {
			return fmt.Errorf("input %q is a scalar", list.Name)
		}
		v.Ints = append(v.Ints, list.Ints...)
		typ = n.im.types[list.Name]
	}
	v.Shape = []int{len(v.Ints)}
	return n.fold(v, typ)
}

// importUnsqueeze makes a list of a constant integer.
func importUnsqueeze(n *node) error {
	c, err := n.integers(0)
	if err != nil {
		return err
	}
	axes, _, err := n.list("axes", 1, 13)
	if err != nil {
		return err
	}
	if len(c.Shape) != 0 || len(axes) != 1 || axes[0] != 0 && axes[0] != -1 {
		return n.unsupported("axes %v of %v", axes, c.Shape)
	}
	return n.fold(&Value{Shape: []int{1}, Ints: c.Ints}, n.im.types[c.Name])
}

// foldSlice applies op to a constant list of integers.
func (n *node) foldSlice(c *Value, op Slice) error {
	if c.Ints == nil || len(c.Shape) != 1 {
		return n.unsupported("of the constant %q", c.Name)
	}
	ints := slices.Concat([]int64{}, c.Ints)
	if len(op.Axes) == 1 {
		ints = ints[:0]
		for i := op.Starts[0]; i < op.Ends[0]; i += op.Steps[0] {
			ints = append(ints, c.Ints[i])
		}
	}
	return n.fold(&Value{Shape: []int{len(ints)}, Ints: ints}, n.im.types[c.Name])
}

// integers returns the i-th input, which must be a constant integer or list of them.
func (n *node) integers(i int) (*Value, error) {
	if n.in(i) == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	v, err := n.constant(i)
	if err != nil {
		return nil, err
	}
	if v == nil || v.Ints == nil || len(v.Shape) > 1 {
		return nil, n.unsupported("only supported where it computes a shape")
	}
	return v, nil
}
