package nn

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// typed makes a tensor an output of a type.
func (b *graphBuilder) typed(name string, t onnx.DataType) {
	b.model.Graph.Outputs = append(b.model.Graph.Outputs, &onnx.ValueInfo{Name: name, Type: t})
}

// bodyOf returns a graph that makes its own constant twice as large, as an attribute.
func bodyOf(name string, v float32) *onnx.Attribute {
	return onnx.AttrG(name, &onnx.Graph{
		Name:         name,
		Initializers: []*onnx.Tensor{onnx.NewFloats("own", []int64{1}, []float32{v})},
		Nodes:        []*onnx.Node{{OpType: "Add", Inputs: []string{"own", "own"}, Outputs: []string{"sum"}}},
		Outputs:      []*onnx.ValueInfo{{Name: "sum", Type: onnx.Float}},
	})
}

// suppressed adds the boxes and scores that two convolutions make and what NonMaxSuppression selects of them.
func suppressed(b *graphBuilder) (boxes, scores, selected string) {
	flat := func(x string, classes int64) string {
		return b.node("Reshape", b.node("Transpose", x, nums("perm", 0, 2, 3, 1)), b.list(0, -1, classes))
	}
	boxes = b.node("Sigmoid", flat(conv(b), 4))
	scores = b.node("Transpose", b.node("Sigmoid", flat(b.node("Conv", "x", b.weights(2, 4, 1, 1)), 2)), nums("perm", 0, 2, 1))
	return boxes, scores, b.node("NonMaxSuppression", boxes, scores, b.list(3), b.floats([]int64{1}, 0.5), b.floats([]int64{1}, 0.1))
}

