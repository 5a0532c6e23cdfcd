package main

// affine2: y (+)= ka*a + kb*b + k0.
func affine2(a *asm) {
	a.function("affine2NEON", 145)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD a_base+24(FP), R2")
	a.op("MOVD b_base+48(FP), R3")
	a.op("MOVD ka_base+72(FP), R4")
	a.op("MOVD ka_len+80(FP), R16")
	a.op("LSL $2, R16, R16")
	a.op("MOVD kb_base+96(FP), R5")
	a.op("MOVD k0_base+120(FP), R6")
	a.op("MOVBU accumulate+144(FP), R7")
	a.op("CMP $0, R3")
	a.op("CSET NE, R8")
	a.op("ORR R8<<1, R7, R7") // bit 0: accumulate, bit 1: there is a b
	v, t, u := firstAt(0), firstAt(4), firstAt(8)
	a.contiguous(4, []string{"R0", "R2", "R3"}, []string{"R4", "R5", "R6"}, func() {
		a.load("R6", v)
		a.when("R7", "2", func() {
			a.load("R5", t)
			a.load("R3", u)
			a.each(func(i int) { a.fmla(v(i), t(i), u(i)) })
		})
		a.load("R4", t)
		a.load("R2", u)
		a.each(func(i int) { a.fmla(v(i), t(i), u(i)) })
		a.when("R7", "1", func() {
			a.load("R0", t)
			a.each(func(i int) { a.fadd(v(i), v(i), t(i)) })
		})
		a.store(v, "R0")
	})
}

// fakeQuant: y = scale*round(clamp(x, lo, hi)/scale).
func fakeQuant(a *asm) {
	a.function("fakeQuantNEON", 120)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD x_base+24(FP), R2")
	a.op("MOVD scale_base+48(FP), R3")
	a.op("MOVD scale_len+56(FP), R16")
	a.op("LSL $2, R16, R16")
	a.op("MOVD lo_base+72(FP), R4")
	a.op("MOVD hi_base+96(FP), R5")
	a.useTable()
	const magic = 20
	a.broadcast(roundMagic, magic)
	v, lo, hi, s, t := firstAt(0), firstAt(4), firstAt(8), firstAt(12), firstAt(16)
	a.contiguous(4, []string{"R0", "R2"}, []string{"R3", "R4", "R5"}, func() {
		a.load("R2", v)
		a.load("R4", lo)
		a.load("R5", hi)
		a.load("R3", s)
		a.each(func(i int) { a.clamp(v(i), lo(i), hi(i), t(i)) })
		a.toGrid(v, s, t, magic)
		a.store(v, "R0")
	})
}

// maskRange: dx = dy where lo <= x <= hi, else 0.
func maskRange(a *asm) {
	a.function("maskRangeNEON", 120)
	a.op("MOVD dx_base+0(FP), R0")
	a.op("MOVD dx_len+8(FP), R1")
	a.op("MOVD dy_base+24(FP), R2")
	a.op("MOVD x_base+48(FP), R3")
	a.op("MOVD lo_base+72(FP), R4")
	a.op("MOVD lo_len+80(FP), R16")
	a.op("LSL $2, R16, R16")
	a.op("MOVD hi_base+96(FP), R5")
	d, x, lo, hi := firstAt(0), firstAt(4), firstAt(8), firstAt(12)
	a.contiguous(4, []string{"R0", "R2", "R3"}, []string{"R4", "R5"}, func() {
		a.load("R2", d)
		a.load("R3", x)
		a.load("R4", lo)
		a.load("R5", hi)
		a.each(func(i int) { a.fcmge(lo(i), x(i), lo(i)) })
		a.each(func(i int) { a.fcmge(hi(i), hi(i), x(i)) })
		a.each(func(i int) { a.and(d(i), d(i), lo(i)) })
		a.each(func(i int) { a.and(d(i), d(i), hi(i)) })
		a.store(d, "R0")
	})
}

func add(a *asm) { binary(a, "addNEON", a.fadd) }
func mul(a *asm) { binary(a, "mulNEON", a.fmul) }

