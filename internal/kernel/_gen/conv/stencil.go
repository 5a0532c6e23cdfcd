package main

import "fmt"

// stencilPixels is the number of pixels that a stencil has sums of at a time.
const stencilPixels = 4

// stencil writes the micro-kernel of depthwise 3x3 windows of so many vectors of channels, at distances of stride pixels.
// The weights stay in registers.
//
//	AX stencil      R10 rows left           R12 bytes between pixels, R13, R14, R15 3, 5 and 7 times that
//	SI, DX x, dst   R11 bytes between       CX pixels left in the row
//	   of the row       rows of x
//	R8, BX, R9 x of the three rows, DI dst
//
// Pointers to x are to the column left of the pixels'.
func (a *asm) stencil(s set, vectors, stride int) {
	acc := 9 * vectors
	chains := 2 / vectors // sums of a pixel and vector, so that enough of them are under way at once
	x := acc + stencilPixels*vectors*chains
	at := func(base string, column int, v int) string {
		index := [...]string{"", "(R12*1)", "(R12*2)", "(R13*1)", "(R12*4)", "(R14*1)", "(R13*2)", "(R15*1)", "(R12*8)"}[column]
		return fmt.Sprintf("%d(%s)%s", v*s.bytes(), base, index)
	}

	a.function(fmt.Sprintf("stencil%sx%dby%d", s.name, vectors, stride), "t *stencil", 0)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ stencil_lanes(AX), BX")
	a.mask(s, 0)
	a.op("MOVQ stencil_w(AX), BX")
	for i := range 9 * vectors {
		a.op("VMOVUPS %d(BX), %s", i*s.bytes(), s.reg(i))
	}
	a.op("MOVQ stencil_step(AX), R12")
	a.op("SHLQ $2, R12")
	a.op("LEAQ (R12)(R12*2), R13")
	a.op("LEAQ (R12)(R12*4), R14")
	a.op("LEAQ (R13)(R12*4), R15")
	a.op("MOVQ stencil_xRow(AX), R11")
	a.op("SHLQ $2, R11")
	a.op("MOVQ stencil_xAt(AX), SI")
	a.op("SHLQ $2, SI")
	a.op("ADDQ stencil_x(AX), SI")
	a.op("SUBQ R12, SI")
	a.op("MOVQ stencil_dst(AX), DX")
	a.op("MOVQ stencil_rows(AX), R10")

	a.label("row")
	a.op("MOVQ SI, BX")
	a.op("MOVQ SI, R8")
	a.op("SUBQ R11, R8")
	a.op("LEAQ (SI)(R11*1), R9")
	a.op("CMPQ R10, stencil_rows(AX)")
	a.op("JNE below")
	a.op("CMPB stencil_top(AX), $0")
	a.op("JEQ below")
	a.op("MOVQ stencil_zeros(AX), R8")
	a.op("SUBQ R12, R8")
	a.label("below")
	a.op("CMPQ R10, $1")
	a.op("JNE inside")
	a.op("CMPB stencil_bottom(AX), $0")
	a.op("JEQ inside")
	a.op("MOVQ stencil_zeros(AX), R9")
	a.op("SUBQ R12, R9")
	a.label("inside")
	a.op("MOVQ DX, DI")
	a.op("MOVQ stencil_cols(AX), CX")

	// body computes pixels, the first of which has no left column if left, the last no right one if right.
	bodies := 0
	body := func(pixels int, left, right bool) {
		fresh := map[int]bool{}
		temp := 0
		for r, base := range []string{"R8", "BX", "R9"} {
			last := stride*(pixels-1) + 2
			for c := range last + 1 {
				if c == 0 && left || c == last && right {
					continue
				}
				for v := range vectors {
					reg := s.reg(x + temp%(s.registers-x))
					temp++
					if v == vectors-1 {
						a.op("VMOVUPS.Z %s, K1, %s", at(base, c, v), reg)
					} else {
						a.op("VMOVUPS %s, %s", at(base, c, v), reg)
					}
					for k := range 3 {
						p := c - k
						if p < 0 || p%stride != 0 || p/stride >= pixels {
							continue
						}
						sum := acc + (p/stride*vectors+v)*chains + r%2*(chains-1)
						op := "VFMADD231PS"
						if !fresh[sum] {
							fresh[sum], op = true, "VMULPS"
						}
						a.op("%s %s, %s, %s", op, reg, s.reg((3*r+k)*vectors+v), s.reg(sum))
					}
				}
			}
		}
		if chains == 2 {
			for p := range pixels {
				a.op("VADDPS %s, %[2]s, %[2]s", s.reg(acc+2*p+1), s.reg(acc+2*p))
			}
		}
		bodies++
		store := fmt.Sprintf("store%d", bodies)
		a.op("CMPB stencil_accumulate(AX), $0")
		a.op("JEQ %s", store)
		for p := range pixels {
			for v := range vectors {
				sum := s.reg(acc + (p*vectors+v)*chains)
				if v == vectors-1 {
					a.op("VADDPS %s, %[2]s, K1, %[2]s", at("DI", p, v), sum)
				} else {
					a.op("VADDPS %s, %[2]s, %[2]s", at("DI", p, v), sum)
				}
			}
		}
		fmt.Fprintf(a, "%s:\n", store)
		for p := range pixels {
			for v := range vectors {
				sum := s.reg(acc + (p*vectors+v)*chains)
				if v == vectors-1 {
					a.op("VMOVUPS %s, K1, %s", sum, at("DI", p, v))
				} else {
					a.op("VMOVUPS %s, %s", sum, at("DI", p, v))
				}
			}
		}
	}
	advance := func() {
		for _, r := range []string{"R8", "BX", "R9"} {
			a.op("LEAQ (%s)(R12*%d), %s", r, stencilPixels, r)
			if stride == 2 {
				a.op("LEAQ (%s)(R12*%d), %s", r, stencilPixels, r)
			}
		}
		a.op("LEAQ (DI)(R12*%d), DI", stencilPixels)
		a.op("SUBQ $%d, CX", stencilPixels)
	}
	a.stencilRow(body, advance)

	a.label("rowdone")
	for range stride {
		a.op("ADDQ R11, SI")
	}
	a.op("MOVQ stencil_dstRow(AX), BX")
	a.op("LEAQ (DX)(BX*4), DX")
	a.op("DECQ R10")
	a.op("JNE row")
	a.op("VZEROUPPER")
	a.op("RET")
}

