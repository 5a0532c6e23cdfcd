package main

import "fmt"

const (
	lessThan    = "$0x11" // quiet
	lessOrEqual = "$0x12"
	ordered     = "$0x07"
	greaterOrEq = "$0x1d"

	roundMagic = 3 << 22
)

// clamp brings v into [lo, hi]; a NaN stays.
func (w *writer) clamp(v, lo, hi reg) {
	w.op("VMAXPS", v, lo, v)
	w.op("VMINPS", v, hi, v)
}

// toGrid rounds the vectors v to multiples of scale; NaNs become 0. It needs t in AVX2, masks K2 and up in AVX-512.
func (w *writer) toGrid(v, scale, t func(i int) reg, magic reg) {
	w.each(func(i int) {
		if w.masks {
			w.op("VCMPPS", ordered, v(i), v(i), k(i))
		} else {
			w.op("VCMPPS", ordered, v(i), v(i), t(i))
		}
		w.op("VDIVPS", scale(i), v(i), v(i))
	})
	w.each(func(i int) { w.op("VADDPS", magic, v(i), v(i)) })
	w.each(func(i int) { w.op("VSUBPS", magic, v(i), v(i)) })
	w.each(func(i int) {
		if w.masks {
			w.op("VMULPS.Z", scale(i), v(i), k(i), v(i))
		} else {
			w.op("VMULPS", scale(i), v(i), v(i))
			w.op("VANDPS", t(i), v(i), v(i))
		}
	})
}

func k(i int) string { return fmt.Sprintf("K%d", 2+i) }

func firstAt(r reg) func(int) reg { return func(i int) reg { return r + reg(i) } }
func always(r reg) func(int) reg  { return func(int) reg { return r } }

func forward(w *writer) {
	w.function("forward", 136)
	w.op("MOVQ", "y_base+0(FP)", "DI")
	w.op("MOVQ", "y_len+8(FP)", "CX")
	w.op("MOVQ", "x_base+24(FP)", "SI")
	w.op("MOVQ", "res_base+48(FP)", "R8")
	w.op("MOVQ", "scale_base+72(FP)", "R9")
	w.op("MOVQ", "scale_len+80(FP)", "R11")
	w.op("SHLQ", "$2", "R11")
	w.op("MOVQ", "shift_base+96(FP)", "R10")
	w.op("MOVQ", "k+120(FP)", "BX")
	w.op("MOVQ", "flags+128(FP)", "R12")
	const lo, hi, alpha, qscale, magic, zero, tail = 8, 9, 10, 11, 12, 13, 14
	w.op("VBROADCASTSS", "chain_lo(BX)", reg(lo))
	w.op("VBROADCASTSS", "chain_hi(BX)", reg(hi))
	w.op("VBROADCASTSS", "chain_alpha(BX)", reg(alpha))
	w.op("VBROADCASTSS", "chain_qscale(BX)", reg(qscale))
	w.broadcast(roundMagic, magic)
	w.op("VXORPS", reg(zero), reg(zero), reg(zero))
	v, t := firstAt(0), firstAt(4)
	w.contiguous(4, true, tail, func() {
		w.each(func(i int) { w.ahead(w.at("SI", i)) })
		w.each(func(i int) { w.load(w.at("SI", i), v(i)) })
		w.when("R12", "const_doAffine", func() {
			w.each(func(i int) { w.load(w.paramAt("R9", i), t(i)) })
			w.each(func(i int) { w.fmaWith(w.paramAt("R10", i), t(i), v(i)) })
		})
		w.when("R12", "const_doRes", func() {
			w.each(func(i int) { w.addFrom(w.at("R8", i), v(i), t(i)) })
		})
		w.when("R12", "const_doLeaky", func() {
			w.each(func(i int) {
				if w.masks {
					w.op("VCMPPS", lessThan, reg(zero), v(i), k(i))
					w.op("VMULPS", reg(alpha), v(i), k(i), v(i))
				} else {
					w.op("VMULPS", reg(alpha), v(i), t(i))
					w.op("VBLENDVPS", v(i), t(i), v(i), v(i))
				}
			})
		})
		w.each(func(i int) { w.clamp(v(i), lo, hi) })
		w.when("R12", "const_doQuant", func() { w.toGrid(v, always(qscale), t, magic) })
		w.each(func(i int) { w.store(v(i), w.at("DI", i)) })
	})
}

// addFrom adds memory to v; t is spare.
func (w *writer) addFrom(mem string, v, t reg) { w.from("VADDPS", mem, v, t) }

// from makes v what an instruction makes of v and memory; t is spare.
func (w *writer) from(name, mem string, v, t reg) {
	switch {
	case !w.masked:
		w.op(name, mem, v, v)
	case w.masks:
		w.op(name, mem, v, "K1", v)
	default:
		w.load(mem, t)
		w.op(name, t, v, v)
	}
}

// fmaWith makes v = v*a + memory. In AVX2 register 15 is spare.
func (w *writer) fmaWith(mem string, a, v reg) {
	switch {
	case !w.masked:
		w.op("VFMADD213PS", mem, a, v)
	case w.masks:
		w.op("VFMADD213PS", mem, a, "K1", v)
	default:
		w.load(mem, 15)
		w.op("VFMADD213PS", reg(15), a, v)
	}
}
