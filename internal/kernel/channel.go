package kernel

import "sync"

// Two kinds of loops know channels, and both work for every channel count.
//
// Contiguous loops (forward, affine2, fakeQuant, maskRange) take an array as it lies, in whole vectors. Their
// parameters are repeated up to a period that is a multiple of both C and the loop's block.
//
// Row loops (backward, minMax) have sums, or minima, to keep per channel. They take the array as rows of a period,
// a few rows at a time, and have parameters and sums in one block: for every vector of channels, the vectors of
// each of the parts.

// maxPeriod bounds the period of contiguous loops: parameters should stay in cache beside the data.
const maxPeriod = 8192

// maxRows is the longest run of float32 additions before a sum goes on in float64.
const maxRows = 256

// minRow is the least number of elements in a row of a row loop.
const minRow = 64

func leastCommonMultiple(a, b int) int {
	g, h := a, b
	for h != 0 {
		g, h = h, g%h
	}
	return a / g * b
}

// contiguousPeriod is the length of the repeated parameters of c channels. Where it is not a multiple of block,
// contiguous loops must be called for at most that many elements.
func contiguousPeriod(c int) int {
	if n := leastCommonMultiple(c, impl.block); n <= maxPeriod {
		return n
	}
	return c
}

// runs calls do on [i, end), parts of n elements that a contiguous loop with that period may take.
func runs(n, period int, do func(i, end int)) {
	step := n
	if period%impl.block != 0 {
		step = period
	}
	for i := 0; i < n; i += step {
		do(i, min(i+step, n))
	}
}

// rowPeriod is the length of a row of c channels.
func rowPeriod(c int) int {
	if c >= minRow || impl.lanes == 0 {
		return c
	}
	n := leastCommonMultiple(c, impl.lanes)
	return (minRow + n - 1) / n * n
}

// eachRows cuts n elements into groups of at most maxRows rows of period elements. The last row may be shorter.
func eachRows(n, period int, do func(start, rows, width int)) {
	full := n / period
	for r := 0; r < full; r += maxRows {
		do(r*period, min(maxRows, full-r), period)
	}
	if rest := n % period; rest > 0 {
		do(full*period, 1, rest)
	}
}

// repeat fills dst, used again where it is large enough, with copies of src up to n elements.
func repeat(dst, src []float32, n int) []float32 {
	dst = resize(dst, n)
	for i := 0; i < n; i += copy(dst[i:], src) {
	}
	return dst
}

func resize[T any](a []T, n int) []T {
	if cap(a) < n {
		return make([]T, n)
	}
	return a[:n]
}

// blockLen is the length of the block of a row loop: parts vectors for every vector of a row.
func blockLen(period, parts int) int {
	lanes := blockLanes(period)
	return (period + lanes - 1) / lanes * lanes * parts
}

func blockLanes(period int) int {
	if impl.lanes == 0 {
		return period
	}
	return impl.lanes
}

// fillBlock sets one of the parts of a block to values per channel.
func fillBlock(block []float32, period, part, parts int, values []float32) {
	lanes, ch := blockLanes(period), 0
	for i := part * lanes; i < len(block); i += parts * lanes {
		vector := block[i:][:lanes]
		for j := range vector {
			vector[j] = values[ch]
			if ch++; ch == len(values) {
				ch = 0
			}
		}
	}
}

// drainBlock adds one of the parts of a block to the sums per channel and makes it 0.
func drainBlock(block []float32, period, part, parts int, sums []float64) {
	lanes, ch := blockLanes(period), 0
	for i := part * lanes; i < len(block); i += parts * lanes {
		vector := block[i:][:lanes]
		for _, v := range vector { // 0 beyond the period
			sums[ch] += float64(v)
			if ch++; ch == len(sums) {
				ch = 0
			}
		}
		clear(vector)
	}
}

// rowScratch is what a call of a row loop needs for itself: a block and sums per channel.
type rowScratch struct {
	block       []float32
	sumE, sumEX []float64
}

var rowScratches = sync.Pool{New: func() any { return new(rowScratch) }}

func newRowScratch(c, blockLen int) *rowScratch {
	s := rowScratches.Get().(*rowScratch)
	s.block = resize(s.block, blockLen)
	s.sumE, s.sumEX = resize(s.sumE, c), resize(s.sumEX, c)
	clear(s.sumE)
	clear(s.sumEX)
	return s
}

func (s *rowScratch) release() { rowScratches.Put(s) }

// The parts of the block of backward.
const (
	partScale = iota
	partShift
	partE
	partEX
	backwardParts
)

// drain moves the sums from the block to float64.
func (s *rowScratch) drain(period int) {
	drainBlock(s.block, period, partE, backwardParts, s.sumE)
	drainBlock(s.block, period, partEX, backwardParts, s.sumEX)
}