// stencilRow writes the way along a row: the first pixels, those in between and the last.
func (a *asm) stencilRow(body func(pixels int, left, right bool), advance func()) {
	last := func(name string, left bool) {
		// Whether the last pixel has a right column is the same for all rows.
		a.op("CMPB stencil_right(AX), $0")
		a.op("JEQ %sopen", name)
		a.dispatch("CX", name, 1, stencilPixels)
		fmt.Fprintf(a, "%sopen:\n", name)
		a.dispatch("CX", name+"open", 1, stencilPixels)
		for _, right := range []bool{true, false} {
			label := name
			if !right {
				label += "open"
			}
			for p := 1; p <= stencilPixels; p++ {
				fmt.Fprintf(a, "\n%s%d:\n", label, p)
				body(p, left, right)
				a.op("JMP rowdone")
			}
		}
	}
	a.op("CMPQ CX, $%d", stencilPixels)
	a.op("JLE only")
	body(stencilPixels, true, false)
	advance()
	a.label("between")
	a.op("CMPQ CX, $%d", stencilPixels)
	a.op("JLE last")
	body(stencilPixels, false, false)
	advance()
	a.op("JMP between")
	a.label("only")
	last("alone", true)
	a.label("last")
	last("end", false)
}

// gradStencil writes the micro-kernel of the weight gradient of such windows: the sums of all nine weights stay in
// registers.
//
//	AX gradStencil   R10 rows left       R12 bytes between pixels
//	SI, DX x, dy     R11 bytes between   CX pixels left in the row
//	   of the row        rows of x
//	R8, BX, R9 x of the three rows, DI dy
func (a *asm) gradStencil(s set, vectors, stride int) {
	dy := 9 * vectors
	a.function(fmt.Sprintf("gradStencil%sx%dby%d", s.name, vectors, stride), "t *gradStencil", 0)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ gradStencil_lanes(AX), BX")
	a.mask(s, 0)
	a.zero(s, dy)
	a.op("MOVQ gradStencil_step(AX), R12")
	a.op("SHLQ $2, R12")
	a.op("MOVQ gradStencil_xRow(AX), R11")
	a.op("SHLQ $2, R11")
	a.op("MOVQ gradStencil_xAt(AX), SI")
	a.op("SHLQ $2, SI")
	a.op("ADDQ gradStencil_x(AX), SI")
	a.op("SUBQ R12, SI")
	a.op("MOVQ gradStencil_dy(AX), DX")
	a.op("MOVQ gradStencil_rows(AX), R10")

	a.label("row")
	a.op("MOVQ SI, BX")
	a.op("MOVQ SI, R8")
	a.op("SUBQ R11, R8")
	a.op("LEAQ (SI)(R11*1), R9")
	a.op("CMPQ R10, gradStencil_rows(AX)")
	a.op("JNE below")
	a.op("CMPB gradStencil_top(AX), $0")
	a.op("JEQ below")
	a.op("MOVQ gradStencil_zeros(AX), R8")
	a.op("SUBQ R12, R8")
	a.label("below")
	a.op("CMPQ R10, $1")
	a.op("JNE inside")
	a.op("CMPB gradStencil_bottom(AX), $0")
	a.op("JEQ inside")
	a.op("MOVQ gradStencil_zeros(AX), R9")
	a.op("SUBQ R12, R9")
	a.label("inside")
	a.op("MOVQ DX, DI")
	a.op("MOVQ gradStencil_cols(AX), CX")

	pixel := func(left, right bool) {
		for v := range vectors {
			if v == vectors-1 {
				a.op("VMOVUPS.Z %d(DI), K1, %s", v*s.bytes(), s.reg(dy+v))
			} else {
				a.op("VMOVUPS %d(DI), %s", v*s.bytes(), s.reg(dy+v))
			}
		}
		for r, base := range []string{"R8", "BX", "R9"} {
			for k, index := range []string{"", "(R12*1)", "(R12*2)"} {
				if k == 0 && left || k == 2 && right {
					continue
				}
				for v := range vectors {
					mask := ""
					if v == vectors-1 {
						mask = "K1, "
					}
					a.op("VFMADD231PS %d(%s)%s, %s, %s%s", v*s.bytes(), base, index, s.reg(dy+v), mask, s.reg((3*r+k)*vectors+v))
				}
			}
		}
	}
	advance := func() {
		for _, r := range []string{"R8", "BX", "R9"} {
			a.op("LEAQ (%s)(R12*%d), %s", r, stride, r)
		}
		a.op("ADDQ R12, DI")
		a.op("DECQ CX")
	}
	last := func(name string, left bool) {
		a.op("CMPB gradStencil_right(AX), $0")
		a.op("JEQ %s", name)
		pixel(left, true)
		a.op("JMP rowdone")
		fmt.Fprintf(a, "%s:\n", name)
		pixel(left, false)
		a.op("JMP rowdone")
	}
	a.op("CMPQ CX, $1")
	a.op("JEQ only")
	pixel(true, false)
	advance()
	a.label("between")
	a.op("CMPQ CX, $1")
	a.op("JEQ last")
	pixel(false, false)
	advance()
	a.op("JMP between")
	a.label("only")
	last("onlyopen", true)
	a.label("last")
	last("lastopen", false)

	a.label("rowdone")
	for range stride {
		a.op("ADDQ R11, SI")
	}
	a.op("MOVQ gradStencil_dyRow(AX), BX")
	a.op("LEAQ (DX)(BX*4), DX")
	a.op("DECQ R10")
	a.op("JNE row")

	a.op("MOVQ gradStencil_dw(AX), DI")
	a.op("MOVQ gradStencil_dwRow(AX), BX")
	for k := range 9 {
		for v := range vectors {
			sum, mask := s.reg(k*vectors+v), ""
			if v == vectors-1 {
				mask = "K1, "
			}
			a.op("VADDPS %d(DI), %s, %s%[2]s", v*s.bytes(), sum, mask)
			a.op("VMOVUPS %s, %s%d(DI)", sum, mask, v*s.bytes())
		}
		a.op("LEAQ (DI)(BX*4), DI")
	}
	a.op("VZEROUPPER")
	a.op("RET")
}
