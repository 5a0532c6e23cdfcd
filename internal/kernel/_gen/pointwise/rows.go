package main

import "fmt"

// Loops with sums per channel go down four rows at a time and along the row in single vectors, so that the sums,
// which lie in memory, are loaded and stored once for four vectors. A last vector that is not full is under a
// mask: K1, or one kept in the frame.

const rowsAtOnce = 4

// rowOffsets are the registers with the offsets of the current vectors of the rows.
var rowOffsets = [rowsAtOnce]string{"AX", "R12", "R13", "BX"}

// local is a place in the frame of an AVX2 function.
func local(i int) string { return fmt.Sprintf("local%d-%d(SP)", i, 32*(i+1)) }

const maskLocal = 3

// rowMask makes the mask of the last vector of rows of DX elements.
func (w *writer) rowMask(spare reg) {
	w.op("MOVQ", "DX", "CX")
	w.op("ANDQ", fmt.Sprintf("$%d", w.lanes-1), "CX")
	w.op("XORL", "R13", "R13")
	w.tail = spare
	w.tailMask()
	if !w.masks {
		w.op("VMOVUPS", spare, local(maskLocal))
	}
}

// rows writes the loop over CX rows of width elements, R11 bytes apart. The arrays' base registers move down the
// rows; params, a register, goes along the parameters by step bytes a vector, from start. DX counts elements.
func (w *writer) rows(bases []string, width, params, start string, step int, body func()) {
	for _, n := range []int{rowsAtOnce, 1} {
		w.unroll = n
		group, inner, tail, next, end := w.label("group"), w.label("vector"), w.label("tail"), w.label("next"), w.label("end")
		w.line("%s:", group)
		w.op("CMPQ", "CX", fmt.Sprintf("$%d", n))
		w.op("JLT", end)
		w.op("XORL", "AX", "AX")
		if n > 1 {
			w.op("MOVQ", "R11", "R12")
			w.op("LEAQ", "(R11)(R11*1)", "R13")
			w.op("LEAQ", "(R11)(R11*2)", "BX")
		}
		w.op("MOVQ", start, params)
		w.op("MOVQ", width, "DX")
		w.op("SUBQ", fmt.Sprintf("$%d", w.lanes), "DX")
		w.op("JLT", tail)
		w.line("%s:", inner)
		w.masked = false
		body()
		for _, r := range rowOffsets[:n] {
			w.op("ADDQ", fmt.Sprintf("$%d", w.bytes()), r)
		}
		w.op("ADDQ", fmt.Sprintf("$%d", step), params)
		w.op("SUBQ", fmt.Sprintf("$%d", w.lanes), "DX")
		w.op("JGE", inner)
		w.line("%s:", tail)
		w.op("ADDQ", fmt.Sprintf("$%d", w.lanes), "DX")
		w.op("JZ", next)
		w.masked = true
		body()
		w.line("%s:", next)
		for _, r := range bases {
			w.op("LEAQ", fmt.Sprintf("(%s)(R11*%d)", r, n), r)
		}
		w.op("SUBQ", fmt.Sprintf("$%d", n), "CX")
		w.op("JMP", group)
		w.line("%s:", end)
	}
}

// rowAt is the current vector of row i of the array in base.
func (w *writer) rowAt(base string, i int) string {
	return fmt.Sprintf("(%s)(%s*1)", base, rowOffsets[i])
}

// rowLoad and rowStore move a vector of a row. In AVX2 register tail is spare.
func (w *writer) rowLoad(mem string, r reg) {
	w.loadMask()
	w.load(mem, r)
}

func (w *writer) rowStore(r reg, mem string) {
	w.loadMask()
	w.store(r, mem)
}

func (w *writer) loadMask() {
	if w.masked && !w.masks {
		w.op("VMOVUPS", local(maskLocal), w.tail)
	}
}

