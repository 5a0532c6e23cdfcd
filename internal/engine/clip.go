package engine

// ClipChannels adds a clip of each channel to limits of its own. The gradient passes within them only.
func (g *Graph) ClipChannels(name string, x *Tensor, lo, hi []float32) *Tensor {
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: x.H, W: x.W, C: x.C}, kind: "clip channels", readsX: true,
		run: func(y, x []float32) {
			c := len(lo)
			for i := 0; i < len(x); i += c {
				for k, v := range x[i : i+c] {
					y[i+k] = min(max(v, lo[k]), hi[k])
				}
			}
		},
		gradient: func(dx, dy, x, _ []float32, acc bool) {
			for i, v := range x {
				d, k := dy[i], i%len(lo)
				if v < lo[k] || v > hi[k] {
					d = 0
				}
				put(dx, i, d, acc)
			}
		},
	})
}
