package main

import "fmt"

// strip writes the micro-kernel of rows of three windows side by side: so many vectors of channels by up to so many
// pixels of a row, each element of x broadcast once for the three pixels that see it.
//
//	AX strip           R10 k left       R13 bytes between the weights of neighbouring windows
//	BX, CX x           R11 tap          R14 x of the pixel before the first
//	DX weights         R12 taps left    R15 x of the pixel behind the last
//
// Accumulators come first, pixel by pixel, then the weights of the three windows, then registers for broadcasts.
func (a *asm) strip(s set, vectors, pixels int) {
	weights := pixels * vectors
	broadcast := weights + 3*vectors

	a.function(fmt.Sprintf("strip%sx%d", s.name, vectors), "t *strip", 0)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ strip_xStep(AX), SI")
	a.op("SHLQ $2, SI")
	a.op("LEAQ (SI)(SI*2), DI")
	a.op("LEAQ (SI)(SI*4), R8")
	a.op("LEAQ (DI)(SI*4), R9")
	a.op("MOVQ strip_depth(AX), R13")
	a.op("IMULQ $%d, R13", vectors*s.bytes())
	a.op("MOVQ strip_lanes(AX), BX")
	a.mask(s, 0)
	a.zero(s, weights)

	a.comment("what later strips will read and write")
	a.op("MOVQ strip_fetch(AX), R10")
	a.op("TESTQ R10, R10")
	a.op("JEQ fetched")
	a.op("MOVQ strip_xAt(AX), BX")
	a.op("ADDQ strip_xAhead(AX), BX")
	a.op("SHLQ $2, BX")
	a.op("ADDQ strip_x(AX), BX")
	a.label("fetch")
	a.op("PREFETCHT1 (BX)")
	a.op("ADDQ $64, BX")
	a.op("DECQ R10")
	a.op("JNE fetch")
	a.label("fetched")
	a.op("MOVQ strip_dstAhead(AX), BX")
	a.op("TESTQ BX, BX")
	a.op("JEQ owned")
	a.op("SHLQ $2, BX")
	a.op("ADDQ strip_dst(AX), BX")
	a.op("MOVQ strip_dstStep(AX), CX")
	a.op("SHLQ $2, CX")
	a.op("MOVQ strip_pixels(AX), R10")
	a.label("own")
	for v := range vectors {
		a.prefetchw(v * s.bytes())
	}
	a.op("ADDQ CX, BX")
	a.op("DECQ R10")
	a.op("JNE own")
	a.label("owned")
	a.op("MOVQ strip_taps+8(AX), R12")
	a.op("MOVQ strip_taps(AX), R11")
	a.op("TESTQ R12, R12")
	a.op("JEQ done")

	a.label("tap")
	a.op("MOVQ tap_x(R11), R14")
	a.op("ADDQ strip_xAt(AX), R14")
	a.op("SHLQ $2, R14")
	a.op("ADDQ strip_x(AX), R14")
	a.op("LEAQ (R14)(SI*1), BX")
	a.op("LEAQ (BX)(SI*8), CX")
	a.op("ADDQ SI, CX")
	a.op("MOVQ strip_pixels(AX), R10")
	a.op("MOVQ R10, R15")
	a.op("IMULQ SI, R15")
	a.op("ADDQ BX, R15")
	a.op("CMPB strip_first(AX), $0")
	a.op("CMOVQNE strip_zeros(AX), R14")
	a.op("CMPB strip_last(AX), $0")
	a.op("CMOVQNE strip_zeros(AX), R15")
	a.op("MOVQ tap_w(R11), DX")
	a.op("IMULQ $%d, DX", vectors*s.bytes())
	a.op("ADDQ strip_w(AX), DX")
	a.dispatch("R10", "enter", 1, pixels)
	for n := pixels; n > 0; n-- {
		fmt.Fprintf(a, "\nenter%d:\n", n)
		a.op("MOVQ strip_depth(AX), R10")
		fmt.Fprintf(a, "\nloop%d:\n", n)
		for kx, at := range []string{"(DX)", "(DX)(R13*1)", "(DX)(R13*2)"} {
			for v := range vectors {
				a.op("VMOVUPS %d%s, %s", v*s.bytes(), at, s.reg(weights+kx*vectors+v))
			}
		}
		// Every third pixel first: sums of the same pixel are far apart.
		next := 0
		for rest := range 3 {
			for p := rest - 1; p <= n; p += 3 {
				at := "(R14)"
				switch {
				case p == n:
					at = "(R15)"
				case p >= 0:
					at = pixel(p)
				}
				x := s.reg(broadcast + next%(s.registers-broadcast))
				next++
				a.op("VBROADCASTSS %s, %s", at, x)
				for kx := range 3 {
					if i := p + 1 - kx; i >= 0 && i < n {
						for v := range vectors {
							a.op("VFMADD231PS %s, %s, %s", x, s.reg(weights+kx*vectors+v), s.reg(i*vectors+v))
						}
					}
				}
			}
		}
		a.op("ADDQ $4, R14")
		a.op("ADDQ $4, R15")
		a.op("ADDQ $4, BX")
		if n > 9 {
			a.op("ADDQ $4, CX")
		}
		a.op("ADDQ $%d, DX", vectors*s.bytes())
		a.op("DECQ R10")
		a.op("JNE loop%d", n)
		a.op("JMP tapped")
	}

	a.label("tapped")
	a.op("ADDQ $tap__size, R11")
	a.op("DECQ R12")
	a.op("JNE tap")

	a.label("done")
	a.op("MOVQ strip_pixels(AX), R10")
	a.op("MOVQ strip_dstStep(AX), BX")
	a.op("SHLQ $2, BX")
	a.op("LEAQ -1(R10), CX")
	a.op("IMULQ BX, CX")
	a.op("ADDQ strip_dst(AX), CX")
	a.op("CMPB strip_accumulate(AX), $0")
	a.op("JNE added")
	a.dispatch("R10", "set", 1, pixels)
	a.store(s, "set", pixels, vectors, "", true, 0, 0)
	a.op("JMP stored")
	a.label("added")
	a.dispatch("R10", "add", 1, pixels)
	a.store(s, "add", pixels, vectors, "CX", true, 0, 0)
	a.label("stored")
	a.op("VZEROUPPER")
	a.op("RET")
}

