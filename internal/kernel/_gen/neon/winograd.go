package main

import "fmt"

// Loops over Winograd's tiles: type winogradTiles.
//
//	R0 tiles           R5 a column's offset     R8 to R11 planes 0, 4, 8 and 12 of a tile    R15 tiles left
//	R1 to R4 rows      R6 that of the end       R12 to R14 1, 2, 3 times the bytes           R16 vectors left
//	of pixels          R7 bytes of a pixel      between planes
//
// Vectors of a tile come in columns of four registers.

// winogradPlanes sets up the distances of planes and of pixels, and the first n rows.
func (a *asm) winogradPlanes(rows int) {
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD winogradTiles_plane(R0), R12")
	a.op("LSL $2, R12, R12")
	a.op("ADD R12, R12, R13")
	a.op("ADD R12, R13, R14")
	a.op("MOVD winogradTiles_step(R0), R7")
	a.op("LSL $2, R7, R7")
	for r := range rows {
		a.op("MOVD winogradTiles_rows+%d(R0), R%d", 24*r, 1+r)
	}
}

// firstPlanes sets R8 to R11 from R8.
func (a *asm) firstPlanes() {
	for i := range 3 {
		a.op("ADD R12<<2, R%d, R%d", 8+i, 9+i)
	}
}

// storePlane and loadPlane move a tile's vector in plane q.
func (a *asm) storePlane(v vec, q int) { a.plane(true, v, q) }
func (a *asm) loadPlane(q int, v vec)  { a.plane(false, v, q) }

func (a *asm) plane(store bool, v vec, q int) {
	base := fmt.Sprintf("R%d", 8+q/4)
	switch index := fmt.Sprintf("R%d", 11+q%4); {
	case q%4 == 0:
		a.moveOne(store, memory(base, 0), v)
	case store:
		a.strq(v, base, index)
	default:
		a.ldrq(v, base, index)
	}
}

// winogradInput goes along the tiles for one vector of channels after the other, so that what a tile shares with the
// next stays in registers. R17 is the vector's first plane, R19 the bytes between tiles.
func winogradInput(a *asm) {
	a.function("winogradInputNEON", 8)
	a.winogradPlanes(4)
	a.op("MOVD winogradTiles_columns(R0), R6")
	a.op("MUL R7, R6, R6")
	a.op("MOVD winogradTiles_channels(R0), R16")
	a.op("LSL $2, R16, R19")
	a.op("LSR $2, R16, R16")
	a.op("MOVD winogradTiles_planes(R0), R17")

	var outside []func()
	// fetch loads a column of pixels and transforms it. Registers from 16 are spare.
	fetch := func(at vec) {
		zero, fetched := a.newLabel("outside"), a.newLabel("fetched")
		a.op("CMP R6, R5")
		a.op("BHS %s", zero)
		for r := range 4 {
			a.ldrq(16+vec(r), fmt.Sprintf("R%d", 1+r), "R5")
		}
		a.fsub(at, 16, 18)
		a.fadd(at+1, 17, 18)
		a.fsub(at+2, 18, 17)
		a.fsub(at+3, 17, 19)
		a.at(fetched)
		a.op("ADD R7, R5, R5")
		outside = append(outside, func() {
			a.at(zero)
			for r := range vec(4) {
				a.zero(at + r)
			}
			a.op("B %s", fetched)
		})
	}

	next, loop, done := a.newLabel("next"), a.newLabel("loop"), a.newLabel("done")
	a.at(next)
	a.op("MOVD winogradTiles_tiles(R0), R15")
	a.op("MOVD winogradTiles_left(R0), R5")
	a.op("MUL R7, R5, R5")
	a.op("NEG R5, R5")
	a.op("MOVD R17, R8")
	a.firstPlanes()
	fetch(0)
	fetch(4)
	a.at(loop)
	// Of four columns of registers, the last two of one tile are the first two of the next.
	for turn := range vec(2) {
		c0, c2 := 8*turn, 8-8*turn
		c1, c3 := c0+4, c2+4
		fetch(c2)
		fetch(c3)
		for r := range vec(4) {
			a.fsub(16, c0+r, c2+r)
			a.fadd(17, c1+r, c2+r)
			a.fsub(18, c2+r, c1+r)
			a.fsub(19, c1+r, c3+r)
			for k := range vec(4) {
				a.storePlane(16+k, int(4*r+k))
			}
		}
		for i := range 4 {
			a.op("ADD R19, R%[1]d, R%[1]d", 8+i)
		}
		a.op("SUBS $1, R15, R15")
		if turn == 0 {
			a.op("BEQ %s", done)
		} else {
			a.op("BNE %s", loop)
		}
	}
	a.at(done)
	for r := range 4 {
		a.op("ADD $%d, R%[2]d, R%[2]d", vectorBytes, 1+r)
	}
	a.op("ADD $%d, R17, R17", vectorBytes)
	a.op("SUBS $1, R16, R16")
	a.op("BNE %s", next)
	a.op("RET")
	for _, f := range outside {
		f()
	}
}

