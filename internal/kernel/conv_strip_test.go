package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStrip compares strips with their portable loop, for every number of pixels, with and without neighbours.
func TestStrip(t *testing.T) {
	if !slices.Contains(supported(), isaAVX512) {
		t.Log("this machine has no AVX-512: the portable loop alone")
	}
	for _, isa := range supported() {
		for vectors := 1; vectors <= 2; vectors++ {
			for pixels := 1; pixels <= stripPixels(vectors); pixels++ {
				for variant := range 8 {
					depth, lanes := []int{1, 3, 5, 16}[(pixels+variant)%4], 1+(pixels*7+variant)%isa.lanes()
					name := fmt.Sprintf("%v/%d vectors/%d pixels/%d lanes/depth %d/%03b", isa, vectors, pixels, lanes, depth, variant)
					t.Run(name, func(t *testing.T) { checkStrip(t, isa, vectors, pixels, lanes, depth, variant) })
				}
			}
		}
	}
}

func checkStrip(t *testing.T, isa isa, vectors, pixels, lanes, depth, variant int) {
	r := rand.New(rand.NewPCG(uint64(pixels), uint64(variant)))
	width, channels := vectors*isa.lanes(), (vectors-1)*isa.lanes()+lanes
	row := (pixels + 2) * depth
	s := strip{x: fenced(t, 3*row), w: fenced(t, 9*depth*width), zeros: fenced(t, depth), xStep: depth, dstStep: channels, depth: depth,
		pixels: pixels, vectors: vectors, lanes: lanes, first: variant&1 != 0, last: variant&2 != 0, accumulate: variant&4 != 0}
	copy(s.x, normal(r, len(s.x)))
	copy(s.w, normal(r, len(s.w)))
	// The rows from the last to the first; with first, the pixel before the first is not there to be read.
	for i := range 3 {
		s.taps = append(s.taps, tap{x: (2 - i) * row, w: 3 * i * depth, k: 3 * depth})
	}
	if s.first {
		s.x, s.xAt = s.x[depth:], -depth
		s.taps = s.taps[:2]
	}
	start := normal(r, pixels*channels)
	run := func(f func(*strip)) []float32 {
		s := s
		s.dst = fenced(t, len(start))
		copy(s.dst, start)
		f(&s)
		return s.dst
	}
	got := run(func(s *strip) { s.run(isa) })
	want := run(func(s *strip) { s.runGo(isa.lanes()) })
	needClose(t, got, want, len(s.taps)*3*depth)
}

// TestGradStrip compares gradient strips with their portable loop.
func TestGradStrip(t *testing.T) {
	for _, isa := range supported() {
		for elements := 1; elements <= stripElements; elements++ {
			for _, cols := range []int{1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 33} {
				lanes, rows := 1+(elements*5+cols)%isa.lanes(), 1+(elements+cols)%3
				t.Run(fmt.Sprintf("%v/%d elements/%d lanes/%d by %d", isa, elements, lanes, rows, cols), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(cols), uint64(elements)))
					s := gradStrip{x: fenced(t, rows*cols*elements), xRow: cols * elements, xStep: elements, rows: rows, cols: cols, elements: elements,
						dy: fenced(t, rows*cols*lanes), dyRow: cols * lanes, dyStep: lanes, lanes: lanes, dwRow: lanes, dwWindow: elements * lanes}
					copy(s.x, normal(r, len(s.x)))
					copy(s.dy, normal(r, len(s.dy)))
					start := normal(r, 3*elements*lanes)
					s.dw = fenced(t, len(start))
					copy(s.dw, start)
					s.run(isa)
					want := s
					want.dw = start
					want.runGo()
					needClose(t, s.dw, want.dw, rows*cols)
				})
			}
		}
	}
}

// needClose compares sums of so many products of numbers around 1.
func needClose(t *testing.T, got, want []float32, terms int) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= 1e-6*float64(terms)+1e-6) {
			t.Fatalf("element %d is %g, want %g", i, got[i], want[i])
		}
	}
}
