package intkernel

import (
	"math"
	"slices"

	"zaq/internal/quant"
)

// Requant is how the int32 sums of a tensor's channels become its 8-bit integers, in one of two ways.
//
// With Mult, as ONNX Runtime does it, in float32:
//
//	q = round(clamp(float32(sum) * Mult[c], Lo, Hi)) + Zero      halves to even
//
// Without, as hardware does it that has no floats: quant.Requantize by M[c] and Shift[c], clamped to QMin..QMax.
// The two differ by at most 1. The slices have room for whole vectors, see [Padded].
type Requant struct {
	Mult   []float32
	Lo, Hi float32 // the smallest and largest integer, less Zero

	M, Shift []int32 // Shift is 1 to 62

	Zero, QMin, QMax int32

	small bool // every factor of Mult is at least 0 and below 1: no product with a sum leaves 32 bits
}

// vectorRoom is a multiple of the lanes of every path.
const vectorRoom = 16

// Padded returns v with room for whole vectors of channels.
func Padded[T any](v []T) []T {
	p := make([]T, roundUp(len(v), vectorRoom))
	copy(p, v)
	return p
}

// NewRequant returns the requantization by a positive factor for each channel, in float32 or fixed point, to integers
// from qmin to qmax (0 to 255) with a zero point.
func NewRequant(factors []float32, zero, qmin, qmax int32, fixed bool) *Requant {
	r := &Requant{Zero: zero, QMin: qmin, QMax: qmax}
	if !fixed {
		r.Mult = Padded(factors)
		r.Lo, r.Hi = float32(qmin-zero), float32(qmax-zero)
		r.small = !slices.ContainsFunc(factors, func(f float32) bool { return !(f >= 0 && f < 1) })
		return r
	}
	r.M, r.Shift = make([]int32, len(factors)), make([]int32, len(factors))
	for c, f := range factors {
		m, shift := quant.Multiplier(float64(f))
		if shift == 0 { // a factor of 2^30 or more: everything but 0 is clamped
			m, shift = m>>1, 1
		}
		if shift > 62 { // less than 2^-31: nothing is left
			m, shift = 0, 62
		}
		r.M[c], r.Shift[c] = m, int32(shift)
	}
	r.M, r.Shift = Padded(r.M), Padded(r.Shift)
	for c := len(factors); c < len(r.Shift); c++ {
		r.Shift[c] = 1
	}
	return r
}

// One returns the integer of a sum in channel c.
func (r *Requant) One(sum int32, c int) uint8 {
	if r.Mult != nil {
		return uint8(clampRound(float32(float32(sum)*r.Mult[c]), r.Lo, r.Hi) + r.Zero)
	}
	q := int64(quant.Requantize(sum, r.M[c], int(r.Shift[c]))) + int64(r.Zero)
	return uint8(min(max(q, int64(r.QMin)), int64(r.QMax)))
}

// clampRound limits v to lo..hi, integers, and rounds it, halves to even. What is no number becomes lo.
func clampRound(v, lo, hi float32) int32 {
	if !(v > lo) {
		return int32(lo)
	}
	if !(v < hi) {
		return int32(hi)
	}
	return int32(math.RoundToEven(float64(v)))
}

// Requantize makes n bytes of n sums, channel by channel from channel 0 of r.
func Requantize(dst []uint8, sums []int32, r *Requant, n int) {
	f := impl.requantizeFixed
	if r.Mult != nil {
		f = impl.requantize
	}
	for c := f(dst, sums, r, n); c < n; c++ {
		dst[c] = r.One(sums[c], c)
	}
}

// fma returns a*b + c, rounded once, where a*b is exact in float64.
func fma(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	// The sum may lie in the middle between two float32 only because it was rounded: its error (Knuth's TwoSum) tells
	// to which side it belongs.
	t := s - p
	e := (p - (s - t)) + (z - t)
	if bits := math.Float64bits(s); e != 0 && bits&(1<<29-1) == 1<<28 {
		if (e > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}
