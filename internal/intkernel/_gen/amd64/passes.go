package main

// passes writes the loops over bytes. They return how many they have done: all of them with mask registers, else as
// many as fill vectors.
func (a *asm) passes(s set) {
	a.requantize(s)
	a.add(s, false)
	a.add(s, true)
	a.maximum(s)
	a.quantize(s)
	if s.vnni {
		a.requantizeFixed(s)
		a.lookup()
	}
}

// each writes a loop over n elements, step at a time; the register that holds n counts down. The body is
// written a second time for those that are left, to be masked by K1, where there are masks. Registers CX and DX are spare
// in the latter. It then returns done(...).
func (a *asm) each(s set, n string, step int, result string, body func(tail bool)) {
	a.op("MOVQ $0, AX")
	a.op("CMPQ %s, $%d", n, step)
	a.op("JLT rest")
	a.label("loop")
	body(false)
	a.op("ADDQ $%d, AX", step)
	a.op("SUBQ $%d, %s", step, n)
	a.op("CMPQ %s, $%d", n, step)
	a.op("JGE loop")
	a.label("rest")
	if s.vnni {
		a.op("TESTQ %[1]s, %[1]s", n)
		a.op("JEQ done")
		a.mask(n)
		body(true)
		a.op("ADDQ %s, AX", n)
		a.label("done")
	}
	a.op("VZEROUPPER")
	a.op("MOVQ AX, %s", result)
	a.op("RET")
}

// masked is the middle operand of a load or store in the tail.
func masked(tail, load bool) string {
	switch {
	case tail && load:
		return "K1, "
	case tail:
		return "K1, "
	}
	return ""
}

// zeroing is the suffix of a load in the tail.
func zeroing(tail bool) string {
	if tail {
		return ".Z"
	}
	return ""
}

// widen loads as many bytes as s has lanes into int32s.
func (a *asm) widen(s set, tail bool, mem string, r int) {
	if tail {
		a.op("VMOVDQU8.Z %s, K1, X%d", mem, r)
		a.op("VPMOVZXBD X%d, Z%d", r, r)
		return
	}
	a.op("VPMOVZXBD %s, %s", mem, s.reg(r))
}

// narrow stores int32s of register r, 0 to 255, as bytes. Without masks, it takes register t and leaves rubbish in both.
func (a *asm) narrow(s set, tail bool, r, t int, mem string) {
	if s.vnni {
		a.op("VPMOVDB Z%d, X%d", r, r)
		if tail {
			a.op("VMOVDQU8 X%d, K1, %s", r, mem)
		} else {
			a.op("VMOVDQU X%d, %s", r, mem)
		}
		return
	}
	a.op("VEXTRACTI128 $1, Y%d, X%d", r, t)
	a.op("VPACKSSDW X%d, X%d, X%d", t, r, r)
	a.op("VPACKUSWB X%[1]d, X%[1]d, X%[1]d", r)
	a.op("VMOVQ X%d, %s", r, mem)
}

func (a *asm) requantize(s set) {
	a.function("requantize"+s.name, "(dst []uint8, sums []int32, r *Requant, n int) int", 0, 72)
	a.op("MOVQ dst_base+0(FP), DI")
	a.op("MOVQ sums_base+24(FP), SI")
	a.op("MOVQ r+48(FP), BX")
	a.op("MOVQ n+56(FP), R8")
	a.op("MOVQ Requant_Mult(BX), R9")
	lo, hi, zero := s.reg(13), s.reg(14), s.reg(15)
	a.op("VBROADCASTSS Requant_Lo(BX), %s", lo)
	a.op("VBROADCASTSS Requant_Hi(BX), %s", hi)
	a.op("VPBROADCASTD Requant_Zero(BX), %s", zero)
	a.each(s, "R8", s.lanes, "ret+64(FP)", func(tail bool) {
		r := s.reg(0)
		a.op("%s%s (SI)(AX*4), %s%s", s.move(), zeroing(tail), masked(tail, true), r)
		a.op("VCVTDQ2PS %[1]s, %[1]s", r)
		if tail {
			a.op("VMOVUPS.Z (R9)(AX*4), K1, %s", s.reg(1))
			a.op("VMULPS %s, %[2]s, %[2]s", s.reg(1), r)
		} else {
			a.op("VMULPS (R9)(AX*4), %[1]s, %[1]s", r)
		}
		a.round(r, lo, hi)
		a.op("VPADDD %s, %[2]s, %[2]s", zero, r)
		a.narrow(s, tail, 0, 1, "(DI)(AX*1)")
	})
}

