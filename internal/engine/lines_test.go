package engine

import (
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
)

// Operators on lines in the engine's order of memory are those of the definition, and their gradients are what differences say.
func TestLines(t *testing.T) {
	type add = func(nn.Op, ...string) string
	type constant = func(*nn.Value) string
	at := func(op string, opset int64, attrs ...*onnx.Attribute) nn.Operator {
		return nn.Operator{Type: op, Opset: opset, Attributes: attrs}
	}
	axes := func(v ...int64) *onnx.Attribute { return onnx.AttrIs("axes", v...) }
	drop := onnx.AttrI("keepdims", 0)
	scale, shift := number(1, -2, 0.5, 3), number(0, 1, 2, -1)
	checkOperators(t, []operatorCase{
		{"softmax of channels", 2, 3, func(a add, k constant) string { return a(at("Softmax", 13, onnx.AttrI("axis", 1)), "x") }},
		{"softmax of pixels", 2, 3, func(a add, k constant) string {
			return a(at("Softmax", 13, onnx.AttrI("axis", 2)), a(nn.Reshape{Shape: []int{nn.Batch, 4, 6}}, "x"))
		}},
		{"softmax of an image", 2, 3, func(a add, k constant) string { return a(at("Softmax", 11), "x") }},
		{"log softmax of a flattened map", 2, 2, func(a add, k constant) string { return a(at("LogSoftmax", 13), a(nn.Flatten{}, "x")) }},
		{"mean of channels", 2, 3, func(a add, k constant) string { return a(at("ReduceMean", 13, axes(1)), "x") }},
		{"largest of channels", 3, 2, func(a add, k constant) string { return a(at("ReduceMax", 13, axes(1), drop), "x") }},
		{"smallest of a plane", 2, 3, func(a add, k constant) string { return a(at("ReduceMin", 13, axes(2, 3), drop), "x") }},
		{"sum of a row", 2, 3, func(a add, k constant) string { return a(at("ReduceSum", 13), "x", k(integers(-1))) }},
		{"length of pixels", 2, 3, func(a add, k constant) string { return a(at("ReduceL2", 18), "x", k(integers(1))) }},
		{"instances normalized", 2, 3, func(a add, k constant) string { return a(at("InstanceNormalization", 13), "x", k(scale), k(shift)) }},
		{"groups normalized", 2, 2, func(a add, k constant) string {
			return a(at("GroupNormalization", 21, onnx.AttrI("num_groups", 2)), "x", k(scale), k(shift))
		}},
		{"pixels normalized", 2, 3, func(a add, k constant) string {
			y := a(onnxOp("Transpose", onnx.AttrIs("perm", 0, 2, 3, 1)), "x")
			return a(onnxOp("Transpose", onnx.AttrIs("perm", 0, 3, 1, 2)), a(at("LayerNormalization", 17), y, k(scale), k(shift)))
		}},
		{"images normalized", 2, 2, func(a add, k constant) string {
			return a(at("LayerNormalization", 17, onnx.AttrI("axis", 1)), "x", k(&nn.Value{Shape: []int{4, 1, 1}, Data: scale.Data, Type: onnx.Float}))
		}},
		{"a vector normalized", 1, 2, func(a add, k constant) string {
			return a(at("LayerNormalization", 17), a(at("ReduceMean", 13, axes(2, 3), drop), "x"), k(scale))
		}},
	})
}

// So are products of matrices.
func TestProducts(t *testing.T) {
	type add = func(nn.Op, ...string) string
	type constant = func(*nn.Value) string
	turn := func(a add, x string, perm ...int64) string {
		return a(onnxOp("Transpose", onnx.AttrIs("perm", perm...)), x)
	}
	checkOperators(t, []operatorCase{
		{"of planes", 2, 3, func(a add, k constant) string { return a(onnxOp("MatMul"), "x", turn(a, "x", 0, 1, 3, 2)) }},
		{"of a plane with itself", 3, 3, func(a add, k constant) string { return a(onnxOp("MatMul"), "x", "x") }},
		{"of channels", 2, 3, func(a add, k constant) string {
			y := a(nn.Reshape{Shape: []int{nn.Batch, 4, 6}}, "x")
			return a(onnxOp("MatMul"), turn(a, y, 0, 2, 1), a(onnxOp("Sigmoid"), y))
		}},
		{"of a stack with one", 2, 3, func(a add, k constant) string {
			y := a(nn.Slice{Starts: []int{1}, Ends: []int{2}, Axes: []int{1}, Steps: []int{1}}, turn(a, "x", 0, 1, 3, 2))
			return a(onnxOp("MatMul"), "x", y)
		}},
	})
}
