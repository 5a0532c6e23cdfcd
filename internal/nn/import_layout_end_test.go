package nn

import (
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// Networks of frameworks that keep channels last often end so: the Transpose of the last map, and a vector of its elements in
// the order of pixels, which weights know.
func TestChannelsLastEnds(t *testing.T) {
	linear := func(b *graphBuilder, y string, k int64) string {
		return b.node("Add", b.node("MatMul", y, b.weights(k, 5)), b.weights(5))
	}
	for _, tt := range []struct {
		name  string
		opset int64
		build func(b *graphBuilder, y string) string // of [N, 3, 2, 8]
	}{
		{"flatten", 13, func(b *graphBuilder, y string) string { return linear(b, b.node("Flatten", y), 48) }},
		{"reshape", 13, func(b *graphBuilder, y string) string { return linear(b, b.node("Reshape", y, b.list(-1, 48)), 48) }},
		{"reshape, the batch copied", 13, func(b *graphBuilder, y string) string { return linear(b, b.node("Reshape", y, b.list(0, -1)), 48) }},
		{"reshape to the batch of its shape", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Reshape", y, batchAnd(b, y, -1)), 48)
		}},
		{"gemm", 13, func(b *graphBuilder, y string) string {
			return b.node("Gemm", b.node("Relu", b.node("Flatten", y)), b.weights(5, 48), b.weights(5), num("transB", 1))
		}},
		{"mean", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("ReduceMean", y, nums("axes", 1, 2), num("keepdims", 0)), 8)
		}},
		{"mean by an input", 18, func(b *graphBuilder, y string) string {
			return linear(b, b.node("ReduceMean", y, b.list(-3, -2), num("keepdims", 0)), 8)
		}},
		{"mean and flatten", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Flatten", b.node("ReduceMean", y, nums("axes", 1, 2))), 8)
		}},
		{"mean and reshape", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Reshape", b.node("ReduceMean", y, nums("axes", 1, 2)), b.list(-1, 8)), 8)
		}},
		{"mean and squeeze", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Squeeze", b.node("ReduceMean", y, nums("axes", 1, 2)), b.list(1, 2)), 8)
		}},
		{"mean and squeeze of old", 11, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Squeeze", b.node("ReduceMean", y, nums("axes", 1, 2)), nums("axes", -3, -2)), 8)
		}},
		{"activation and bias on the way", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Flatten", b.node("Relu", b.node("Add", y, b.weights(8)))), 48)
		}},
		{"product of pixels, then a vector", 13, func(b *graphBuilder, y string) string {
			return linear(b, b.node("Flatten", b.node("Relu", linear(b, y, 8))), 30)
		}},
	} {
		for _, out := range []bool{false, true} {
			name := tt.name
			if out {
				name += ", the map is an output"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := newGraph(tt.opset)
				y := b.node("Relu", b.node("Conv", b.input("x", 3, 5, 4), b.weights(8, 3, 3, 3)))
				y = b.node("Transpose", y, nums("perm", 0, 2, 3, 1))
				b.output(tt.build(b, y))
				if out {
					b.output(y)
				}
				source := sourceFile(t, b)
				n := b.mustImport(t)
				images := waves(2*3*5*4, 0.7)
				x := input(n, images)
				want := oracle.RunORT(t, source, x, oracle.ORTOptions{Level: oracle.Disabled})
				values := evaluate(t, n, images, 2)
				for i := range want {
					if d := distance(values[n.Outputs[i]], floats(t, want[i])); !(d <= 1e-5) {
						t.Errorf("output %d is off by %g from ONNX Runtime", i, d)
					}
				}
				weights := 0
				for range n.Weights() {
					weights++
				}
				if least := 2; weights < least {
					t.Errorf("%d layers with weights, not %d", weights, least)
				}
				trunk, tail := Cut(n)
				quantize(t, trunk, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, images, 2)
				n, err := Join(trunk, tail)
				if err != nil {
					t.Fatal(err)
				}
				for _, to := range []int64{max(13, tt.opset), 21} {
					path, _ := write(t, n, ExportOptions{Opset: to})
					for _, level := range []string{oracle.Disabled, oracle.All} {
						got := oracle.RunORT(t, path, x, oracle.ORTOptions{Level: level})
						for i := range want {
							if db := quant.SQNR(floats(t, want[i]), floats(t, got[i])); db < 24 || got[i].Dims[0] != 2 || len(got[i].Dims) != len(want[i].Dims) {
								t.Errorf("opset %d, level %s, output %d: %.1f dB, %v", to, level, i, db, got[i].Dims)
							}
						}
					}
				}
			})
		}
	}
}

// What is handed out before the first Transpose comes out as the file has it.
func TestChannelsLastHandedOut(t *testing.T) {
	b := newGraph(13)
	y := b.node("Mul", b.input("x", 8, 6, 3), b.floats([]int64{3}, 2, 3, 4))
	b.output(b.node("Conv", b.first(y), b.weights(2, 3, 1, 1)))
	b.output(y)
	source := sourceFile(t, b)
	n := b.mustImport(t)
	declared, x := imagesFor(n, 2)
	if !n.Port("x").ChannelsLast {
		t.Error("the input is not read with channels first")
	}
	path, _ := write(t, n, ExportOptions{})
	want := oracle.RunORT(t, source, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})
	got := oracle.RunORT(t, path, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})
	values := evaluate(t, n, x, 2)
	for i := range want {
		if d := distance(floats(t, got[i]), floats(t, want[i])); !(d <= 1e-5) {
			t.Errorf("output %d of the file is off by %g", i, d)
		}
		if d := distance(values[n.Outputs[i]], floats(t, want[i])); !(d <= 1e-5) {
			t.Errorf("output %d is off by %g", i, d)
		}
	}
}

// Shapes that are handed out have the axes of the file.
func TestChannelsLastShapes(t *testing.T) {
	b := newGraph(13)
	x := b.input("x", 6, 7, 4)
	y := b.node("Conv", b.node("Transpose", x, nums("perm", 0, 3, 1, 2)), b.weights(3, 4, 1, 1))
	last := b.node("Relu", b.node("Transpose", y, nums("perm", 0, 2, 3, 1)))
	b.output(last)
	for _, of := range []string{x, y, last} {
		b.typed(b.node("Shape", of), onnx.Int64)
	}
	source := sourceFile(t, b)
	n := b.mustImport(t)
	path, _ := write(t, n, ExportOptions{Opset: 13})
	declared, _ := imagesFor(n, 2)
	want := oracle.RunORT(t, source, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})
	for i, got := range oracle.RunORT(t, path, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled}) {
		if d := distance(numbers(t, got), numbers(t, want[i])); !(d <= 1e-5) {
			t.Errorf("output %q is %v, want %v", want[i].Name, numbers(t, got), numbers(t, want[i]))
		}
	}
}
