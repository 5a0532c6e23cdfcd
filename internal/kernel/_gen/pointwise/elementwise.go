package main

import "fmt"

// affine2: y (+)= ka*a + kb*b + k0.
func affine2(w *writer) {
	w.function("affine2", 145)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "a_base+24(FP)", "SI")
	w.op("MOVQ", "b_base+48(FP)", "R8")
	w.op("MOVQ", "ka_base+72(FP)", "R9")
	w.op("MOVQ", "ka_len+80(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.op("MOVQ", "kb_base+96(FP)", "R10")
	w.op("MOVQ", "k0_base+120(FP)", "R15")
	w.op("MOVBLZX", "accumulate+144(FP)", "R12")
	w.op("TESTQ", "R8", "R8")
	w.op("SETNE", "BX")
	w.op("MOVBLZX", "BX", "BX")
	w.op("LEAL", "(R12)(BX*2)", "R12") // bit 0: accumulate, bit 1: there is a b
	v, t, u := firstAt(0), firstAt(4), firstAt(8)
	w.contiguous(4, true, 14, func() {
		w.each(func(i int) { w.load(w.paramAt("R15", i), v(i)) })
		w.when("R12", "2", func() {
			w.each(func(i int) { w.load(w.paramAt("R10", i), t(i)) })
			w.each(func(i int) { w.load(w.at("R8", i), u(i)) })
			w.each(func(i int) { w.op("VFMADD231PS", t(i), u(i), v(i)) })
		})
		w.each(func(i int) { w.load(w.paramAt("R9", i), t(i)) })
		w.each(func(i int) { w.load(w.at("SI", i), u(i)) })
		w.each(func(i int) { w.op("VFMADD231PS", t(i), u(i), v(i)) })
		w.when("R12", "1", func() {
			w.each(func(i int) { w.addFrom(w.at("DI", i), v(i), t(i)) })
		})
		w.each(func(i int) { w.store(v(i), w.at("DI", i)) })
	})
}

// fakeQuant: y = scale*round(clamp(x, lo, hi)/scale).
func fakeQuant(w *writer) {
	w.function("fakeQuant", 120)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "x_base+24(FP)", "SI")
	w.op("MOVQ", "scale_base+48(FP)", "R8")
	w.op("MOVQ", "scale_len+56(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.op("MOVQ", "lo_base+72(FP)", "R9")
	w.op("MOVQ", "hi_base+96(FP)", "R10")
	const magic, tail = 12, 14
	w.broadcast(roundMagic, magic)
	v, t, s := firstAt(0), firstAt(4), firstAt(8)
	w.contiguous(4, true, tail, func() {
		w.each(func(i int) {
			w.load(w.at("SI", i), v(i))
			w.load(w.paramAt("R9", i), t(i))
			w.load(w.paramAt("R10", i), s(i))
			w.clamp(v(i), t(i), s(i))
			w.load(w.paramAt("R8", i), s(i))
		})
		w.toGrid(v, s, t, magic)
		w.each(func(i int) { w.store(v(i), w.at("DI", i)) })
	})
}

// maskRange: dx = dy where lo <= x <= hi, else 0.
func maskRange(w *writer) {
	w.function("maskRange", 120)
	w.op("MOVQ", "dx_base+0(FP)", "DI")
	w.op("MOVQ", "dx_len+8(FP)", "CX")
	w.op("MOVQ", "dy_base+24(FP)", "SI")
	w.op("MOVQ", "x_base+48(FP)", "R8")
	w.op("MOVQ", "lo_base+72(FP)", "R9")
	w.op("MOVQ", "lo_len+80(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.op("MOVQ", "hi_base+96(FP)", "R10")
	d, x, t := firstAt(0), firstAt(4), firstAt(8)
	w.contiguous(4, true, 14, func() {
		w.each(func(i int) {
			w.load(w.at("SI", i), d(i))
			w.load(w.at("R8", i), x(i))
			w.load(w.paramAt("R9", i), t(i))
			if w.masks {
				w.op("VCMPPS", greaterOrEq, t(i), x(i), k(i))
				w.load(w.paramAt("R10", i), t(i))
				w.op("VCMPPS", lessOrEqual, t(i), x(i), k(i), k(i))
				w.op("VMOVAPS.Z", d(i), k(i), d(i))
			} else {
				w.op("VCMPPS", greaterOrEq, t(i), x(i), t(i))
				w.op("VANDPS", t(i), d(i), d(i))
				w.load(w.paramAt("R10", i), t(i))
				w.op("VCMPPS", lessOrEqual, t(i), x(i), t(i))
				w.op("VANDPS", t(i), d(i), d(i))
			}
			w.store(d(i), w.at("DI", i))
		})
	})
}

func add(w *writer) { binary(w, "add", "VADDPS") }
func mul(w *writer) { binary(w, "mul", "VMULPS") }

// binary: y is what an instruction makes of a and b.
func binary(w *writer, name, instruction string) {
	w.function(name, 72)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "a_base+24(FP)", "SI")
	w.op("MOVQ", "b_base+48(FP)", "R8")
	v, t := firstAt(0), firstAt(4)
	w.contiguous(4, false, 14, func() {
		w.each(func(i int) { w.load(w.at("SI", i), v(i)) })
		w.each(func(i int) { w.from(instruction, w.at("R8", i), v(i), t(i)) })
		w.each(func(i int) { w.store(v(i), w.at("DI", i)) })
	})
}

