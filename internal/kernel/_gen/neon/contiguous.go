package main

import "fmt"

// unit is the size of what a loop's body takes one of.
func (a *asm) unit() int {
	if a.element {
		return 4
	}
	return vectorBytes
}

// contiguous writes a loop over R1 elements: unroll vectors a turn, then single vectors, then single elements. Arrays
// and parameters are registers that move along; parameters go back after R16 bytes, which only whole turns reach.
// R17 is used if there are parameters. The function returns at the end.
func (a *asm) contiguous(unroll int, arrays, params []string, body func()) {
	a.run(unroll, arrays, params, body)
	a.op("RET")
}

// run is contiguous without the return.
func (a *asm) run(unroll int, arrays, params []string, body func()) {
	if len(params) > 0 {
		a.op("MOVD $0, R17")
	}
	for _, level := range []struct {
		unroll  int
		element bool
	}{{unroll, false}, {1, false}, {1, true}} {
		if level.unroll == 1 && !level.element && unroll == 1 && a.unroll == 1 {
			continue // written already
		}
		a.unroll, a.element = level.unroll, level.element
		bytes := a.unroll * a.unit()
		loop, end := a.newLabel("loop"), a.newLabel("end")
		a.op("SUBS $%d, R1, R1", bytes/4)
		a.op("BLT %s", end)
		a.at(loop)
		body()
		for _, r := range append(arrays[:len(arrays):len(arrays)], params...) {
			a.op("ADD $%d, %[2]s, %[2]s", bytes, r)
		}
		if level.unroll > 1 && len(params) > 0 {
			same := a.newLabel("same")
			a.op("ADD $%d, R17, R17", bytes)
			a.op("CMP R16, R17")
			a.op("BNE %s", same)
			for _, r := range append(params[:len(params):len(params)], "R17") {
				a.op("SUB R16, %[1]s, %[1]s", r)
			}
			a.at(same)
		}
		a.op("SUBS $%d, R1, R1", bytes/4)
		a.op("BGE %s", loop)
		a.at(end)
		a.op("ADD $%d, R1, R1", bytes/4)
	}
	a.unroll = 0
}

// each runs do for every vector, or element, of the turn.
func (a *asm) each(do func(i int)) {
	for i := range a.unroll {
		do(i)
	}
}

// load and store move the turn's vectors, or element, of the array in base.
func (a *asm) load(base string, to func(i int) vec)    { a.moves("FLD", base, to) }
func (a *asm) store(from func(i int) vec, base string) { a.moves("FST", base, from) }

func (a *asm) moves(name, base string, r func(i int) vec) {
	for i := 0; i < a.unroll; i++ {
		if !a.element && i+1 < a.unroll {
			pair := fmt.Sprintf("(%s, %s)", r(i).f(), r(i+1).f())
			a.move(name+"PQ", name == "FST", memory(base, i*vectorBytes), pair)
			i++
			continue
		}
		a.moveOne(name == "FST", memory(base, i*a.unit()), r(i))
	}
}

func (a *asm) move(name string, store bool, mem, register string) {
	if store {
		mem, register = register, mem
	}
	a.op("%s %s, %s", name, mem, register)
}

// moveOne moves a vector or an element.
func (a *asm) moveOne(store bool, mem string, r vec) {
	name := "FMOVQ"
	if a.element {
		name = "FMOVS"
	}
	a.move(name, store, mem, r.f())
}

// when writes body under the condition that one of the flags is set in a register, which is tested at each turn of the
// loop: the branch is always predicted, and is paid once for all vectors of the turn.
func (a *asm) when(register, flags string, body func()) { a.whenElse(register, flags, body, nil) }

func (a *asm) whenElse(register, flags string, body, other func()) {
	skip, end := a.newLabel("skip"), a.newLabel("end")
	a.op("TST $%s, %s", flags, register)
	a.op("BEQ %s", skip)
	body()
	if other != nil {
		a.op("B %s", end)
	}
	a.at(skip)
	if other != nil {
		other()
		a.at(end)
	}
}

func firstAt(r vec) func(int) vec { return func(i int) vec { return r + vec(i) } }
func always(r vec) func(int) vec  { return func(int) vec { return r } }