// winogradPairs writes a loop over tiles of 2x2 pixels and their vectors of channels. R6 is the columns left, R17 the
// vectors, R19 from the end of a tile's pixels to the next ones.
func (a *asm) winogradPairs(name string, body func()) {
	a.function(name, 8)
	a.winogradPlanes(2)
	a.op("MOVD winogradTiles_planes(R0), R8")
	a.firstPlanes()
	a.op("MOVD winogradTiles_tiles(R0), R15")
	a.op("MOVD winogradTiles_columns(R0), R6")
	a.op("MOVD winogradTiles_channels(R0), R17")
	a.op("LSL $1, R7, R19")
	a.op("SUB R17<<2, R19, R19")
	a.op("LSR $2, R17, R17")
	next, loop := a.newLabel("next"), a.newLabel("loop")
	a.at(next)
	a.op("MOVD R17, R16")
	a.at(loop)
	body()
	for _, r := range []int{1, 2, 8, 9, 10, 11} {
		a.op("ADD $%d, R%[2]d, R%[2]d", vectorBytes, r)
	}
	a.op("SUBS $1, R16, R16")
	a.op("BNE %s", loop)
	a.op("ADD R19, R1, R1")
	a.op("ADD R19, R2, R2")
	a.op("SUB $2, R6, R6")
	a.op("SUBS $1, R15, R15")
	a.op("BNE %s", next)
	a.op("RET")
}

// ifPair writes body to run where the tile has a second column.
func (a *asm) ifPair(body func()) {
	narrow := a.newLabel("narrow")
	a.op("CMP $2, R6")
	a.op("BLT %s", narrow)
	body()
	a.at(narrow)
}

func winogradSpread(a *asm) {
	a.winogradPairs("winogradSpreadNEON", func() {
		// Columns of what A makes of the pixels: sums and differences between those, which are rows 0 and 3.
		a.moveOne(false, "(R1)", 0)
		a.moveOne(false, "(R2)", 3)
		a.zero(4)
		a.zero(7)
		a.ifPair(func() {
			a.ldrq(4, "R1", "R7")
			a.ldrq(7, "R2", "R7")
		})
		for c := vec(0); c < 8; c += 4 {
			a.fadd(c+1, c, c+3)
			a.fsub(c+2, c, c+3)
		}
		for r := range vec(4) {
			a.fadd(8, r, 4+r)
			a.fsub(9, r, 4+r)
			for k, v := range []vec{r, 8, 9, 4 + r} {
				a.storePlane(v, int(4*r)+k)
			}
		}
	})
}

func winogradOutput(a *asm) {
	a.winogradPairs("winogradOutputNEON", func() {
		// Columns k of A' p: register k is row 0, register 4+k row 1.
		for k := range 4 {
			for r := range 4 {
				a.loadPlane(4*r+k, 16+vec(r))
			}
			a.fadd(20, 17, 18)
			a.fsub(21, 17, 18)
			a.fadd(vec(k), 16, 20)
			a.fsub(vec(4+k), 21, 19)
		}
		for r := vec(0); r < 8; r += 4 {
			a.fadd(16, r+1, r+2)
			a.fsub(17, r+1, r+2)
			a.fadd(r, r, 16)
			a.fsub(r+1, 17, r+3)
		}
		store := a.newLabel("store")
		a.op("MOVBU winogradTiles_accumulate(R0), R26")
		a.op("CBZ R26, %s", store)
		add := func(v vec) { a.fadd(v, v, 16) }
		a.moveOne(false, "(R1)", 16)
		add(0)
		a.moveOne(false, "(R2)", 16)
		add(4)
		a.ifPair(func() {
			a.ldrq(16, "R1", "R7")
			add(1)
			a.ldrq(16, "R2", "R7")
			add(5)
		})
		a.at(store)
		a.moveOne(true, "(R1)", 0)
		a.moveOne(true, "(R2)", 4)
		a.ifPair(func() {
			a.strq(1, "R1", "R7")
			a.strq(5, "R2", "R7")
		})
	})
}
