package main

import "fmt"

// Loops over Winograd's tiles: type winogradTiles.
//
//	AX tiles     R8 to R11 rows of pixels    R15 bytes between pixels
//	DX, CX       plane 0 and 9 of a tile     SI, DI, R12, R13 1, 3, 5, 7 times the bytes between planes
//
// Vectors of a tile come in columns of four registers.

// plane is the operand of a tile's vector in plane q.
func plane(q int) string {
	base := "DX"
	if q >= 9 {
		base, q = "CX", q-9
	}
	index := [...]string{"", "(SI*1)", "(SI*2)", "(DI*1)", "(SI*4)", "(R12*1)", "(DI*2)", "(R13*1)", "(SI*8)"}[q]
	return "(" + base + ")" + index
}

// planes sets up the distances of planes and of pixels.
func (a *asm) planes() {
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ winogradTiles_plane(AX), SI")
	a.op("SHLQ $2, SI")
	a.op("LEAQ (SI)(SI*2), DI")
	a.op("LEAQ (SI)(SI*4), R12")
	a.op("LEAQ (DI)(SI*4), R13")
	a.op("MOVQ winogradTiles_step(AX), R15")
	a.op("SHLQ $2, R15")
}

// rows loads the first n rows of pixels.
func (a *asm) rows(n int) {
	for r := range n {
		a.op("MOVQ winogradTiles_rows+%d(AX), R%d", 24*r, 8+r)
	}
}

func (a *asm) add(s set, x string, y, to int) { a.op("VADDPS %s, %s, %s", x, s.reg(y), s.reg(to)) }

// sub makes y - x.
func (a *asm) sub(s set, x string, y, to int) { a.op("VSUBPS %s, %s, %s", x, s.reg(y), s.reg(to)) }

// winogradInput goes along the tiles for one vector of channels after the other, so that what a tile shares with the
// next stays in registers.
//
//	BX column's offset    R14 that of the end    tiles, vectors left and first plane in the frame
func (a *asm) winogradInput(s set) {
	a.function("winogradInput"+s.name, "t *winogradTiles", 32)
	a.planes()
	a.rows(4)
	a.op("MOVQ winogradTiles_columns(AX), R14")
	a.op("IMULQ R15, R14")
	a.op("MOVQ winogradTiles_channels(AX), BX")
	a.op("SHLQ $2, BX")
	a.op("MOVQ BX, step-32(SP)")
	a.op("SHRQ $%d, BX", map[int]int{8: 5, 16: 6}[s.lanes])
	a.op("MOVQ BX, vectors-8(SP)")
	a.op("MOVQ winogradTiles_planes(AX), DX")
	a.op("MOVQ DX, planes-16(SP)")

	var outside []func()
	// fetch loads a column of pixels and transforms it.
	fetch := func(at int) {
		n := len(outside)
		d := func(r int) string { return fmt.Sprintf("(R%d)(BX*1)", 8+r) }
		a.op("CMPQ BX, R14")
		a.op("JCC outside%d", n)
		a.op("VMOVUPS %s, %s", d(0), s.reg(at))
		a.op("VMOVUPS %s, %s", d(1), s.reg(at+1))
		a.op("VMOVUPS %s, %s", d(2), s.reg(at+2))
		a.sub(s, d(3), at+1, at+3)
		a.sub(s, s.reg(at+2), at, at)
		a.sub(s, s.reg(at+1), at+2, at+2)
		a.add(s, d(2), at+1, at+1)
		fmt.Fprintf(a, "\nfetched%d:\n", n)
		a.op("ADDQ R15, BX")
		outside = append(outside, func() {
			a.label("outside%d", n)
			for r := range 4 {
				a.op("VXORPS %[1]s, %[1]s, %[1]s", s.reg(at+r))
			}
			a.op("JMP fetched%d", n)
		})
	}

	a.label("next")
	a.op("MOVQ winogradTiles_tiles(AX), BX")
	a.op("MOVQ BX, tiles-24(SP)")
	a.op("MOVQ winogradTiles_left(AX), BX")
	a.op("IMULQ R15, BX")
	a.op("NEGQ BX")
	a.op("MOVQ planes-16(SP), DX")
	a.op("LEAQ (DX)(SI*8), CX")
	a.op("ADDQ SI, CX")
	fetch(0)
	fetch(4)
	a.label("loop")
	// Of four columns of registers, the last two of one tile are the first two of the next.
	for turn := range 2 {
		c0, c2 := 8*turn, 8-8*turn
		c1, c3 := c0+4, c2+4
		fetch(c2)
		for r := range 4 {
			a.sub(s, s.reg(c2+r), c0+r, c0+r)
			a.op("VMOVUPS %s, %s", s.reg(c0+r), plane(4*r))
		}
		for r := range 4 {
			a.add(s, s.reg(c1+r), c2+r, c0+r)
			a.op("VMOVUPS %s, %s", s.reg(c0+r), plane(4*r+1))
		}
		for r := range 4 {
			a.sub(s, s.reg(c1+r), c2+r, c0+r)
			a.op("VMOVUPS %s, %s", s.reg(c0+r), plane(4*r+2))
		}
		fetch(c3)
		for r := range 4 {
			a.sub(s, s.reg(c3+r), c1+r, c1+r)
			a.op("VMOVUPS %s, %s", s.reg(c1+r), plane(4*r+3))
		}
		a.op("ADDQ step-32(SP), DX")
		a.op("ADDQ step-32(SP), CX")
		a.op("DECQ tiles-24(SP)")
		if turn == 0 {
			a.op("JEQ done")
		} else {
			a.op("JNE loop")
		}
	}
	a.label("done")
	for r := range 4 {
		a.op("ADDQ $%d, R%d", s.bytes(), 8+r)
	}
	a.op("ADDQ $%d, planes-16(SP)", s.bytes())
	a.op("DECQ vectors-8(SP)")
	a.op("JNE next")
	a.op("VZEROUPPER")
	a.op("RET")
	for _, f := range outside {
		f()
	}
}

