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

// at is the operand of vector v from a register.
func (s set) at(base string, v int) string {
	if v == 0 {
		return "(" + base + ")"
	}
	return fmt.Sprintf("%d(%s)", v*s.bytes(), base)
}

// tile writes the micro-kernel of so many vectors of channels.
//
//	AX tile       R10 steps left    R14 x of the tile's first pixel
//	BX, CX x      R11 run           R15 sums or dst
//	DX weights    R12 runs left     R13 tiles left
//
// Accumulators come first, pixel by pixel, then the weights, then registers for broadcasts.
func (a *asm) tile(s set, vectors int) {
	pixels := s.pixels[vectors]
	weights := pixels * vectors
	broadcast := weights + vectors
	last := s.registers
	one, t := "", ""
	if !s.vnni {
		last -= 2
		one, t = s.reg(last), s.reg(last+1)
	}

	a.function(fmt.Sprintf("tile%sx%d", s.name, vectors), "(t *tile)", 0, 8)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ tile_xStep(AX), SI")
	a.op("LEAQ (SI)(SI*2), DI")
	a.op("LEAQ (SI)(SI*4), R8")
	a.op("LEAQ (DI)(SI*4), R9")
	a.op("MOVQ tile_x(AX), R14")
	a.op("ADDQ tile_xAt(AX), R14")
	a.op("MOVQ tile_count(AX), R13")
	a.op("MOVQ tile_sums(AX), R15")
	if s.vnni {
		a.op("CMPB tile_fused(AX), $0")
		a.op("JEQ next")
		a.op("MOVQ tile_dst(AX), R15")
		a.op("MOVQ tile_last(AX), BX")
		a.mask("BX")
	} else {
		a.ones(one)
	}

	a.label("next")
	a.op("MOVQ tile_bias(AX), DX")
	for i := range weights {
		a.op("%s %s, %s", s.move(), s.at("DX", i%vectors), s.reg(i))
	}
	a.op("MOVQ tile_runs+8(AX), R12")
	a.op("MOVQ tile_runs(AX), R11")
	a.op("MOVQ tile_w(AX), DX")

	a.label("run")
	a.op("MOVQ run_x(R11), BX")
	a.op("ADDQ R14, BX")
	a.op("LEAQ (BX)(SI*8), CX")
	a.op("ADDQ SI, CX")
	a.op("MOVQ tile_pixels(AX), R10")
	a.dispatch("R10", "enter", 1, pixels)
	for p := pixels; p > 0; p-- {
		fmt.Fprintf(a, "\nenter%d:\n", p)
		a.op("MOVQ run_k(R11), R10")
		fmt.Fprintf(a, "\nloop%d:\n", p)
		for v := range vectors {
			a.op("%s %s, %s", s.move(), s.at("DX", v), s.reg(weights+v))
		}
		for i := range p {
			x := s.reg(broadcast + i%(last-broadcast))
			a.op("VPBROADCASTD %s, %s", pixel(i), x)
			for v := range vectors {
				a.dot(s, s.reg(weights+v), x, s.reg(i*vectors+v), one, t)
			}
		}
		a.op("ADDQ $4, BX")
		if p > 9 {
			a.op("ADDQ $4, CX")
		}
		a.op("ADDQ $%d, DX", vectors*s.bytes())
		a.op("DECQ R10")
		a.op("JNE loop%d", p)
		a.op("JMP ran")
	}

	a.label("ran")
	a.op("ADDQ $run__size, R11")
	a.op("DECQ R12")
	a.op("JNE run")

	a.op("MOVQ tile_pixels(AX), R10")
	a.op("MOVQ R10, DX")
	a.op("IMULQ SI, DX")
	a.op("ADDQ DX, R14")
	if s.vnni {
		a.op("CMPB tile_fused(AX), $0")
		a.op("JNE bytes")
	}
	a.op("MOVQ tile_sumStep(AX), BX")
	a.op("SHLQ $2, BX")
	a.rows("sums", pixels, func(p int) {
		for v := range vectors {
			a.op("%s %s, %s", s.move(), s.reg(p*vectors+v), s.at("CX", v))
		}
	})
	a.op("JMP stored")
	if s.vnni {
		a.label("bytes")
		if vectors <= 2 {
			a.op("CMPB tile_quick(AX), $0")
			a.op("JNE quick")
		}
		lo, hi, zero := s.reg(s.registers-1), s.reg(s.registers-2), s.reg(s.registers-3)
		a.op("VBROADCASTSS tile_lo(AX), %s", lo)
		a.op("VBROADCASTSS tile_hi(AX), %s", hi)
		a.op("VPBROADCASTD tile_zero(AX), %s", zero)
		a.op("MOVQ tile_dstStep(AX), BX")
		a.op("MOVQ tile_mult(AX), DX")
		a.rows("byte", pixels, func(p int) {
			for v := range vectors {
				sum := p*vectors + v
				r := s.reg(sum)
				a.op("VCVTDQ2PS %[1]s, %[1]s", r)
				a.op("VMULPS %s, %[2]s, %[2]s", s.at("DX", v), r)
				a.round(r, lo, hi)
				a.op("VPADDD %s, %[2]s, %[2]s", zero, r)
				a.op("VPMOVDB %s, X%d", r, sum)
				if v == vectors-1 {
					a.op("VMOVDQU8 X%d, K1, %d(CX)", sum, v*s.lanes)
				} else {
					a.op("VMOVDQU8 X%d, %d(CX)", sum, v*s.lanes)
				}
			}
		})
	}
	if s.vnni && vectors <= 2 {
		a.op("JMP stored")
		a.label("quick")
		a.quick(s, vectors, pixels)
	}
	a.label("stored")
	a.op("DECQ R13")
	a.op("JNE next")
	a.op("VZEROUPPER")
	a.op("RET")
}

