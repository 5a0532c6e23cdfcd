package main

import "fmt"

// channelTile writes the micro-kernel of depthwise convolutions for as many channels as a register, X, Y or Z, has
// bytes. Vectors of four taps are interleaved, byte by byte, into four vectors with four taps of a channel in each int32.
//
//	AX tile    BX offsets    CX, DX spare    R8 quads left    R9 pixels left
//	SI x       DI weights    R10 dst or sums R11 bias
//
// Accumulators are registers 0 to 3, the interleaved vectors 4 to 7, others 8 to 11.
func (a *asm) channelTile(s set, register string) {
	size := map[string]int{"X": 16, "Y": 32, "Z": 64}[register]
	r := func(i int) string { return fmt.Sprintf("%s%d", register, i) }
	lanes := size / 4
	wide := s.vnni
	move := "VMOVDQU"
	if wide {
		move = "VMOVDQU32"
	}
	one, t := r(14), r(15)

	a.function(fmt.Sprintf("channelTile%sx%d", s.name, size), "(t *channelTile)", 0, 8)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ channelTile_x(AX), SI")
	a.op("ADDQ channelTile_xAt(AX), SI")
	a.op("MOVQ channelTile_pixels(AX), R9")
	a.op("MOVQ channelTile_bias(AX), R11")
	a.op("MOVQ channelTile_sums(AX), R10")
	if wide {
		a.op("CMPB channelTile_fused(AX), $0")
		a.op("JEQ pixel")
		a.op("MOVQ channelTile_dst(AX), R10")
		a.op("MOVQ channelTile_last(AX), BX")
		a.mask("BX")
		a.op("VBROADCASTSS channelTile_lo(AX), %s", r(12))
		a.op("VBROADCASTSS channelTile_hi(AX), %s", r(13))
		a.op("VPBROADCASTD channelTile_zero(AX), %s", r(14))
		a.op("VPBROADCASTW channelTile_zero(AX), %s", r(15))
		a.op("VPBROADCASTB channelTile_qmin(AX), %s", r(16))
		a.op("VPBROADCASTB channelTile_qmax(AX), %s", r(17))
	} else {
		a.ones(one)
	}

	if wide {
		a.op("CMPB channelTile_rolling(AX), $0")
		a.op("JNE roll")
	}

	a.label("pixel")
	for i := range 4 {
		a.op("%s %d(R11), %s", move, i*size, r(i))
	}
	a.op("MOVQ channelTile_offsets(AX), BX")
	a.op("MOVQ channelTile_w(AX), DI")
	a.op("MOVQ channelTile_quads(AX), R8")

	a.label("quad")
	for i := range 4 {
		a.op("MOVQ %d(BX), %s", 8*i, [...]string{"CX", "DX"}[i%2])
		a.op("%s (SI)(%s*1), %s", move, [...]string{"CX", "DX"}[i%2], r(8+i))
	}
	a.interleave(r, 8)
	for i := range 4 {
		a.dot(s, fmt.Sprintf("%d(DI)", i*size), r(8+i), r(i), one, t)
	}
	a.op("ADDQ $32, BX")
	a.op("ADDQ $%d, DI", 4*size)
	a.op("DECQ R8")
	a.op("JNE quad")

	if wide {
		a.op("CMPB channelTile_fused(AX), $0")
		a.op("JEQ sums")
		a.op("MOVQ channelTile_mult(AX), DX")
		a.op("CMPB channelTile_quick(AX), $0")
		a.op("JNE quick")
		for i := range 4 {
			a.op("VCVTDQ2PS %[1]s, %[1]s", r(i))
			a.op("VMULPS %d(DX), %[2]s, %[2]s", i*size, r(i))
			a.round(r(i), r(12), r(13))
			a.op("VPADDD %s, %[2]s, %[2]s", r(14), r(i))
		}
		a.op("VPACKSSDW %s, %s, %s", r(1), r(0), r(0))
		a.op("VPACKSSDW %s, %s, %s", r(3), r(2), r(2))
		a.op("VPACKUSWB %s, %s, %s", r(2), r(0), r(0))
		a.op("VMOVDQU8 %s, K1, (R10)", r(0))
		a.op("ADDQ channelTile_dstStep(AX), R10")
		a.op("JMP stored")

		a.label("quick")
		a.quickChannels(r, size)
		a.op("JMP stored")
		a.label("sums")
	}
	// Vector i has channels 4i to 4i+3 of each 16.
	for i := range 4 {
		for part := range lanes / 4 {
			at := fmt.Sprintf("%d(R10)", 4*(16*part+4*i))
			switch {
			case part == 0 && wide:
				a.op("VMOVDQU32 X%d, %s", i, at)
			case part == 0:
				a.op("VMOVDQU X%d, %s", i, at)
			case register == "Z":
				a.op("VEXTRACTI32X4 $%d, Z%d, %s", part, i, at)
			default:
				a.op("VEXTRACTI128 $%d, Y%d, %s", part, i, at)
			}
		}
	}
	a.op("MOVQ channelTile_sumStep(AX), DX")
	a.op("LEAQ (R10)(DX*4), R10")
	a.label("stored")
	a.op("ADDQ channelTile_xStep(AX), SI")
	a.op("DECQ R9")
	a.op("JNE pixel")
	a.op("VZEROUPPER")
	a.op("RET")
	if wide {
		a.rolling(r, size)
	}
}

