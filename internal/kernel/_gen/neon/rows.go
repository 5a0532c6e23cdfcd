package main

// Loops with sums per channel go down four rows at a time and along the row in single vectors, so that the sums,
// which lie in memory, are loaded and stored once for four vectors. What is left of a row is taken in single elements.

const rowsAtOnce = 4

// rowOffsets are the registers with the offsets of the current vectors of the rows.
var rowOffsets = [rowsAtOnce]string{"R10", "R11", "R12", "R13"}

// rows writes the loop over R7 rows of R14 elements, R8 bytes apart. The arrays' base registers move down the rows;
// R5 goes along the block, from R15, which has parts vectors for every vector of the row. R6 counts elements.
func (a *asm) rows(bases []string, parts int, body func()) {
	for _, n := range []int{rowsAtOnce, 1} {
		group, vectors, tail, elements, next, end := a.newLabel("group"), a.newLabel("vector"), a.newLabel("tail"),
			a.newLabel("element"), a.newLabel("next"), a.newLabel("end")
		a.at(group)
		a.op("CMP $%d, R7", n)
		a.op("BLT %s", end)
		a.op("MOVD $0, %s", rowOffsets[0])
		for i := 1; i < n; i++ {
			a.op("ADD R8, %s, %s", rowOffsets[i-1], rowOffsets[i])
		}
		a.op("MOVD R15, R5")
		a.op("SUBS $%d, R14, R6", lanes)
		a.op("BLT %s", tail)
		a.unroll = n
		step := func(element bool, params int, label string) {
			a.at(label)
			a.element = element
			body()
			for _, r := range append([]string(nil), rowOffsets[:n]...) {
				a.op("ADD $%d, %[2]s, %[2]s", a.unit(), r)
			}
			a.op("ADD $%d, R5, R5", params)
			a.op("SUBS $%d, R6, R6", a.unit()/4)
		}
		step(false, parts*vectorBytes, vectors)
		a.op("BGE %s", vectors)
		a.at(tail)
		a.op("ADDS $%d, R6, R6", lanes)
		a.op("BEQ %s", next)
		step(true, 4, elements) // parameters of an element lie in the lanes of the same vectors
		a.op("BGT %s", elements)
		a.at(next)
		for _, r := range bases {
			for range n {
				a.op("ADD R8, %[1]s, %[1]s", r)
			}
		}
		a.op("SUB $%d, R7, R7", n)
		a.op("B %s", group)
		a.at(end)
	}
}

// rowLoad and rowStore move the current vectors, or elements, of the rows of the array in base.
func (a *asm) rowLoad(base string, to func(i int) vec) {
	a.each(func(i int) {
		if a.element {
			a.op("FMOVS (%s)(%s), %s", base, rowOffsets[i], to(i).f())
		} else {
			a.ldrq(to(i), base, rowOffsets[i])
		}
	})
}

func (a *asm) rowStore(from func(i int) vec, base string) {
	a.each(func(i int) {
		if a.element {
			a.op("FMOVS %s, (%s)(%s)", from(i).f(), base, rowOffsets[i])
		} else {
			a.strq(from(i), base, rowOffsets[i])
		}
	})
}

// loadPartOf and storePartOf move a part of the block.
func (a *asm) loadPartOf(block int, r vec)  { a.moveOne(false, memory("R5", block*vectorBytes), r) }
func (a *asm) storePartOf(block int, r vec) { a.moveOne(true, memory("R5", block*vectorBytes), r) }