// requantizeFixed multiplies even and odd lanes apart. A product p is rounded to p>>s, halves to even, as
// (p + 2^(s-1) - 1 + (p>>s & 1)) >> s.
func (a *asm) requantizeFixed(s set) {
	a.function("requantizeFixed"+s.name, "(dst []uint8, sums []int32, r *Requant, n int) int", 0, 72)
	a.op("MOVQ dst_base+0(FP), DI")
	a.op("MOVQ sums_base+24(FP), SI")
	a.op("MOVQ r+48(FP), BX")
	a.op("MOVQ n+56(FP), R8")
	a.op("MOVQ Requant_M(BX), R9")
	a.op("MOVQ Requant_Shift(BX), R10")
	a.op("VPBROADCASTD Requant_Zero(BX), Z15")
	a.op("VPBROADCASTD Requant_QMin(BX), Z14")
	a.op("VPBROADCASTD Requant_QMax(BX), Z13")
	a.op("VPSUBD Z15, Z14, Z14")
	a.op("VPSUBD Z15, Z13, Z13")
	a.op("MOVQ $1, CX")
	a.op("VPBROADCASTQ CX, Z12")
	a.op("MOVQ $0xffffffff, CX")
	a.op("VPBROADCASTQ CX, Z11")
	a.each(s, "R8", s.lanes, "ret+64(FP)", func(tail bool) {
		a.op("VMOVDQU32%s (SI)(AX*4), %sZ0", zeroing(tail), masked(tail, true))
		a.op("VMOVDQU32%s (R9)(AX*4), %sZ1", zeroing(tail), masked(tail, true))
		a.op("VMOVDQU32%s (R10)(AX*4), %sZ2", zeroing(tail), masked(tail, true))
		a.op("VPSRLQ $32, Z0, Z3")
		a.op("VPSRLQ $32, Z1, Z4")
		a.op("VPSRLQ $32, Z2, Z5")
		a.op("VPANDQ Z11, Z2, Z2")
		a.op("VPMULDQ Z1, Z0, Z0")
		a.op("VPMULDQ Z4, Z3, Z3")
		for _, half := range []struct{ p, shift int }{{0, 2}, {3, 5}} {
			p, shift := s.reg(half.p), s.reg(half.shift)
			a.op("VPSRAVQ %s, %s, Z6", shift, p)
			a.op("VPANDQ Z12, Z6, Z6")
			a.op("VPSUBQ Z12, %s, Z7", shift)
			a.op("VPSLLVQ Z7, Z12, Z7")
			a.op("VPSUBQ Z12, Z7, Z7")
			a.op("VPADDQ Z6, %[1]s, %[1]s", p)
			a.op("VPADDQ Z7, %[1]s, %[1]s", p)
			a.op("VPSRAVQ %s, %[2]s, %[2]s", shift, p)
		}
		// Both halves are clamped before they are joined: their upper words count.
		a.op("VPMOVSXDQ Y14, Z8")
		a.op("VPMOVSXDQ Y13, Z9")
		for _, p := range []string{"Z0", "Z3"} {
			a.op("VPMAXSQ Z8, %[1]s, %[1]s", p)
			a.op("VPMINSQ Z9, %[1]s, %[1]s", p)
		}
		a.op("VPSLLQ $32, Z3, Z3")
		a.op("VPANDQ Z11, Z0, Z0")
		a.op("VPORQ Z3, Z0, Z0")
		a.op("VPADDD Z15, Z0, Z0")
		a.narrow(s, tail, 0, 1, "(DI)(AX*1)")
	})
}

func (a *asm) add(s set, fixed bool) {
	name := "add"
	if fixed {
		name = "addFixed"
	}
	a.function(name+s.name, "(dst, a, b []uint8, k *AddParams) int", 0, 88)
	a.op("MOVQ dst_base+0(FP), DI")
	a.op("MOVQ dst_len+8(FP), R8")
	a.op("MOVQ a_base+24(FP), SI")
	a.op("MOVQ b_base+48(FP), R9")
	a.op("MOVQ k+72(FP), BX")
	for i, field := range map[bool][]string{false: {"Lo", "Hi", "RA", "RB", "Fix"}, true: {"QMin", "QMax", "MA", "MB", "Round", "Zero"}}[fixed] {
		if fixed {
			a.op("VPBROADCASTD AddParams_%s(BX), %s", field, s.reg(10+i))
		} else {
			a.op("VBROADCASTSS AddParams_%s(BX), %s", field, s.reg(10+i))
		}
	}
	if fixed {
		a.op("VMOVD AddParams_Shift(BX), X9")
	}
	a.each(s, "R8", s.lanes, "ret+80(FP)", func(tail bool) {
		a.widen(s, tail, "(SI)(AX*1)", 0)
		a.widen(s, tail, "(R9)(AX*1)", 1)
		x, y := s.reg(0), s.reg(1)
		lo, hi, ka, kb, fix := s.reg(10), s.reg(11), s.reg(12), s.reg(13), s.reg(14)
		if fixed {
			a.op("VPMULLD %s, %[2]s, %[2]s", ka, x)
			a.op("VPMULLD %s, %[2]s, %[2]s", kb, y)
			a.op("VPADDD %s, %[2]s, %[2]s", fix, x)
			a.op("VPADDD %s, %[2]s, %[2]s", y, x)
			a.op("VPSRAD X9, %[1]s, %[1]s", x)
			a.op("VPADDD %s, %[2]s, %[2]s", s.reg(15), x)
			a.op("VPMAXSD %s, %[2]s, %[2]s", lo, x)
			a.op("VPMINSD %s, %[2]s, %[2]s", hi, x)
		} else {
			a.op("VCVTDQ2PS %[1]s, %[1]s", x)
			a.op("VCVTDQ2PS %[1]s, %[1]s", y)
			a.op("VFMADD213PS %s, %s, %s", fix, kb, y) // y = y*kb + fix
			a.op("VFMADD213PS %s, %s, %s", y, ka, x)   // x = x*ka + y
			a.round(x, lo, hi)
		}
		a.narrow(s, tail, 0, 1, "(DI)(AX*1)")
	})
}

