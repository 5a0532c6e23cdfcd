package nn

import (
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// Stretches of a network with channels last, from y [N,8,6,4] on: linear layers over pixels and means over them are read with
// channels first.
func TestChannelsLastInside(t *testing.T) {
	last := func(b *graphBuilder, y string) string { return b.node("Transpose", y, nums("perm", 0, 2, 3, 1)) }
	linear := func(b *graphBuilder, y string, in, out int64) string {
		return b.node("Add", b.node("MatMul", y, b.weights(in, out)), b.weights(out))
	}
	head := func(b *graphBuilder, y string) string { return b.node("MatMul", y, b.weights(8, 3)) }
	for _, tt := range []struct {
		name  string
		opset int64
		kinds string // behind the first convolution and its activation
		build func(b *graphBuilder, y string) string
	}{
		{"mean of pixels", 13, "GlobalAveragePool Flatten Gemm", func(b *graphBuilder, y string) string {
			return head(b, b.node("ReduceMean", last(b, y), nums("axes", 1, 2), num("keepdims", 0)))
		}},
		{"mean of pixels, axes from the end", 13, "GlobalAveragePool Flatten Gemm", func(b *graphBuilder, y string) string {
			return head(b, b.node("ReduceMean", last(b, y), nums("axes", -2, -3), num("keepdims", 0)))
		}},
		{"mean of pixels, axes an input", 18, "GlobalAveragePool Flatten Gemm", func(b *graphBuilder, y string) string {
			return head(b, b.node("ReduceMean", last(b, y), b.list(1, 2), num("keepdims", 0)))
		}},
		{"mean of pixels, kept, an activation before", 13, "LeakyRelu GlobalAveragePool Flatten Gemm", func(b *graphBuilder, y string) string {
			y = b.node("LeakyRelu", last(b, y))
			return head(b, b.node("Flatten", b.node("ReduceMean", y, nums("axes", 1, 2))))
		}},
		{"linear", 13, "Conv Relu Conv", func(b *graphBuilder, y string) string {
			y = b.node("Transpose", linear(b, last(b, y), 8, 10), nums("perm", 0, 3, 1, 2))
			return b.node("Conv", b.node("Relu", y), b.weights(3, 10, 3, 3))
		}},
		{"linear layers with what lies between them, scaled, beside a residual", 13, "Conv Conv Sigmoid Mul Conv Mul Add Conv", func(b *graphBuilder, y string) string {
			y = b.node("Conv", y, b.weights(8, 1, 3, 3), num("group", 8), nums("pads", 1, 1, 1, 1))
			z := linear(b, last(b, y), 8, 16)
			z = linear(b, b.node("Mul", z, b.node("Sigmoid", z)), 16, 8)
			z = b.node("Transpose", b.node("Mul", b.weights(8), z), nums("perm", 0, 3, 1, 2))
			return b.node("Conv", b.node("Add", z, y), b.weights(3, 8, 3, 3))
		}},
		{"linear layers behind a normalization", 17, "Conv Transpose LayerNormalization Transpose Conv Sigmoid Conv Add Conv", func(b *graphBuilder, y string) string {
			y = b.node("Conv", y, b.weights(8, 1, 3, 3), num("group", 8), nums("pads", 1, 1, 1, 1))
			z := b.node("LayerNormalization", last(b, y), b.weights(8), b.weights(8))
			z = linear(b, b.node("Sigmoid", linear(b, z, 8, 16)), 16, 8)
			return b.node("Conv", b.node("Add", b.node("Transpose", z, nums("perm", 0, 3, 1, 2)), y), b.weights(3, 8, 3, 3))
		}},
		{"linear layers about a softmax", 13, "Conv Softmax Conv Identity", func(b *graphBuilder, y string) string {
			y = b.node("Softmax", linear(b, last(b, y), 8, 10))
			return b.node("Transpose", linear(b, y, 10, 4), nums("perm", 0, 3, 1, 2))
		}},
		{"linear layers about a softmax of opset 11", 11, "Conv Softmax Conv Identity", func(b *graphBuilder, y string) string {
			y = b.node("Softmax", linear(b, last(b, y), 8, 10), num("axis", 3))
			return b.node("Transpose", linear(b, y, 10, 4), nums("perm", 0, 3, 1, 2))
		}},
		{"linear layers about a log softmax", 13, "Conv LogSoftmax Conv Identity", func(b *graphBuilder, y string) string {
			y = b.node("LogSoftmax", linear(b, last(b, y), 8, 10), num("axis", -1))
			return b.node("Transpose", linear(b, y, 10, 4), nums("perm", 0, 3, 1, 2))
		}},
		{"linear layers about a log softmax of opset 11", 11, "Conv LogSoftmax Conv Identity", func(b *graphBuilder, y string) string {
			y = b.node("LogSoftmax", linear(b, last(b, y), 8, 10), num("axis", -1))
			return b.node("Transpose", linear(b, y, 10, 4), nums("perm", 0, 3, 1, 2))
		}},
		{"linear layer behind a spelt normalization", 13, "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add Conv Identity", func(b *graphBuilder, y string) string {
			y = last(b, y)
			y = b.node("Sub", y, b.node("ReduceMean", y, nums("axes", -1)))
			square := b.node("ReduceMean", b.node("Pow", y, b.floats(nil, 2)), nums("axes", -1))
			y = b.node("Div", y, b.node("Sqrt", b.node("Add", square, b.floats(nil, 1e-6))))
			y = linear(b, b.node("Add", b.node("Mul", y, b.weights(8)), b.weights(8)), 8, 4)
			return b.node("Transpose", y, nums("perm", 0, 3, 1, 2))
		}},
		{"linear of the mean", 13, "GlobalAveragePool Conv Flatten", func(b *graphBuilder, y string) string {
			return b.node("Reshape", linear(b, last(b, b.node("GlobalAveragePool", y)), 8, 3), b.list(0, -1))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newGraph(tt.opset)
			y := b.node("Conv", b.input("x", 3, 6, 4), b.weights(8, 3, 3, 3), nums("pads", 1, 1, 1, 1))
			b.output(tt.build(b, b.node("Relu", y)))
			source := sourceFile(t, b)
			n := b.mustImport(t)
			var kinds []string
			for _, l := range n.Layers {
				kinds = append(kinds, l.Op.Kind())
			}
			if got := strings.Join(kinds[2:], " "); got != tt.kinds {
				t.Errorf("layers %s, want %s", got, tt.kinds)
			}
			comparePorts(t, source, n)
		})
	}
}

// What has an axis of its own in a stretch with channels last gets the Transpose back: no axis is taken for another one.
func TestChannelsLastAxes(t *testing.T) {
	for name, build := range map[string]func(b *graphBuilder, y string) string{
		"concat": func(b *graphBuilder, y string) string { return b.node("Concat", y, y, num("axis", 3)) },
		"slice":  func(b *graphBuilder, y string) string { return b.node("Slice", y, b.list(1), b.list(3), b.list(1)) },
		"pad":    func(b *graphBuilder, y string) string { return b.node("Pad", y, b.list(0, 1, 0, 2, 0, 0, 1, 0)) },
		"gather": func(b *graphBuilder, y string) string { return b.node("Gather", y, b.list(3, 1), num("axis", 3)) },
		"split":  func(b *graphBuilder, y string) string { return splitAlong(b, y, 3) },
		"unsqueezed": func(b *graphBuilder, y string) string {
			return b.node("Squeeze", b.node("Unsqueeze", y, b.list(2)), b.list(2))
		},
		"mean of rows": func(b *graphBuilder, y string) string {
			return b.node("ReduceMean", y, nums("axes", 1), num("keepdims", 0))
		},
		"softmax": func(b *graphBuilder, y string) string { return b.node("Softmax", y, num("axis", 3)) },
		"argmax": func(b *graphBuilder, y string) string {
			return b.node("Cast", b.node("ArgMax", y, num("axis", -1)), num("to", 1))
		},
		"largest": func(b *graphBuilder, y string) string { return b.node("ReduceMax", y, nums("axes", 1, 2)) },
		"sum":     func(b *graphBuilder, y string) string { return b.node("ReduceSum", y, b.list(-1), num("keepdims", 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newGraph(13)
			y := b.node("Relu", b.node("Conv", b.input("x", 3, 6, 4), b.weights(8, 3, 3, 3), nums("pads", 1, 1, 1, 1)))
			y = b.node("MatMul", b.node("Transpose", y, nums("perm", 0, 2, 3, 1)), b.weights(8, 5)) // which is why it is read with channels first
			y = b.node("Relu", build(b, y))
			b.output(b.node("Reshape", y, b.list(0, -1))) // not handed out as it is: then nothing would be read with channels first
			source := sourceFile(t, b)
			n := b.mustImport(t)
			declared, x := imagesFor(n, 2)
			want := oracle.RunORT(t, source, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})
			if !slices.ContainsFunc(n.Layers[1:], func(l *Layer) bool { return l.Op.Kind() == "Conv" }) {
				t.Error("the product is no convolution")
			}
			if d := distance(evaluate(t, n, x, 2)[n.Outputs[0]], floats(t, want[0])); !(d <= 1e-5) {
				t.Errorf("off by %g from ONNX Runtime", d)
			}
			path, _ := write(t, n, ExportOptions{})
			got := oracle.RunORT(t, path, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})
			if d := distance(floats(t, got[0]), floats(t, want[0])); !(d <= 1e-5) {
				t.Errorf("its file is off by %g", d)
			}
		})
	}
}

func splitAlong(b *graphBuilder, y string, axis int64) string {
	first := b.node("Split", y, b.list(2, 3), num("axis", axis))
	second := b.name("t")
	n := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
	n.Outputs = append(n.Outputs, second)
	return b.node("Concat", second, first, num("axis", axis))
}