// binary: y is what an instruction makes of a and b.
func binary(a *asm, name string, instruction func(d, n, m vec)) {
	a.function(name, 72)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD a_base+24(FP), R2")
	a.op("MOVD b_base+48(FP), R3")
	v, t := firstAt(0), firstAt(4)
	a.contiguous(4, []string{"R0", "R2", "R3"}, nil, func() {
		a.load("R2", v)
		a.load("R3", t)
		a.each(func(i int) { instruction(v(i), v(i), t(i)) })
		a.store(v, "R0")
	})
}

// addRows: rows of width elements, y = a + k*b.
func addRows(a *asm) {
	a.function("addRowsNEON", 120)
	a.op("MOVD y_base+0(FP), R2")
	a.op("MOVD a_base+24(FP), R3")
	a.op("MOVD b_base+48(FP), R4")
	const factor = 16
	a.broadcastFrom("k+72(FP)", factor)
	a.op("MOVD rows+80(FP), R5")
	a.op("MOVD width+88(FP), R6")
	row := a.newLabel("row")
	a.at(row)
	a.op("MOVD R6, R1")
	for i := range 3 {
		a.op("MOVD R%d, R%d", 2+i, 7+i)
	}
	v, t := firstAt(0), firstAt(4)
	a.run(4, []string{"R7", "R8", "R9"}, nil, func() {
		a.load("R8", v)
		a.load("R9", t)
		a.each(func(i int) { a.fmla(v(i), t(i), factor) })
		a.store(v, "R7")
	})
	for i, step := range []string{"yStep+96", "aStep+104", "bStep+112"} {
		a.op("MOVD %s(FP), R10", step)
		a.op("ADD R10<<2, R%[1]d, R%[1]d", 2+i)
	}
	a.op("SUBS $1, R5, R5")
	a.op("BNE %s", row)
	a.op("RET")
}

func axpy(a *asm) {
	a.function("axpyNEON", 52)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	a.op("MOVD x_base+24(FP), R2")
	const factor = 16
	a.broadcastFrom("a+48(FP)", factor)
	x, y := firstAt(0), firstAt(4)
	a.contiguous(4, []string{"R0", "R2"}, nil, func() {
		a.load("R2", x)
		a.load("R0", y)
		a.each(func(i int) { a.fmla(y(i), x(i), factor) })
		a.store(y, "R0")
	})
}

func scaleBy(a *asm) {
	a.function("scaleByNEON", 28)
	a.op("MOVD y_base+0(FP), R0")
	a.op("MOVD y_len+8(FP), R1")
	const factor = 16
	a.broadcastFrom("a+24(FP)", factor)
	v := firstAt(0)
	a.contiguous(4, []string{"R0"}, nil, func() {
		a.load("R0", v)
		a.each(func(i int) { a.fmul(v(i), v(i), factor) })
		a.store(v, "R0")
	})
}

// tanhBackward: dx (+)= dy*(1 - y*y).
func tanhBackward(a *asm) {
	a.function("tanhBackwardNEON", 73)
	a.op("MOVD dx_base+0(FP), R0")
	a.op("MOVD dx_len+8(FP), R1")
	a.op("MOVD dy_base+24(FP), R2")
	a.op("MOVD y_base+48(FP), R3")
	a.op("MOVBU accumulate+72(FP), R7")
	a.useTable()
	const one = 20
	a.broadcast(1, one)
	d, y, t, sum := firstAt(0), firstAt(4), firstAt(8), firstAt(12)
	a.contiguous(4, []string{"R0", "R2", "R3"}, nil, func() {
		a.load("R2", d)
		a.load("R3", y)
		a.each(func(i int) { a.mov(t(i), one) })
		a.each(func(i int) { a.fmls(t(i), y(i), y(i)) })
		a.whenElse("R7", "1", func() {
			a.load("R0", sum)
			a.each(func(i int) { a.fmla(sum(i), d(i), t(i)) })
		}, func() {
			a.each(func(i int) { a.fmul(sum(i), d(i), t(i)) })
		})
		a.store(sum, "R0")
	})
}