func (a *asm) maximum(s set) {
	a.function("maximum"+s.name, "(dst, a, b []uint8) int", 0, 80)
	a.op("MOVQ dst_base+0(FP), DI")
	a.op("MOVQ dst_len+8(FP), R8")
	a.op("MOVQ a_base+24(FP), SI")
	a.op("MOVQ b_base+48(FP), R9")
	move := "VMOVDQU"
	if s.vnni {
		move = "VMOVDQU8"
	}
	a.each(s, "R8", s.bytes(), "ret+72(FP)", func(tail bool) {
		a.op("%s%s (SI)(AX*1), %s%s", move, zeroing(tail), masked(tail, true), s.reg(0))
		a.op("%s%s (R9)(AX*1), %s%s", move, zeroing(tail), masked(tail, true), s.reg(1))
		a.op("VPMAXUB %s, %[2]s, %[2]s", s.reg(1), s.reg(0))
		a.op("%s %s, %s(DI)(AX*1)", move, s.reg(0), masked(tail, false))
	})
}

// quantize writes pixels of four bytes, one of each of four planes.
func (a *asm) quantize(s set) {
	a.function("quantize"+s.name, "(dst []uint8, x0, x1, x2, x3 *float32, k *QuantizeParams, n int) int", 0, 80)
	a.op("MOVQ dst_base+0(FP), DI")
	planes := []string{"SI", "R9", "R10", "R11"}
	for i, r := range planes {
		a.op("MOVQ x%d+%d(FP), %s", i, 24+8*i, r)
	}
	a.op("MOVQ k+56(FP), BX")
	a.op("MOVQ n+64(FP), R8")
	for i, field := range []string{"Scale", "Lo", "Hi"} {
		a.op("VBROADCASTSS QuantizeParams_%s(BX), %s", field, s.reg(12+i))
	}
	a.op("VPBROADCASTD QuantizeParams_Zero(BX), %s", s.reg(15))
	a.each(s, "R8", s.lanes, "ret+72(FP)", func(tail bool) {
		for i, base := range planes {
			r := s.reg(i)
			a.op("VMOVUPS%s (%s)(AX*4), %s%s", zeroing(tail), base, masked(tail, true), r)
			a.op("VDIVPS %s, %[2]s, %[2]s", s.reg(12), r)
			a.round(r, s.reg(13), s.reg(14))
			a.op("VPADDD %s, %[2]s, %[2]s", s.reg(15), r)
			if i > 0 {
				a.op("VPSLLD $%d, %[2]s, %[2]s", 8*i, r)
				or := "VPOR"
				if s.vnni {
					or = "VPORD"
				}
				a.op("%s %s, %s, %s", or, r, s.reg(0), s.reg(0))
			}
		}
		a.op("%s %s, %s(DI)(AX*4)", s.move(), s.reg(0), masked(tail, false))
	})
}

// lookup selects among the halves of the table, each in two registers.
func (a *asm) lookup() {
	a.function("lookupAVX512", "(dst, x []uint8, table *[256]uint8) int", 0, 64)
	a.op("MOVQ dst_base+0(FP), DI")
	a.op("MOVQ dst_len+8(FP), R8")
	a.op("MOVQ x_base+24(FP), SI")
	a.op("MOVQ table+48(FP), BX")
	for i := range 4 {
		a.op("VMOVDQU8 %d(BX), Z%d", 64*i, 10+i)
	}
	a.each(avx512, "R8", 64, "ret+56(FP)", func(tail bool) {
		a.op("VMOVDQU8%s (SI)(AX*1), %sZ0", zeroing(tail), masked(tail, true))
		a.op("VPMOVB2M Z0, K2")
		a.op("VMOVDQA64 Z0, Z1")
		a.op("VPERMI2B Z11, Z10, Z0")
		a.op("VPERMI2B Z13, Z12, Z1")
		a.op("VMOVDQU8 Z1, K2, Z0")
		a.op("VMOVDQU8 Z0, %s(DI)(AX*1)", masked(tail, false))
	})
}
