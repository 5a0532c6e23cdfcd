package kernel

// tile is the micro-kernel of Forward, InputGrad and MatMul: count tiles side by side, each of a few pixels
// by a few vectors of channels whose sums are kept in registers. It equals
//
//	for p := range count * pixels {
//		for c := range (vectors-1)*L + lanes {
//			var sum float32
//			for _, tap := range taps {
//				for k := range tap.k {
//					sum += x[xAt+tap.x+p*xStep+k] * w[(tap.w+k)*wRow+c]
//				}
//			}
//			dst[p*dstStep+c] = sum // + u[p*uStep+c] if there is a u, += if accumulate
//		}
//	}
//
// with L the lanes of the instruction set, or, if depthwise, with
//
//	sum += x[xAt+tap.x+p*xStep+k*kStep+c] * w[(tap.w+k)*wRow+c]
//
// Rows of w, and of x if depthwise, must be readable up to whole vectors. Nothing is checked: offsets must be
// right.
type tile struct {
	dst, x, w  []float32
	u          []float32 // may be nil, and is if accumulate; may be dst
	taps       []tap
	xAt        int // may lie outside of x, taps lead back
	xStep      int
	kStep      int // if depthwise
	dstStep    int
	uStep      int
	wRow       int
	pixels     int // 1 to isa.pixels(vectors)
	count      int // at least 1
	vectors    int // 1 to isa.vectors()
	lanes      int // channels in the last vector, 1 to L
	accumulate bool
	depthwise  bool
}

// tap is a run of k elements of the source from x, with as many rows of weights from row w.
type tap struct{ x, w, k int }

// row computes n pixels, cut into tiles as equal as can be: a short last tile would leave the multipliers
// waiting for its sums.
func (t *tile) row(isa isa, n int) {
	tiles := ceilDiv(n, isa.pixels(t.vectors))
	small := n / tiles
	if larger := n % tiles; larger > 0 {
		t.pixels, t.count = small+1, larger
		t.run(isa)
		t.xAt += larger * (small + 1) * t.xStep
		t.dst = t.dst[larger*(small+1)*t.dstStep:]
		if t.u != nil {
			t.u = t.u[larger*(small+1)*t.uStep:]
		}
		tiles -= larger
	}
	t.pixels, t.count = small, tiles
	t.run(isa)
}

// gradTile is the micro-kernel of WeightGrad and MatMulTA: a few rows of dw by a few vectors of channels,
// summed in registers over a block of the image. It equals
//
//	for r := range entries {
//		for c := range (vectors-1)*L + lanes {
//			var sum float32
//			for i := range rows {
//				for j := range cols {
//					sum += x[i*xRow+j*xStep+r] * dy[i*dyRow+j*dyStep+c]
//				}
//			}
//			dw[r*dwRow+c] += sum
//		}
//	}
//
// or, if depthwise, with
//
//	sum += x[i*xRow+j*xStep+r*entryStep+c] * dy[i*dyRow+j*dyStep+c]
//
// where x must be readable up to whole vectors. Nothing is checked.
type gradTile struct {
	dw, x, dy     []float32
	xRow, xStep   int
	dyRow, dyStep int
	dwRow         int
	rows, cols    int // at least 1
	entries       int // 1 to isa.pixels(vectors), and to depthwiseEntries if depthwise
	entryStep     int // if depthwise
	vectors       int // 1 to isa.vectors()
	lanes         int // channels in the last vector, 1 to L
	depthwise     bool
}

// column computes n entries, cut into tiles as equal as can be.
func (t gradTile) column(isa isa, n int) {
	limit, step := isa.pixels(t.vectors), 1
	if t.depthwise {
		limit, step = min(limit, depthwiseEntries), t.entryStep
	}
	for tiles := ceilDiv(n, limit); tiles > 0; tiles-- {
		t.entries = ceilDiv(n, tiles)
		t.run(isa)
		n -= t.entries
		if n > 0 {
			t.x = t.x[t.entries*step:]
			t.dw = t.dw[t.entries*t.dwRow:]
		}
	}
}

// depthwiseEntries is the largest number of entries in a depthwise gradTile: rows of a kernel rarely have
// more.
const depthwiseEntries = 5

// lanes is the number of float32 in a vector. The portable loops keep four sums for each pixel.
func (i isa) lanes() int { return [...]int{isaGo: 4, isaAVX2: 8, isaAVX512: 16, isaNEON: 4}[i] }

// vectors is the largest number of vectors in a tile.
func (i isa) vectors() int { return [...]int{isaGo: 1, isaAVX2: 2, isaAVX512: 2, isaNEON: 4}[i] }

// pixels is the largest number of pixels (of entries, in a gradTile) in a tile of so many vectors: what the
// registers hold.
func (i isa) pixels(vectors int) int {
	return [...][5]int{
		isaGo:     {1: 2},
		isaAVX2:   {1: 12, 2: 6},
		isaAVX512: {1: 16, 2: 14},
		isaNEON:   {1: 12, 2: 12, 3: 8, 4: 6},
	}[i][vectors]
}
