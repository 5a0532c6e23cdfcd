package main

import "fmt"

// A column loop goes down rows of neighbouring channels: 4 vectors in AVX-512, 2 in AVX2. In AVX-512 every access is under one of the
// masks K1 to K4, full or not. AVX2, where masked stores are slow, has a second loop for columns that are not full.

// columnMasks makes the masks for BX channels.
func (w *writer) columnMasks() {
	if w.masks {
		w.op("MOVQ", "$-1", "R12")
		w.op("BZHIQ", "BX", "R12", "R12")
		for i := range 4 {
			w.op("KMOVW", "R12", fmt.Sprintf("K%d", 1+i))
			if i < 3 {
				w.op("SHRQ", "$16", "R12")
			}
		}
		return
	}
	// R12 and R13 point to the masks of the two vectors.
	w.op("LEAQ", "masks<>(SB)", "R14")
	w.op("XORL", "R15", "R15")
	for i, r := range []string{"R12", "R13"} {
		w.op("MOVL", fmt.Sprintf("$%d", 8+8*i), r)
		w.op("SUBQ", "BX", r)
		w.op("CMOVQLT", "R15", r)
		w.op("CMPQ", r, "$8")
		w.op("MOVL", "$8", "AX")
		w.op("CMOVQGT", "AX", r)
		w.op("LEAQ", fmt.Sprintf("(R14)(%s*4)", r), r)
	}
}

// columnLoop writes the loop over CX rows, R11 bytes apart, with AX the offset. In AVX2 register tail is spare.
func (w *writer) columnLoop(tail reg, body func()) {
	w.tail = tail
	w.unroll = 4
	if !w.masks {
		w.unroll = 2
	}
	done := w.label("done")
	loop := func(masked bool) {
		w.masked = masked
		again := w.label("row")
		w.op("XORL", "AX", "AX")
		w.line("%s:", again)
		body()
		w.op("ADDQ", "R11", "AX")
		w.op("DECQ", "CX")
		w.op("JNZ", again)
	}
	if w.masks {
		loop(true)
	} else {
		partial := w.label("partial")
		w.op("CMPQ", "BX", fmt.Sprintf("$%d", 2*w.lanes))
		w.op("JLT", partial)
		loop(false)
		w.op("JMP", done)
		w.line("%s:", partial)
		loop(true)
	}
	w.line("%s:", done)
}

// columnLoad and columnStore move vector i of a row.
func (w *writer) columnLoad(mem string, i int, r reg) {
	switch {
	case w.masks:
		w.op("VMOVUPS.Z", mem, fmt.Sprintf("K%d", 1+i), r)
	case w.masked:
		w.op("VMOVUPS", fmt.Sprintf("(R%d)", 12+i), w.tail)
		w.op("VMASKMOVPS", mem, w.tail, r)
	default:
		w.op("VMOVUPS", mem, r)
	}
}

func (w *writer) columnStore(r reg, mem string, i int) {
	switch {
	case w.masks:
		w.op("VMOVUPS", r, fmt.Sprintf("K%d", 1+i), mem)
	case w.masked:
		w.op("VMOVUPS", fmt.Sprintf("(R%d)", 12+i), w.tail)
		w.op("VMASKMOVPS", r, w.tail, mem)
	default:
		w.op("VMOVUPS", r, mem)
	}
}

func (w *writer) vector(base string, i int) string {
	return fmt.Sprintf("%d(%s)", i*w.bytes(), base)
}

