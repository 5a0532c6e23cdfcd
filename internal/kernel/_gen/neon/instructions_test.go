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
		{func(a *asm) { a.fadd(1, 2, 3) }, "0x4e23d441 // fadd v1.4s, v2.4s, v3.4s"},
		{func(a *asm) { a.fsub(31, 17, 0) }, "0x4ea0d63f // fsub v31.4s, v17.4s, v0.4s"},
		{func(a *asm) { a.fmul(0, 31, 16) }, "0x6e30dfe0 // fmul v0.4s, v31.4s, v16.4s"},
		{func(a *asm) { a.fdiv(7, 8, 31) }, "0x6e3ffd07 // fdiv v7.4s, v8.4s, v31.4s"},
		{func(a *asm) { a.fminnm(5, 6, 20) }, "0x4eb4c4c5 // fminnm v5.4s, v6.4s, v20.4s"},
		{func(a *asm) { a.fmin(5, 6, 20) }, "0x4eb4f4c5 // fmin v5.4s, v6.4s, v20.4s"},
		{func(a *asm) { a.fmax(30, 1, 2) }, "0x4e22f43e // fmax v30.4s, v1.4s, v2.4s"},
		{func(a *asm) { a.fcmeq(30, 1, 2) }, "0x4e22e43e // fcmeq v30.4s, v1.4s, v2.4s"},
		{func(a *asm) { a.fcmge(1, 30, 2) }, "0x6e22e7c1 // fcmge v1.4s, v30.4s, v2.4s"},
		{func(a *asm) { a.fcmgt(1, 2, 30) }, "0x6ebee441 // fcmgt v1.4s, v2.4s, v30.4s"},
		{func(a *asm) { a.fabs(19, 3) }, "0x4ea0f873 // fabs v19.4s, v3.4s"},
		{func(a *asm) { a.fsqrt(3, 19) }, "0x6ea1fa63 // fsqrt v3.4s, v19.4s"},
		{func(a *asm) { a.fcmltZero(4, 21) }, "0x4ea0eaa4 // fcmlt v4.4s, v21.4s, #0.0"},
		{func(a *asm) { a.fcmleZero(21, 4) }, "0x6ea0d895 // fcmle v21.4s, v4.4s, #0.0"},
		{func(a *asm) { a.fmlaLane(0, 24, 28, 0) }, "0x4f9c1300 // fmla v0.4s, v24.4s, v28.s[0]"},
		{func(a *asm) { a.fmlaLane(23, 9, 31, 1) }, "0x4fbf1137 // fmla v23.4s, v9.4s, v31.s[1]"},
		{func(a *asm) { a.fmlaLane(1, 2, 3, 2) }, "0x4f831841 // fmla v1.4s, v2.4s, v3.s[2]"},
		{func(a *asm) { a.fmlaLane(31, 31, 31, 3) }, "0x4fbf1bff // fmla v31.4s, v31.4s, v31.s[3]"},
		{func(a *asm) { a.ldrq(28, "R1", "R25") }, "0x3cf9683c // ldr q28, [x1, x25]"},
		{func(a *asm) { a.strq(3, "R26", "R14") }, "0x3cae6b43 // str q3, [x26, x14]"},
	} {
		var a asm
		c.write(&a)
		if got := strings.TrimSpace(a.String()); got != "WORD $"+c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestReservedRegisters: kernels keep away from the registers that are not theirs.
func TestReservedRegisters(t *testing.T) {
	for _, r := range []string{"R18", "R27", "R28", "R29", "R30", "F0"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", r)
				}
			}()
			number(r)
		}()
	}
}
