package main

import "fmt"

// pixels are the largest tiles of one vector of channels, of two, ...: isa.pixels mirrors them. Sums, one row of weights
// and a few elements of x fit into the registers, and there are fewer loads than multiply-adds.
var pixels = [4]int{12, 12, 8, 6}

// depthwiseEntries is the largest number of entries of a depthwise gradTile.
const depthwiseEntries = 5

// offsets are the registers with 1, 2, ... times the distance of pixels, or of entries.
var offsets = [11]string{"R14", "R15", "R16", "R17", "R19", "R20", "R21", "R22", "R23", "R24", "R25"}

// multiples fills n offsets, the first of which holds the distance in elements.
func (a *asm) multiples(n int) {
	a.op("LSL $2, %[1]s, %[1]s", offsets[0])
	for i := 1; i < n; i++ {
		a.op("ADD %s, %s, %s", offsets[0], offsets[i-1], offsets[i])
	}
}

// tile writes the forward micro-kernel of so many vectors of channels by up to so many pixels. Vectors of weights
// are multiplied by elements of x, or, if depthwise, by vectors of x.
//
//	R0 tile    R4 tap              R8 dst         R12 bytes between the steps of k, if depthwise
//	R1 x       R5 taps left        R9 pixels      R13 u, or 0
//	R2 weights R6 bytes of a row   R10 spare      R26 spare
//	R3 k left  R7 first pixel's x  R11 tiles left
//
// Accumulators come first, pixel by pixel, then the weights, then registers for x.
func (a *asm) tile(vectors, pixels int, depthwise bool) {
	name := "tile"
	if depthwise {
		name = "depthwiseTile"
	}
	name = fmt.Sprintf("%sNEONx%d", name, vectors)
	weights := vec(pixels * vectors)

	a.function(name, 8)
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD tile_xStep(R0), %s", offsets[0])
	a.multiples(pixels - 1)
	a.op("MOVD tile_wRow(R0), R6")
	a.op("LSL $2, R6, R6")
	a.op("MOVD tile_x(R0), R7")
	a.op("MOVD tile_xAt(R0), R10")
	a.op("ADD R10<<2, R7, R7")
	a.op("MOVD tile_dst(R0), R8")
	a.op("MOVD tile_pixels(R0), R9")
	a.op("MOVD tile_count(R0), R11")
	a.op("MOVD tile_u(R0), R13")
	if depthwise {
		a.op("MOVD tile_kStep(R0), R12")
		a.op("LSL $2, R12, R12")
	}

	next, tap, tapped, done := a.newLabel("next"), a.newLabel("tap"), a.newLabel("tapped"), a.newLabel("done")
	a.at(next)
	for i := range weights {
		a.zero(i)
	}
	a.op("MOVD tile_taps(R0), R4")
	a.op("MOVD tile_taps+8(R0), R5")
	a.op("CBZ R5, %s", done)

	a.at(tap)
	a.op("MOVD tap_x(R4), R10")
	a.op("ADD R10<<2, R7, R1")
	a.op("MOVD tap_w(R4), R10")
	a.op("MUL R6, R10, R10")
	a.op("MOVD tile_w(R0), R2")
	a.op("ADD R10, R2, R2")
	a.op("MOVD tap_k(R4), R3")
	loop := a.newLabel("k") + "by"
	a.dispatch("R9", loop, 1, pixels)
	for p := pixels; p > 0; p-- {
		a.at(fmt.Sprintf("%s%d", loop, p))
		a.loadVectors("R2", weights, vectors)
		if depthwise {
			a.depthwisePixels(vectors, p, weights)
			a.op("ADD R12, R1, R1")
		} else {
			a.broadcastPixels(vectors, p, weights)
			a.op("ADD $4, R1, R1")
		}
		a.op("ADD R6, R2, R2")
		a.op("SUBS $1, R3, R3")
		a.op("BNE %s%d", loop, p)
		if p > 1 {
			a.op("B %s", tapped)
		}
	}
	a.at(tapped)
	a.op("ADD $tap__size, R4, R4")
	a.op("SUBS $1, R5, R5")
	a.op("BNE %s", tap)

	a.at(done)
	a.op("MUL R9, %s, R10", offsets[0])
	a.op("ADD R10, R7, R7")
	a.op("MOVD tile_dstStep(R0), R10")
	a.op("LSL $2, R10, R10")
	a.op("SUB $1, R9, R1")
	a.op("MADD R10, R8, R1, R1")
	a.op("ADD R10, R1, R8")
	a.op("MOVD tile_lanes(R0), R4")
	// R2 is the last row of what is added to the sums, R3 the distance of its rows.
	alone, added, stored := a.newLabel("alone"), a.newLabel("added"), a.newLabel("stored")
	a.op("MOVD R1, R2")
	a.op("MOVD R10, R3")
	a.op("MOVBU tile_accumulate(R0), R26")
	a.op("CBNZ R26, %s", added)
	a.op("CBZ R13, %s", alone)
	a.op("MOVD tile_uStep(R0), R3")
	a.op("LSL $2, R3, R3")
	a.op("SUB $1, R9, R2")
	a.op("MADD R3, R13, R2, R2")
	a.op("ADD R3, R2, R13")
	a.at(added)
	a.storeRows("R9", pixels, vectors, "R4", true)
	a.op("B %s", stored)
	a.at(alone)
	a.storeRows("R9", pixels, vectors, "R4", false)
	a.at(stored)
	a.op("SUBS $1, R11, R11")
	a.op("BNE %s", next)
	a.op("RET")
}

