package nn

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// windowForms are windows that slide over y [N,8,12,10] between two convolutions, and their like.
var windowForms = []struct {
	name  string
	since int64
	build func(b *graphBuilder, y string) string
}{
	{"max pool, dilated", 10, func(b *graphBuilder, y string) string {
		return b.node("MaxPool", y, nums("kernel_shape", 3, 2), nums("dilations", 2, 3), nums("strides", 1, 2), nums("pads", 2, 1, 1, 1))
	}},
	{"max pool, dilated, at 1", 10, func(b *graphBuilder, y string) string {
		return b.node("MaxPool", y, nums("kernel_shape", 3, 3), nums("dilations", 2, 2), nums("pads", 2, 2, 2, 2))
	}},
	{"max pool, dilated, ceil", 10, func(b *graphBuilder, y string) string {
		return b.node("MaxPool", y, nums("kernel_shape", 2, 2), nums("dilations", 3, 3), nums("strides", 2, 4), num("ceil_mode", 1))
	}},
	{"max pool, dilated, same", 10, func(b *graphBuilder, y string) string {
		return b.node("MaxPool", y, nums("kernel_shape", 2, 3), nums("dilations", 4, 2), text("auto_pad", "SAME_UPPER"))
	}},
	{"average pool, dilated", 19, func(b *graphBuilder, y string) string {
		return b.node("AveragePool", y, nums("kernel_shape", 3, 2), nums("dilations", 1, 3), nums("strides", 1, 2), nums("pads", 2, 0, 1, 0))
	}},
	{"average pool, dilated, padding counted", 19, func(b *graphBuilder, y string) string {
		return b.node("AveragePool", y, nums("kernel_shape", 2, 2), nums("dilations", 3, 2), nums("pads", 1, 1, 0, 1), num("count_include_pad", 1))
	}},
	{"average pool, dilated, ceil", 19, func(b *graphBuilder, y string) string {
		return b.node("AveragePool", y, nums("kernel_shape", 2, 2), nums("dilations", 1, 3), nums("strides", 4, 1), num("ceil_mode", 1))
	}},
	{"average pool, padding counted, ceil", 19, func(b *graphBuilder, y string) string {
		return b.node("AveragePool", y, nums("kernel_shape", 3, 3), nums("strides", 2, 2), nums("pads", 1, 0, 0, 1), num("count_include_pad", 1), num("ceil_mode", 1))
	}},
	{"transposed convolution at 1 and 2", 7, func(b *graphBuilder, y string) string {
		y = b.node("ConvTranspose", y, b.weights(8, 6, 1, 4), b.weights(6), nums("strides", 1, 2), nums("pads", 0, 1, 0, 1))
		return b.node("Relu", b.node("BatchNormalization", y, b.weights(6), b.weights(6), b.weights(6), b.floats([]int64{6}, 1, 2, 1, 1, 2, 1)))
	}},
	{"transposed convolution at 3 and 2, dilated, in groups", 7, func(b *graphBuilder, y string) string {
		return b.node("ConvTranspose", y, b.weights(8, 3, 2, 3), nums("strides", 3, 2), nums("dilations", 1, 3), nums("pads", 1, 0, 0, 2), num("group", 2))
	}},
	{"transposed convolution at 2 and 1, same", 11, func(b *graphBuilder, y string) string {
		return b.node("ConvTranspose", y, b.weights(8, 6, 4, 3), nums("strides", 2, 1), text("auto_pad", "SAME_LOWER"))
	}},
	{"max pool, padded before with nothing", 11, func(b *graphBuilder, y string) string {
		return b.node("MaxPool", b.node("Pad", y, b.list(0, 0, 0, 0, 0, 0, 1, 1), b.floats(nil, float32(math.Inf(-1)))), nums("kernel_shape", 3, 3), nums("strides", 2, 2))
	}},
	{"transposed convolution, limited twice", 11, func(b *graphBuilder, y string) string {
		y = b.node("ConvTranspose", y, b.weights(8, 6, 2, 2), nums("strides", 2, 2))
		return b.node("Clip", b.node("Relu", b.node("Relu", y)), b.floats(nil, 0), b.floats(nil, 0.5))
	}},
	{"reflection", 11, func(b *graphBuilder, y string) string {
		return b.node("Pad", y, b.list(0, 0, 1, 2, 0, 0, 3, 1), text("mode", "reflect"))
	}},
	{"edge and cut", 11, func(b *graphBuilder, y string) string {
		return b.node("Pad", y, b.list(0, 0, -1, 2, 0, 0, 3, 1), text("mode", "edge"))
	}},
	{"wrap", 19, func(b *graphBuilder, y string) string {
		return b.node("Pad", y, b.list(0, 0, 1, 2, 0, 0, 3, 1), "", text("mode", "wrap"))
	}},
}

// Windows between quantized convolutions: of the float file and of the quantized one, ONNX Runtime computes what the network
// does; of the latter to the last bit.
func TestORTWindows(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const batch = 2
	for _, f := range windowForms {
		t.Run(f.name, func(t *testing.T) {
			opset := max(f.since, 13)
			b := newGraph(opset)
			y := b.node("Relu", b.node("Conv", b.input("x", 3, 12, 10), b.weights(8, 3, 3, 3), nums("pads", 1, 1, 1, 1)))
			y = f.build(b, y)
			b.output(b.node("Conv", y, b.weights(4, channelsOf(t, b, y), 2, 2)))
			n := b.mustImport(t)
			out, images := n.Outputs[0], waves(batch*size(n.Values["x"].Shape), 0.4)
			float := evaluate(t, n, images, batch)[out]
			files := map[string]string{"source": sourceFile(t, b)}
			for _, to := range []int64{opset, 21} {
				path, back := write(t, n, ExportOptions{Opset: to})
				files[fmt.Sprint("opset ", to)] = path
				if d := distance(evaluate(t, back, images, batch)[out], float); !(d <= 1e-5) {
					t.Errorf("read back from opset %d, the network is off by %g", to, d)
				}
			}
			for what, path := range files {
				got := oracle.RunORT(t, path, input(n, images), oracle.ORTOptions{Level: oracle.Disabled})
				if d := distance(float, floats(t, got[0])); !(d <= 1e-5) {
					t.Errorf("%s: the network is off by %g", what, d)
				}
			}
			quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, images, batch)
			for _, to := range []int64{opset, 21} {
				path, back := write(t, n, ExportOptions{Opset: to})
				InIntegers(back)
				want := evaluate(t, back, images, batch)[out]
				if db := quant.SQNR(float, want); db < 25 {
					t.Errorf("8 bits have %.1f dB", db)
				}
				for _, level := range []string{oracle.Extended, oracle.All} {
					got := floats(t, oracle.RunORT(t, path, input(n, images), oracle.ORTOptions{Level: level})[0])
					if !slices.Equal(got, want) {
						t.Errorf("opset %d, %s: %.1f dB between ONNX Runtime and the network in integers", to, level, quant.SQNR(got, want))
					}
				}
			}
		})
	}
}
