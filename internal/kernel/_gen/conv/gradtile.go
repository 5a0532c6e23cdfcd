package main

import "fmt"

// gradTile writes the weight-gradient micro-kernel of so many vectors of channels by up to so many entries,
// which are elements of x, or vectors of x if depthwise.
//
//	AX tile          R8, R9 bytes between pixels of x, dy    R12 rows left
//	BX, SI x         R10, R11 bytes between rows             R13 entries
//	DX, DI dy        CX pixels left in the row               R14, R15 1, 3 times the bytes between entries of x
//
// BX and DX move along a row, SI and DI from row to row. Accumulators come first, entry by entry, then the
// vectors of dy, then registers for broadcasts, and where there are no mask registers the mask.
func (a *asm) gradTile(s set, vectors, entries int, depthwise bool) {
	name := "gradTile"
	if depthwise {
		name = "depthwiseGradTile"
	}
	dy := entries * vectors
	broadcast := dy + vectors
	mask, broadcasts := 0, s.registers-broadcast
	if !s.opmask {
		mask, broadcasts = s.registers-1, broadcasts-1
	}

	a.function(fmt.Sprintf("%s%sx%d", name, s.name, vectors), "t *gradTile", 0)
	a.op("MOVQ t+0(FP), AX")
	a.op("MOVQ gradTile_lanes(AX), BX")
	a.mask(s, mask)
	a.op("MOVQ gradTile_x(AX), SI")
	a.op("MOVQ gradTile_dy(AX), DI")
	for _, f := range []struct{ field, register string }{{"xStep", "R8"}, {"dyStep", "R9"}, {"xRow", "R10"}, {"dyRow", "R11"}} {
		a.op("MOVQ gradTile_%s(AX), %s", f.field, f.register)
		a.op("SHLQ $2, %s", f.register)
	}
	a.op("MOVQ gradTile_rows(AX), R12")
	a.op("MOVQ gradTile_entries(AX), R13")
	if depthwise {
		a.op("MOVQ gradTile_entryStep(AX), R14")
		a.op("SHLQ $2, R14")
		a.op("LEAQ (R14)(R14*2), R15")
	}
	a.zero(s, dy)

	a.comment("dw, which may be far, is there when the sums are")
	a.op("MOVQ gradTile_dw(AX), BX")
	a.op("MOVQ gradTile_dwRow(AX), DX")
	a.op("MOVQ R13, CX")
	a.label("fetch")
	for at := 0; at < vectors*s.bytes(); at += 64 {
		a.prefetchw(at)
	}
	a.op("LEAQ (BX)(DX*4), BX")
	a.op("DECQ CX")
	a.op("JNE fetch")

	a.label("row")
	a.op("MOVQ SI, BX")
	a.op("MOVQ DI, DX")
	a.op("MOVQ gradTile_cols(AX), CX")
	a.dispatch("R13", "loop", 1, entries)
	for n := entries; n > 0; n-- {
		fmt.Fprintf(a, "\nloop%d:\n", n)
		for v := range vectors {
			switch last := v == vectors-1; {
			case last && s.opmask:
				a.op("VMOVUPS.Z %d(DX), K1, %s", v*s.bytes(), s.reg(dy+v))
			case last:
				a.op("VMASKMOVPS %d(DX), %s, %s", v*s.bytes(), s.reg(mask), s.reg(dy+v))
			default:
				a.op("VMOVUPS %d(DX), %s", v*s.bytes(), s.reg(dy+v))
			}
		}
		for r := range n {
			if depthwise {
				index := [depthwiseEntries]string{"", "(R14*1)", "(R14*2)", "(R15*1)", "(R14*4)"}[r]
				for v := range vectors {
					a.op("VFMADD231PS %d(BX)%s, %s, %s", v*s.bytes(), index, s.reg(dy+v), s.reg(r*vectors+v))
				}
				continue
			}
			if s.opmask && vectors == 1 {
				a.op("VFMADD231PS.BCST %d(BX), %s, %s", 4*r, s.reg(dy), s.reg(r))
				continue
			}
			x := s.reg(broadcast + r%broadcasts)
			a.op("VBROADCASTSS %d(BX), %s", 4*r, x)
			for v := range vectors {
				a.op("VFMADD231PS %s, %s, %s", x, s.reg(dy+v), s.reg(r*vectors+v))
			}
		}
		a.op("ADDQ R8, BX")
		a.op("ADDQ R9, DX")
		a.op("DECQ CX")
		a.op("JNE loop%d", n)
		a.op("JMP rowdone")
	}

	a.label("rowdone")
	a.op("ADDQ R10, SI")
	a.op("ADDQ R11, DI")
	a.op("DECQ R12")
	a.op("JNE row")

	a.comment("dw, from the last entry to the first")
	a.op("MOVQ gradTile_dwRow(AX), BX")
	a.op("SHLQ $2, BX")
	a.op("LEAQ -1(R13), CX")
	a.op("IMULQ BX, CX")
	a.op("ADDQ gradTile_dw(AX), CX")
	if s.opmask {
		a.dispatch("R13", "add", 1, entries)
		a.store(s, "add", entries, vectors, "CX", true, 0, 0)
	} else {
		a.op("CMPQ gradTile_lanes(AX), $%d", s.lanes)
		a.op("JNE masked")
		a.dispatch("R13", "add", 1, entries)
		a.store(s, "add", entries, vectors, "CX", false, 0, 0)
		a.op("JMP stored")
		a.label("masked")
		a.dispatch("R13", "maskedadd", 1, entries)
		a.store(s, "maskedadd", entries, vectors, "CX", true, dy, mask)
		a.label("stored")
	}
	a.op("VZEROUPPER")
	a.op("RET")
}
