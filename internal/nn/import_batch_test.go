package nn

import (
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// What is the same for every image has no batch: the network takes any, in front of weights and behind them.
func TestConstantsForEachImage(t *testing.T) {
	expanded := func(b *graphBuilder, x, c string, sizes ...int64) string {
		return b.node("Expand", c, batchAnd(b, x, sizes...))
	}
	zeros := func(b *graphBuilder, x string, sizes ...int64) string {
		return b.node("ConstantOfShape", batchAnd(b, x, sizes...), onnx.AttrT("value", onnx.NewFloats("", []int64{1}, []float32{0.5})))
	}
	for _, tt := range []struct {
		name, kinds string
		opset       int64
		channels    int64
		build       func(b *graphBuilder, x string) string
	}{
		{"coordinates behind", "Pad Add", 13, 6, func(b *graphBuilder, x string) string {
			return b.node("Concat", x, expanded(b, x, b.weights(1, 2, 6, 7), 2, 6, 7), num("axis", 1))
		}},
		{"coordinates before and between", "Relu Pad Concat Add", 11, 10, func(b *graphBuilder, x string) string {
			c := b.node("Tile", b.weights(1, 1, 6, 7), batchAnd(b, x, 1, 1, 1))
			return b.node("Concat", c, x, c, b.node("Relu", x), num("axis", -3))
		}},
		{"a column", "Pad Add", 13, 4, func(b *graphBuilder, x string) string {
			return b.node("Concat", expanded(b, x, b.weights(4, 1, 1), 4, 6, 1), x, num("axis", 3))
		}},
		{"zeros added", "Add", 13, 4, func(b *graphBuilder, x string) string { return b.node("Add", x, zeros(b, x, 4, 6, 7)) }},
		{"of the shape of what they are added to", "Add", 13, 4, func(b *graphBuilder, x string) string {
			return b.node("Add", b.node("Expand", b.weights(4, 1, 1), b.node("Shape", x)), x)
		}},
		{"multiplied", "Mul", 11, 4, func(b *graphBuilder, x string) string {
			return b.node("Mul", expanded(b, x, b.weights(4, 1, 1), 4, 1, 1), x)
		}},
		{"by what expand(-1) becomes", "Pad Add", 13, 5, func(b *graphBuilder, x string) string {
			// torch: grid.expand(x.shape[0], -1, -1, -1)
			size := batchAnd(b, x, -1, -1, -1)
			ones := b.node("ConstantOfShape", b.list(4), onnx.AttrT("value", onnx.NewInts("", onnx.Int64, []int64{1}, []int64{1})))
			where := b.node("Where", b.node("Equal", size, b.node("Mul", ones, b.list(-1))), ones, size)
			return b.node("Concat", x, b.node("Expand", b.weights(1, 1, 6, 7), where), num("axis", 1))
		}},
	} {
		for _, behind := range []bool{false, true} {
			name := tt.name
			if behind {
				name += ", behind weights"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := newGraph(tt.opset)
				x := b.input("x", 4, 6, 7)
				if behind {
					b.output(tt.build(b, conv(b)))
				} else {
					y := tt.build(b, x)
					b.output(b.node("Conv", y, b.weights(3, tt.channels, 2, 2)))
				}
				source := sourceFile(t, b)
				n := b.mustImport(t)
				var kinds []string
				for _, l := range n.Layers {
					kinds = append(kinds, l.Op.Kind())
				}
				if got := strings.Join(kinds, " "); !behind && got != tt.kinds+" Conv" {
					t.Errorf("layers %s, want %s", got, tt.kinds)
				}
				for _, batch := range []int{1, 3} {
					declared, x := imagesFor(n, batch)
					want := floats(t, oracle.RunORT(t, source, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})[0])
					if d := distance(evaluate(t, n, x, batch)[n.Outputs[0]], want); !(d <= 1e-5) {
						t.Errorf("off by %g from ONNX Runtime", d)
					}
					for _, to := range []int64{max(13, tt.opset), 21} {
						path, _ := write(t, n, ExportOptions{Opset: to})
						got := oracle.RunORT(t, path, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Disabled})
						if d := distance(floats(t, got[0]), want); !(d <= 1e-5) {
							t.Errorf("its file of opset %d is off by %g", to, d)
						}
					}
				}
			})
		}
	}
}

// A constant of its own for each image is none: a file with a batch of 1 alone may have it.
func TestConstantsOfImages(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	shape := b.node("Shape", "x")
	size := b.node("Cast", b.node("Gather", shape, b.list(0)), num("to", int64(onnx.Float)))
	b.output(b.node("Conv", b.node("Add", "x", size), b.weights(3, 4, 1, 1)))
	if _, err := Import(b.model); err == nil || !strings.Contains(err.Error(), "(Shape): operator not supported") {
		t.Errorf("error %v", err)
	}
}

// A quantized network to which constants are joined computes in ONNX Runtime what it says.
func TestORTConstantsForEachImage(t *testing.T) {
	const batch = 2
	b := newGraph(13)
	x := b.input("x", 3, 12, 10)
	grid := b.node("Expand", b.weights(2, 12, 10), batchAnd(b, x, 2, 12, 10))
	y := b.node("Relu", b.node("Conv", b.node("Concat", x, grid, num("axis", 1)), b.weights(8, 5, 3, 3), nums("pads", 1, 1, 1, 1)))
	b.output(b.node("Conv", b.node("Concat", grid, y, num("axis", 1)), b.weights(6, 10, 1, 1)))
	n := b.mustImport(t)
	images, out := waves(batch*3*12*10, 0.4), n.Outputs[0]
	float := evaluate(t, n, images, batch)[out]
	quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, images, batch)
	for _, to := range []int64{13, 21} {
		path, back := write(t, n, ExportOptions{Opset: to})
		InIntegers(back)
		want := evaluate(t, back, images, batch)[out]
		if db := quant.SQNR(float, want); db < 28 {
			t.Errorf("8 bits have %.1f dB", db)
		}
		got := oracle.RunORT(t, path, input(n, images), oracle.ORTOptions{Level: oracle.All})
		if db := quant.SQNR(floats(t, got[0]), want); db < 40 {
			t.Errorf("opset %d: %.1f dB between ONNX Runtime and the network in integers", to, db)
		}
	}
}
