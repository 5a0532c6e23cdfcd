package main

const roundMagic = 3 << 22

// clamp brings v into [lo, hi]; a NaN stays, and so does a zero with its sign, other than with FMAX. t is spare.
func (a *asm) clamp(v, lo, hi, t vec) {
	a.fcmgt(t, lo, v)
	a.bit(v, lo, t)
	a.fcmgt(t, v, hi)
	a.bit(v, hi, t)
}

// toGrid rounds the vectors v to multiples of scale; NaNs become 0. t are spare.
func (a *asm) toGrid(v, scale, t func(i int) vec, magic vec) {
	a.each(func(i int) { a.fcmeq(t(i), v(i), v(i)) })
	a.each(func(i int) { a.fdiv(v(i), v(i), scale(i)) })
	a.each(func(i int) { a.fadd(v(i), v(i), magic) })
	a.each(func(i int) { a.fsub(v(i), v(i), magic) })
	a.each(func(i int) { a.fmul(v(i), v(i), scale(i)) })
	a.each(func(i int) { a.and(v(i), v(i), t(i)) })
}

func forward(a *asm) {
	a.function("forwardNEON", 136)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD x_base+24(FP), R2")
	a.op("MOVD res_base+48(FP), R3")
	a.op("MOVD scale_base+72(FP), R4")
	a.op("MOVD scale_len+80(FP), R16")
	a.op("LSL $2, R16, R16")
	a.op("MOVD shift_base+96(FP), R5")
	a.op("MOVD k+120(FP), R6")
	a.op("MOVD flags+128(FP), R7")
	const lo, hi, alpha, qscale, magic = 16, 17, 18, 19, 20
	a.broadcastFrom("chain_lo(R6)", lo)
	a.broadcastFrom("chain_hi(R6)", hi)
	a.broadcastFrom("chain_alpha(R6)", alpha)
	a.broadcastFrom("chain_qscale(R6)", qscale)
	a.useTable()
	a.broadcast(roundMagic, magic)
	v, t, s := firstAt(0), firstAt(4), firstAt(8)
	a.contiguous(4, []string{"R0", "R2", "R3"}, []string{"R4", "R5"}, func() {
		a.whenElse("R7", "const_doAffine", func() {
			a.load("R2", s)
			a.load("R4", t)
			a.load("R5", v)
			a.each(func(i int) { a.fmla(v(i), s(i), t(i)) })
		}, func() {
			a.load("R2", v)
		})
		a.when("R7", "const_doRes", func() {
			a.load("R3", t)
			a.each(func(i int) { a.fadd(v(i), v(i), t(i)) })
		})
		a.when("R7", "const_doLeaky", func() {
			a.each(func(i int) { a.fcmltZero(t(i), v(i)) })
			a.each(func(i int) { a.fmul(s(i), v(i), alpha) })
			a.each(func(i int) { a.bit(v(i), s(i), t(i)) })
		})
		a.each(func(i int) { a.clamp(v(i), lo, hi, t(i)) })
		a.when("R7", "const_doQuant", func() { a.toGrid(v, always(qscale), t, magic) })
		a.store(v, "R0")
	})
}