func backward(w *writer) {
	w.function("backward", 256)
	w.op("MOVQ", "scale_base+120(FP)", "R8")
	w.op("MOVQ", "shift_base+144(FP)", "R9")
	w.op("MOVQ", "width+232(FP)", "BX")
	w.op("MOVQ", "flags+248(FP)", "DX")
	w.columnMasks()

	vectors := 4
	if !w.masks {
		vectors = 2
	}
	n := reg(vectors)
	scale, shift, sum, sumX := firstAt(0), firstAt(n), firstAt(2*n), firstAt(3*n)
	x, v, d := firstAt(4*n), firstAt(5*n), firstAt(6*n)
	a := 7 * n // AVX-512: four constants; AVX2: two spare registers
	w.unroll, w.masked, w.tail = vectors, true, a
	w.whenElse("DX", "const_doAffine", func() {
		w.each(func(i int) { w.columnLoad(w.vector("R8", i), i, scale(i)) })
		w.each(func(i int) { w.columnLoad(w.vector("R9", i), i, shift(i)) })
	}, func() {
		w.each(func(i int) { w.broadcast(1, scale(i)) })
		w.each(func(i int) { w.op("VXORPS", shift(i), shift(i), shift(i)) })
	})
	w.each(func(i int) {
		w.op("VXORPS", sum(i), sum(i), sum(i))
		w.op("VXORPS", sumX(i), sumX(i), sumX(i))
		w.op("VXORPS", x(i), x(i), x(i))
	})
	w.op("MOVQ", "k+240(FP)", "R15")
	alpha, passLo, passHi, zero := a, a+1, a+2, a+3
	if w.masks {
		skip := w.label("plain")
		w.op("TESTQ", "R15", "R15")
		w.op("JZ", skip)
		w.op("VBROADCASTSS", "chain_alpha(R15)", alpha)
		w.op("VBROADCASTSS", "chain_passLo(R15)", passLo)
		w.op("VBROADCASTSS", "chain_passHi(R15)", passHi)
		w.line("%s:", skip)
		w.op("VXORPS", zero, zero, zero)
	}
	w.op("MOVQ", "dx_base+0(FP)", "DI")
	w.op("MOVQ", "dres_base+24(FP)", "SI")
	w.op("MOVQ", "dy_base+48(FP)", "R8")
	w.op("MOVQ", "x_base+72(FP)", "R9")
	w.op("MOVQ", "res_base+96(FP)", "R10")
	w.op("MOVQ", "rows+216(FP)", "CX")
	w.op("MOVQ", "stride+224(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.columnLoop(a, func() {
		w.each(func(i int) { w.columnLoad(w.at("R8", i), i, d(i)) })
		w.when("DX", "const_doX", func() {
			w.each(func(i int) { w.columnLoad(w.at("R9", i), i, x(i)) })
		})
		w.when("DX", "(const_doMask|const_doLeaky)", func() {
			w.each(func(i int) { w.op("VMOVAPS", x(i), v(i)) })
			w.each(func(i int) { w.op("VFMADD213PS", shift(i), scale(i), v(i)) })
			w.when("DX", "const_doRes", func() {
				w.each(func(i int) {
					switch {
					case w.masks:
						w.op("VADDPS", w.at("R10", i), v(i), fmt.Sprintf("K%d", 1+i), v(i))
					case w.masked:
						w.columnLoad(w.at("R10", i), i, a+1)
						w.op("VADDPS", a+1, v(i), v(i))
					default:
						w.op("VADDPS", w.at("R10", i), v(i), v(i))
					}
				})
			})
			w.when("DX", "const_doLeaky", func() {
				w.each(func(i int) {
					if w.masks {
						w.op("VCMPPS", lessOrEqual, zero, v(i), "K5")
						w.op("VMULPS", alpha, v(i), "K5", v(i))
						w.op("VMULPS", alpha, d(i), "K5", d(i))
						return
					}
					w.op("VXORPS", a+1, a+1, a+1)
					w.op("VCMPPS", lessOrEqual, a+1, v(i), a)
					for _, r := range []reg{v(i), d(i)} {
						w.op("VBROADCASTSS", "chain_alpha(R15)", a+1)
						w.op("VMULPS", a+1, r, a+1)
						w.op("VBLENDVPS", a, a+1, r, r)
					}
				})
			})
			w.when("DX", "const_doMask", func() {
				w.each(func(i int) {
					if w.masks {
						w.op("VCMPPS", greaterOrEq, passLo, v(i), fmt.Sprintf("K%d", 5+i%2))
						w.op("VCMPPS", lessOrEqual, passHi, v(i), fmt.Sprintf("K%d", 5+i%2), fmt.Sprintf("K%d", 5+i%2))
						w.op("VMOVAPS.Z", d(i), fmt.Sprintf("K%d", 5+i%2), d(i))
						return
					}
					w.op("VBROADCASTSS", "chain_passLo(R15)", a+1)
					w.op("VCMPPS", greaterOrEq, a+1, v(i), a)
					w.op("VANDPS", a, d(i), d(i))
					w.op("VBROADCASTSS", "chain_passHi(R15)", a+1)
					w.op("VCMPPS", lessOrEqual, a+1, v(i), a)
					w.op("VANDPS", a, d(i), d(i))
				})
			})
		})
		w.when("DX", "const_doSums", func() {
			w.each(func(i int) { w.op("VADDPS", d(i), sum(i), sum(i)) })
			w.each(func(i int) { w.op("VFMADD231PS", d(i), x(i), sumX(i)) })
		})
		w.when("DX", "const_doDx", func() {
			w.whenElse("DX", "const_doAddDx", func() {
				w.each(func(i int) { w.columnLoad(w.at("DI", i), i, v(i)) })
				w.each(func(i int) { w.op("VFMADD231PS", scale(i), d(i), v(i)) })
			}, func() {
				w.each(func(i int) { w.op("VMULPS", scale(i), d(i), v(i)) })
			})
			w.each(func(i int) { w.columnStore(v(i), w.at("DI", i), i) })
		})
		w.when("DX", "const_doDres", func() {
			w.when("DX", "const_doAddDres", func() {
				w.each(func(i int) { w.columnLoad(w.at("SI", i), i, v(i)) })
				w.each(func(i int) { w.op("VADDPS", v(i), d(i), d(i)) })
			})
			w.each(func(i int) { w.columnStore(d(i), w.at("SI", i), i) })
		})
	})
	w.when("DX", "const_doSums", func() {
		w.op("MOVQ", "sumE_base+168(FP)", "R8")
		w.op("MOVQ", "sumEX_base+192(FP)", "R9")
		w.each(func(i int) { w.addWide(sum(i), "R8", i, x(0), x(1)) })
		w.each(func(i int) { w.addWide(sumX(i), "R9", i, x(0), x(1)) })
	})
	w.ret()
}