// Tails of which nobody knows the shapes go into the file as they were: ONNX Runtime makes of it what it makes of the source.
func TestTails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opset int64
		to    int64
		build func(b *graphBuilder)
	}{
		{"suppression", 11, 21, func(b *graphBuilder) {
			_, _, selected := suppressed(b)
			b.typed(selected, onnx.Int64)
			b.output(b.node("Cast", selected, num("to", int64(onnx.Float))))
		}},
		{"boxes gathered", 13, 0, func(b *graphBuilder) {
			boxes, scores, selected := suppressed(b)
			image := b.node("Slice", selected, b.list(0), b.list(1), b.list(1))
			box := b.node("Squeeze", b.node("Slice", selected, b.list(2), b.list(3), b.list(1)), b.list(1))
			at := b.node("Concat", image, b.node("Reshape", box, b.list(-1, 1)), num("axis", 1))
			picked := b.node("GatherND", boxes, at)
			parts := b.node("Split", picked, b.list(2, 2), num("axis", 1))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "rest")
			half := b.node("Relu", b.node("Add", parts, "rest"))
			b.output(b.node("Flatten", half))
			b.output(b.node("Clip", b.node("GatherND", scores, selected), b.floats(nil, 0.2), b.floats(nil, 0.9)))
			b.typed(at, onnx.Int64)
			b.typed(b.node("Add", image, image), onnx.Int64)
		}},
		{"the best", 13, 0, func(b *graphBuilder) {
			values := b.node("TopK", b.node("Flatten", conv(b)), b.list(5), num("axis", 1))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "places")
			b.output(values)
			b.typed(b.node("Slice", "places", b.list(1), b.list(3), b.list(1)), onnx.Int64)
			b.typed(b.node("Add", "places", "places"), onnx.Int64)
			b.typed(b.node("Clip", "places", b.levels(onnx.Int64, nil, 0), b.levels(onnx.Int64, nil, 50)), onnx.Int64)
		}},
		{"a stranger under another name", 13, 21, func(b *graphBuilder) {
			y := b.node("Gelu", conv(b))
			b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1].Domain = "com.microsoft"
			b.model.Opsets = append(b.model.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
			b.output(b.node("Identity", y))
			b.output(b.node("Relu", b.node("Identity", y)))
		}},
		{"the last state alone", 13, 21, func(b *graphBuilder) {
			y := b.node("LSTM", b.node("Reshape", conv(b), b.list(4, -1, 42)), b.weights(1, 20, 42), b.weights(1, 20, 5), num("hidden_size", 5))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = []string{"", "", y}
			b.output(y)
		}},
		{"recurrent", 11, 21, func(b *graphBuilder) {
			y := b.node("Reshape", conv(b), b.list(4, -1, 42))
			b.output(b.node("GRU", y, b.weights(1, 15, 42), b.weights(1, 15, 5), num("hidden_size", 5)))
			b.output(b.node("RNN", y, b.weights(1, 5, 42), b.weights(1, 5, 5), num("hidden_size", 5)))
		}},
		{"classes of all images in a row", 13, 0, func(b *graphBuilder) {
			b.typed(b.node("Unique", b.node("Reshape", b.node("ArgMax", conv(b), num("axis", 1)), b.list(-1)), num("sorted", 1)), onnx.Int64)
		}},
		{"pixels of all images in a row", 13, 0, func(b *graphBuilder) {
			y := b.node("Reshape", b.node("Transpose", conv(b), nums("perm", 0, 2, 3, 1)), b.list(-1, 4))
			b.output(b.node("Softmax", y, num("axis", 1)))
		}},
		{"pixels of one image in a row", 13, 0, func(b *graphBuilder) {
			b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
			y := b.node("Reshape", b.node("Transpose", conv(b), nums("perm", 0, 2, 3, 1)), b.list(-1, 2))
			b.output(b.node("Softmax", y, num("axis", 1)))
		}},
		{"pixels of one image in a row and back", 13, 21, func(b *graphBuilder) {
			b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
			y := b.node("Reshape", b.node("Transpose", conv(b), nums("perm", 0, 2, 3, 1)), b.list(-1, 2))
			b.output(b.node("Reshape", b.node("Softmax", y, num("axis", 1)), b.list(1, -1, 2)))
		}},
		{"samples of a grid", 16, 21, func(b *graphBuilder) {
			b.output(b.node("Relu", b.node("GridSample", conv(b), b.weights(2, 3, 3, 2), text("mode", "bicubic"))))
			b.output(b.node("Relu", b.node("GridSample", conv(b), b.weights(2, 3, 3, 2))))
		}},
		{"frequencies", 17, 21, func(b *graphBuilder) {
			b.output(b.node("DFT", b.node("Reshape", conv(b), b.list(0, 12, 7, 2))))
			b.output(b.node("DFT", b.node("Reshape", conv(b), b.list(0, 12, 7, 2)), num("axis", 2)))
		}},
		{"the best, wherever they are", 13, 0, func(b *graphBuilder) {
			b.output(b.node("TopK", b.node("Flatten", conv(b)), b.list(5), num("axis", 1)))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "places")
		}},
		{"quantized as it comes", 13, 21, func(b *graphBuilder) {
			b.typed(b.node("DynamicQuantizeLinear", conv(b)), onnx.Uint8)
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "scale", "zero")
		}},
		{"the first of two branches", 13, 0, func(b *graphBuilder) {
			b.output(conv(b))
			body := &onnx.Graph{
				Name:         "body",
				Initializers: []*onnx.Tensor{onnx.NewFloats("own", []int64{1}, []float32{3})},
				Nodes: []*onnx.Node{
					{OpType: "Add", Inputs: []string{"own", "own"}, Outputs: []string{"sum"}},
					{OpType: "Neg", Inputs: []string{"own"}, Outputs: []string{"minus"}},
				},
				Outputs: []*onnx.ValueInfo{{Name: "sum", Type: onnx.Float}, {Name: "minus", Type: onnx.Float}},
			}
			b.output(b.node("If", b.levels(onnx.Bool, nil, 1), onnx.AttrG("then_branch", body), onnx.AttrG("else_branch", body)))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "other")
		}},
		{"classes under another name", 13, 21, func(b *graphBuilder) {
			classes := b.node("ArgMax", conv(b), num("axis", 1))
			b.typed(b.node("Identity", classes), onnx.Int64)
			b.typed(b.node("Cast", classes, num("to", int64(onnx.Int64))), onnx.Int64)
			b.typed(classes, onnx.Int64)
			b.typed(b.node("Identity", b.node("Greater", conv(b), b.floats(nil, 0))), onnx.Bool)
		}},
		{"shapes", 13, 21, func(b *graphBuilder) {
			y := conv(b)
			b.output(b.node("Relu", y))
			b.typed(b.node("Shape", y), onnx.Int64)
			b.typed(b.node("Size", y), onnx.Int64)
			b.typed(b.node("Identity", batchAnd(b, y, 3, 4)), onnx.Int64)
			b.typed(b.node("Shape", b.node("Flatten", "x")), onnx.Int64)
			b.typed(b.node("Slice", b.node("Shape", y), b.list(1), b.list(3)), onnx.Int64)
		}},
		{"pooled regions", 11, 21, func(b *graphBuilder) {
			regions := b.floats([]int64{2, 4}, 0, 0, 3, 3, 1, 1, 5.5, 4)
			images := b.constant(onnx.NewInts("images", onnx.Int64, []int64{2}, []int64{0, 1}))
			b.output(b.node("RoiAlign", conv(b), regions, images, num("output_height", 2), num("output_width", 3)))
		}},
		{"means of distributions", 13, 21, func(b *graphBuilder) {
			y := b.node("Reshape", b.node("Conv", "x", b.weights(8, 4, 1, 1)), b.list(0, 2, 4, 42))
			y = b.node("Softmax", b.node("Transpose", y, nums("perm", 0, 2, 1, 3)), num("axis", 1))
			b.output(b.node("Reshape", b.node("Conv", y, b.floats([]int64{1, 4, 1, 1}, 0, 1, 2, 3)), b.list(0, 2, 42)))
			z := b.node("Transpose", b.node("Conv", "x", b.weights(3, 4, 1, 1)), nums("perm", 0, 2, 3, 1))
			z = b.node("Transpose", b.node("Softmax", z, num("axis", 3)), nums("perm", 0, 3, 1, 2))
			b.output(b.node("Conv", z, b.floats([]int64{1, 3, 1, 1}, 0, 1, 2)))
		}},
		{"constants beside", 13, 0, func(b *graphBuilder) {
			b.output(b.node("Relu", conv(b)))
			b.output(b.weights(3, 4))
			b.output(b.node("Mul", b.weights(1, 6), b.floats(nil, 2)))
			b.typed(b.node("Identity", b.list(4, 5)), onnx.Int64)
		}},
		{"a choice", 13, 21, func(b *graphBuilder) {
			y := conv(b)
			b.output(b.node("Relu", y))
			b.output(b.node("If", b.levels(onnx.Bool, nil, 1), bodyOf("then_branch", 3), bodyOf("else_branch", 4)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newGraph(tt.opset)
			b.input("x", 4, 6, 7)
			tt.build(b)
			sameTail(t, b, tt.to)
		})
	}
}

