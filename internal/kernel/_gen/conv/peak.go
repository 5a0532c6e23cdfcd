package main

// peak writes a loop of chains independent multiply-adds of registers.
func (a *asm) peak(s set) {
	const chains = 12
	a.function("peak"+s.name, "steps int", 0)
	a.op("MOVQ steps+0(FP), AX")
	a.zero(s, chains+2)
	a.label("loop")
	for i := range chains {
		a.op("VFMADD231PS %s, %s, %s", s.reg(chains), s.reg(chains+1), s.reg(i))
	}
	a.op("DECQ AX")
	a.op("JNE loop")
	a.op("VZEROUPPER")
	a.op("RET")
}
