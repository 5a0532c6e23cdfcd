package engine

// Jitter is a shift of maps, what leaves at one border coming back at the other, and a reflection. It may be changed
// between runs.
type Jitter struct {
	DY, DX int // pixels down and to the right, of any sign
	Mirror bool
}

// Jitter adds x shifted and mirrored as j says when the program runs.
func (g *Graph) Jitter(name string, x *Tensor, j *Jitter) *Tensor {
	// move calls f with the offsets of a pixel of the result and of its source.
	move := func(f func(to, from int)) {
		for y := range x.H {
			sy := ((y-j.DY)%x.H + x.H) % x.H
			for i := range x.W {
				sx := ((i-j.DX)%x.W + x.W) % x.W
				if j.Mirror {
					sx = x.W - 1 - sx
				}
				f((y*x.W+i)*x.C, (sy*x.W+sx)*x.C)
			}
		}
	}
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: x.H, W: x.W, C: x.C}, kind: "jitter",
		run: func(y, v []float32) {
			move(func(to, from int) { copy(y[to:to+x.C], v[from:]) })
		},
		gradient: func(dx, dy, _, _ []float32, acc bool) {
			move(func(to, from int) {
				for k := range x.C {
					put(dx, from+k, dy[to+k], acc)
				}
			})
		},
	})
}