// sameTail compares what ONNX Runtime makes of the model of b, which has an input x, and of its file in another operator set. The trunk
// is to have no Operator.
func sameTail(t *testing.T, b *graphBuilder, to int64) {
	t.Helper()
	dir := t.TempDir()
	source, written := filepath.Join(dir, "source.onnx"), filepath.Join(dir, "written.onnx")
	if err := b.model.WriteFile(source); err != nil {
		t.Fatal(err)
	}
	n := b.mustImport(t)
	trunk, tail := Cut(n)
	for _, l := range trunk.Layers {
		if _, ok := l.Op.(Operator); ok {
			t.Errorf("the trunk has %s", l.Op.Kind())
		}
	}
	whole, err := Join(trunk, tail)
	if err != nil {
		t.Fatal(err)
	}
	m := export(t, whole, ExportOptions{Opset: to})
	if err := m.WriteFile(written); err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Graph.Outputs {
		if want := b.model.Graph.Outputs[i]; v.Name != want.Name || v.Type != want.Type {
			t.Errorf("output %q is %v, in the source %q is %v", v.Name, v.Type, want.Name, want.Type)
		}
	}
	batch := int64(2)
	if n.BatchDim == "" {
		batch = 1
	}
	x := []*onnx.Tensor{onnx.NewFloats("x", []int64{batch, 4, 6, 7}, waves(int(batch)*4*6*7, 0.5))}
	want := oracle.RunORT(t, source, x, oracle.ORTOptions{Level: oracle.Disabled})
	got := oracle.RunORT(t, written, x, oracle.ORTOptions{Level: oracle.Disabled})
	for i := range want {
		if got[i].Type != want[i].Type || !slices.Equal(got[i].Dims, want[i].Dims) || !slices.Equal(numbers(t, got[i]), numbers(t, want[i])) {
			t.Errorf("output %q: %v %v, want %v %v", want[i].Name, got[i].Type, got[i].Dims, want[i].Type, want[i].Dims)
		}
	}
	if _, err := Import(m); err != nil {
		t.Errorf("read back: %v", err)
	}
}

// numbers returns the elements of a tensor of floats or integers.
func numbers(t *testing.T, x *onnx.Tensor) []float32 {
	if x.Type == onnx.Float {
		return floats(t, x)
	}
	ints, err := x.Int64s()
	if err != nil {
		t.Fatal(err)
	}
	var v []float32
	for _, i := range ints {
		v = append(v, float32(i))
	}
	return v
}

// What a stranger makes cannot go into weights: a trunk must not end there without a word.
func TestStrangersBeforeWeights(t *testing.T) {
	for _, op := range []string{"Conv", "ConvTranspose"} {
		b := newGraph(13)
		b.input("x", 4, 6, 7)
		b.output(b.node(op, b.node("Relu", b.node("Det", conv(b))), b.weights(4, 4, 1, 1)))
		if _, err := Import(b.model); err == nil || !strings.Contains(err.Error(), "(Det): operator not supported") {
			t.Errorf("%s: error %v", op, err)
		}
	}
}

// What is not converted inside of a body is refused.
func TestBodyOfAnotherOpset(t *testing.T) {
	b := newGraph(11)
	b.input("x", 4, 6, 7)
	b.output(conv(b))
	g := &onnx.Graph{
		Initializers: []*onnx.Tensor{onnx.NewFloats("own", []int64{1, 2}, []float32{1, 2})},
		Nodes:        []*onnx.Node{{OpType: "Squeeze", Inputs: []string{"own"}, Outputs: []string{"y"}, Attributes: []*onnx.Attribute{nums("axes", 0)}}},
		Outputs:      []*onnx.ValueInfo{{Name: "y", Type: onnx.Float}},
	}
	b.output(b.node("If", b.levels(onnx.Bool, nil, 1), onnx.AttrG("then_branch", g), onnx.AttrG("else_branch", g)))
	_, err := Export(b.mustImport(t), ExportOptions{})
	if want := "(If): its body has a Squeeze of opset 11, which is not converted to opset 13"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %s", err, want)
	}
}