// broadcastPixels multiplies the weights by one element of each pixel. Loads run ahead as far as there are registers.
func (a *asm) broadcastPixels(vectors, p int, weights vec) {
	first := weights + vec(vectors)
	spare := int(registers - first)
	x := func(i int) vec { return first + vec(i%spare) }
	load := func(i int) {
		switch {
		case i == 0:
			a.op("FMOVS (R1), %s", x(i).f())
		case i < p:
			a.op("FMOVS (R1)(%s), %s", offsets[i-1], x(i).f())
		}
	}
	for i := range spare {
		load(i)
	}
	for i := range p {
		for v := range vectors {
			a.fmlaLane(vec(i*vectors+v), weights+vec(v), x(i), 0)
		}
		load(i + spare)
	}
}

// depthwisePixels multiplies the weights by the same channels of each pixel.
func (a *asm) depthwisePixels(vectors, p int, weights vec) {
	x := weights + vec(vectors)
	for i := range p {
		a.loadIndexed(i, vectors, x)
		for v := range vectors {
			a.fmla(vec(i*vectors+v), weights+vec(v), x+vec(v))
		}
	}
}

// loadIndexed loads vectors that lie i distances behind R1. R26 is spare.
func (a *asm) loadIndexed(i, vectors int, to vec) {
	switch {
	case i == 0:
		a.loadVectors("R1", to, vectors)
	case vectors == 1:
		a.ldrq(to, "R1", offsets[i-1])
	default:
		a.op("ADD %s, R1, R26", offsets[i-1])
		a.loadVectors("R26", to, vectors)
	}
}

// loadVectors loads n vectors side by side.
func (a *asm) loadVectors(base string, to vec, n int) {
	i := 0
	for ; i+1 < n; i += 2 {
		a.op("FLDPQ %s, (%s, %s)", memory(base, i*vectorBytes), (to + vec(i)).f(), (to + vec(i+1)).f())
	}
	if i < n {
		a.op("FMOVQ %s, %s", memory(base, i*vectorBytes), (to + vec(i)).f())
	}
}

// storeRows writes the accumulators to as many rows of channels as register n says: the last row, at R1, first; rows
// are R10 bytes apart and their last vector has as many channels as register partial says. If add, it adds them to the
// rows at R2, R3 bytes apart, first.
func (a *asm) storeRows(n string, rows, vectors int, partial string, add bool) {
	name := a.newLabel("rows") + "from"
	a.dispatch(n, name, 1, rows)
	for r := rows - 1; r >= 0; r-- {
		a.at(fmt.Sprintf("%s%d", name, r+1))
		for v := range vectors {
			// Registers from the last one down hold no accumulators.
			sum, t, at := vec(r*vectors+v), vec(registers-1-v), v*vectorBytes
			part, stored := a.newLabel("part"), a.newLabel("stored")
			if v == vectors-1 {
				a.op("TBZ $2, %s, %s", partial, part)
			}
			if add {
				a.op("FMOVQ %s, %s", memory("R2", at), t.f())
				a.fadd(sum, sum, t)
			}
			a.op("FMOVQ %s, %s", sum.f(), memory("R1", at))
			if v < vectors-1 {
				continue
			}
			a.op("B %s", stored)
			a.at(part)
			if add {
				a.loadPart(partial, "R2", at, t)
				a.fadd(sum, sum, t)
			}
			a.storePart(partial, sum, "R1", at)
			a.at(stored)
		}
		if r > 0 {
			a.op("SUB R10, R1, R1")
			if add {
				a.op("SUB R3, R2, R2")
			}
		}
	}
}
