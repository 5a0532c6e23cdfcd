package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestStrip compares strips with their definition, for every number of pixels, with and without neighbours.
func TestStrip(t *testing.T) {
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
	var want []float64
	for p := range pixels {
		for c := range channels {
			var sum float64
			for _, tap := range s.taps {
				for k := range 3 * depth {
					if q := p + k/depth; q > 0 && q <= pixels || q == 0 && !s.first || q > pixels && !s.last {
						sum += float64(s.x[s.xAt+tap.x+q*depth+k%depth]) * float64(s.w[(tap.w+k)*width+c])
					}
				}
			}
			if s.accumulate {
				sum += float64(start[p*channels+c])
			}
			want = append(want, sum)
		}
	}
	s.dst = fenced(t, len(start))
	copy(s.dst, start)
	s.run(isa)
	needClose(t, s.dst, want, len(s.taps)*3*depth)
}

// TestGradStrip compares gradient strips with their definition.
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
					var want []float64
					for i := range 3 * elements {
						for c := range lanes {
							sum := float64(start[i*lanes+c])
							for r := range rows {
								for q := range cols { // the pixel of x; window i/elements has it beside or at p
									if p := q + 1 - i/elements; p >= 0 && p < cols {
										sum += float64(s.x[(r*cols+q)*elements+i%elements]) * float64(s.dy[(r*cols+p)*lanes+c])
									}
								}
							}
							want = append(want, sum)
						}
					}
					needClose(t, s.dw, want, rows*cols)
				})
			}
		}
	}
}

// needClose compares sums of so many products of numbers around 1.
func needClose(t *testing.T, got []float32, want []float64, terms int) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= 1e-6*float64(terms)+1e-6) {
			t.Fatalf("element %d is %g, want %g", i, got[i], want[i])
		}
	}
}
