package quant

import "math"

// Multiplier writes a positive real number as m * 2^-shift with m in [2^30, 2^31), which has a relative
// error of at most 2^-31: the form in which integer hardware multiplies an accumulator by S_x*S_w/S_y.
// A number that is zero, negative or not a number gives m = 0; one of 2^31 or more the largest pair.
func Multiplier(real float64) (m int32, shift int) {
	if !(real > 0) {
		return 0, 0
	}
	if real >= 1<<31 {
		return math.MaxInt32, 0
	}
	frac, exp := math.Frexp(real) // frac in [0.5, 1)
	f := math.RoundToEven(frac * (1 << 31))
	if f == 1<<31 {
		f, exp = 1<<30, exp+1
	}
	if exp > 31 { // rounded up to 2^31
		return math.MaxInt32, 0
	}
	return int32(f), 31 - exp
}

// Requantize returns acc * m * 2^-shift, rounded to nearest, ties to even, and saturated to int32. shift is
// not negative. It differs by at most one from the float32 rule that ONNX Runtime follows,
// round(float32(acc) * float32(multiplier)), wherever the result fits 16 bits.
func Requantize(acc int32, m int32, shift int) int32 {
	p := int64(acc) * int64(m)
	if shift > 62 { // |p| <= 2^62: at most a half, which goes to 0
		return 0
	}
	q := p >> shift                // toward minus infinity
	rest := p - q<<shift           // in [0, 2^shift)
	half := int64(1) << shift >> 1 // 0 for shift 0, where rest is 0 too
	if rest > half || rest == half && half > 0 && q&1 == 1 {
		q++
	}
	return int32(min(max(q, math.MinInt32), math.MaxInt32))
}
