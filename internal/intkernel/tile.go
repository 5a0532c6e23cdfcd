package intkernel

// tile is the micro-kernel of convolutions and matrix products: count tiles side by side, each of a few pixels by
// a few vectors of channels whose sums are kept in registers. It equals, with L the lanes of a vector,
//
//	for p := range count * pixels {
//		for c := range vectors * L {
//			sum := bias[c]
//			i := 0 // of the weights
//			for _, run := range runs {
//				for k := range run.k {
//					for j := range 4 {
//						sum += int32(x[xAt+run.x+p*xStep+4*k+j]) * int32(w[(i*vectors*L+c)*4+j])
//					}
//					i++
//				}
//			}
//			sums[p*sumStep+c] = sum
//		}
//	}
//
// or, if fused, requantizes the sums in float32 in place of the last assignment:
//
//	dst[p*dstStep+c] = r.One(sum, c) // c < (vectors-1)*L + last
//
// Nothing is checked: offsets must be right.
type tile struct {
	sums []int32
	dst  []uint8
	x    []uint8
	w    []int8
	bias []int32
	runs []run
	mult []float32

	xAt     int
	xStep   int
	sumStep int
	dstStep int
	pixels  int // 1 to family.pixels[vectors]
	count   int // at least 1
	vectors int // 1, 2 or 4
	last    int // channels in the last vector that are stored, 1 to L
	lanes   int // of the portable loop

	lo, hi     float32
	zero       int32
	qmin, qmax uint8
	fused      bool
	quick      bool // if fused: all factors are below 1, and last is L
}

// run is a number of consecutive groups of four bytes of x.
type run struct{ x, k int }

func (t *tile) runGo() {
	width := t.vectors * t.lanes
	for p := range t.count * t.pixels {
		sums := t.sums[p*t.sumStep:][:width]
		copy(sums, t.bias)
		w := t.w
		for _, run := range t.runs {
			x := t.x[t.xAt+run.x+p*t.xStep:][:4*run.k]
			for len(x) >= 4 {
				x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
				for c := range sums {
					w := w[4*c : 4*c+4 : 4*c+4]
					sums[c] += x0*int32(w[0]) + x1*int32(w[1]) + x2*int32(w[2]) + x3*int32(w[3])
				}
				x, w = x[4:], w[4*width:]
			}
		}
	}
}

// channelTile is the micro-kernel of depthwise convolutions: pixels side by side, each of so many channels. It
// equals
//
//	for p := range pixels {
//		for c := range channels {
//			sum := bias[c]
//			for i, at := range offsets {
//				sum += int32(x[xAt+at+p*xStep+c]) * int32(weight of tap i and channel c)
//			}
//			sums[p*sumStep+c] = sum
//		}
//	}
//
// where channels is one of family.chunks and there are four offsets for each quad of taps. Weights, and bias and
// mult if fused, lie in the order of the vectors, see [interleaved]. If fused, it stores bytes as tile does, of the
// first last channels.
type channelTile struct {
	sums    []int32
	dst     []uint8
	x       []uint8
	w       []int8
	bias    []int32
	offsets []int
	mult    []float32

	xAt      int
	xStep    int
	sumStep  int
	dstStep  int
	pixels   int
	quads    int
	channels int
	last     int

	lo, hi     float32
	zero       int32
	qmin, qmax uint8
	fused      bool
	quick      bool // if fused: all factors are below 1
	rolling    bool // if quick: there are three quads, and each is the one before at the next pixel
}

// interleaved returns the channel of the i-th int32 of a chunk's sums. Vectors of a chunk's bytes are interleaved with
// those of three other taps within each 16 bytes, and so the j-th of four vectors of sums has channels 4j to 4j+3
// of each 16.
func interleaved(chunk, i int) int {
	lanes := chunk / 4
	j, lane := i/lanes, i%lanes
	return lane/4*16 + 4*j + lane%4
}

func (t *channelTile) runGo() {
	for p := range t.pixels {
		sums := t.sums[p*t.sumStep:][:t.channels]
		for i := range sums {
			c := interleaved(t.channels, i)
			sum := t.bias[i]
			for tap, at := range t.offsets {
				w := t.w[((tap/4)*t.channels+i)*4+tap%4]
				sum += int32(t.x[t.xAt+at+p*t.xStep+c]) * int32(w)
			}
			sums[c] = sum
		}
	}
}