// interleave makes four vectors with four taps of a channel in each int32, in registers to and on, of those of the taps in 8 to 11. It
// uses 4 to 7.
func (a *asm) interleave(r func(int) string, to int) {
	a.op("VPUNPCKLBW %s, %s, %s", r(9), r(8), r(4))   // taps 0 and 1 of channels 0 to 7
	a.op("VPUNPCKHBW %s, %s, %s", r(9), r(8), r(5))   // 8 to 15
	a.op("VPUNPCKLBW %s, %s, %s", r(11), r(10), r(6)) // taps 2 and 3
	a.op("VPUNPCKHBW %s, %s, %s", r(11), r(10), r(7))
	a.op("VPUNPCKLWD %s, %s, %s", r(6), r(4), r(to)) // all four of channels 0 to 3
	a.op("VPUNPCKHWD %s, %s, %s", r(6), r(4), r(to+1))
	a.op("VPUNPCKLWD %s, %s, %s", r(7), r(5), r(to+2))
	a.op("VPUNPCKHWD %s, %s, %s", r(7), r(5), r(to+3))
}

// quickChannels requantizes registers 0 to 3 and stores them, see quick.
func (a *asm) quickChannels(r func(int) string, size int) {
	for i := range 4 {
		a.op("VCVTDQ2PS %[1]s, %[1]s", r(i))
		a.op("VMULPS %d(DX), %[2]s, %[2]s", i*size, r(i))
		a.op("VCVTPS2DQ %[1]s, %[1]s", r(i))
	}
	for i := range 2 {
		a.op("VPACKSSDW %s, %s, %[2]s", r(2*i+1), r(2*i))
		a.op("VPADDSW %s, %[2]s, %[2]s", r(15), r(2*i))
	}
	a.op("VPACKUSWB %s, %s, %s", r(2), r(0), r(0))
	a.op("VPMAXUB %s, %[2]s, %[2]s", r(16), r(0))
	a.op("VPMINUB %s, %[2]s, %[2]s", r(17), r(0))
	a.op("VMOVDQU8 %s, K1, (R10)", r(0))
	a.op("ADDQ channelTile_dstStep(AX), R10")
}

// rolling is the kernel for three columns of up to four taps at stride 1: the second column of a pixel is the first of the next one, and
// each is interleaved once. Columns are in registers 18 to 29; R12 to R15 hold the offsets of the third.
func (a *asm) rolling(r func(int) string, size int) {
	a.label("roll")
	a.op("MOVQ channelTile_offsets(AX), BX")
	a.op("MOVQ channelTile_w(AX), DI")
	for column := range 2 {
		for i := range 4 {
			a.op("MOVQ %d(BX), CX", 32*column+8*i)
			a.op("VMOVDQU32 (SI)(CX*1), %s", r(8+i))
		}
		a.interleave(r, 18+4*column)
	}
	third := []string{"R12", "R13", "R14", "R15"}
	for i, offset := range third {
		a.op("MOVQ %d(BX), %s", 64+8*i, offset)
	}
	a.op("MOVQ channelTile_mult(AX), DX")
	a.op("MOVQ channelTile_xStep(AX), CX")
	a.label("rolled")
	for turn := range 3 {
		for i, offset := range third {
			a.op("VMOVDQU32 (SI)(%s*1), %s", offset, r(8+i))
		}
		a.interleave(r, 18+4*((turn+2)%3))
		for i := range 4 {
			a.op("VMOVDQU32 %d(R11), %s", i*size, r(i))
		}
		for column := range 3 {
			for i := range 4 {
				a.op("VPDPBUSD %d(DI), %s, %s", (4*column+i)*size, r(18+4*((turn+column)%3)+i), r(i))
			}
		}
		a.quickChannels(r, size)
		a.op("ADDQ CX, SI")
		a.op("DECQ R9")
		if turn < 2 {
			a.op("JEQ over")
		} else {
			a.op("JNE rolled")
		}
	}
	a.label("over")
	a.op("VZEROUPPER")
	a.op("RET")
}
