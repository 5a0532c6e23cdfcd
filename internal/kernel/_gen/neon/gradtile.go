package main

import "fmt"

// gradTile writes the weight-gradient micro-kernel of so many vectors of channels by up to so many entries, which are
// elements of x, or vectors of x if depthwise.
//
//	R0 tile       R3, R4 rows of x, dy              R7, R8 bytes between rows   R11 entries
//	R1, R2 x, dy  R5, R6 bytes between their pixels R9 pixels left in the row   R12, R26 spare
//	R10 bytes between rows of dw, at the end        R19 rows left               R13 lanes
//
// Accumulators come first, entry by entry, then the vectors of dy, then registers for x.
func (a *asm) gradTile(vectors, entries int, depthwise bool) {
	name := "gradTile"
	if depthwise {
		name = "depthwiseGradTile"
	}
	name = fmt.Sprintf("%sNEONx%d", name, vectors)
	dy := vec(entries * vectors)

	a.function(name, 8)
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD gradTile_x(R0), R3")
	a.op("MOVD gradTile_dy(R0), R4")
	for _, f := range []struct{ field, register string }{{"xStep", "R5"}, {"dyStep", "R6"}, {"xRow", "R7"}, {"dyRow", "R8"}} {
		a.op("MOVD gradTile_%s(R0), %s", f.field, f.register)
		a.op("LSL $2, %[1]s, %[1]s", f.register)
	}
	a.op("MOVD gradTile_rows(R0), R19")
	a.op("MOVD gradTile_entries(R0), R11")
	a.op("MOVD gradTile_lanes(R0), R13")
	if depthwise {
		a.op("MOVD gradTile_entryStep(R0), %s", offsets[0])
		a.multiples(entries - 1)
	}
	for i := range dy {
		a.zero(i)
	}

	row, done := a.newLabel("row"), a.newLabel("rowdone")
	loop, part, whole := a.newLabel("pixel")+"by", a.newLabel("part")+"by", a.newLabel("whole")+"by"
	a.at(row)
	a.op("MOVD R3, R1")
	a.op("MOVD R4, R2")
	a.op("MOVD gradTile_cols(R0), R9")
	a.dispatch("R11", loop, 1, entries)
	for n := entries; n > 0; n-- {
		last := dy + vec(vectors-1)
		a.at(fmt.Sprintf("%s%d", loop, n))
		a.loadVectors("R2", dy, vectors-1)
		a.op("TBZ $2, R13, %s%d", part, n)
		a.op("FMOVQ %s, %s", memory("R2", (vectors-1)*vectorBytes), last.f())
		a.at(fmt.Sprintf("%s%d", whole, n))
		if depthwise {
			a.depthwiseEntries(vectors, n, dy)
		} else {
			a.elements(vectors, n, dy)
		}
		a.op("ADD R5, R1, R1")
		a.op("ADD R6, R2, R2")
		a.op("SUBS $1, R9, R9")
		a.op("BNE %s%d", loop, n)
		a.op("B %s", done)
		a.at(fmt.Sprintf("%s%d", part, n))
		a.loadPart("R13", "R2", (vectors-1)*vectorBytes, last)
		a.op("B %s%d", whole, n)
	}
	a.at(done)
	a.op("ADD R7, R3, R3")
	a.op("ADD R8, R4, R4")
	a.op("SUBS $1, R19, R19")
	a.op("BNE %s", row)

	// dw, from the last entry to the first.
	a.op("MOVD gradTile_dwRow(R0), R10")
	a.op("LSL $2, R10, R10")
	a.op("SUB $1, R11, R1")
	a.op("MOVD gradTile_dw(R0), R2")
	a.op("MADD R10, R2, R1, R1")
	a.op("MOVD R1, R2")
	a.op("MOVD R10, R3")
	a.storeRows("R11", entries, vectors, "R13", true)
	a.op("RET")
}

// elements multiplies the vectors of dy by n elements of x side by side, four to a register; none beyond them is read.
func (a *asm) elements(vectors, n int, dy vec) {
	x := func(r int) vec { return dy + vec(vectors+r/lanes) }
	r := 0
	for ; r+lanes <= n; r += lanes {
		a.op("FMOVQ %s, %s", memory("R1", 4*r), x(r).f())
	}
	switch n - r {
	case 1:
		a.op("FMOVS %s, %s", memory("R1", 4*r), x(r).f())
	case 2, 3:
		a.op("FMOVD %s, %s", memory("R1", 4*r), x(r).f())
		if n-r == 3 {
			a.op("ADD $%d, R1, R26", 4*r+8)
			a.op("VLD1 (R26), V%d.S[2]", x(r))
		}
	}
	for r := range n {
		for v := range vectors {
			a.fmlaLane(vec(r*vectors+v), dy+vec(v), x(r), r%lanes)
		}
	}
}

// depthwiseEntries multiplies the vectors of dy by the same channels of n pixels of x.
func (a *asm) depthwiseEntries(vectors, n int, dy vec) {
	x := dy + vec(vectors)
	for r := range n {
		a.loadIndexed(r, vectors, x)
		for v := range vectors {
			a.fmla(vec(r*vectors+v), dy+vec(v), x+vec(v))
		}
	}
}

// peak writes a loop of independent multiply-adds of registers.
func peak(a *asm) {
	const chains = 24 // isa.peakChains mirrors it
	a.function("peakNEON", 8)
	a.op("MOVD steps+0(FP), R0")
	for i := range vec(chains + 2) {
		a.zero(i)
	}
	loop := a.newLabel("loop")
	a.at(loop)
	for i := range vec(chains) {
		a.fmla(i, chains, chains+1)
	}
	a.op("SUBS $1, R0, R0")
	a.op("BNE %s", loop)
	a.op("RET")
}