// addRows: rows of width elements, y = a + k*b.
func addRows(w *writer) {
	w.function("addRows", 120)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "a_base+24(FP)", "SI")
	w.op("MOVQ", "b_base+48(FP)", "R8")
	const factor, v, u, tail = reg(12), reg(0), reg(1), 14
	w.op("VBROADCASTSS", "k+72(FP)", factor)
	w.op("MOVQ", "width+88(FP)", "DX")
	for i, step := range []string{"yStep+96", "aStep+104", "bStep+112"} {
		r := []string{"R9", "R10", "R11"}[i]
		w.op("MOVQ", step+"(FP)", r)
		w.op("SHLQ", "$2", r)
	}
	w.tail = tail
	w.op("MOVQ", "DX", "CX")
	w.op("ANDQ", fmt.Sprintf("$%d", w.lanes-1), "CX")
	w.op("XORL", "R13", "R13")
	w.tailMask()
	w.op("MOVQ", "rows+80(FP)", "R12")
	body := func() {
		w.load(w.at("SI", 0), v)
		w.load(w.at("R8", 0), u)
		w.op("VFMADD231PS", factor, u, v)
		w.store(v, w.at("DI", 0))
	}
	row, loop, rest, next := w.label("row"), w.label("loop"), w.label("rest"), w.label("next")
	w.line("%s:", row)
	w.op("XORL", "AX", "AX")
	w.op("MOVQ", "DX", "CX")
	w.op("SUBQ", fmt.Sprintf("$%d", w.lanes), "CX")
	w.op("JLT", rest)
	w.line("%s:", loop)
	w.masked = false
	body()
	w.op("ADDQ", fmt.Sprintf("$%d", w.bytes()), "AX")
	w.op("SUBQ", fmt.Sprintf("$%d", w.lanes), "CX")
	w.op("JGE", loop)
	w.line("%s:", rest)
	w.op("CMPQ", "CX", fmt.Sprintf("$-%d", w.lanes))
	w.op("JEQ", next)
	w.masked = true
	body()
	w.line("%s:", next)
	w.op("ADDQ", "R9", "DI")
	w.op("ADDQ", "R10", "SI")
	w.op("ADDQ", "R11", "R8")
	w.op("DECQ", "R12")
	w.op("JNE", row)
	w.ret()
}

func axpy(w *writer) {
	w.function("axpy", 52)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "x_base+24(FP)", "SI")
	const a = 12
	w.op("VBROADCASTSS", "a+48(FP)", reg(a))
	v := firstAt(0)
	w.contiguous(4, false, 14, func() {
		w.each(func(i int) { w.load(w.at("SI", i), v(i)) })
		w.each(func(i int) { w.fmaWith(w.at("DI", i), a, v(i)) })
		w.each(func(i int) { w.store(v(i), w.at("DI", i)) })
	})
}

func scaleBy(w *writer) {
	w.function("scaleBy", 28)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	const a = 12
	w.op("VBROADCASTSS", "a+24(FP)", reg(a))
	v := firstAt(0)
	w.contiguous(4, false, 14, func() {
		w.each(func(i int) { w.load(w.at("DI", i), v(i)) })
		w.each(func(i int) { w.op("VMULPS", reg(a), v(i), v(i)) })
		w.each(func(i int) { w.store(v(i), w.at("DI", i)) })
	})
}

// tanhBackward: dx (+)= dy*(1 - y*y).
func tanhBackward(w *writer) {
	w.function("tanhBackward", 73)
	w.op("MOVQ", "dx_base+0(FP)", "DI")
	w.op("MOVQ", "dx_len+8(FP)", "CX")
	w.op("MOVQ", "dy_base+24(FP)", "SI")
	w.op("MOVQ", "y_base+48(FP)", "R8")
	w.op("MOVBLZX", "accumulate+72(FP)", "R12")
	const one = 12
	w.broadcast(1, one)
	d, y, t := firstAt(0), firstAt(4), firstAt(8)
	w.contiguous(4, false, 14, func() {
		w.each(func(i int) {
			w.load(w.at("SI", i), d(i))
			w.load(w.at("R8", i), y(i))
			w.op("VMOVAPS", reg(one), t(i))
			w.op("VFNMADD231PS", y(i), y(i), t(i))
		})
		w.whenElse("R12", "1", func() {
			w.each(func(i int) { w.fmaWith(w.at("DI", i), t(i), d(i)) })
		}, func() {
			w.each(func(i int) { w.op("VMULPS", t(i), d(i), d(i)) })
		})
		w.each(func(i int) { w.store(d(i), w.at("DI", i)) })
	})
}

// stream: y = x, stored past the cache where y begins with a cache line.
func stream(w *writer) {
	w.function("stream", 48)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "x_base+24(FP)", "SI")
	v := firstAt(0)
	for _, past := range []bool{true, false} {
		plain := w.label("plain")
		if past {
			w.op("TESTQ", "$63", "DI")
			w.op("JNZ", plain)
		}
		w.fence = past
		w.contiguous(4, false, 14, func() {
			w.each(func(i int) { w.load(w.at("SI", i), v(i)) })
			w.each(func(i int) {
				if past && !w.masked {
					w.op("VMOVNTPS", v(i), w.at("DI", i))
					return
				}
				w.store(v(i), w.at("DI", i))
			})
		})
		if past {
			w.line("%s:", plain)
		}
	}
}
