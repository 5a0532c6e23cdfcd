package kernel

import (
	"math/rand/v2"
	"testing"
)

func TestMatMul(t *testing.T) {
	sizes := []struct{ m, k, n int }{
		{1, 1, 1}, {1, 300, 10}, {2, 3, 5}, {7, 16, 17}, {13, 31, 33}, {14, 64, 64}, {15, 257, 48}, {16, 100, 32},
		{17, 5, 300}, {33, 33, 15}, {64, 512, 10}, {340, 20, 31}, {341, 520, 16}, {5, 0, 3}, {180, 260, 100},
	}
	for _, isa := range supported() {
		t.Run(isa.String(), func(t *testing.T) {
			for _, s := range sizes {
				r := rand.New(rand.NewPCG(uint64(s.m), uint64(s.n)))
				a, at, b := fenced(t, s.m*s.k), fenced(t, s.m*s.k), fenced(t, s.k*s.n)
				copy(a, normal(r, len(a)))
				copy(b, normal(r, len(b)))
				want := make([]float64, s.m*s.n)
				for i := range s.m {
					for k := range s.k {
						at[k*s.m+i] = a[i*s.k+k]
						for j := range s.n {
							want[i*s.n+j] += float64(a[i*s.k+k]) * float64(b[k*s.n+j])
						}
					}
				}

				c := newOperand(t, len(want), nan)
				for _, part := range [][2]int{{0, s.n / 3}, {s.n / 3, s.n}} {
					matMul(isa, c.data, a, b, s.m, s.k, s.n, part[0], part[1], false)
				}
				if err := c.compare(want, s.k); err != nil {
					t.Errorf("MatMul %+v: %v", s, err)
				}
				start := make([]float32, len(want))
				for i := range start {
					start[i] = float32(i%3 - 1)
					want[i] += float64(start[i])
				}
				copy(c.data, start)
				matMul(isa, c.data, a, b, s.m, s.k, s.n, 0, s.n, true)
				if err := c.compare(want, s.k); err != nil {
					t.Errorf("MatMul %+v, accumulating: %v", s, err)
				}
				copy(c.data, start)
				matMulTA(isa, c.data, at, b, s.m, s.k, s.n)
				if err := c.compare(want, s.k); err != nil {
					t.Errorf("MatMulTA %+v: %v", s, err)
				}
			}
		})
	}
}