// gradStrip writes the weight-gradient micro-kernel of such rows: one vector of channels by eight elements of x, each
// broadcast once for the three windows.
//
//	AX strip      R8, R9 bytes between pixels of x, dy    R12 rows left
//	BX, SI x      R10, R11 bytes between rows             CX pixels left in the row
//	DX, DI dy
//
// Sums of window kx and element e are in register 8*kx+e; three registers behind them hold dy of the pixels to the
// right, at and to the left of that of x, and trade places from pixel to pixel.
func (a *asm) gradStrip(s set) {
	const elements = 8
	dy := 3 * elements
	broadcast := dy + 3

	a.function("gradStrip"+s.name, "t *gradStrip", 0)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ gradStrip_lanes(AX), BX")
	a.mask(s, 0)
	a.op("MOVQ gradStrip_x(AX), SI")
	a.op("MOVQ gradStrip_dy(AX), DI")
	for _, f := range []struct{ field, register string }{{"xStep", "R8"}, {"dyStep", "R9"}, {"xRow", "R10"}, {"dyRow", "R11"}} {
		a.op("MOVQ gradStrip_%s(AX), %s", f.field, f.register)
		a.op("SHLQ $2, %s", f.register)
	}
	a.op("MOVQ gradStrip_rows(AX), R12")
	a.zero(s, dy)

	// step adds what a pixel of x gives to the windows from..to; phase says which of the three registers is which.
	step := func(n, phase, from, to int) {
		windows := [3]string{s.reg(dy + phase%3), s.reg(dy + (phase+2)%3), s.reg(dy + (phase+1)%3)}
		if from == 0 {
			a.op("VMOVUPS.Z (DX), K1, %s", windows[0])
			a.op("ADDQ R9, DX")
		}
		for e := range n {
			x := s.reg(broadcast + e%(s.registers-broadcast))
			a.op("VBROADCASTSS %d(BX), %s", 4*e, x)
			for kx := from; kx <= to; kx++ {
				a.op("VFMADD231PS %s, %s, %s", x, windows[kx], s.reg(elements*kx+e))
			}
		}
		a.op("ADDQ R8, BX")
	}

	a.label("row")
	a.comment("what the next rows will read")
	a.op("MOVQ gradStrip_fetch(AX), CX")
	a.op("TESTQ CX, CX")
	a.op("JEQ fetched")
	a.op("MOVQ gradStrip_xAhead(AX), BX")
	a.op("LEAQ (SI)(BX*4), BX")
	a.op("MOVQ gradStrip_dyAhead(AX), DX")
	a.op("LEAQ (DI)(DX*4), DX")
	a.label("fetch")
	a.op("PREFETCHT1 (BX)")
	a.op("PREFETCHT1 (DX)")
	a.op("ADDQ $64, BX")
	a.op("ADDQ $64, DX")
	a.op("DECQ CX")
	a.op("JNE fetch")
	a.label("fetched")
	a.op("MOVQ SI, BX")
	a.op("MOVQ DI, DX")
	a.op("MOVQ gradStrip_cols(AX), CX")
	a.op("VMOVUPS.Z (DX), K1, %s", s.reg(dy+2)) // at of phase 0
	a.op("ADDQ R9, DX")
	a.op("MOVQ gradStrip_elements(AX), R13")
	a.dispatch("R13", "enter", 1, elements)
	for n := elements; n > 0; n-- {
		fmt.Fprintf(a, "\nenter%d:\n", n)
		a.op("DECQ CX")
		a.op("JEQ only%d", n)
		step(n, 0, 0, 1)
		a.op("DECQ CX")
		fmt.Fprintf(a, "\nloop%d:\n", n)
		for _, phase := range []int{1, 2, 0} {
			a.op("JEQ last%d_%d", n, phase)
			step(n, phase, 0, 2)
			a.op("DECQ CX")
		}
		a.op("JMP loop%d", n)
		for phase := range 3 {
			fmt.Fprintf(a, "\nlast%d_%d:\n", n, phase)
			step(n, phase, 1, 2)
			a.op("JMP rowdone")
		}
		fmt.Fprintf(a, "\nonly%d:\n", n)
		step(n, 0, 1, 1)
		a.op("JMP rowdone")
	}

	a.label("rowdone")
	a.op("ADDQ R10, SI")
	a.op("ADDQ R11, DI")
	a.op("DECQ R12")
	a.op("JNE row")

	a.comment("dw of each window, from the last element to the first")
	a.op("MOVQ gradStrip_dwRow(AX), BX")
	a.op("SHLQ $2, BX")
	a.op("MOVQ gradStrip_dwWindow(AX), DX")
	a.op("SHLQ $2, DX")
	a.op("MOVQ gradStrip_elements(AX), R13")
	a.op("LEAQ -1(R13), SI")
	a.op("IMULQ BX, SI")
	a.op("ADDQ gradStrip_dw(AX), SI")
	a.dispatch("R13", "add", 1, elements)
	for e := elements - 1; e >= 0; e-- {
		fmt.Fprintf(a, "\nadd%d:\n", e+1)
		for kx, at := range []string{"(SI)", "(SI)(DX*1)", "(SI)(DX*2)"} {
			sum := s.reg(elements*kx + e)
			a.op("VADDPS %s, %[2]s, K1, %[2]s", at, sum)
			a.op("VMOVUPS %s, K1, %s", sum, at)
		}
		if e > 0 {
			a.op("SUBQ BX, SI")
		}
	}
	a.op("VZEROUPPER")
	a.op("RET")
}

// prefetchw writes PREFETCHW offset(BX), which Go's assembler lacks.
func (a *asm) prefetchw(offset int) {
	a.op("BYTE $0x0F; BYTE $0x0D; BYTE $0x4B; BYTE $%#x // PREFETCHW %d(BX)", offset, offset)
}
