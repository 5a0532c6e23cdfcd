package main

import "fmt"

// Instructions that Go's assembler does not know are written as words, with the text that GNU's assembler and
// disassembler have for them as the comment. Operands are in its order: the destination first.

func (a *asm) word(code uint32, format string, args ...any) {
	fmt.Fprintf(a, "\tWORD $%#08x // %s\n", code, fmt.Sprintf(format, args...))
}

// three writes an instruction that makes vector d of vectors n and m.
func (a *asm) three(name string, code uint32, d, n, m vec) {
	a.word(code|uint32(m)<<16|uint32(n)<<5|uint32(d), "%s v%d.4s, v%d.4s, v%d.4s", name, d, n, m)
}

func (a *asm) fadd(d, n, m vec) { a.three("fadd", 0x4e20d400, d, n, m) }
func (a *asm) fsub(d, n, m vec) { a.three("fsub", 0x4ea0d400, d, n, m) }
func (a *asm) fmul(d, n, m vec) { a.three("fmul", 0x6e20dc00, d, n, m) }
func (a *asm) fdiv(d, n, m vec) { a.three("fdiv", 0x6e20fc00, d, n, m) }

// fminnm is the minimum; of a NaN and a number, the number.
func (a *asm) fminnm(d, n, m vec) { a.three("fminnm", 0x4ea0c400, d, n, m) }

// fmin and fmax keep a NaN.
func (a *asm) fmin(d, n, m vec) { a.three("fmin", 0x4ea0f400, d, n, m) }
func (a *asm) fmax(d, n, m vec) { a.three("fmax", 0x4e20f400, d, n, m) }

// Comparisons set all bits of a lane where they hold. They do not hold for NaNs.
func (a *asm) fcmeq(d, n, m vec) { a.three("fcmeq", 0x4e20e400, d, n, m) }
func (a *asm) fcmge(d, n, m vec) { a.three("fcmge", 0x6e20e400, d, n, m) }
func (a *asm) fcmgt(d, n, m vec) { a.three("fcmgt", 0x6ea0e400, d, n, m) }

// two writes an instruction that makes vector d of vector n.
func (a *asm) two(name string, code uint32, d, n vec, rest string) {
	a.word(code|uint32(n)<<5|uint32(d), "%s v%d.4s, v%d.4s%s", name, d, n, rest)
}

func (a *asm) fabs(d, n vec)      { a.two("fabs", 0x4ea0f800, d, n, "") }
func (a *asm) fsqrt(d, n vec)     { a.two("fsqrt", 0x6ea1f800, d, n, "") }
func (a *asm) fcmltZero(d, n vec) { a.two("fcmlt", 0x4ea0e800, d, n, ", #0.0") }
func (a *asm) fcmleZero(d, n vec) { a.two("fcmle", 0x6ea0d800, d, n, ", #0.0") }

// fmlaLane makes d += n*m[lane], rounded once.
func (a *asm) fmlaLane(d, n, m vec, lane int) {
	l, h := uint32(lane&1), uint32(lane>>1)
	a.word(0x4f801000|l<<21|uint32(m)<<16|h<<11|uint32(n)<<5|uint32(d), "fmla v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, lane)
}

// ldrq and strq move a vector at general register base plus general register index.
func (a *asm) ldrq(t vec, base, index string) { a.indexed("ldr", 0x3ce06800, t, base, index) }
func (a *asm) strq(t vec, base, index string) { a.indexed("str", 0x3ca06800, t, base, index) }

func (a *asm) indexed(name string, code uint32, t vec, base, index string) {
	a.word(code|number(index)<<16|number(base)<<5|uint32(t), "%s q%d, [x%d, x%d]", name, t, number(base), number(index))
}

// number is that of a general register such as R7.
func number(register string) (n uint32) {
	if _, err := fmt.Sscanf(register, "R%d", &n); err != nil || n > 26 || n == 18 {
		panic("not a register for kernels: " + register)
	}
	return n
}

// Those that it knows, in the same order of operands.

func (a *asm) fmla(d, n, m vec) { a.op("VFMLA %s, %s, %s", m.v(), n.v(), d.v()) }
func (a *asm) fmls(d, n, m vec) { a.op("VFMLS %s, %s, %s", m.v(), n.v(), d.v()) }
func (a *asm) and(d, n, m vec)  { a.op("VAND %s, %s, %s", m.b(), n.b(), d.b()) }
func (a *asm) mov(d, n vec)     { a.op("VMOV %s, %s", n.b(), d.b()) }
func (a *asm) zero(d vec)       { a.op("VEOR %[1]s, %[1]s, %[1]s", d.b()) }

// bit makes d what n is where the mask is set.
func (a *asm) bit(d, n, mask vec) { a.op("VBIT %s, %s, %s", mask.b(), n.b(), d.b()) }