// ChannelSums adds, for every channel, the sum of x and of its squares. They run in float32 over at most
// 256 positions and in float64 beyond. len(x) is a multiple of c, the length of sum and sumSq.
func ChannelSums(sum, sumSq []float64, x []float32, c int) { ChannelDots(sum, sumSq, x, x, c) }

// ChannelMoments adds, for every channel, the sum of x-shift and of its squares. Precision as in ChannelSums.
func ChannelMoments(sum, sumSq []float64, x, shift []float32, c int) {
	checkLen("channel moments", c, len(x), x)
	const piece = 4096 // elements whose distances stay in the first-level cache
	period := contiguousPeriod(c)
	p := newParams()
	defer p.release()
	p[0] = resize(p[0], period)
	p[1] = resize(p[1], period)
	for i := range period {
		p[0][i], p[1][i] = 1, -shift[i%c]
	}
	step := max(1, piece/c) * c
	p[2] = resize(p[2], step)
	for at := 0; at < len(x); at += step {
		part := x[at:min(at+step, len(x))]
		distance := p[2][:len(part)]
		runs(len(part), period, func(i, end int) {
			impl.affine2(distance[i:end], part[i:end], nil, p[0], nil, p[1], false)
		})
		ChannelSums(sum, sumSq, distance, c)
	}
}

// ChannelDots adds, for every channel, the sums of e and of e*x: what the gradient of batch normalization needs
// before it can be written down. Precision as in ChannelSums.
func ChannelDots(sumE, sumEX []float64, e, x []float32, c int) {
	checkLen("channel dots", c, len(e), x)
	s := dots(e, x, c)
	defer s.release()
	for ch := range c {
		sumE[ch] += s.sumE[ch]
		sumEX[ch] += s.sumEX[ch]
	}
}

func dots(e, x []float32, c int) *rowScratch {
	period := rowPeriod(c)
	s := newRowScratch(c, blockLen(period, backwardParts))
	clear(s.block)
	eachRows(len(e), period, func(start, rows, width int) {
		impl.backward(nil, nil, e[start:], x[start:], nil, s.block, rows, period, width, nil, doX|doSums)
		s.drain(period)
	})
	return s
}

// ChannelAffine2 computes y[i] (+)= ka[ch]*a[i] + kb[ch]*b[i] + k0[ch], the gradient of batch normalization in
// training. b may be nil, with kb nil. y may be a or b.
func ChannelAffine2(y, a, b []float32, ka, kb, k0 []float32, c int, accumulate bool) {
	checkLen("channel affine", c, len(y), a, b)
	period := contiguousPeriod(c)
	p := newParams()
	defer p.release()
	p[0], p[1] = repeat(p[0], ka[:c], period), repeat(p[1], k0[:c], period)
	var rkb []float32
	if b != nil {
		p[2] = repeat(p[2], kb[:c], period)
		rkb = p[2]
	}
	runs(len(y), period, func(i, end int) {
		impl.affine2(y[i:end], a[i:end], part(b, i, end), p[0], rkb, p[1], accumulate)
	})
}

// params holds the repeated parameters of a call.
type params [3][]float32

var paramsPool = sync.Pool{New: func() any { return new(params) }}

func newParams() *params   { return paramsPool.Get().(*params) }
func (p *params) release() { paramsPool.Put(p) }

// ChannelMinMax lowers lo[ch] and raises hi[ch] to include every x of the channel. NaNs are left out.
func ChannelMinMax(lo, hi []float32, x []float32, c int) {
	checkLen("channel min max", c, len(x), x)
	const parts = 2
	period := rowPeriod(c)
	s := newRowScratch(0, blockLen(period, parts))
	defer s.release()
	fillBlock(s.block, period, 0, parts, lo[:c])
	fillBlock(s.block, period, 1, parts, hi[:c])
	eachRows(len(x), period, func(start, rows, width int) {
		impl.minMax(x[start:], s.block, rows, period, width)
	})
	lanes := blockLanes(period)
	for i := range period {
		at, ch := i/lanes*lanes*parts+i%lanes, i%c
		lo[ch], hi[ch] = min(lo[ch], s.block[at]), max(hi[ch], s.block[at+lanes])
	}
}

// affine2Go: element i takes the parameters i%len(ka).
func affine2Go(y, a, b, ka, kb, k0 []float32, accumulate bool) {
	j := 0
	for i := range y {
		t := k0[j]
		if b != nil {
			t += float32(kb[j] * b[i])
		}
		t += float32(ka[j] * a[i])
		if accumulate {
			t += y[i]
		}
		y[i] = t
		if j++; j == len(ka) {
			j = 0
		}
	}
}

// minMaxGo takes rows of width neighbouring channels, stride elements apart. block holds the minima, then the maxima.
func minMaxGo(x, block []float32, rows, stride, width int) {
	lo, hi := block[:len(block)/2], block[len(block)/2:]
	for r := range rows {
		for c, v := range x[r*stride:][:width] {
			if v < lo[c] {
				lo[c] = v
			}
			if v > hi[c] {
				hi[c] = v
			}
		}
	}
}