// rows stores as many pixels as R10 says, BX bytes apart, from R15 on, which it moves on: the last one, at CX, first.
func (a *asm) rows(name string, pixels int, store func(pixel int)) {
	a.op("LEAQ -1(R10), CX")
	a.op("IMULQ BX, CX")
	a.op("ADDQ R15, CX")
	a.op("LEAQ (CX)(BX*1), R15")
	a.dispatch("R10", name, 1, pixels)
	for p := pixels - 1; p >= 0; p-- {
		fmt.Fprintf(a, "\n%s%d:\n", name, p+1)
		store(p)
		if p > 0 {
			a.op("SUBQ BX, CX")
		}
	}
}

// quick requantizes whole vectors that cannot overflow on the way, four at a time: of so many pixels, or of two or one of those. Packing
// saturates, once to words and once, behind the addition of the zero point, to bytes; it leaves four bytes of each of the four
// vectors in every 16, which a permutation of int32s sorts.
//
//	BX bytes from a pixel to the next    CX the last pixel    R10 the first of a group    DX factors
func (a *asm) quick(s set, vectors, pixels int) {
	order, zero, lo, hi := s.reg(s.registers-1), s.reg(s.registers-2), s.reg(s.registers-3), s.reg(s.registers-4)
	a.op("VMOVDQU32 transposed<>(SB), %s", order)
	a.op("VPBROADCASTW tile_zero(AX), %s", zero)
	a.op("VPBROADCASTB tile_qmin(AX), %s", lo)
	a.op("VPBROADCASTB tile_qmax(AX), %s", hi)
	a.op("MOVQ tile_dstStep(AX), BX")
	a.op("MOVQ tile_mult(AX), DX")
	a.op("LEAQ -1(R10), CX")
	a.op("IMULQ BX, CX")
	a.op("ADDQ R15, CX")
	a.op("LEAQ (CX)(BX*1), R15")
	a.dispatch("R10", "quick", 1, pixels)
	group := 4 / vectors
	for p := pixels; p > 0; p-- { // p pixels are left; CX is the last of them
		fmt.Fprintf(a, "\nquick%d:\n", p)
		n := 1
		if p%group == 0 {
			n = group
		}
		first := (p - n) * vectors // the accumulator
		sums := make([]string, 4)
		for i := range sums {
			sums[i] = s.reg(first + min(i, n*vectors-1))
			if n == 1 {
				sums[i] = s.reg(first + i%vectors)
			}
		}
		for i := range n * vectors {
			r := s.reg(first + i)
			a.op("VCVTDQ2PS %[1]s, %[1]s", r)
			a.op("VMULPS %s, %[2]s, %[2]s", s.at("DX", i%vectors), r)
			a.op("VCVTPS2DQ %[1]s, %[1]s", r)
		}
		a.op("VPACKSSDW %s, %s, %[2]s", sums[1], sums[0])
		a.op("VPADDSW %s, %[2]s, %[2]s", zero, sums[0])
		other := sums[0]
		if n > 1 {
			a.op("VPACKSSDW %s, %s, %[2]s", sums[3], sums[2])
			a.op("VPADDSW %s, %[2]s, %[2]s", zero, sums[2])
			other = sums[2]
		}
		a.op("VPACKUSWB %s, %s, %[2]s", other, sums[0])
		a.op("VPMAXUB %s, %[2]s, %[2]s", lo, sums[0])
		a.op("VPMINUB %s, %[2]s, %[2]s", hi, sums[0])
		a.op("VPERMD %s, %s, %[1]s", sums[0], order)
		switch {
		case vectors == 1 && n == 1:
			a.op("VMOVDQU32 X%d, (CX)", first)
		case vectors == 1:
			a.op("MOVQ CX, R10")
			a.op("SUBQ BX, R10")
			a.op("VEXTRACTI32X4 $3, Z%d, (CX)", first)
			a.op("VEXTRACTI32X4 $2, Z%d, (R10)", first)
			a.op("SUBQ BX, R10")
			a.op("VEXTRACTI32X4 $1, Z%d, (R10)", first)
			a.op("SUBQ BX, R10")
			a.op("VMOVDQU32 X%d, (R10)", first)
			a.op("MOVQ R10, CX")
		case n == 1:
			a.op("VMOVDQU32 Y%d, (CX)", first)
		default:
			a.op("VEXTRACTI64X4 $1, Z%d, (CX)", first)
			a.op("SUBQ BX, CX")
			a.op("VMOVDQU32 Y%d, (CX)", first)
		}
		if p == n {
			a.op("JMP stored")
			continue
		}
		a.op("SUBQ BX, CX")
		if n > 1 && p-1 > 0 { // the labels between are for other numbers of pixels
			a.op("JMP quick%d", p-n)
		}
	}
}

// transposed writes the order of int32s that has every fourth one after another.
func (a *asm) transposed() {
	fmt.Fprintln(a)
	for i := range 8 {
		lo, hi := 2*i%4*4+2*i/4, (2*i+1)%4*4+(2*i+1)/4
		fmt.Fprintf(a, "DATA transposed<>+%d(SB)/8, $%#x\n", 8*i, uint64(hi)<<32|uint64(lo))
	}
	fmt.Fprintf(a, "GLOBL transposed<>(SB), RODATA|NOPTR, $64\n")
}
