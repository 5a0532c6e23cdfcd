package nn

import (
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// Graphs as people export them and nobody mentions. Each is imported, folded, rounded to 8 bits and written; the file has
// the inputs and outputs of its source, and ONNX Runtime computes of it what its import does.
func TestGraphs(t *testing.T) {
	relu := func(b *graphBuilder, x string) string { return b.node("Relu", x) }
	head := func(b *graphBuilder, x string) string {
		return b.node("Gemm", b.node("Flatten", b.node("GlobalAveragePool", x)), b.weights(5, 4), b.weights(5), num("transB", 1))
	}
	norm := func(b *graphBuilder, x string) string {
		return b.node("BatchNormalization", x, b.floats([]int64{4}, 1, 2, 0.5, 1), b.weights(4), b.weights(4), b.floats([]int64{4}, 1, 0.5, 2, 0.1))
	}
	for _, tt := range []struct {
		name  string
		kinds string // of the layers with weights in the file
		build func(b *graphBuilder)
	}{
		{"batch of 1 baked in", "Conv Gemm", func(b *graphBuilder) {
			b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
			y := b.node("Reshape", relu(b, conv(b)), b.list(1, 2, 2, 6, 7))
			y = b.node("Reshape", b.node("Transpose", y, nums("perm", 0, 2, 1, 3, 4)), b.list(1, 4, 6, 7))
			b.output(head(b, y))
		}},
		{"batch of 1 baked into sizes", "Conv Conv Gemm", func(b *graphBuilder) {
			b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
			skip := relu(b, conv(b))
			up := b.node("Resize", b.node("MaxPool", skip, nums("kernel_shape", 2, 2), nums("strides", 2, 2)), b.floats([]int64{0}), b.floats([]int64{0}),
				b.list(1, 4, 6, 7), text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor"))
			b.output(head(b, relu(b, b.node("Conv", b.node("Concat", skip, up, num("axis", 1)), b.weights(4, 8, 1, 1)))))
		}},
		{"normalization after no convolution", "Conv Conv Gemm", func(b *graphBuilder) {
			b.output(head(b, relu(b, norm(b, b.node("MaxPool", relu(b, conv(b)), nums("kernel_shape", 2, 2))))))
		}},
		{"normalization of vectors", "Conv Conv Gemm Gemm Conv", func(b *graphBuilder) {
			w := b.weights(4, 4)
			flat := norm(b, b.node("Flatten", b.node("GlobalMaxPool", relu(b, conv(b)))))
			y := b.node("Gemm", relu(b, b.node("Gemm", b.node("Dropout", flat), w, num("transB", 1))), w, num("transB", 1))
			b.output(norm(b, y))
		}},
		{"weights of two convolutions", "Conv Conv", func(b *graphBuilder) {
			w, bias := b.weights(4, 4, 1, 1), b.weights(4)
			b.output(b.node("Conv", relu(b, b.node("Conv", "x", w, bias)), w, bias))
		}},
		{"output in the middle", "Conv Conv", func(b *graphBuilder) {
			y := conv(b)
			b.output(y)
			b.output(b.node("Conv", relu(b, y), b.weights(3, 4, 3, 3)))
		}},
		{"softmax at the end", "Conv Gemm", func(b *graphBuilder) {
			b.output(b.node("Softmax", head(b, relu(b, conv(b))), num("axis", 1)))
		}},
		{"initializers among the inputs", "Conv Gemm", func(b *graphBuilder) {
			b.model.IRVersion = 3
			b.output(head(b, relu(b, conv(b))))
		}},
		{"two inputs", "Conv Conv", func(b *graphBuilder) {
			b.input("z", 4, 6, 7)
			b.output(b.node("Add", conv(b), b.node("Conv", "z", b.weights(4, 4, 1, 1))))
		}},
		{"strange names", "Conv Gemm", func(b *graphBuilder) {
			y := head(b, relu(b, conv(b)))
			b.output("выход/logits:0")
			nodes := b.model.Graph.Nodes
			for _, n := range nodes {
				n.Name = ""
			}
			nodes[1].Name, nodes[2].Name = "双", "双"
			b.rename(y, "выход/logits:0")
			b.rename(b.model.Graph.Initializers[0].Name, "poids é")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newGraph(13)
			b.input("x", 4, 6, 7)
			tt.build(b)
			n := b.mustImport(t)
			if err := FoldBatchNorm(n); err != nil {
				t.Fatal(err)
			}
			inputs := make(map[string][]float32)
			var tensors []*onnx.Tensor
			for i, name := range n.Inputs {
				inputs[name] = waves(4*6*7, float64(i)+0.5)
				tensors = append(tensors, onnx.NewFloats(name, []int64{1, 4, 6, 7}, inputs[name]))
			}
			trunk, tail := Cut(n)
			values, err := Reference(trunk, inputs, 1)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Place(trunk, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8})
			if err != nil {
				t.Fatal(err)
			}
			calibrate(t, p, values)
			whole, err := Join(trunk, tail)
			if err != nil {
				t.Fatal(err)
			}
			path, back := write(t, whole, ExportOptions{})
			if got := weightedKinds(back); got != tt.kinds {
				t.Errorf("layers with weights: %s, want %s", got, tt.kinds)
			}
			m := b.model.Graph
			file, err := onnx.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var given []*onnx.ValueInfo
			for _, v := range m.Inputs {
				if m.Initializer(v.Name) == nil {
					given = append(given, v)
				}
			}
			if !slices.EqualFunc(file.Graph.Inputs, given, func(a, b *onnx.ValueInfo) bool { return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) }) {
				t.Error("other inputs than those of the source")
			}
			want, err := Reference(back, inputs, 1)
			if err != nil {
				t.Fatal(err)
			}
			float, err := Reference(b.mustImport(t), inputs, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, level := range []string{oracle.Disabled, oracle.All} {
				for i, y := range oracle.RunORT(t, path, tensors, oracle.ORTOptions{Level: level}) {
					if shape := dims(withBatch(n.Values[y.Name].Shape, 1)); y.Name != m.Outputs[i].Name || !slices.Equal(y.Dims, shape) {
						t.Errorf("output %q %v, want %q %v", y.Name, y.Dims, m.Outputs[i].Name, shape)
					}
					if db := quant.SQNR(want[y.Name], floats(t, y)); db < 35 {
						t.Errorf("level %s: output %q has %.1f dB", level, y.Name, db)
					}
					if db := quant.SQNR(float[y.Name], floats(t, y)); db < 25 {
						t.Errorf("level %s: output %q has %.1f dB of the float network", level, y.Name, db)
					}
				}
			}
		})
	}
}

// rename gives a tensor another name.
func (b *graphBuilder) rename(from, to string) {
	for _, n := range b.model.Graph.Nodes {
		for _, names := range [][]string{n.Inputs, n.Outputs} {
			for i := range names {
				if names[i] == from {
					names[i] = to
				}
			}
		}
	}
	for _, t := range b.model.Graph.Initializers {
		if t.Name == from {
			t.Name = to
		}
	}
}

// weightedKinds lists the kinds of the layers with weights.
func weightedKinds(n *Network) (kinds string) {
	for l := range n.Weights() {
		if kinds != "" {
			kinds += " "
		}
		kinds += l.Op.Kind()
	}
	return kinds
}

// Weights in a file beside the model are read, and the network computes what it does with them inside.
func TestExternalData(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	b.output(b.node("Relu", b.node("Conv", "x", b.weights(40, 4, 3, 3))))
	x := map[string][]float32{"x": waves(4*6*7, 0.5)}
	want, err := Reference(b.mustImport(t), x, 1)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := b.model.WriteFileExternal(path); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Import(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Reference(n, x, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := distance(got[n.Outputs[0]], want[n.Outputs[0]]); d != 0 {
		t.Errorf("off by %g", d)
	}
}

// The trunk of a classifier that ends in Softmax has its logits as output; of a detector's, what its decoding reads.
func TestCut(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	y := conv(b)
	scores := b.node("Reshape", b.node("Transpose", y, nums("perm", 0, 2, 3, 1)), b.list(0, -1, 2))
	b.output(b.node("Softmax", scores, num("axis", -1)))
	b.output(b.node("Sigmoid", b.node("Slice", scores, b.list(0), b.list(1), b.list(2))))
	n := b.mustImport(t)
	trunk, tail := Cut(n)
	if !slices.Equal(trunk.Outputs, []string{y}) || len(trunk.Layers) != 1 || len(tail.Layers) != 5 || !slices.Equal(tail.Inputs, trunk.Outputs) {
		t.Errorf("trunk of %d layers makes %v, tail of %d reads %v", len(trunk.Layers), trunk.Outputs, len(tail.Layers), tail.Inputs)
	}
	whole, err := Join(trunk, tail)
	if err != nil {
		t.Fatal(err)
	}
	x := map[string][]float32{"x": waves(4*6*7, 0.5)}
	want, err := Reference(n, x, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Reference(whole, x, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range n.Outputs {
		if d := distance(got[out], want[out]); d != 0 {
			t.Errorf("output %q is off by %g", out, d)
		}
	}
}

// Nodes may come in any order, as they may in ONNX Runtime.
func TestNodesInDisorder(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	b.output(b.node("Conv", b.node("Add", conv(b), b.node("Relu", conv(b))), b.weights(2, 4, 1, 1)))
	slices.Reverse(b.model.Graph.Nodes)
	source := sourceFile(t, b)
	n := b.mustImport(t)
	declared, x := imagesFor(n, 2)
	want := floats(t, oracle.RunORT(t, source, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})[0])
	if d := distance(evaluate(t, n, x, 2)[n.Outputs[0]], want); !(d <= 1e-5) {
		t.Errorf("off by %g from ONNX Runtime", d)
	}
}
