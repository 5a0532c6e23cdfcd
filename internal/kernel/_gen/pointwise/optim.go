package main

// sgd: d = decay*w + dw; v = momentum*v + d; w -= lr*(look*v + direct*d).
func sgd(w *writer) {
	w.function("sgd", 92)
	w.op("MOVQ", "w_base+0(FP)", "DI")
	w.op("MOVQ", "w_len+8(FP)", "CX")
	w.op("MOVQ", "dw_base+24(FP)", "SI")
	w.op("MOVQ", "v_base+48(FP)", "R8")
	const lr, momentum, decay, direct, look, tail = 8, 9, 10, 11, 12, 14
	w.op("VBROADCASTSS", "k_lr+72(FP)", reg(lr))
	w.op("VBROADCASTSS", "k_momentum+76(FP)", reg(momentum))
	w.op("VBROADCASTSS", "k_decay+80(FP)", reg(decay))
	w.op("VBROADCASTSS", "k_direct+84(FP)", reg(direct))
	w.op("VBROADCASTSS", "k_look+88(FP)", reg(look))
	p, d, v := firstAt(0), firstAt(2), firstAt(4)
	w.contiguous(2, false, tail, func() {
		w.each(func(i int) { w.load(w.at("DI", i), p(i)) })
		w.each(func(i int) { w.load(w.at("SI", i), d(i)) })
		w.each(func(i int) { w.load(w.at("R8", i), v(i)) })
		w.each(func(i int) { w.op("VFMADD231PS", reg(decay), p(i), d(i)) })
		w.each(func(i int) { w.op("VFMADD213PS", d(i), reg(momentum), v(i)) })
		w.each(func(i int) { w.store(v(i), w.at("R8", i)) })
		w.each(func(i int) { w.op("VMULPS", reg(direct), d(i), d(i)) })
		w.each(func(i int) { w.op("VFMADD231PS", reg(look), v(i), d(i)) })
		w.each(func(i int) { w.op("VFNMADD231PS", reg(lr), d(i), p(i)) })
		w.each(func(i int) { w.store(p(i), w.at("DI", i)) })
	})
}

// adam: d = decay*w + dw; m = beta1*m + rest1*d; v = beta2*v + rest2*d*d; w -= rate*m/(root*sqrt(v) + eps).
func adam(w *writer) {
	w.function("adam", 128)
	w.op("MOVQ", "w_base+0(FP)", "DI")
	w.op("MOVQ", "w_len+8(FP)", "CX")
	w.op("MOVQ", "dw_base+24(FP)", "SI")
	w.op("MOVQ", "m_base+48(FP)", "R8")
	w.op("MOVQ", "v_base+72(FP)", "R9")
	const decay, beta1, rest1, beta2, rest2, root, eps, rate, tail = 5, 6, 7, 8, 9, 10, 11, 12, 14
	w.op("VBROADCASTSS", "k_decay+96(FP)", reg(decay))
	w.op("VBROADCASTSS", "k_beta1+100(FP)", reg(beta1))
	w.op("VBROADCASTSS", "k_rest1+104(FP)", reg(rest1))
	w.op("VBROADCASTSS", "k_beta2+108(FP)", reg(beta2))
	w.op("VBROADCASTSS", "k_rest2+112(FP)", reg(rest2))
	w.op("VBROADCASTSS", "k_root+116(FP)", reg(root))
	w.op("VBROADCASTSS", "k_eps+120(FP)", reg(eps))
	w.op("VBROADCASTSS", "k_rate+124(FP)", reg(rate))
	const p, d, m, v, t = reg(0), reg(1), reg(2), reg(3), reg(4)
	w.contiguous(1, false, tail, func() {
		w.load(w.at("DI", 0), p)
		w.load(w.at("SI", 0), d)
		w.load(w.at("R8", 0), m)
		w.load(w.at("R9", 0), v)
		w.op("VFMADD231PS", reg(decay), p, d)
		w.op("VMULPS", reg(rest1), d, t)
		w.op("VFMADD213PS", t, reg(beta1), m)
		w.store(m, w.at("R8", 0))
		w.op("VMULPS", reg(rest2), d, t)
		w.op("VMULPS", t, d, d)
		w.op("VFMADD213PS", d, reg(beta2), v)
		w.store(v, w.at("R9", 0))
		w.op("VSQRTPS", v, v)
		w.op("VFMADD213PS", reg(eps), reg(root), v)
		w.op("VMULPS", reg(rate), m, m)
		w.op("VDIVPS", v, m, m)
		w.op("VSUBPS", m, p, p)
		w.store(p, w.at("DI", 0))
	})
}
