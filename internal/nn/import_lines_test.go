package nn

import "testing"

// lineForms are those of operators on lines, of products and of operators of one spatial axis.
var lineForms = []form{
	{"softmax over an image", 7, 12, "Reshape Softmax Reshape", func(b *graphBuilder) string { return b.node("Softmax", "x") }},
	{"log softmax over planes", 7, 12, "Reshape LogSoftmax Reshape", func(b *graphBuilder) string { return b.node("LogSoftmax", "x", num("axis", -2)) }},
	{"softmax over channels", 13, 0, "Softmax", func(b *graphBuilder) string { return b.node("Softmax", "x", num("axis", 1)) }},
	{"largest of channels", 7, 17, "ReduceMax", func(b *graphBuilder) string {
		return b.node("ReduceMax", "x", nums("axes", 1), num("keepdims", 0))
	}},
	{"smallest of a plane", 18, 0, "ReduceMin", func(b *graphBuilder) string { return b.node("ReduceMin", "x", b.list(2, 3)) }},
	{"length of pixels", 7, 17, "ReduceL2", func(b *graphBuilder) string { return b.node("ReduceL2", "x", nums("axes", 1)) }},
	{"sum of rows", 13, 0, "ReduceSum", func(b *graphBuilder) string { return b.node("ReduceSum", "x", b.list(-1)) }},
	{"directions, some of zeros", 7, 0, "Relu LpNormalization", func(b *graphBuilder) string {
		return b.node("LpNormalization", b.node("Relu", "x"), num("axis", 1))
	}},
	{"instance norm", 7, 0, "InstanceNormalization", func(b *graphBuilder) string {
		return b.node("InstanceNormalization", "x", b.weights(4), b.weights(4))
	}},
	{"layer norm", 17, 0, "LayerNormalization", func(b *graphBuilder) string {
		return b.node("LayerNormalization", "x", b.weights(6, 7), b.weights(7), num("axis", 2))
	}},
	{"product of planes", 7, 0, "Transpose MatMul", func(b *graphBuilder) string {
		return b.node("MatMul", "x", b.node("Transpose", "x", nums("perm", 0, 1, 3, 2)))
	}},
	{"conv of rows", 7, 0, "Reshape Reshape Conv BatchNormalization Relu Reshape MaxPool Reshape", func(b *graphBuilder) string {
		y := b.node("Reshape", "x", b.list(0, 24, 7))
		y = b.node("Add", b.node("Conv", y, b.weights(4, 12, 3), nums("pads", 1, 1), nums("kernel_shape", 3), num("group", 2)), b.weights(4, 1))
		y = b.node("BatchNormalization", y, b.weights(4), b.weights(4), b.weights(4), b.floats([]int64{4}, 1, 2, 3, 4))
		return b.node("MaxPool", b.node("Relu", y), nums("kernel_shape", 2), nums("strides", 2))
	}},
	{"conv of rows, same", 7, 0, "Reshape Reshape Conv Reshape Conv Reshape", func(b *graphBuilder) string {
		y := b.node("Reshape", "x", b.list(0, 24, 7))
		y = b.node("Conv", y, b.weights(5, 24, 2), b.weights(5), text("auto_pad", "SAME_UPPER"), nums("strides", 2))
		return b.node("Conv", y, b.weights(3, 5, 2), nums("dilations", 2))
	}},
	{"rows normalized and averaged", 7, 0, "Reshape Reshape BatchNormalization Reshape GlobalAveragePool Reshape", func(b *graphBuilder) string {
		y := b.node("Reshape", "x", b.list(0, 6, 28))
		y = b.node("BatchNormalization", y, b.weights(6), b.weights(6), b.weights(6), b.floats([]int64{6}, 1, 2, 3, 4, 5, 6))
		return b.node("GlobalAveragePool", y)
	}},
}

// This file comes before the one that makes the forms of all operators a part of all forms.
func init() { operatorForms = append(operatorForms, lineForms...) }

// A GroupNormalization of opset 18 has gains of groups and becomes that of opset 21.
func TestGroupsOfOpset18(t *testing.T) {
	b := newGraph(18)
	y := b.node("GroupNormalization", b.node("Conv", b.input("x", 4, 6, 7), b.weights(4, 4, 1, 1)), b.floats([]int64{2}, 1, 2), b.floats([]int64{2}, 3, 4), num("num_groups", 2))
	b.output(b.node("Conv", y, b.weights(2, 4, 1, 1)))
	n := b.mustImport(t)
	x := waves(4*6*7, 0.5)
	want := evaluate(t, n, x, 1)[n.Outputs[0]]
	m := export(t, n, ExportOptions{})
	if m.Opset() != 21 {
		t.Errorf("opset %d, want 21", m.Opset())
	}
	if d := distance(evaluate(t, reimport(t, m), x, 1)[n.Outputs[0]], want); !(d <= 1e-6) {
		t.Errorf("off by %g", d)
	}
}
