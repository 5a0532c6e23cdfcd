package main

// The polynomials of _gen/pointwise, in the same order of operations, so that results have the same bits. Below 0.625,
// tanh(x) = x + x*z*P(z), z = x*x. Above, tanh(|x|) = 1 - 2/(exp(2|x|) + 1), with exp(2|x|) = 2^n * 2^r, n the nearest
// integer and 2^r = 1 + r*Q(r).
var (
	tanhP = []float32{-0.33333334, 0.133333, -0.053958416, 0.021762453, -0.008323457, 0.00227003}
	exp2Q = []float32{0.6931472, 0.2402265, 0.05550357, 0.009618057, 0.0013390867, 0.00015461448}
)

// log2(e) in two parts, and where exp is cut off.
const (
	log2eHigh, log2eLow = 1.4426950216293335, 1.9259629911266175e-8
	expLeast, expMost   = -87.25, 88.25
)

func tanh(a *asm) {
	a.function("tanhNEON", 48)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD x_base+24(FP), R2")
	a.useTable()
	const signBit, magic, one, limit, log2e2, middle, coefficientsP, coefficientsQ = 14, 15, 16, 17, 18, 19, 20, 26
	for i, v := range []float32{negativeZero, roundMagic, 1, 10, 2.88539008, 0.625} { // tanh is 1 from 9.01
		a.broadcast(v, signBit+vec(i))
	}
	for i := range tanhP {
		a.broadcast(tanhP[i], coefficientsP+vec(i))
		a.broadcast(exp2Q[i], coefficientsQ+vec(i))
	}
	const x, abs, z, p, n, r, c, t = 0, 1, 2, 3, 4, 5, 6, 7
	a.contiguous(1, []string{"R0", "R2"}, nil, func() {
		a.load("R2", always(x))
		a.fabs(abs, x)
		// Near zero.
		a.fmul(z, x, x)
		a.polynomial(coefficientsP, z, p, t)
		a.fmul(t, z, p)
		a.mov(p, x)
		a.fmla(p, t, x)
		// Away from it: r = 2|x|*log2(e) - n; 2^n goes into the exponent.
		a.fminnm(r, abs, limit)
		a.fmul(r, r, log2e2)
		a.fadd(n, r, magic)
		a.fsub(c, n, magic)
		a.fsub(r, r, c)
		a.polynomial(coefficientsQ, r, z, t)
		a.mov(t, one)
		a.fmla(t, r, z)
		a.op("VSHL $23, V%d.S4, V%d.S4", n, n)
		a.op("VADD V%d.S4, V%d.S4, V%d.S4", n, t, z)
		a.fadd(z, z, one)
		a.fadd(n, one, one)
		a.fdiv(z, n, z)
		a.fsub(z, one, z)
		a.bit(z, x, signBit)
		// A NaN is not above the middle and stays one.
		a.fcmge(t, abs, middle)
		a.bit(p, z, t)
		a.store(always(p), "R0")
	})
}

func exp(a *asm) {
	a.function("expNEON", 48)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD x_base+24(FP), R2")
	a.useTable()
	const magic, one, least, most, high, low, zero, coefficients = 16, 17, 18, 19, 20, 21, 22, 23
	for i, v := range []float32{roundMagic, 1, expLeast, expMost, log2eHigh, log2eLow} {
		a.broadcast(v, magic+vec(i))
	}
	a.zero(zero)
	for i, v := range exp2Q {
		a.broadcast(v, coefficients+vec(i))
	}
	const x, n, r, z, t = 0, 1, 2, 3, 4
	a.contiguous(1, []string{"R0", "R2"}, nil, func() {
		a.load("R2", always(x))
		a.fmin(x, x, most)
		a.fmax(x, x, least)
		a.fmul(n, x, high)
		a.fadd(n, n, magic)
		a.fsub(r, n, magic)
		a.fsub(r, zero, r)
		a.fmla(r, x, high)
		a.fmla(r, x, low)
		a.polynomial(coefficients, r, z, t)
		a.mov(t, one)
		a.fmla(t, r, z)
		a.op("VSHL $23, V%d.S4, V%d.S4", n, n)
		a.op("VADD V%d.S4, V%d.S4, V%d.S4", n, t, t)
		a.store(always(t), "R0")
	})
}

// polynomial makes sum the polynomial at a point of which registers hold the coefficients, as many as tanhP and exp2Q
// have; spare is not sum.
func (a *asm) polynomial(coefficients, at, sum, spare vec) {
	last := vec(len(tanhP) - 1) // odd: the result ends up in sum
	a.mov(spare, coefficients+last)
	for i := last - 1; i >= 0; i-- {
		a.mov(sum, coefficients+i)
		a.fmla(sum, at, spare)
		sum, spare = spare, sum
	}
}
