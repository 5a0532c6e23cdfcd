package nn

import (
	"math"
	"testing"
)

// What is known of pixels follows through the arithmetic that normalizes them.
func TestAffineDistributions(t *testing.T) {
	inf := math.Inf(1)
	image := &Distribution{Mean: []float64{120, 100}, Std: []float64{64, 32}, Lo: []float64{0, 0}, Hi: []float64{255, inf}}
	for _, tt := range []struct {
		name  string
		build func(b *graphBuilder) string
		want  *Distribution // nil: nothing is known
	}{
		{"less a mean", func(b *graphBuilder) string { return b.node("Sub", "x", b.floats([]int64{2, 1, 1}, 120, 90)) },
			&Distribution{[]float64{0, 10}, []float64{64, 32}, []float64{-120, -90}, []float64{135, inf}}},
		{"over a deviation", func(b *graphBuilder) string { return b.node("Div", "x", b.floats([]int64{1, 2, 1, 1}, 64, -16)) },
			&Distribution{[]float64{1.875, -6.25}, []float64{1, 2}, []float64{0, -inf}, []float64{255. / 64, 0}}},
		{"times and plus a number", func(b *graphBuilder) string {
			return b.node("Add", b.floats([]int64{1}, 1), b.node("Mul", "x", b.floats(nil, 0.5)))
		}, &Distribution{[]float64{61, 51}, []float64{32, 16}, []float64{1, 1}, []float64{128.5, inf}}},
		{"from a number", func(b *graphBuilder) string { return b.node("Sub", b.floats(nil, 255), "x") },
			&Distribution{[]float64{135, 155}, []float64{64, 32}, []float64{0, -inf}, []float64{255, 255}}},
		{"times nothing", func(b *graphBuilder) string { return b.node("Mul", "x", b.floats([]int64{2, 1, 1}, 0, 1)) },
			&Distribution{[]float64{0, 100}, []float64{0, 32}, []float64{0, 0}, []float64{0, inf}}},
		{"a number for each position", func(b *graphBuilder) string { return b.node("Sub", "x", b.weights(2, 3, 3)) }, nil},
		{"a number for each column", func(b *graphBuilder) string { return b.node("Sub", "x", b.weights(3)) }, nil},
		{"a number over pixels", func(b *graphBuilder) string { return b.node("Div", b.floats(nil, 1), "x") }, nil},
		{"a power", func(b *graphBuilder) string { return b.node("Pow", "x", b.floats(nil, 2)) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newGraph(13)
			b.input("x", 2, 3, 3)
			y := tt.build(b)
			b.output(b.node("Conv", y, b.weights(1, 2, 1, 1)))
			got := Distributions(b.mustImport(t), map[string]*Distribution{"x": image})[y]
			if got == nil || tt.want == nil {
				if (got == nil) != (tt.want == nil) {
					t.Errorf("%+v, want %+v", got, tt.want)
				}
				return
			}
			for c := range tt.want.Mean {
				if got.Mean[c] != tt.want.Mean[c] || got.Std[c] != tt.want.Std[c] || got.Lo[c] != tt.want.Lo[c] || got.Hi[c] != tt.want.Hi[c] {
					t.Errorf("channel %d: %+v, want %+v", c, got, tt.want)
				}
			}
		})
	}
}
