package random

import "math"

// Normal fills dst with independent numbers of mean 0 and standard deviation 1. Element i uses the i-th
// 64 bits of the stream, and its bits are the same on every platform.
func (s *Stream) Normal(dst []float32) {
	for i := range dst {
		dst[i] = float32(quantile(s.open()))
	}
}

// open returns an odd multiple of 2^-53 in (0, 1): never 0, never 1, symmetric about a half.
func (s *Stream) open() float64 { return (float64(s.Uint64()>>12) + 0.5) * 0x1p-52 }

// quantile is the inverse of the normal distribution function, to about 1e-13 relative.
//
// Source: Wichura, Algorithm AS 241, Applied Statistics 37, 1988, function PPND16.
func quantile(p float64) float64 {
	q := p - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return q * polynomial(&centralNum, r) / polynomial(&centralDen, r)
	}
	tail := p
	if q > 0 {
		tail = 1 - p
	}
	r := math.Sqrt(-logarithm(tail))
	var x float64
	if r <= 5 {
		x = polynomial(&middleNum, r-1.6) / polynomial(&middleDen, r-1.6)
	} else {
		x = polynomial(&farNum, r-5) / polynomial(&farDen, r-5)
	}
	return math.Copysign(x, q)
}

// logarithm is the natural logarithm of a positive normal x, to about 4e-14 relative. The standard
// library's is assembly on some platforms, and so not of the same bits on all.
//
// With x = 2^e m and sqrt(1/2) <= m < sqrt(2): log x = e log 2 + 2 atanh(s), s = (m-1)/(m+1), |s| < 0.1716.
func logarithm(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	s := (m - 1) / (m + 1)
	return float64(float64(e)*math.Ln2) + float64(2*s*polynomial(&atanhSeries, float64(s*s)))
}

// polynomial is c[0] + c[1] x + c[2] x^2 + ... The conversions keep a compiler from contracting a product
// and a sum into one operation with one rounding, which would give other bits on such platforms.
func polynomial(c *[8]float64, x float64) float64 {
	y := c[7]
	for i := 6; i >= 0; i-- {
		y = float64(y*x) + c[i]
	}
	return y
}

// atanhSeries is atanh(s)/s in powers of s^2. The first term left out, s^16/17, is below 4e-14.
var atanhSeries = [8]float64{1, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15}

// Coefficients of the rational approximations, numerator and denominator: |p - 1/2| <= 0.425; from there
// to a tail of e^-25; and beyond.
var (
	centralNum = [8]float64{
		3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
		4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3,
	}
	centralDen = [8]float64{
		1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
		2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3,
	}
	middleNum = [8]float64{
		1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
		1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
	}
	middleDen = [8]float64{
		1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
		1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
	}
	farNum = [8]float64{
		6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
		2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
	}
	farDen = [8]float64{
		1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
		7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
	}
)