// pairs writes a loop over tiles of 2x2 pixels and their vectors of channels.
//
//	R8, R9 pixels of column 0    R10 vectors left     BX from the end of a tile's pixels to the next ones
//	R14 columns left             R11 vectors          tiles left in the frame
func (a *asm) pairs(s set, name string, body func()) {
	a.function(name+s.name, "t *winogradTiles", 8)
	a.planes()
	a.rows(2)
	a.op("MOVQ winogradTiles_planes(AX), DX")
	a.op("LEAQ (DX)(SI*8), CX")
	a.op("ADDQ SI, CX")
	a.op("MOVQ winogradTiles_tiles(AX), R11")
	a.op("MOVQ R11, tiles-8(SP)")
	a.op("MOVQ winogradTiles_columns(AX), R14")
	a.op("MOVQ winogradTiles_channels(AX), R11")
	a.op("LEAQ (R11*4), R10")
	a.op("LEAQ (R15*2), BX")
	a.op("SUBQ R10, BX")
	a.op("SHRQ $%d, R11", map[int]int{8: 3, 16: 4}[s.lanes])
	a.label("next")
	a.op("MOVQ R11, R10")
	a.label("loop")
	body()
	for _, r := range []string{"R8", "R9", "DX", "CX"} {
		a.op("ADDQ $%d, %s", s.bytes(), r)
	}
	a.op("DECQ R10")
	a.op("JNE loop")
	a.op("ADDQ BX, R8")
	a.op("ADDQ BX, R9")
	a.op("SUBQ $2, R14")
	a.op("DECQ tiles-8(SP)")
	a.op("JNE next")
	a.op("VZEROUPPER")
	a.op("RET")
}

// ifPair writes body to run where the tile has a second column.
func (a *asm) ifPair(label string, body func()) {
	a.op("CMPQ R14, $2")
	a.op("JLT %s", label)
	body()
	fmt.Fprintf(a, "%s:\n", label)
}

func (a *asm) winogradSpread(s set) {
	a.pairs(s, "winogradSpread", func() {
		// Columns of what A makes of the pixels: sums and differences between those, which are rows 0 and 3.
		a.op("VMOVUPS (R8), %s", s.reg(0))
		a.op("VMOVUPS (R9), %s", s.reg(3))
		a.op("VXORPS %[1]s, %[1]s, %[1]s", s.reg(4))
		a.op("VXORPS %[1]s, %[1]s, %[1]s", s.reg(7))
		a.ifPair("narrow", func() {
			a.op("VMOVUPS (R8)(R15*1), %s", s.reg(4))
			a.op("VMOVUPS (R9)(R15*1), %s", s.reg(7))
		})
		for c := 0; c < 8; c += 4 {
			a.add(s, s.reg(c+3), c, c+1)
			a.sub(s, s.reg(c+3), c, c+2)
		}
		for r := range 4 {
			a.op("VMOVUPS %s, %s", s.reg(r), plane(4*r))
			a.add(s, s.reg(4+r), r, 8)
			a.op("VMOVUPS %s, %s", s.reg(8), plane(4*r+1))
			a.sub(s, s.reg(4+r), r, 9)
			a.op("VMOVUPS %s, %s", s.reg(9), plane(4*r+2))
			a.op("VMOVUPS %s, %s", s.reg(4+r), plane(4*r+3))
		}
	})
}

func (a *asm) winogradOutput(s set) {
	a.pairs(s, "winogradOutput", func() {
		// Columns k of A' p: register k is row 0, register 4+k row 1.
		for k := range 4 {
			a.op("VMOVUPS %s, %s", plane(4+k), s.reg(4+k))
			a.op("VMOVUPS %s, %s", plane(8+k), s.reg(8))
			a.add(s, s.reg(8), 4+k, k)
			a.sub(s, s.reg(8), 4+k, 4+k)
			a.add(s, plane(k), k, k)
			a.sub(s, plane(12+k), 4+k, 4+k)
		}
		for r := 0; r < 8; r += 4 {
			a.add(s, s.reg(r+2), r+1, 8)
			a.add(s, s.reg(8), r, r)
			a.sub(s, s.reg(r+2), r+1, r+1)
			a.sub(s, s.reg(r+3), r+1, r+1)
		}
		a.op("CMPB winogradTiles_accumulate(AX), $0")
		a.op("JEQ store")
		a.add(s, "(R8)", 0, 0)
		a.add(s, "(R9)", 4, 4)
		a.ifPair("store", func() {
			a.add(s, "(R8)(R15*1)", 1, 1)
			a.add(s, "(R9)(R15*1)", 5, 5)
		})
		a.op("VMOVUPS %s, (R8)", s.reg(0))
		a.op("VMOVUPS %s, (R9)", s.reg(4))
		a.ifPair("narrow", func() {
			a.op("VMOVUPS %s, (R8)(R15*1)", s.reg(1))
			a.op("VMOVUPS %s, (R9)(R15*1)", s.reg(5))
		})
	})
}
