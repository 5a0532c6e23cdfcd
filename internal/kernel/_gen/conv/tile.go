package main

import "fmt"

// pixel is the operand of the element at the inner loop's position in pixel p. BX points into pixel 0, CX
// into pixel 9; SI, DI, R8 and R9 hold 1, 3, 5 and 7 times the distance of pixels.
func pixel(p int) string {
	base := "BX"
	if p >= 9 {
		base, p = "CX", p-9
	}
	index := [...]string{"", "(SI*1)", "(SI*2)", "(DI*1)", "(SI*4)", "(R8*1)", "(DI*2)", "(R9*1)", "(SI*8)"}[p]
	return "(" + base + ")" + index
}

// tile writes the forward micro-kernel of so many vectors of channels by up to so many pixels. Elements of x
// are broadcast, or, if depthwise, vectors of x are multiplied by vectors of weights.
//
//	AX tile       R10 k left        R13 bytes of a row of weights
//	BX, CX x      R11 tap           R14 x of the tile's first pixel
//	DX weights    R12 taps left     R15 dst
//
// Accumulators come first, pixel by pixel, then the weights, then registers for broadcasts.
func (a *asm) tile(s set, vectors, pixels int, depthwise bool) {
	name := "tile"
	if depthwise {
		name = "depthwiseTile"
	}
	weights := pixels * vectors
	broadcast := weights + vectors

	a.function(fmt.Sprintf("%s%sx%d", name, s.name, vectors), "t *tile", 24)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ tile_xStep(AX), SI")
	a.op("SHLQ $2, SI")
	a.op("LEAQ (SI)(SI*2), DI")
	a.op("LEAQ (SI)(SI*4), R8")
	a.op("LEAQ (DI)(SI*4), R9")
	a.op("MOVQ tile_wRow(AX), R13")
	a.op("SHLQ $2, R13")
	a.op("MOVQ tile_x(AX), R14")
	a.op("MOVQ tile_xAt(AX), BX")
	a.op("LEAQ (R14)(BX*4), R14")
	a.op("MOVQ tile_dst(AX), R15")
	a.op("MOVQ tile_count(AX), BX")
	a.op("MOVQ BX, count-8(SP)")
	a.op("MOVQ $0, uat-24(SP)")
	if depthwise {
		a.op("MOVQ tile_kStep(AX), BX")
		a.op("SHLQ $2, BX")
		a.op("MOVQ BX, kstep-16(SP)")
	}
	if s.opmask {
		a.op("MOVQ tile_lanes(AX), BX")
		a.mask(s, 0)
	}

	a.label("next")
	a.zero(s, weights)
	a.op("MOVQ tile_taps+8(AX), R12")
	a.op("MOVQ tile_taps(AX), R11")
	a.op("TESTQ R12, R12")
	a.op("JEQ done")

	a.label("tap")
	a.op("MOVQ tap_x(R11), BX")
	a.op("LEAQ (R14)(BX*4), BX")
	a.op("LEAQ (BX)(SI*8), CX")
	a.op("ADDQ SI, CX")
	a.op("MOVQ tap_w(R11), DX")
	a.op("IMULQ R13, DX")
	a.op("ADDQ tile_w(AX), DX")
	a.op("MOVQ tile_pixels(AX), R10")
	a.dispatch("R10", "enter", 1, pixels)
	for p := pixels; p > 0; p-- {
		fmt.Fprintf(a, "\nenter%d:\n", p)
		a.op("MOVQ tap_k(R11), R10")
		fmt.Fprintf(a, "\nloop%d:\n", p)
		for v := range vectors {
			a.op("VMOVUPS %d(DX), %s", v*s.bytes(), s.reg(weights+v))
		}
		for i := range p {
			if depthwise {
				for v := range vectors {
					a.op("VFMADD231PS %d%s, %s, %s", v*s.bytes(), pixel(i), s.reg(weights+v), s.reg(i*vectors+v))
				}
				continue
			}
			if s.opmask && vectors == 1 {
				a.op("VFMADD231PS.BCST %s, %s, %s", pixel(i), s.reg(weights), s.reg(i))
				continue
			}
			x := s.reg(broadcast + i%(s.registers-broadcast))
			a.op("VBROADCASTSS %s, %s", pixel(i), x)
			for v := range vectors {
				a.op("VFMADD231PS %s, %s, %s", x, s.reg(weights+v), s.reg(i*vectors+v))
			}
		}
		next := "$4"
		if depthwise {
			next = "kstep-16(SP)"
		}
		a.op("ADDQ %s, BX", next)
		if p > 9 {
			a.op("ADDQ %s, CX", next)
		}
		a.op("ADDQ R13, DX")
		a.op("DECQ R10")
		a.op("JNE loop%d", p)
		a.op("JMP tapped")
	}

	a.label("tapped")
	a.op("ADDQ $tap__size, R11")
	a.op("DECQ R12")
	a.op("JNE tap")

	a.label("done")
	if !s.opmask {
		a.op("MOVQ tile_lanes(AX), BX")
		a.mask(s, weights)
	}
	a.op("MOVQ tile_pixels(AX), R10")
	a.op("MOVQ tile_dstStep(AX), BX")
	a.op("SHLQ $2, BX")
	a.op("LEAQ -1(R10), CX")
	a.op("IMULQ BX, CX")
	a.op("ADDQ R15, CX")
	a.op("LEAQ (CX)(BX*1), R15")
	a.op("MOVQ R10, DX")
	a.op("IMULQ SI, DX")
	a.op("ADDQ DX, R14")
	// DX is the last row of what is added to the sums, R11 the distance of its rows.
	a.op("MOVQ CX, DX")
	a.op("MOVQ BX, R11")
	a.op("CMPB tile_accumulate(AX), $0")
	a.op("JNE added")
	a.op("MOVQ tile_u(AX), DX")
	a.op("TESTQ DX, DX")
	a.op("JEQ alone")
	a.op("MOVQ tile_uStep(AX), R11")
	a.op("SHLQ $2, R11")
	a.op("ADDQ uat-24(SP), DX")
	a.op("MOVQ R10, R12")
	a.op("IMULQ R11, R12")
	a.op("ADDQ R12, uat-24(SP)")
	a.op("ADDQ R12, DX")
	a.op("SUBQ R11, DX")
	a.op("JMP added")
	a.label("alone")
	if s.opmask {
		a.dispatch("R10", "set", 1, pixels)
		a.store(s, "set", pixels, vectors, "", true, 0, 0)
		a.op("JMP stored")
		a.label("added")
		a.dispatch("R10", "add", 1, pixels)
		a.store(s, "add", pixels, vectors, "DX", true, 0, 0)
	} else {
		// Stores under a mask in a vector register are slow: only where they must be.
		a.op("CMPQ tile_lanes(AX), $%d", s.lanes)
		a.op("JNE maskedalone")
		a.dispatch("R10", "set", 1, pixels)
		a.store(s, "set", pixels, vectors, "", false, 0, 0)
		a.op("JMP stored")
		a.label("maskedalone")
		a.dispatch("R10", "maskedset", 1, pixels)
		a.store(s, "maskedset", pixels, vectors, "", true, weights+1, weights)
		a.op("JMP stored")
		a.label("added")
		a.op("CMPQ tile_lanes(AX), $%d", s.lanes)
		a.op("JNE maskedadded")
		a.dispatch("R10", "add", 1, pixels)
		a.store(s, "add", pixels, vectors, "DX", false, 0, 0)
		a.op("JMP stored")
		a.label("maskedadded")
		a.dispatch("R10", "maskedadd", 1, pixels)
		a.store(s, "maskedadd", pixels, vectors, "DX", true, weights+1, weights)
	}

	a.label("stored")
	a.op("DECQ count-8(SP)")
	a.op("JNE next")
	a.op("VZEROUPPER")
	a.op("RET")
}
