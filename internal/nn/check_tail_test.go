package nn

import (
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// A tail that makes of a batch something else than of its images one at a time is found out, whatever the operator, and others are not.
func TestCheckTail(t *testing.T) {
	for _, tt := range []struct {
		name  string
		want  string // in the error; "": none
		build func(b *graphBuilder, y string)
	}{
		{"nothing", "", func(b *graphBuilder, y string) { b.output(y) }},
		{"softmax over channels", "", func(b *graphBuilder, y string) { b.output(b.node("Softmax", y, num("axis", 1))) }},
		{"softmax over images", "(Softmax): mixes the images", func(b *graphBuilder, y string) { b.output(b.node("Softmax", y, num("axis", 0))) }},
		{"softmax beside the images", "", func(b *graphBuilder, y string) {
			y = b.node("Softmax", b.node("Transpose", y, nums("perm", 1, 0, 2, 3)), num("axis", 0))
			b.output(b.node("Transpose", y, nums("perm", 1, 0, 2, 3)))
		}},
		{"mean of images", "(ReduceMean): mixes the images", func(b *graphBuilder, y string) {
			b.output(b.node("Sub", y, b.node("ReduceMean", y, nums("axes", 0))))
		}},
		{"first image", "(Gather): mixes the images", func(b *graphBuilder, y string) {
			b.output(b.node("Sub", y, b.node("Gather", y, b.list(0))))
		}},
		{"sums along channels", "", func(b *graphBuilder, y string) { b.output(b.node("CumSum", y, b.levels(onnx.Int64, nil, 1))) }},
		{"sums along images", "(CumSum): mixes the images", func(b *graphBuilder, y string) { b.output(b.node("CumSum", y, b.levels(onnx.Int64, nil, 0))) }},
		{"places in the whole batch", "(MaxPool): mixes the images", func(b *graphBuilder, y string) {
			b.output(b.node("MaxPool", y, nums("kernel_shape", 2, 2)))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "places")
			b.typed("places", onnx.Int64)
		}},
		{"each with each other", "(MatMul): mixes the images", func(b *graphBuilder, y string) {
			y = b.node("Flatten", y)
			b.output(b.node("MatMul", y, b.node("Transpose", y, nums("perm", 1, 0))))
		}},
		{"best of each", "", func(b *graphBuilder, y string) {
			values := b.node("TopK", b.node("Flatten", y), b.list(5), num("axis", 1))
			last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
			last.Outputs = append(last.Outputs, "places")
			b.output(values)
			b.output(b.node("GatherElements", b.node("Flatten", y), "places", num("axis", 1)))
			b.typed(b.node("ArgMax", y, num("axis", 1)), onnx.Int64)
		}},
		{"a size of the batch", "", func(b *graphBuilder, y string) {
			n := b.node("Gather", b.node("Shape", y), b.list(0))
			b.output(b.node("Reshape", y, b.node("Concat", n, b.list(-1), num("axis", 0))))
		}},
		{"stranger", "(Det): operator not supported", func(b *graphBuilder, y string) { b.output(b.node("Det", y)) }},
		{"constant", "is not the batch", func(b *graphBuilder, y string) {
			b.output(y)
			b.output(b.weights(3, 4))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newGraph(13)
			b.input("x", 4, 6, 7)
			tt.build(b, conv(b))
			err := b.mustImport(t).CheckTail()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// In a file of one image there is nothing to mix.
func TestCheckTailOfOneImage(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
	b.output(b.node("Softmax", conv(b), num("axis", 0)))
	if err := b.mustImport(t).CheckTail(); err != nil {
		t.Error(err)
	}
}

// An axis of 1 in front of the images is none of them.
func TestCheckTailOfAnAxisBefore(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
	b.output(b.node("Unsqueeze", conv(b), b.list(0)))
	if err := b.mustImport(t).CheckTail(); err == nil || !strings.Contains(err.Error(), "is not the batch") {
		t.Errorf("error %v", err)
	}
}
