package engine

import "zaq/internal/operator"

// Interpolate adds a map whose pixels are weighted sums of pixels of x: rows and columns say, for each of the result's,
// which of x's and how much. nil leaves that axis as it is.
func (g *Graph) Interpolate(name string, x *Tensor, rows, columns [][]operator.Tap) *Tensor {
	if rows == nil {
		rows = untouched(x.H)
	}
	if columns == nil {
		columns = untouched(x.W)
	}
	y := &Tensor{Name: name, H: len(rows), W: len(columns), C: x.C}
	// each calls f for every pair of pixels, of the result and of x, and the share.
	each := func(f func(to, from int, weight float32)) {
		for i, row := range rows {
			for j, column := range columns {
				to := (i*y.W + j) * y.C
				for _, r := range row {
					for _, c := range column {
						f(to, (r.At*x.W+c.At)*x.C, r.Weight*c.Weight)
					}
				}
			}
		}
	}
	return g.add(&mapOp{
		x: x, y: y, kind: "interpolate",
		run: func(out, in []float32) {
			clear(out)
			each(func(to, from int, w float32) {
				pixel := out[to : to+y.C]
				for k, v := range in[from : from+x.C] {
					pixel[k] += float32(w * v)
				}
			})
		},
		gradient: func(dx, dy, _, _ []float32, acc bool) {
			if !acc {
				clear(dx)
			}
			each(func(to, from int, w float32) {
				pixel := dx[from : from+x.C]
				for k, v := range dy[to : to+y.C] {
					pixel[k] += float32(w * v)
				}
			})
		},
	})
}

func untouched(n int) [][]operator.Tap {
	taps := make([][]operator.Tap, n)
	for i := range taps {
		taps[i] = []operator.Tap{{At: i, Weight: 1}}
	}
	return taps
}
