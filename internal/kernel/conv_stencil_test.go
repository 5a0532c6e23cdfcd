package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestStencil compares stencils and their gradient with the portable loops, with and without each of the zeros, on
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
	run := func(f func(*stencil)) []float32 {
		s := s
		s.dst = fenced(t, len(start))
		copy(s.dst, start)
		f(&s)
		return s.dst
	}
	needClose(t, run(func(s *stencil) { s.run(isa) }), run(func(s *stencil) { s.runGo(isa.lanes()) }), 9)

	g := gradStencil{x: s.x, dy: fenced(t, len(start)), dw: fenced(t, 9*channels), zeros: s.zeros, xAt: s.xAt, xRow: s.xRow, dyRow: s.dstRow, dwRow: channels,
		step: channels, stride: s.stride, rows: rows, cols: cols, vectors: vectors, lanes: lanes, top: s.top, bottom: s.bottom, right: s.right}
	copy(g.dy, start)
	before := normal(r, len(g.dw))
	copy(g.dw, before)
	g.run(isa)
	want := g
	want.dw = before
	want.runGo(isa.lanes())
	needClose(t, g.dw, want.dw, rows*cols)
}
