package nn

import (
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// halves adds a float16 constant of a shape.
func (b *graphBuilder) halves(dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return b.constant(onnx.NewFloatsOf(b.name("h"), onnx.Float16, dims, waves(int(n), float64(b.names))))
}

// halfModel has two convolutions of float16 between what the arguments add.
func halfModel(input onnx.DataType, size []int64, before, after func(b *graphBuilder, x string) string, output onnx.DataType) *graphBuilder {
	b := newGraph(13)
	b.input("x", size...)
	b.model.Graph.Inputs[0].Type = input
	x := b.node("Conv", before(b, "x"), b.halves(5, 3, 3, 3), b.halves(5))
	x = b.node("BatchNormalization", x, b.halves(5), b.halves(5), b.halves(5), b.constant(onnx.NewFloatsOf("variance", onnx.Float16, []int64{5}, []float32{1, 2, 1, 0.5, 1})))
	x = b.node("Mul", b.node("Relu", x), b.constant(onnx.NewFloatsOf("two", onnx.Float16, nil, []float32{2})))
	x = b.node("Conv", x, b.halves(4, 5, 1, 1))
	b.typed(after(b, x), output)
	return b
}

// A network of half precision is one of float32, and its file keeps the types of its inputs and outputs.
func TestFloat16(t *testing.T) {
	half, float := num("to", int64(onnx.Float16)), num("to", int64(onnx.Float))
	same := func(_ *graphBuilder, x string) string { return x }
	cast := func(to *onnx.Attribute) func(b *graphBuilder, x string) string {
		return func(b *graphBuilder, x string) string { return b.node("Cast", x, to) }
	}
	for _, tt := range []struct {
		name  string
		model *graphBuilder
	}{
		{"all", halfModel(onnx.Float16, []int64{3, 8, 6}, same, same, onnx.Float16)},
		{"all, behind casts", halfModel(onnx.Float16, []int64{3, 8, 6}, cast(half), cast(half), onnx.Float16)},
		{"between casts", halfModel(onnx.Float, []int64{3, 8, 6}, cast(half), cast(float), onnx.Float)},
		{"channels last", halfModel(onnx.Float16, []int64{8, 6, 3}, func(b *graphBuilder, x string) string { return b.first(x) }, same, onnx.Float16)},
		{"of bytes", halfModel(onnx.Uint8, []int64{8, 6, 3}, func(b *graphBuilder, x string) string {
			return b.node("Mul", b.node("Cast", b.first(x), half), b.constant(onnx.NewFloatsOf("scale", onnx.Float16, nil, []float32{1. / 64})))
		}, same, onnx.Float16)},
		{"with constants in nodes and a tail", halfModel(onnx.Float16, []int64{3, 8, 6}, func(b *graphBuilder, x string) string {
			return b.node("Add", x, b.node("Constant", onnx.AttrT("value", onnx.NewFloatsOf("", onnx.Float16, nil, []float32{0.25}))))
		}, func(b *graphBuilder, x string) string {
			return b.node("Mul", b.node("Softmax", x, num("axis", 1)), b.node("Cast", b.node("Gather", b.node("Shape", x), b.list(2)), half))
		}, onnx.Float16)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := tt.model.mustImport(t)
			for _, v := range n.Values {
				if v.Type == onnx.Float16 && v.Name != n.Outputs[0] {
					t.Errorf("%q is float16", v.Name)
				}
			}
			comparePortsTo(t, sourceFile(t, tt.model), n, 50)
		})
	}
}

// A network of float32 that rounds to float16 behind its last layer goes on doing so.
func TestFloat16Rounding(t *testing.T) {
	b := newGraph(13)
	b.input("x", 3, 4, 4)
	x := b.node("Conv", "x", b.weights(2, 3, 1, 1))
	b.output(b.node("Cast", b.node("Cast", x, num("to", int64(onnx.Float16))), num("to", int64(onnx.Float))))
	n := b.mustImport(t)
	y := evaluate(t, n, waves(48, 0.3), 1)[n.Outputs[0]]
	for _, v := range y {
		if onnx.RoundFloat(v, onnx.Float16) != v {
			t.Fatalf("%v is no float16", v)
		}
	}
}

// In front of weights such rounding is nothing beside that of quantization, and is not kept. What is computed with it is refused.
func TestFloat16RoundingBeforeWeights(t *testing.T) {
	half := num("to", int64(onnx.Float16))
	build := func(between func(b *graphBuilder, x string) string) *graphBuilder {
		b := newGraph(13)
		b.input("x", 3, 4, 4)
		x := b.node("Cast", between(b, b.node("Cast", b.node("Relu", "x"), half)), num("to", int64(onnx.Float)))
		b.output(b.node("Conv", x, b.weights(2, 3, 1, 1)))
		return b
	}
	b := build(func(b *graphBuilder, x string) string { return x })
	source := sourceFile(t, b)
	n := b.mustImport(t)
	if len(n.Layers) != 2 {
		t.Errorf("%d layers, want Relu and Conv", len(n.Layers))
	}
	declared, x := imagesFor(n, 2)
	want := floats(t, oracle.RunORT(t, source, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})[0])
	if d := distance(evaluate(t, n, x, 2)[n.Outputs[0]], want); !(d <= 1e-3) {
		t.Errorf("off by %g from ONNX Runtime", d)
	}
	_, err := Import(build(func(b *graphBuilder, x string) string { return b.node("Relu", x) }).model)
	if err == nil || !strings.Contains(err.Error(), "(Cast): to float16") {
		t.Errorf("error %v", err)
	}
}

// Types that no network computes in, and bodies of half precision.
func TestFloat16Errors(t *testing.T) {
	b := newGraph(13)
	b.input("x", 3, 4, 4)
	b.output(b.node("Conv", "x", b.weights(2, 3, 1, 1)))
	b.model.Graph.Inputs[0].Type = onnx.Double
	const want = `(Conv): reads the float64 input "x": only a Cast to float32 is supported`
	if _, err := Import(b.model); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	b = halfModel(onnx.Float16, []int64{3, 4, 4}, func(_ *graphBuilder, x string) string { return x }, func(b *graphBuilder, x string) string {
		return b.node("If", b.constant(onnx.NewInts("c", onnx.Bool, nil, []int64{1})), bodyOf("then_branch", 1), bodyOf("else_branch", 2))
	}, onnx.Float16)
	if _, err := Import(b.model); err == nil || !strings.Contains(err.Error(), "has a body, which is not converted from float16") {
		t.Errorf("error %v", err)
	}
}
