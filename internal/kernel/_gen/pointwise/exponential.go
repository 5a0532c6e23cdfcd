package main

// Below 0.625, tanh(x) = x + x*z*P(z), z = x*x. Above, tanh(|x|) = 1 - 2/(exp(2|x|) + 1), with exp(2|x|) = 2^n *
// 2^r, n the nearest integer and 2^r = 1 + r*Q(r). The polynomials interpolate at Chebyshev nodes, in rising
// powers; their relative errors are 0.09 and 0.15 of 2^-24.
var (
	tanhP = []float32{-0.33333334, 0.133333, -0.053958416, 0.021762453, -0.008323457, 0.00227003}
	exp2Q = []float32{0.6931472, 0.2402265, 0.05550357, 0.009618057, 0.0013390867, 0.00015461448}
)

// log2(e) in two parts, and where exp is cut off.
const (
	log2eHigh, log2eLow = 1.4426950216293335, 1.9259629911266175e-8
	expLeast, expMost   = -87.25, 88.25
)

func tanh(w *writer) {
	w.function("tanh", 48)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "x_base+24(FP)", "SI")
	const x, a, z, p, n, r, c, tail = reg(0), reg(1), reg(2), reg(3), reg(4), reg(5), reg(6), 14
	const signBit, magic, one, limit, log2e2, middle = 7, 8, 9, 10, 11, 12
	w.broadcast(negativeZero, signBit)
	w.broadcast(roundMagic, magic)
	w.broadcast(1, one)
	w.broadcast(10, limit) // tanh is 1 from 9.01
	w.broadcast(2.88539008, log2e2)
	w.broadcast(0.625, middle)
	w.contiguous(1, false, tail, func() {
		w.load(w.at("SI", 0), x)
		w.op("VANDNPS", x, reg(signBit), a)
		// Near zero.
		w.op("VMULPS", x, x, z)
		w.polynomial(tanhP, z, p, c)
		w.op("VMULPS", z, p, p)
		w.op("VFMADD213PS", x, x, p)
		// Away from it: r = 2|x|*log2(e) - n; 2^n goes into the exponent.
		w.op("VMINPS", reg(limit), a, r)
		w.op("VMULPS", reg(log2e2), r, r)
		w.op("VADDPS", reg(magic), r, n)
		w.op("VSUBPS", reg(magic), n, c)
		w.op("VSUBPS", c, r, r)
		w.polynomial(exp2Q, r, z, c)
		w.op("VFMADD213PS", reg(one), r, z)
		w.op("VPSLLD", "$23", n, n)
		w.op("VPADDD", n, z, z)
		w.op("VADDPS", reg(one), z, z)
		w.op("VADDPS", reg(one), reg(one), n)
		w.op("VDIVPS", z, n, z)
		w.op("VSUBPS", z, reg(one), z)
		w.op("VANDPS", reg(signBit), x, n)
		w.op("VORPS", n, z, z)
		// A NaN is not above the middle and stays one.
		if w.masks {
			w.op("VCMPPS", greaterOrEq, reg(middle), a, "K2")
			w.op("VMOVAPS", z, "K2", p)
		} else {
			w.op("VCMPPS", greaterOrEq, reg(middle), a, a)
			w.op("VBLENDVPS", a, z, p, p)
		}
		w.store(p, w.at("DI", 0))
	})
}

// exp(x) = 2^n * 2^r, n the integer nearest to x*log2(e), whose rounding error is left to a second constant. Beyond the
// limits, where 2^n has no exponent, x is the limit.
func exp(w *writer) {
	w.function("exp", 48)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "x_base+24(FP)", "SI")
	const x, n, r, z, c, magic, one, least, most, high, low, tail = reg(0), reg(1), reg(2), reg(3), reg(4), 7, 8, 9, 10, 11, 12, 14
	w.broadcast(roundMagic, magic)
	w.broadcast(1, one)
	w.broadcast(expLeast, least)
	w.broadcast(expMost, most)
	w.broadcast(log2eHigh, high)
	w.broadcast(log2eLow, low)
	w.contiguous(1, false, tail, func() {
		w.load(w.at("SI", 0), x)
		w.op("VMINPS", x, reg(most), x) // the second operand, x, where it is NaN
		w.op("VMAXPS", x, reg(least), x)
		w.op("VMULPS", reg(high), x, n)
		w.op("VADDPS", reg(magic), n, n)
		w.op("VSUBPS", reg(magic), n, r)
		w.op("VFMSUB231PS", reg(high), x, r)
		w.op("VFMADD231PS", reg(low), x, r)
		w.polynomial(exp2Q, r, z, c)
		w.op("VFMADD213PS", reg(one), r, z)
		w.op("VPSLLD", "$23", n, n)
		w.op("VPADDD", n, z, z)
		w.store(z, w.at("DI", 0))
	})
}

// polynomial makes sum the polynomial of rising powers at a point.
func (w *writer) polynomial(coefficients []float32, at, sum, spare reg) {
	last := len(coefficients) - 1
	w.broadcast(coefficients[last], sum)
	for i := last - 1; i >= 0; i-- {
		w.broadcast(coefficients[i], spare)
		w.op("VFMADD213PS", spare, at, sum)
	}
}
