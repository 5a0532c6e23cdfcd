package kernel

// strip is the micro-kernel of correlations whose windows are rows of three neighbours around a pixel: a few pixels side
// by side in a row, by a few vectors of channels whose sums are kept in registers. Each element of x is fetched once for
// the three pixels that see it, and not once for each, as tile does: with as many fetches as multiplications, whatever has to
// come from farther than the first-level cache is in the way. It equals
//
//	for p := range pixels {
//		for c := range (vectors-1)*L + lanes {
//			var sum float32
//			for _, tap := range taps {
//				for k := range depth {
//					for i := range 3 {
//						sum += x[xAt+tap.x+(p+i)*xStep+k] * w[(tap.w+i*depth+k)*vectors*L+c]
//					}
//				}
//			}
//			dst[p*dstStep+c] = sum // += if accumulate
//		}
//	}
//
// with L the lanes of the instruction set, but that pixel -1 (p+i = 0) is zero if first, and pixel pixels if last. The order
// of the sum is not defined. Nothing is checked.
type strip struct {
	dst, x, w   []float32
	zeros       []float32 // depth of them
	taps        []tap     // rows
	xAt         int       // may lie outside of x
	xStep       int
	dstStep     int
	depth       int
	pixels      int // 1 to stripPixels(vectors)
	vectors     int // 1 or 2
	lanes       int // channels in the last vector, 1 to L
	first, last bool
	accumulate  bool

	// What is fetched into the cache meanwhile, for a strip of a later row: so many cache lines of x from xAhead elements
	// behind its first pixel, and the same pixels of dst dstAhead elements behind; none where 0.
	fetch            int
	xAhead, dstAhead int
}

// stripPixels is the largest number of pixels in a strip of so many vectors.
func stripPixels(vectors int) int { return 16 / vectors }

// cacheLines is the number of cache lines that so many elements take.
func cacheLines(elements int) int { return ceilDiv(elements, 16) }

// row computes a whole row of n pixels, cut into strips as equal as can be.
func (t *strip) row(isa isa, n int) {
	strips := ceilDiv(n, stripPixels(t.vectors))
	t.first = true
	for ; strips > 0; strips-- {
		t.pixels, t.last = ceilDiv(n, strips), strips == 1
		t.run(isa)
		t.first = false
		t.xAt += t.pixels * t.xStep
		t.dst = t.dst[min(len(t.dst), t.pixels*t.dstStep):]
		n -= t.pixels
	}
}

// runStrips computes images row by row in strips.
func (f *correlation) runStrips(dst, src, packed []float32, images int, accumulate bool) {
	together := images
	if f.packedLen() <= fewWeights {
		together = 1
	}
	lanes := f.isa.lanes()
	for first := 0; first < images; first += together {
		for _, b := range f.blocks {
			t := strip{x: src, w: packed[len(f.windows)*f.cin*b.channel:], zeros: f.zeros, xStep: f.cin, dstStep: f.dstStep,
				depth: f.cin, vectors: b.vectors, lanes: b.lanes, accumulate: accumulate}
			t.w = t.w[:len(f.windows)*f.cin*b.vectors*lanes]
			// The next row of dst, and the row of x below those that it sees; at the end of an image those of the next one, which
			// lies behind. The first block brings x for all.
			t.dstAhead = f.dstRow
			if b.channel == 0 {
				t.xAhead = 2 * f.srcRow
				t.fetch = cacheLines(f.srcRow / ceilDiv(f.width, stripPixels(b.vectors)))
			}
			for image := first; image < min(first+together, images); image++ {
				for r := range f.rows {
					t.taps = f.tapsInside(r)
					t.xAt = image*f.src + r*f.srcRow
					t.dst = dst[image*f.dst+f.dstAt+r*f.dstRow+b.channel:]
					t.row(f.isa, f.width)
				}
			}
		}
	}
}

// inStrips reports whether f can be computed in strips: dense rows of three windows, each pixel in the middle of its own.
func (f *correlation) inStrips() bool {
	if f.isa != isaAVX512 || f.pixels > 1 || f.groups > 1 || f.depthwise || f.stepX != 1 || f.stepY != 1 ||
		f.width != f.w || f.dstStep != f.cout || len(f.windows)%3 != 0 {
		return false
	}
	for i, v := range f.windows {
		if v.x != i%3-1 || v.y != f.windows[i/3*3].y {
			return false
		}
	}
	return true
}

// runGo is strip in portable Go.
func (t *strip) runGo(lanes int) {
	width := t.vectors * lanes
	for p := range t.pixels {
		dst := t.dst[p*t.dstStep:]
		for c := range width - lanes + t.lanes {
			var sum float32
			for _, tap := range t.taps {
				for i := range 3 {
					if q := p + i; q == 0 && t.first || q == t.pixels+1 && t.last {
						continue
					}
					x, w := t.x[t.xAt+tap.x+(p+i)*t.xStep:], t.w[(tap.w+i*t.depth)*width+c:]
					for k := range t.depth {
						sum += float32(x[k] * w[k*width])
					}
				}
			}
			if t.accumulate {
				sum += dst[c]
			}
			dst[c] = sum
		}
	}
}
