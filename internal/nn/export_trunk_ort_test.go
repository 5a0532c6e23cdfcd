package nn

import (
	"testing"

	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// pixelNorm spells a normalization of the channels of each pixel out, which lie along an axis: with gains and shifts of a shape.
func pixelNorm(b *graphBuilder, y string, axis int64, shape ...int64) string {
	y = b.node("Sub", y, b.node("ReduceMean", y, nums("axes", axis)))
	square := b.node("ReduceMean", b.node("Pow", y, b.floats(nil, 2)), nums("axes", axis))
	y = b.node("Div", y, b.node("Sqrt", b.node("Add", square, b.floats(nil, 1e-6))))
	return b.node("Add", b.node("Mul", b.weights(shape...), y), b.weights(shape...))
}

// gelu spells a GELU out, as exporters do before opset 20.
func gelu(b *graphBuilder, y string) string {
	half := b.node("Add", b.node("Erf", b.node("Div", y, b.floats(nil, 1.4142135))), b.floats(nil, 1))
	return b.node("Mul", b.node("Mul", y, half), b.floats(nil, 0.5))
}

// convNeXt is a block of a ConvNeXt, normalized by norm with channels last.
func convNeXt(b *graphBuilder, y string, norm func(y string) string) string {
	linear := func(y string, in, out int64) string {
		return b.node("Add", b.node("MatMul", y, b.weights(in, out)), b.weights(out))
	}
	z := b.node("Conv", y, b.weights(8, 1, 7, 7), b.weights(8), num("group", 8), nums("pads", 3, 3, 3, 3))
	z = linear(norm(b.node("Transpose", z, nums("perm", 0, 2, 3, 1))), 8, 32)
	z = b.node("Mul", linear(gelu(b, z), 32, 8), b.weights(8))
	return b.node("Add", y, b.node("Transpose", z, nums("perm", 0, 3, 1, 2)))
}

// trunkForms are what may stand between two convolutions and is computed in float: from y [N,8,12,10] on.
var trunkForms = []struct {
	name       string
	since, end int64
	build      func(b *graphBuilder, y string) string
}{
	{"ConvNeXt", 17, 0, func(b *graphBuilder, y string) string {
		return convNeXt(b, y, func(y string) string {
			return b.node("LayerNormalization", y, b.weights(8), b.weights(8), flt("epsilon", 1e-6))
		})
	}},
	{"ConvNeXt, spelt", 13, 17, func(b *graphBuilder, y string) string {
		return convNeXt(b, y, func(y string) string { return pixelNorm(b, y, -1, 8) })
	}},
	{"pixels normalized, channels first", 13, 17, func(b *graphBuilder, y string) string { return pixelNorm(b, y, 1, 8, 1, 1) }},
	{"pixels normalized", 17, 0, func(b *graphBuilder, y string) string {
		y = b.node("LayerNormalization", b.node("Transpose", y, nums("perm", 0, 2, 3, 1)), b.weights(8), b.weights(8))
		return b.node("Transpose", y, nums("perm", 0, 3, 1, 2))
	}},
	{"instances normalized", 7, 0, func(b *graphBuilder, y string) string {
		return b.node("InstanceNormalization", y, b.weights(8), b.weights(8))
	}},
	{"groups normalized", 7, 0, func(b *graphBuilder, y string) string {
		ones, zeros := b.floats([]int64{2}, 1, 1), b.floats([]int64{2}, 0, 0)
		z := b.node("InstanceNormalization", b.node("Reshape", y, b.list(0, 2, -1)), ones, zeros)
		z = b.node("Reshape", z, b.list(-1, 8, 12, 10))
		return b.node("Relu", b.node("Add", b.node("Mul", z, b.weights(8, 1, 1)), b.weights(8, 1, 1)))
	}},
	{"groups normalized, one operator of groups", 18, 20, func(b *graphBuilder, y string) string {
		return b.node("GroupNormalization", y, b.weights(2), b.weights(2), num("num_groups", 2))
	}},
	{"groups normalized, one operator", 21, 0, func(b *graphBuilder, y string) string {
		return b.node("GroupNormalization", y, b.weights(8), b.weights(8), num("num_groups", 2))
	}},
	{"attention of pixels", 13, 17, func(b *graphBuilder, y string) string {
		z := b.node("Concat", b.node("ReduceMean", y, nums("axes", 1)), b.node("ReduceMax", y, nums("axes", 1)), num("axis", 1))
		return b.node("Mul", y, b.node("Sigmoid", b.node("Conv", z, b.weights(1, 2, 7, 7), nums("pads", 3, 3, 3, 3))))
	}},
	{"attention of channels", 18, 0, func(b *graphBuilder, y string) string {
		z := b.node("Sub", b.node("ReduceMax", y, b.list(2, 3), num("keepdims", 0)), b.node("ReduceMin", y, b.list(-1, -2), num("keepdims", 0)))
		z = b.node("Sigmoid", b.node("MatMul", z, b.weights(8, 8)))
		return b.node("Mul", y, b.node("Unsqueeze", z, b.list(2, 3)))
	}},
	{"unit pixels", 13, 17, func(b *graphBuilder, y string) string {
		length := b.node("Clip", b.node("ReduceL2", y, nums("axes", 1)), b.floats(nil, 1e-12))
		return b.node("Div", y, b.node("Expand", length, b.list(1, 8, 12, 10)))
	}},
	{"global context", 13, 0, func(b *graphBuilder, y string) string {
		mask := b.node("Softmax", b.node("Reshape", b.node("Conv", y, b.weights(1, 8, 1, 1)), b.list(0, 1, 120)), num("axis", 2))
		all := b.node("Unsqueeze", b.node("Reshape", y, b.list(0, 8, 120)), b.list(1))
		z := b.node("Reshape", b.node("MatMul", all, b.node("Unsqueeze", mask, b.list(-1))), b.list(-1, 8, 1, 1))
		return b.node("Add", y, b.node("Conv", z, b.weights(8, 8, 1, 1)))
	}},
	{"global context, a sum", 13, 0, func(b *graphBuilder, y string) string {
		mask := b.node("Softmax", b.node("Reshape", b.node("Conv", y, b.weights(1, 8, 1, 1)), b.list(0, 120)))
		z := b.node("ReduceSum", b.node("Mul", y, b.node("Reshape", mask, b.list(0, 1, 12, 10))), b.list(2, 3))
		return b.node("Add", y, b.node("Conv", z, b.weights(8, 8, 1, 1)))
	}},
	{"softmax of all behind an axis", 11, 12, func(b *graphBuilder, y string) string {
		return b.node("Mul", b.node("Softmax", y, num("axis", 2)), b.floats(nil, 100))
	}},
	{"selective kernels", 13, 0, func(b *graphBuilder, y string) string {
		z := b.node("Conv", b.node("GlobalAveragePool", y), b.weights(16, 8, 1, 1))
		z = b.node("Softmax", b.node("Reshape", z, b.list(0, 2, 8, 1, 1)), num("axis", 1))
		both := b.node("Concat", b.node("Unsqueeze", y, b.list(1)), b.node("Unsqueeze", b.node("Relu", b.node("Conv", y, b.weights(8, 8, 1, 1))), b.list(1)), num("axis", 1))
		return b.node("ReduceSum", b.node("Mul", both, z), b.list(1), num("keepdims", 0))
	}},
	{"softmax of small logits", 13, 0, func(b *graphBuilder, y string) string {
		return b.node("Mul", b.node("Softmax", b.node("Mul", y, b.floats(nil, 0.1)), num("axis", -1)), b.floats(nil, 100))
	}},
	{"logarithms of shares", 13, 0, func(b *graphBuilder, y string) string { return b.node("LogSoftmax", y, num("axis", 1)) }},
	{"efficient attention of channels", 13, 0, func(b *graphBuilder, y string) string {
		z := b.node("Transpose", b.node("Squeeze", b.node("GlobalAveragePool", y), b.list(-1)), nums("perm", 0, 2, 1))
		z = b.node("Conv", z, b.weights(1, 1, 3), nums("pads", 1, 1), nums("kernel_shape", 3))
		z = b.node("Unsqueeze", b.node("Transpose", z, nums("perm", 0, 2, 1)), b.list(-1))
		return b.node("Mul", y, b.node("Sigmoid", z))
	}},
	{"rows", 13, 17, func(b *graphBuilder, y string) string {
		z := b.node("ReduceMean", y, nums("axes", 2), num("keepdims", 0))
		z = b.node("Relu", b.node("Add", b.node("Conv", z, b.weights(16, 4, 3), num("group", 2), nums("strides", 2), text("auto_pad", "SAME_UPPER")), b.weights(16, 1)))
		z = b.node("AveragePool", b.node("MaxPool", z, nums("kernel_shape", 2)), nums("kernel_shape", 2), nums("strides", 2))
		return b.node("Unsqueeze", b.node("Conv", z, b.weights(8, 16, 1), b.weights(8)), b.list(2))
	}},
	{"attention", 13, 0, func(b *graphBuilder, y string) string {
		flat := func(out int64) string {
			return b.node("Reshape", b.node("Conv", y, b.weights(out, 8, 1, 1)), b.list(0, out, 120))
		}
		a := b.node("MatMul", b.node("Transpose", flat(4), nums("perm", 0, 2, 1)), flat(4))
		a = b.node("Softmax", b.node("Mul", a, b.floats(nil, 0.5)), num("axis", -1))
		z := b.node("Reshape", b.node("MatMul", flat(8), b.node("Transpose", a, nums("perm", 0, 2, 1))), b.list(0, 8, 12, 10))
		return b.node("Add", y, b.node("Conv", z, b.weights(8, 8, 1, 1)))
	}},
}

// What runtimes have no integer kernels for stays float between quantized convolutions: quantized files are near the network, and ONNX
// Runtime computes of them what they say.
func TestORTTrunk(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const batch = 2
	for _, f := range trunkForms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			opset := max(f.since, 13)
			if f.end > 0 {
				opset = f.end
			}
			b := newGraph(opset)
			y := b.node("Conv", b.input("x", 3, 12, 10), b.weights(8, 3, 3, 3), nums("pads", 1, 1, 1, 1))
			y = b.node("Relu", b.node("Conv", f.build(b, y), b.weights(16, 8, 3, 3), nums("pads", 1, 1, 1, 1)))
			b.output(b.node("Conv", y, b.weights(2, 16, 1, 1)))
			n := b.mustImport(t)
			out, images := n.Outputs[0], waves(batch*size(n.Values["x"].Shape), 0.4)
			float := evaluate(t, n, images, batch)[out]
			source := oracle.RunORT(t, sourceFile(t, b), input(n, images), oracle.ORTOptions{Level: oracle.Disabled})
			if db := quant.SQNR(floats(t, source[0]), float); db < 100 {
				t.Errorf("the network has %.1f dB", db)
			}
			quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, images, batch)
			for _, to := range []int64{max(n.Opset, 13), 21} {
				path, back := write(t, n, ExportOptions{Opset: to})
				InIntegers(back)
				want := evaluate(t, back, images, batch)[out]
				if db := quant.SQNR(float, want); db < 20 {
					t.Errorf("8 bits have %.1f dB", db)
				}
				for _, level := range []string{oracle.Extended, oracle.All} {
					got := oracle.RunORT(t, path, input(n, images), oracle.ORTOptions{Level: level})
					if db := quant.SQNR(floats(t, got[0]), want); db < 50 {
						t.Errorf("opset %d, %s: %.1f dB between ONNX Runtime and the network in integers", to, level, db)
					}
				}
			}
		})
	}
}
