package main

import "fmt"

// offsets are the registers with 1, 2, ... times the distance of pixels.
var offsets = []string{"R14", "R15", "R16", "R17", "R19", "R20", "R21"}

// tile writes the micro-kernel of so many vectors of channels by up to so many pixels.
//
//	R0 tile      R3 steps left   R6 bias or bytes of a pixel's sums   R9 pixels
//	R1 x         R4 run          R7 the first pixel's x               R11 tiles left
//	R2 weights   R5 runs left    R8 sums                              R10 spare
//
// Accumulators come first, pixel by pixel, then the weights, then x.
func (a *asm) tile(s set, vectors, pixels int) {
	weights := vec(pixels * vectors)
	x := weights + vec(vectors)
	a.function(fmt.Sprintf("tile%sx%d", s.name, vectors), "(t *tile)")
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD tile_xStep(R0), %s", offsets[0])
	for i := 1; i < pixels-1; i++ {
		a.op("ADD %s, %s, %s", offsets[0], offsets[i-1], offsets[i])
	}
	a.op("MOVD tile_x(R0), R7")
	a.op("MOVD tile_xAt(R0), R10")
	a.op("ADD R10, R7, R7")
	a.op("MOVD tile_sums(R0), R8")
	a.op("MOVD tile_pixels(R0), R9")
	a.op("MOVD tile_count(R0), R11")

	next, run, ran, loop := a.newLabel("next"), a.newLabel("run"), a.newLabel("ran"), a.newLabel("k")+"by"
	a.at(next)
	a.op("MOVD tile_bias(R0), R6")
	for i := range weights {
		a.op("FMOVQ %d(R6), %s", int(i)%vectors*16, i.f())
	}
	a.op("MOVD tile_runs(R0), R4")
	a.op("MOVD tile_runs+8(R0), R5")
	a.op("MOVD tile_w(R0), R2")

	a.at(run)
	a.op("MOVD run_x(R4), R1")
	a.op("ADD R7, R1, R1")
	a.op("MOVD run_k(R4), R3")
	a.dispatch("R9", loop, 1, pixels)
	for p := pixels; p > 0; p-- {
		a.at(fmt.Sprintf("%s%d", loop, p))
		for v := range vectors {
			a.op("FMOVQ %d(R2), %s", 16*v, (weights + vec(v)).f())
		}
		for i := range p {
			if i == 0 {
				a.op("FMOVS (R1), %s", x.f())
			} else {
				a.op("FMOVS (R1)(%s), %s", offsets[i-1], x.f())
			}
			a.op("VDUP V%d.S[0], %s", x, x.s())
			a.op("VEOR %s, %s, %s", sign.b(), x.b(), x.b())
			for v := range vectors {
				a.products(s, vec(i*vectors+v), weights+vec(v), x)
			}
		}
		a.op("ADD $4, R1, R1")
		a.op("ADD $%d, R2, R2", 16*vectors)
		a.op("SUBS $1, R3, R3")
		a.op("BNE %s%d", loop, p)
		a.op("B %s", ran)
	}
	a.at(ran)
	a.op("ADD $run__size, R4, R4")
	a.op("SUBS $1, R5, R5")
	a.op("BNE %s", run)

	a.op("MUL R9, %s, R10", offsets[0])
	a.op("ADD R10, R7, R7")
	a.op("MOVD tile_sumStep(R0), R6")
	a.op("LSL $2, R6, R6")
	stored := a.newLabel("stored")
	for p := range pixels {
		for v := range vectors {
			a.op("FMOVQ %s, %d(R8)", vec(p*vectors+v).f(), 16*v)
		}
		a.op("ADD R6, R8, R8")
		if p < pixels-1 {
			a.op("CMP $%d, R9", p+1)
			a.op("BEQ %s", stored)
		}
	}
	a.at(stored)
	a.op("SUBS $1, R11, R11")
	a.op("BNE %s", next)
	a.op("RET")
}

// channelTile writes the micro-kernel of depthwise convolutions of 16 channels. Vectors of four taps are interleaved into four
// with all four of a channel in each int32.
//
//	R0 tile   R2 weights   R4 quads left    R6 bias   R8 distance of pixels         R10, R11 spare
//	R1 x      R3 offsets   R5 pixels left   R7 sums   R9 bytes of a pixel's sums
func (a *asm) channelTile(s set) {
	a.function("channelTile"+s.name, "(t *channelTile)")
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD channelTile_x(R0), R1")
	a.op("MOVD channelTile_xAt(R0), R10")
	a.op("ADD R10, R1, R1")
	a.op("MOVD channelTile_pixels(R0), R5")
	a.op("MOVD channelTile_bias(R0), R6")
	a.op("MOVD channelTile_sums(R0), R7")
	a.op("MOVD channelTile_xStep(R0), R8")
	a.op("MOVD channelTile_sumStep(R0), R9")
	a.op("LSL $2, R9, R9")
	pixel, quad := a.newLabel("pixel"), a.newLabel("quad")
	a.at(pixel)
	for i := range vec(4) {
		a.op("FMOVQ %d(R6), %s", 16*int(i), i.f())
	}
	a.op("MOVD channelTile_offsets(R0), R3")
	a.op("MOVD channelTile_w(R0), R2")
	a.op("MOVD channelTile_quads(R0), R4")
	a.at(quad)
	for i := range vec(4) {
		a.op("MOVD %d(R3), R10", 8*int(i))
		a.op("ADD R1, R10, R11")
		a.op("FMOVQ (R11), %s", (4 + i).f())
		a.op("VEOR %s, %s, %s", sign.b(), (4 + i).b(), (4 + i).b())
	}
	for i, pair := range []vec{4, 6} { // bytes of two taps
		a.op("VZIP1 %s, %s, %s", (pair + 1).b(), pair.b(), vec(8+2*i).b())
		a.op("VZIP2 %s, %s, %s", (pair + 1).b(), pair.b(), vec(9+2*i).b())
	}
	for i := range vec(2) { // of all four
		a.op("VZIP1 %s, %s, %s", (10 + i).h(), (8 + i).h(), (12 + 2*i).h())
		a.op("VZIP2 %s, %s, %s", (10 + i).h(), (8 + i).h(), (13 + 2*i).h())
	}
	for i := range vec(4) {
		a.op("FMOVQ %d(R2), %s", 16*int(i), (16 + i).f())
		a.products(s, i, 16+i, 12+i)
	}
	a.op("ADD $32, R3, R3")
	a.op("ADD $64, R2, R2")
	a.op("SUBS $1, R4, R4")
	a.op("BNE %s", quad)
	for i := range vec(4) {
		a.op("FMOVQ %s, %d(R7)", i.f(), 16*int(i))
	}
	a.op("ADD R9, R7, R7")
	a.op("ADD R8, R1, R1")
	a.op("SUBS $1, R5, R5")
	a.op("BNE %s", pixel)
	a.op("RET")
}