func backward(a *asm) {
	a.function("backwardNEON", 184)
	x, v, d, t, u := firstAt(0), firstAt(4), firstAt(8), firstAt(12), firstAt(16)
	const sum, sumX, scale, shift, alpha, passLo, passHi = 20, 21, 22, 23, 24, 25, 26
	a.op("MOVD k+168(FP), R0")
	plain := a.newLabel("plain")
	a.op("CBZ R0, %s", plain)
	a.broadcastFrom("chain_alpha(R0)", alpha)
	a.broadcastFrom("chain_passLo(R0)", passLo)
	a.broadcastFrom("chain_passHi(R0)", passHi)
	a.at(plain)
	for i := range rowsAtOnce {
		a.zero(x(i))
	}
	a.op("MOVD dx_base+0(FP), R0")
	a.op("MOVD dres_base+24(FP), R1")
	a.op("MOVD dy_base+48(FP), R2")
	a.op("MOVD x_base+72(FP), R3")
	a.op("MOVD res_base+96(FP), R4")
	a.op("MOVD block_base+120(FP), R15")
	a.op("MOVD rows+144(FP), R7")
	a.op("MOVD stride+152(FP), R8")
	a.op("LSL $2, R8, R8")
	a.op("MOVD width+160(FP), R14")
	a.op("MOVD flags+176(FP), R9")
	// The block has a vector of each: scale, shift, sum, sumX.
	a.rows([]string{"R0", "R1", "R2", "R3", "R4"}, 4, func() {
		a.rowLoad("R2", d)
		a.loadPartOf(0, scale)
		a.when("R9", "const_doX", func() { a.rowLoad("R3", x) })
		a.when("R9", "(const_doMask|const_doLeaky)", func() {
			a.loadPartOf(1, shift)
			a.each(func(i int) { a.mov(v(i), shift) })
			a.each(func(i int) { a.fmla(v(i), x(i), scale) })
			a.when("R9", "const_doRes", func() {
				a.rowLoad("R4", t)
				a.each(func(i int) { a.fadd(v(i), v(i), t(i)) })
			})
			a.when("R9", "const_doLeaky", func() {
				a.each(func(i int) { a.fcmleZero(t(i), v(i)) })
				for _, r := range []func(int) vec{v, d} {
					a.each(func(i int) { a.fmul(u(i), r(i), alpha) })
					a.each(func(i int) { a.bit(r(i), u(i), t(i)) })
				}
			})
			a.when("R9", "const_doMask", func() {
				a.each(func(i int) { a.fcmge(t(i), v(i), passLo) })
				a.each(func(i int) { a.fcmge(u(i), passHi, v(i)) })
				a.each(func(i int) { a.and(d(i), d(i), t(i)) })
				a.each(func(i int) { a.and(d(i), d(i), u(i)) })
			})
		})
		a.when("R9", "const_doSums", func() {
			a.loadPartOf(2, sum)
			a.loadPartOf(3, sumX)
			a.each(func(i int) {
				a.fadd(sum, sum, d(i))
				a.fmla(sumX, d(i), x(i))
			})
			a.storePartOf(2, sum)
			a.storePartOf(3, sumX)
		})
		a.when("R9", "const_doDx", func() {
			a.whenElse("R9", "const_doAddDx", func() {
				a.rowLoad("R0", v)
				a.each(func(i int) { a.fmla(v(i), d(i), scale) })
			}, func() {
				a.each(func(i int) { a.fmul(v(i), d(i), scale) })
			})
			a.rowStore(v, "R0")
		})
		a.when("R9", "const_doDres", func() {
			a.when("R9", "const_doAddDres", func() {
				a.rowLoad("R1", t)
				a.each(func(i int) { a.fadd(d(i), d(i), t(i)) })
			})
			a.rowStore(d, "R1")
		})
	})
	a.op("RET")
}

// minMax's block has a vector of each: lo, hi. A NaN is neither less nor greater.
func minMax(a *asm) {
	a.function("minMaxNEON", 72)
	x, less, greater := firstAt(0), firstAt(4), firstAt(8)
	const lo, hi = 16, 17
	a.op("MOVD x_base+0(FP), R0")
	a.op("MOVD block_base+24(FP), R15")
	a.op("MOVD rows+48(FP), R7")
	a.op("MOVD stride+56(FP), R8")
	a.op("LSL $2, R8, R8")
	a.op("MOVD width+64(FP), R14")
	a.rows([]string{"R0"}, 2, func() {
		a.rowLoad("R0", x)
		a.loadPartOf(0, lo)
		a.loadPartOf(1, hi)
		a.each(func(i int) {
			a.fcmgt(less(i), lo, x(i))
			a.bit(lo, x(i), less(i))
			a.fcmgt(greater(i), x(i), hi)
			a.bit(hi, x(i), greater(i))
		})
		a.storePartOf(0, lo)
		a.storePartOf(1, hi)
	})
	a.op("RET")
}