func (w *writer) functionWithFrame(name string, args int) {
	frame := 0
	if !w.masks {
		frame = 128
	}
	w.fn = name
	w.line("\n// func %s%s", name, w.suffix)
	w.line("TEXT ·%s%s(SB), NOSPLIT, $%d-%d", name, w.suffix, frame, args)
}

// vector is vector i behind base.
func (w *writer) vector(base string, i int) string {
	if i == 0 {
		return fmt.Sprintf("(%s)", base)
	}
	return fmt.Sprintf("%d(%s)", i*w.bytes(), base)
}

func backward(w *writer) {
	w.functionWithFrame("backward", 184)
	x, v, d := firstAt(0), firstAt(4), firstAt(8)
	const sum, sumX, spare, spare2 = reg(12), reg(13), reg(14), reg(15)
	const alpha, passLo, passHi, zero, scale, shift = reg(16), reg(17), reg(18), reg(19), reg(20), reg(21)
	w.op("MOVQ", "width+160(FP)", "DX")
	w.rowMask(spare)
	w.op("MOVQ", "k+168(FP)", "AX")
	plain := w.label("plain")
	w.op("TESTQ", "AX", "AX")
	w.op("JZ", plain)
	for i, field := range []string{"alpha", "passLo", "passHi"} {
		if w.masks {
			w.op("VBROADCASTSS", fmt.Sprintf("chain_%s(AX)", field), alpha+reg(i))
		} else {
			w.op("VBROADCASTSS", fmt.Sprintf("chain_%s(AX)", field), spare)
			w.op("VMOVUPS", spare, local(i))
		}
	}
	w.line("%s:", plain)
	if w.masks {
		w.op("VXORPS", zero, zero, zero)
	}
	for i := range rowsAtOnce {
		w.op("VXORPS", x(i), x(i), x(i))
	}
	w.op("MOVQ", "dx_base+0(FP)", "DI")
	w.op("MOVQ", "dres_base+24(FP)", "SI")
	w.op("MOVQ", "dy_base+48(FP)", "R8")
	w.op("MOVQ", "x_base+72(FP)", "R9")
	w.op("MOVQ", "res_base+96(FP)", "R10")
	w.op("MOVQ", "rows+144(FP)", "CX")
	w.op("MOVQ", "stride+152(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.op("MOVQ", "flags+176(FP)", "R15")
	// The block has a vector of each: scale, shift, sum, sumX.
	scaleMem, shiftMem := w.vector("R14", 0), w.vector("R14", 1)
	sumMem, sumXMem := w.vector("R14", 2), w.vector("R14", 3)

	w.rows([]string{"DI", "SI", "R8", "R9", "R10"}, "width+160(FP)", "R14", "block_base+120(FP)", 4*w.bytes(), func() {
		w.each(func(i int) { w.ahead(w.rowAt("R8", i)) })
		w.each(func(i int) { w.rowLoad(w.rowAt("R8", i), d(i)) })
		w.when("R15", "const_doX", func() {
			w.each(func(i int) { w.ahead(w.rowAt("R9", i)) })
			w.each(func(i int) { w.rowLoad(w.rowAt("R9", i), x(i)) })
		})
		w.when("R15", "(const_doMask|const_doLeaky)", func() {
			w.each(func(i int) { w.op("VMOVAPS", x(i), v(i)) })
			w.op("VMOVUPS", shiftMem, spare)
			w.each(func(i int) { w.op("VFMADD132PS", scaleMem, spare, v(i)) })
			w.when("R15", "const_doRes", func() {
				w.each(func(i int) {
					w.loadMask()
					w.addFrom(w.rowAt("R10", i), v(i), spare2)
				})
			})
			w.when("R15", "const_doLeaky", func() {
				w.each(func(i int) {
					if w.masks {
						w.op("VCMPPS", lessOrEqual, zero, v(i), k(i))
						w.op("VMULPS", alpha, v(i), k(i), v(i))
						w.op("VMULPS", alpha, d(i), k(i), d(i))
						return
					}
					w.op("VXORPS", spare, spare, spare)
					w.op("VCMPPS", lessOrEqual, spare, v(i), spare)
					for _, r := range []reg{v(i), d(i)} {
						w.op("VMULPS", local(0), r, spare2)
						w.op("VBLENDVPS", spare, spare2, r, r)
					}
				})
			})
			w.when("R15", "const_doMask", func() {
				w.each(func(i int) {
					if w.masks {
						w.op("VCMPPS", greaterOrEq, passLo, v(i), k(i))
						w.op("VCMPPS", lessOrEqual, passHi, v(i), k(i), k(i))
						w.op("VMOVAPS.Z", d(i), k(i), d(i))
						return
					}
					w.op("VCMPPS", greaterOrEq, local(1), v(i), spare)
					w.op("VCMPPS", lessOrEqual, local(2), v(i), spare2)
					w.op("VANDPS", spare, d(i), d(i))
					w.op("VANDPS", spare2, d(i), d(i))
				})
			})
		})
		w.when("R15", "const_doSums", func() {
			w.op("VMOVUPS", sumMem, sum)
			w.op("VMOVUPS", sumXMem, sumX)
			w.each(func(i int) {
				w.op("VADDPS", d(i), sum, sum)
				w.op("VFMADD231PS", d(i), x(i), sumX)
			})
			w.op("VMOVUPS", sum, sumMem)
			w.op("VMOVUPS", sumX, sumXMem)
		})
		w.when("R15", "const_doDx", func() {
			w.whenElse("R15", "const_doAddDx", func() {
				w.each(func(i int) { w.rowLoad(w.rowAt("DI", i), v(i)) })
				w.each(func(i int) { w.op("VFMADD231PS", scaleMem, d(i), v(i)) })
			}, func() {
				w.each(func(i int) { w.op("VMULPS", scaleMem, d(i), v(i)) })
			})
			w.each(func(i int) { w.rowStore(v(i), w.rowAt("DI", i)) })
		})
		w.when("R15", "const_doDres", func() {
			w.when("R15", "const_doAddDres", func() {
				w.each(func(i int) {
					w.loadMask()
					w.addFrom(w.rowAt("SI", i), d(i), spare2)
				})
			})
			w.each(func(i int) { w.rowStore(d(i), w.rowAt("SI", i)) })
		})
	})
	w.ret()
}

// minMax's block has a vector of each: lo, hi.
func minMax(w *writer) {
	w.functionWithFrame("minMax", 72)
	const lo, hi, x, spare, ones = reg(0), reg(1), reg(2), reg(3), reg(4)
	w.op("MOVQ", "width+64(FP)", "DX")
	w.rowMask(spare)
	w.op("MOVQ", "x_base+0(FP)", "R8")
	w.op("MOVQ", "rows+48(FP)", "CX")
	w.op("MOVQ", "stride+56(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.rows([]string{"R8"}, "width+64(FP)", "R14", "block_base+24(FP)", 2*w.bytes(), func() {
		w.op("VMOVUPS", w.vector("R14", 0), lo)
		w.op("VMOVUPS", w.vector("R14", 1), hi)
		w.each(func(i int) {
			w.rowLoad(w.rowAt("R8", i), x)
			if w.masked {
				w.maskedNaN(x, ones)
			}
			w.op("VMINPS", lo, x, lo) // of a NaN and a number, the second source: what was there
			w.op("VMAXPS", hi, x, hi)
		})
		w.op("VMOVUPS", lo, w.vector("R14", 0))
		w.op("VMOVUPS", hi, w.vector("R14", 1))
	})
	w.ret()
}

// maskedNaN sets the elements of r that the mask leaves out to NaN.
func (w *writer) maskedNaN(r, spare reg) {
	if w.masks {
		w.broadcast(nan, spare)
		w.op("VMOVAPS", r, "K1", spare)
		w.op("VMOVAPS", spare, r)
		return
	}
	w.op("VPCMPEQD", spare, spare, spare)
	w.op("VXORPS", w.tail, spare, spare)
	w.op("VORPS", spare, r, r)
}
