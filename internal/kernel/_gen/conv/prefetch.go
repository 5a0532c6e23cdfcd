package main

import "fmt"

// prefetch writes what brings cache lines to the second-level cache, and to where they can be written.
func (a *asm) prefetch() {
	for _, f := range []struct {
		name  string
		fetch func()
	}{
		{"prefetchLines", func() { a.op("PREFETCHT1 (BX)") }},
		{"prefetchLinesW", func() { a.prefetchw(0) }},
	} {
		fmt.Fprintf(a, "\n// func %s(x *float32, offset, lines int)\nTEXT ·%s(SB), NOSPLIT, $0-24\n", f.name, f.name)
		a.op("MOVQ x+0(FP), BX")
		a.op("MOVQ offset+8(FP), AX")
		a.op("LEAQ (BX)(AX*4), BX")
		a.op("MOVQ lines+16(FP), CX")
		a.op("TESTQ CX, CX")
		a.op("JLE done")
		a.label("loop")
		f.fetch()
		a.op("ADDQ $64, BX")
		a.op("DECQ CX")
		a.op("JNE loop")
		a.label("done")
		a.op("RET")
	}
}
