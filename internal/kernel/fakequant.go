package kernel

import (
	"fmt"
	"math"
)

// roundMagic, added and subtracted again, rounds a float32 below 2^22 in magnitude to the nearest integer, ties to
// even, and makes every zero positive.
const roundMagic = 3 << 22

// toGrid rounds v, already clamped to gridRange, to the nearest multiple of scale; NaN becomes 0.
func toGrid(v, scale float32) float32 {
	if v != v {
		return 0
	}
	return scale * (v/scale + roundMagic - roundMagic)
}

// gridRange is the range of real values that a quantizer represents. Clamping to it before the division gives the
// same result as clamping the integer after it, because both ends are on the grid, and keeps the quotient small
// enough for roundMagic.
func gridRange(scale float32, zero, qmin, qmax int32) (lo, hi float32) {
	if !(scale > 0) || qmin > qmax {
		panic(fmt.Sprintf("kernel: quantizer with scale %v and range [%d, %d]", scale, qmin, qmax))
	}
	return float32(float32(qmin-zero) * scale), float32(float32(qmax-zero) * scale)
}

// passRange is the range of real values whose integer is not clamped: qmin <= round(v/scale) + zero <= qmax. It is
// exact: rounding and division are monotonic, so it takes only a few steps from where the ends should be. It
// spares the backward loops the division.
func passRange(scale float32, zero, qmin, qmax int32) (lo, hi float32) {
	inf := float32(math.Inf(1))
	in := func(v float32) bool {
		q := math.RoundToEven(float64(v / scale))
		return q >= float64(qmin-zero) && q <= float64(qmax-zero)
	}
	lo, hi = (float32(qmin-zero)-0.5)*scale, (float32(qmax-zero)+0.5)*scale
	for in(lo) {
		lo = math.Nextafter32(lo, -inf)
	}
	for !in(lo) && lo < hi {
		lo = math.Nextafter32(lo, inf)
	}
	for in(hi) {
		hi = math.Nextafter32(hi, inf)
	}
	for !in(hi) && hi > lo {
		hi = math.Nextafter32(hi, -inf)
	}
	return lo, hi
}

// FakeQuantChannels rounds weights in HWIO layout to the grid of their output channel:
//
//	q = clamp(round(x/scale[ch]) + zero[ch], qmin, qmax)     y = scale[ch]*(q - zero[ch])
//
// with ch = i%c, or one scale and zero point for all where len(scale) is 1. y may be x. NaN becomes 0.
func FakeQuantChannels(y, x []float32, scale []float32, zero []int32, qmin, qmax int32, c int) {
	checkLen("fake-quantization", c, len(y), x)
	quantizeColumns(c, scale, zero, qmin, qmax, gridRange, len(y), func(i, end int, s, lo, hi []float32) {
		impl.fakeQuant(y[i:end], x[i:end], s, lo, hi)
	})
}

// FakeQuantChannelsBackward is the straight-through estimator of FakeQuantChannels: dx = dy where x is not
// clamped, else 0; dx = dy everywhere with passThrough. dx may be dy.
func FakeQuantChannelsBackward(dx, dy, x []float32, scale []float32, zero []int32, qmin, qmax int32, c int, passThrough bool) {
	checkLen("fake-quantization backward", c, len(dx), dy, x)
	if passThrough {
		copy(dx, dy)
		return
	}
	quantizeColumns(c, scale, zero, qmin, qmax, passRange, len(dx), func(i, end int, s, lo, hi []float32) {
		impl.maskRange(dx[i:end], dy[i:end], x[i:end], lo, hi)
	})
}

// quantizeColumns repeats the scales, and the ranges that bounds gives, up to the period of c channels and calls
// do on runs of the n elements.
func quantizeColumns(c int, scale []float32, zero []int32, qmin, qmax int32,
	bounds func(scale float32, zero, qmin, qmax int32) (lo, hi float32), n int, do func(i, end int, s, lo, hi []float32)) {

	if len(scale) == 1 {
		c = 1
	}
	if len(scale) != c || len(zero) != c {
		panic(fmt.Sprintf("kernel: %d scales and %d zero points for %d channels", len(scale), len(zero), c))
	}
	period := contiguousPeriod(c)
	p := newParams()
	defer p.release()
	for i := range p {
		p[i] = resize(p[i], period)
	}
	for i := range c {
		p[0][i] = scale[i]
		p[1][i], p[2][i] = bounds(scale[i], zero[i], qmin, qmax)
	}
	for i := range p {
		repeat(p[i], p[i][:c], period)
	}
	runs(n, period, func(i, end int) { do(i, end, p[0], p[1], p[2]) })
}

// fakeQuantGo: element i takes the parameters i%len(scale).
func fakeQuantGo(y, x, scale, lo, hi []float32) {
	j := 0
	for i, v := range x[:len(y)] {
		if v < lo[j] {
			v = lo[j]
		}
		if v > hi[j] {
			v = hi[j]
		}
		y[i] = toGrid(v, scale[j])
		if j++; j == len(scale) {
			j = 0
		}
	}
}

// maskRangeGo: dx = dy where lo <= x <= hi, else 0; element i takes the bounds i%len(lo).
func maskRangeGo(dx, dy, x, lo, hi []float32) {
	j := 0
	for i := range dx {
		d := dy[i]
		if !(x[i] >= lo[j] && x[i] <= hi[j]) {
			d = 0
		}
		dx[i] = d
		if j++; j == len(lo) {
			j = 0
		}
	}
}
