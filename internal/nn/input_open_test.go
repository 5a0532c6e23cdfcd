package nn

import (
	"errors"
	"slices"
	"testing"

	"zaq/internal/onnx"
)

// openModel is a network with a skip, whose images have sizes that the file leaves open, as all that it computes from them.
func openModel(last bool) *graphBuilder {
	b := newGraph(13)
	shape := []int64{3, 12, 8}
	if last {
		shape = []int64{12, 8, 3}
	}
	x := b.input("x", shape...)
	in := b.model.Graph.Inputs[0].Shape
	height, width := 2, 3
	if last {
		x, height, width = b.first(x), 1, 2
	}
	in[height], in[width] = onnx.Dim{Size: -1, Param: "height"}, onnx.Dim{Size: -1}
	skip := b.node("Relu", b.node("Conv", x, b.weights(8, 3, 3, 3), nums("pads", 1, 1, 1, 1)))
	y := b.node("Relu", b.node("Conv", skip, b.weights(8, 8, 3, 3), nums("strides", 2, 2), nums("pads", 1, 1, 1, 1)))
	channels := b.node("Slice", b.node("Shape", y), b.list(0), b.list(2))
	sizes := b.node("Concat", channels, b.node("Slice", b.node("Shape", skip), b.list(2), b.list(4)), num("axis", 0))
	y = b.node("Resize", y, "", "", sizes, text("mode", "linear"), text("coordinate_transformation_mode", "pytorch_half_pixel"))
	b.output(b.node("Conv", b.node("Concat", skip, y, num("axis", 1)), b.weights(4, 16, 3, 3)))
	return b
}

// Sizes that a file leaves open are those that are set, in either layout, and what is written has them.
func TestInputSize(t *testing.T) {
	for name, last := range map[string]bool{"channels first": false, "channels last": true} {
		t.Run(name, func(t *testing.T) {
			b := openModel(last)
			source := sourceFile(t, b)
			var open *OpenSizeError
			if _, err := Import(b.model); !errors.As(err, &open) || !open.Image || !HasOpenSize(b.model) {
				t.Fatalf("with open sizes: %v", err)
			}
			if err := SetInputSize(b.model, [2]int{12, 8}); err != nil {
				t.Fatal(err)
			}
			n := b.mustImport(t)
			if want := []int{Batch, 3, 12, 8}; !slices.Equal(n.Values["x"].Shape, want) {
				t.Fatalf("the input has shape %v, want %v", n.Values["x"].Shape, want)
			}
			comparePorts(t, source, n)
			if err := SetInputSize(b.model, [2]int{12, 8}); err != nil {
				t.Errorf("the size that is there: %v", err)
			}
			if err := SetInputSize(b.model, [2]int{12, 9}); err == nil {
				t.Error("another size than is there is taken")
			}
		})
	}
}

// A side of which the file says the length keeps it.
func TestInputSizeOfOneSide(t *testing.T) {
	b := openModel(false)
	b.model.Graph.Inputs[0].Shape[2] = onnx.Dim{Size: 20}
	if err := SetInputSize(b.model, [2]int{20, 10}); err != nil {
		t.Fatal(err)
	}
	if n := b.mustImport(t); !slices.Equal(n.Values["x"].Shape, []int{Batch, 3, 20, 10}) {
		t.Errorf("the input has shape %v", n.Values["x"].Shape)
	}
	b = openModel(false)
	b.model.Graph.Inputs[0].Shape[2] = onnx.Dim{Size: 20}
	if err := SetInputSize(b.model, [2]int{10, 10}); err == nil {
		t.Error("a side that the file fixes is given another length")
	}
	b = newGraph(13)
	b.output(b.node("Gemm", b.input("v", 6), b.weights(6, 2)))
	if err := SetInputSize(b.model, [2]int{10, 10}); err == nil {
		t.Error("a vector is given a size")
	}
	b.model.Graph.Inputs[0].Shape[1] = onnx.Dim{Size: -1}
	var open *OpenSizeError
	if _, err := Import(b.model); !errors.As(err, &open) || open.Image {
		t.Errorf("a vector of open length: %v", err)
	}
}
