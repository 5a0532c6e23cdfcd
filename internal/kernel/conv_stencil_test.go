package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestStencil compares stencils and their gradient with their definitions, with and without each of the zeros, on
// rows that begin and end with pages that must not be touched.
func TestStencil(t *testing.T) {
	for _, isa := range supported() {
		if isa != isaAVX512 && isa != isaGo {
			continue // has no assembly: the portable loop
		}
		for vectors := 1; vectors <= 2; vectors++ {
			for _, cols := range []int{1, 2, 3, 4, 5, 8, 11} {
				for variant := range 32 {
					rows, lanes := 1+(cols+variant)%3, 1+(cols*5+variant*3)%isa.lanes()
					name := fmt.Sprintf("%v/%d vectors/%d by %d/%d lanes/%05b", isa, vectors, rows, cols, lanes, variant)
					t.Run(name, func(t *testing.T) { checkStencil(t, isa, vectors, rows, cols, lanes, variant) })
				}
			}
		}
	}
}

func checkStencil(t *testing.T, isa isa, vectors, rows, cols, lanes, variant int) {
	r := rand.New(rand.NewPCG(uint64(cols), uint64(variant)))
	width, channels := vectors*isa.lanes(), (vectors-1)*isa.lanes()+lanes
	s := stencil{step: channels, stride: 1 + variant&1, rows: rows, cols: cols, vectors: vectors, lanes: lanes,
		top: variant&2 != 0, bottom: variant&4 != 0, right: variant&8 != 0, accumulate: variant&16 != 0}
	// Rows and columns of x that are there.
	above, high, wide := 1, s.stride*(rows-1)+3, s.stride*(cols-1)+2
	if s.top {
		above, high = 0, high-1
	}
	if s.bottom {
		high--
	}
	if s.right {
		wide--
	}
	s.xRow, s.dstRow = wide*channels, cols*channels
	s.xAt = above * s.xRow
	s.x, s.w, s.zeros = fenced(t, high*s.xRow), fenced(t, 9*width), fenced(t, s.xRow)
	copy(s.x, normal(r, len(s.x)))
	copy(s.w, normal(r, len(s.w)))
	start := normal(r, rows*s.dstRow)
	// seen is what window k of the pixel in row y and column p sees of channel c.
	seen := func(y, p, k, c int) float64 {
		row, col := s.stride*y+k/3-1, s.stride*p+k%3-1
		if row < 0 && s.top || row == s.stride*(rows-1)+1 && s.bottom || col < 0 || col == s.stride*(cols-1)+1 && s.right {
			return 0
		}
		return float64(s.x[s.xAt+row*s.xRow+col*channels+c])
	}
	want := make([]float64, len(start))
	for i := range want {
		y, p, c := i/s.dstRow, i/channels%cols, i%channels
		if s.accumulate {
			want[i] = float64(start[i])
		}
		for k := range 9 {
			want[i] += seen(y, p, k, c) * float64(s.w[k*width+c])
		}
	}
	s.dst = fenced(t, len(start))
	copy(s.dst, start)
	s.run(isa)
	needClose(t, s.dst, want, 9)

	g := gradStencil{x: s.x, dy: fenced(t, len(start)), dw: fenced(t, 9*channels), zeros: s.zeros, xAt: s.xAt, xRow: s.xRow, dyRow: s.dstRow, dwRow: channels,
		step: channels, stride: s.stride, rows: rows, cols: cols, vectors: vectors, lanes: lanes, top: s.top, bottom: s.bottom, right: s.right}
	copy(g.dy, start)
	before := normal(r, len(g.dw))
	copy(g.dw, before)
	g.run(isa)
	want = make([]float64, len(before))
	for i := range want {
		k, c := i/channels, i%channels
		want[i] = float64(before[i])
		for j := range rows * cols {
			want[i] += seen(j/cols, j%cols, k, c) * float64(start[j*channels+c])
		}
	}
	needClose(t, g.dw, want, rows*cols)
}
