package kernel

import "sync"

// Loops with a parameter or a sum per channel. Two tricks make them fast for every channel count.
//
// Contiguous loops (forward, affine2, fakeQuant, maskRange) want whole vectors, so parameters are repeated up to a period that is a multiple
// of both C and the loop's block. Sums want registers, so those loops walk down columns of neighbouring channels:
// a column's sums, scales and shifts stay in registers for up to 256 rows, one period apart.

// maxPeriod bounds the repeated parameters: they should stay in cache beside the data.
const maxPeriod = 8192

// maxRows is the longest run of float32 additions before a sum goes on in float64.
const maxRows = 256

// columnBytes is how much data one group of rows may have: columns share it, so it should stay in the L2 cache.
const columnBytes = 256 << 10

// period is the length up to which parameters of c channels are repeated: the least common multiple of c and the block
// of the contiguous loops or, where that is too long, c itself.
func period(c int) int {
	a, b := c, impl.block
	for b != 0 {
		a, b = b, a%b
	}
	if n := c / a * impl.block; n <= maxPeriod {
		return n
	}
	return c
}

// repeat fills dst, used again where it is large enough, with copies of src up to n elements.
func repeat[T any](dst, src []T, n int) []T {
	if cap(dst) < n {
		dst = make([]T, n)
	}
	dst = dst[:n]
	for i := 0; i < n; i += copy(dst[i:], src) {
	}
	return dst
}

// column is a run of neighbouring channels over some rows.
type column struct {
	start   int // index of the first element
	channel int // its place in the period
	width   int
	rows    int
}

// eachColumn cuts n elements in rows of period elements into columns, the last row perhaps shorter.
func eachColumn(n, period int, do func(column)) {
	group := min(max(columnBytes/4/period, 1), maxRows)
	for start := 0; start < n; start += group * period {
		rows, width := min(group, (n-start)/period), period
		if rows > 0 {
			eachOf(start, rows, width, do)
		}
		if rows < group {
			if rest := (n - start) % period; rest > 0 {
				eachOf(start+rows*period, 1, rest, do)
			}
		}
	}
}

func eachOf(start, rows, width int, do func(column)) {
	for c := 0; c < width; c += impl.column {
		do(column{start: start + c, channel: c, width: min(impl.column, width-c), rows: rows})
	}
}

// channelScratch holds the float64 sums of a call, one per element of the period, with room for whole columns.
type channelScratch struct{ a, b []float64 }

var channelScratches = sync.Pool{New: func() any { return new(channelScratch) }}

func newChannelScratch(period int) *channelScratch {
	s := channelScratches.Get().(*channelScratch)
	n := period + columnPad
	if cap(s.a) < n {
		s.a, s.b = make([]float64, n), make([]float64, n)
	}
	s.a, s.b = s.a[:n], s.b[:n]
	clear(s.a)
	clear(s.b)
	return s
}

// columnPad is the widest column of any family: their loops add whole columns of sums, zeros beyond width.
const columnPad = 64

func (s *channelScratch) release() { channelScratches.Put(s) }

func (s *channelScratch) addTo32(dst []float32, sums []float64, c int) {
	if dst == nil {
		return
	}
	for i := range c {
		var t float64
		for j := i; j < len(sums)-columnPad; j += c {
			t += sums[j]
		}
		dst[i] += float32(t)
	}
}

func (s *channelScratch) addTo64(dst, sums []float64, c int) {
	for i := range c {
		for j := i; j < len(sums)-columnPad; j += c {
			dst[i] += sums[j]
		}
	}
}

// ChannelSums adds, for every channel, the sum of x and of its squares. They run in float32 over at most
// 256 positions and in float64 beyond. len(x) is a multiple of c, the length of sum and sumSq.
func ChannelSums(sum, sumSq []float64, x []float32, c int) { ChannelDots(sum, sumSq, x, x, c) }

// ChannelDots adds, for every channel, the sums of e and of e*x: what the gradient of batch normalization needs
// before it can be written down. Precision as in ChannelSums.
func ChannelDots(sumE, sumEX []float64, e, x []float32, c int) {
	checkLen("channel dots", c, len(e), x)
	p := period(c)
	s := newChannelScratch(p)
	defer s.release()
	eachColumn(len(e), p, func(col column) {
		impl.backward(nil, nil, e[col.start:], x[col.start:], nil, nil, nil, s.a[col.channel:], s.b[col.channel:],
			col.rows, p, col.width, nil, doX|doSums)
	})
	s.addTo64(sumE[:c], s.a, c)
	s.addTo64(sumEX[:c], s.b, c)
}

// ChannelAffine2 computes y[i] (+)= ka[ch]*a[i] + kb[ch]*b[i] + k0[ch], the gradient of batch normalization in
// training. b may be nil, with kb nil. y may be a or b.
func ChannelAffine2(y, a, b []float32, ka, kb, k0 []float32, c int, accumulate bool) {
	checkLen("channel affine", c, len(y), a, b)
	p := period(c)
	r := affineParams.Get().(*[3][]float32)
	defer affineParams.Put(r)
	r[0], r[1], r[2] = repeat(r[0], ka[:c], p), r[1][:0], repeat(r[2], k0[:c], p)
	var rkb []float32
	if b != nil {
		r[1] = repeat(r[1], kb[:c], p)
		rkb = r[1]
	}
	step := len(y)
	if p%impl.block != 0 {
		step = p
	}
	for i := 0; i < len(y); i += step {
		end := min(i+step, len(y))
		impl.affine2(y[i:end], a[i:end], part(b, i, end), r[0], rkb, r[2], accumulate)
	}
}

var affineParams = sync.Pool{New: func() any { return new([3][]float32) }}

// ChannelMinMax lowers lo[ch] and raises hi[ch] to include every x of the channel. NaNs are left out.
func ChannelMinMax(lo, hi []float32, x []float32, c int) {
	checkLen("channel min max", c, len(x), x)
	p := period(c)
	r := affineParams.Get().(*[3][]float32)
	defer affineParams.Put(r)
	r[0], r[1] = repeat(r[0], lo[:c], p), repeat(r[1], hi[:c], p)
	eachColumn(len(x), p, func(col column) {
		impl.minMax(r[0][col.channel:], r[1][col.channel:], x[col.start:], col.rows, p, col.width)
	})
	for j := range p {
		lo[j%c], hi[j%c] = min(lo[j%c], r[0][j]), max(hi[j%c], r[1][j])
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

// minMaxGo takes rows of width neighbouring channels, stride elements apart.
func minMaxGo(lo, hi, x []float32, rows, stride, width int) {
	lo, hi = lo[:width], hi[:width]
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