// addWide adds the float32 of r to the float64 at vector i behind base.
func (w *writer) addWide(r reg, base string, i int, t, u reg) {
	half, extract := "Y", "VEXTRACTF64X4"
	if !w.masks {
		half, extract = "X", "VEXTRACTF128"
	}
	w.op(extract, "$1", r, fmt.Sprintf("%s%d", half, u))
	w.op("VCVTPS2PD", fmt.Sprintf("%s%d", half, r), t)
	w.op("VCVTPS2PD", fmt.Sprintf("%s%d", half, u), u)
	w.op("VADDPD", w.vector(base, 2*i), t, t)
	w.op("VADDPD", w.vector(base, 2*i+1), u, u)
	w.op("VMOVUPD", t, w.vector(base, 2*i))
	w.op("VMOVUPD", u, w.vector(base, 2*i+1))
}

func minMax(w *writer) {
	w.function("minMax", 96)
	w.op("MOVQ", "lo_base+0(FP)", "DI")
	w.op("MOVQ", "hi_base+24(FP)", "SI")
	w.op("MOVQ", "x_base+48(FP)", "R8")
	w.op("MOVQ", "rows+72(FP)", "CX")
	w.op("MOVQ", "stride+80(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.op("MOVQ", "width+88(FP)", "BX")
	w.columnMasks()
	lo, hi, x := firstAt(0), firstAt(4), firstAt(8)
	const spare = 12
	w.unroll, w.masked, w.tail = 4, true, spare
	if !w.masks {
		w.unroll = 2
	}
	w.each(func(i int) { w.columnLoad(w.vector("DI", i), i, lo(i)) })
	w.each(func(i int) { w.columnLoad(w.vector("SI", i), i, hi(i)) })
	w.columnLoop(spare, func() {
		w.each(func(i int) {
			w.columnLoad(w.at("R8", i), i, x(i))
			w.op("VMINPS", lo(i), x(i), lo(i)) // of a NaN and a number, the second source: what was there
			w.op("VMAXPS", hi(i), x(i), hi(i))
		})
	})
	w.masked = true
	w.each(func(i int) { w.columnStore(lo(i), w.vector("DI", i), i) })
	w.each(func(i int) { w.columnStore(hi(i), w.vector("SI", i), i) })
	w.ret()
}
