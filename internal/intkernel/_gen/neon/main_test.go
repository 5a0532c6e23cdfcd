package main

import (
	"strings"
	"testing"
)

// TestEncodings compares with what GNU's assembler (2.40) makes of the text in the comment.
func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		write func(*asm)
		want  string
	}{
		{func(a *asm) { a.sdot(1, 2, 3) }, "0x4e839441 // sdot v1.4s, v2.16b, v3.16b"},
		{func(a *asm) { a.smull(1, 2, 3) }, "0x0e23c041 // smull v1.8h, v2.8b, v3.8b"},
		{func(a *asm) { a.smull2(1, 2, 3) }, "0x4e23c041 // smull2 v1.8h, v2.16b, v3.16b"},
		{func(a *asm) { a.sadalp(1, 2) }, "0x4e606841 // sadalp v1.4s, v2.8h"},
	} {
		var a asm
		c.write(&a)
		if got := strings.TrimSpace(a.String()); got != "WORD $"+c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
