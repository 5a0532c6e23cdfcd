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
	} else {
		a.ones(one)
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
	a.op("VPUNPCKLBW %s, %s, %s", r(9), r(8), r(4))   // taps 0 and 1 of channels 0 to 7
	a.op("VPUNPCKHBW %s, %s, %s", r(9), r(8), r(5))   // 8 to 15
	a.op("VPUNPCKLBW %s, %s, %s", r(11), r(10), r(6)) // taps 2 and 3
	a.op("VPUNPCKHBW %s, %s, %s", r(11), r(10), r(7))
	a.op("VPUNPCKLWD %s, %s, %s", r(6), r(4), r(8)) // all four of channels 0 to 3
	a.op("VPUNPCKHWD %s, %s, %s", r(6), r(4), r(9))
	a.op("VPUNPCKLWD %s, %s, %s", r(7), r(5), r(10))
	a.op("VPUNPCKHWD %s, %s, %s", r(7), r(5), r(11))
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
}
