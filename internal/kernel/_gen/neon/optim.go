package main

import "fmt"

// broadcastFields fills registers from first on with float32 fields of the argument k, which lie side by side.
func (a *asm) broadcastFields(first vec, offset int, fields ...string) {
	for i, field := range fields {
		a.broadcastFrom(fmt.Sprintf("k_%s+%d(FP)", field, offset+4*i), first+vec(i))
	}
}

// sgd: d = decay*w + dw; v = momentum*v + d; w -= lr*(look*v + direct*d).
func sgd(a *asm) {
	a.function("sgdNEON", 92)
	a.op("MOVD w_base+0(FP), R0")
	a.op("MOVD w_len+8(FP), R1")
	a.op("MOVD dw_base+24(FP), R2")
	a.op("MOVD v_base+48(FP), R3")
	const lr, momentum, decay, direct, look = 16, 17, 18, 19, 20
	a.broadcastFields(lr, 72, "lr", "momentum", "decay", "direct", "look")
	p, d, v, next := firstAt(0), firstAt(4), firstAt(8), firstAt(12)
	a.contiguous(4, []string{"R0", "R2", "R3"}, nil, func() {
		a.load("R0", p)
		a.load("R2", d)
		a.load("R3", v)
		a.each(func(i int) { a.fmla(d(i), p(i), decay) })
		a.each(func(i int) { a.mov(next(i), d(i)) })
		a.each(func(i int) { a.fmla(next(i), v(i), momentum) })
		a.store(next, "R3")
		a.each(func(i int) { a.fmul(d(i), d(i), direct) })
		a.each(func(i int) { a.fmla(d(i), next(i), look) })
		a.each(func(i int) { a.fmls(p(i), d(i), lr) })
		a.store(p, "R0")
	})
}

// adam: d = decay*w + dw; m = beta1*m + rest1*d; v = beta2*v + rest2*d*d; w -= rate*m/(root*sqrt(v) + eps).
func adam(a *asm) {
	a.function("adamNEON", 128)
	a.op("MOVD w_base+0(FP), R0")
	a.op("MOVD w_len+8(FP), R1")
	a.op("MOVD dw_base+24(FP), R2")
	a.op("MOVD m_base+48(FP), R3")
	a.op("MOVD v_base+72(FP), R4")
	const decay, beta1, rest1, beta2, rest2, root, eps, rate = 16, 17, 18, 19, 20, 21, 22, 23
	a.broadcastFields(decay, 96, "decay", "beta1", "rest1", "beta2", "rest2", "root", "eps", "rate")
	p, d, m, v, t := firstAt(0), firstAt(2), firstAt(4), firstAt(6), firstAt(8)
	a.contiguous(2, []string{"R0", "R2", "R3", "R4"}, nil, func() {
		a.load("R0", p)
		a.load("R2", d)
		a.load("R3", m)
		a.load("R4", v)
		a.each(func(i int) { a.fmla(d(i), p(i), decay) })
		a.each(func(i int) { a.fmul(t(i), d(i), rest1) })
		a.each(func(i int) { a.fmla(t(i), m(i), beta1) })
		a.store(t, "R3")
		a.each(func(i int) { a.fmul(m(i), t(i), rate) })
		a.each(func(i int) { a.fmul(t(i), d(i), rest2) })
		a.each(func(i int) { a.fmul(d(i), d(i), t(i)) })
		a.each(func(i int) { a.fmla(d(i), v(i), beta2) })
		a.store(d, "R4")
		a.each(func(i int) { a.fsqrt(v(i), d(i)) })
		a.each(func(i int) { a.mov(t(i), eps) })
		a.each(func(i int) { a.fmla(t(i), v(i), root) })
		a.each(func(i int) { a.fdiv(m(i), m(i), t(i)) })
		a.each(func(i int) { a.fsub(p(i), p(i), m(i)) })
		a.store(p, "R0")
	})
}
