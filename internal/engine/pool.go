package engine

import "math"

// Pool is a sliding window.
type Pool struct {
	Kernel, Stride, Dilation [2]int // of an average, Dilation is 1
	Pads                     [4]int // top, left, bottom, right
	// CountIncludePad divides an average by the whole window, padding included.
	CountIncludePad bool
}

func (p Pool) out(h, w int) (int, int) {
	windows := func(a, d int) int {
		return (d+p.Pads[a]+p.Pads[a+2]-(p.Kernel[a]-1)*p.Dilation[a]-1)/p.Stride[a] + 1
	}
	return windows(0, h), windows(1, w)
}

// each calls f for every output pixel with the bounds of its window, cut to the map. From y0 and x0 on, elements are p.Dilation apart.
func (p Pool) each(h, w int, f func(at, y0, y1, x0, x1 int)) {
	bounds := func(a, i, d int) (first, end int) {
		first = i*p.Stride[a] - p.Pads[a]
		end = min(first+(p.Kernel[a]-1)*p.Dilation[a]+1, d)
		if first < 0 {
			first += (p.Dilation[a] - 1 - first) / p.Dilation[a] * p.Dilation[a]
		}
		return first, end
	}
	oh, ow := p.out(h, w)
	for i := range oh {
		y0, y1 := bounds(0, i, h)
		for j := range ow {
			x0, x1 := bounds(1, j, w)
			f(i*ow+j, y0, y1, x0, x1)
		}
	}
}

func (p Pool) share(y0, y1, x0, x1 int) float32 {
	if p.CountIncludePad {
		return 1 / float32(p.Kernel[0]*p.Kernel[1])
	}
	return 1 / float32((y1-y0)*(x1-x0))
}

// AveragePool adds the mean over windows.
func (g *Graph) AveragePool(name string, x *Tensor, p Pool) *Tensor {
	oh, ow := p.out(x.H, x.W)
	c := x.C
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: oh, W: ow, C: c}, kind: "average pool",
		run: func(y, v []float32) {
			clear(y)
			p.each(x.H, x.W, func(at, y0, y1, x0, x1 int) {
				out := y[at*c : at*c+c]
				for i := y0; i < y1; i++ {
					for j := x0; j < x1; j++ {
						in := v[(i*x.W+j)*c:][:c]
						for k, e := range in {
							out[k] += e
						}
					}
				}
				s := p.share(y0, y1, x0, x1)
				for k := range out {
					out[k] *= s
				}
			})
		},
		gradient: func(dx, dy, _, _ []float32, acc bool) {
			if !acc {
				clear(dx)
			}
			p.each(x.H, x.W, func(at, y0, y1, x0, x1 int) {
				s := p.share(y0, y1, x0, x1)
				from := dy[at*c : at*c+c]
				for i := y0; i < y1; i++ {
					for j := x0; j < x1; j++ {
						into := dx[(i*x.W+j)*c:][:c]
						for k, e := range from {
							into[k] += float32(s * e)
						}
					}
				}
			})
		},
	})
}

// GlobalAveragePool adds the mean over height and width.
func (g *Graph) GlobalAveragePool(name string, x *Tensor) *Tensor {
	return g.AveragePool(name, x, Pool{Kernel: [2]int{x.H, x.W}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}})
}

// MaxPool adds the maximum over windows. The gradient goes to the first of equal values.
func (g *Graph) MaxPool(name string, x *Tensor, p Pool) *Tensor {
	oh, ow := p.out(x.H, x.W)
	c := x.C
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: oh, W: ow, C: c}, kind: "max pool", readsX: true, readsY: true,
		run: func(y, v []float32) {
			for i := range y {
				y[i] = float32(math.Inf(-1))
			}
			p.each(x.H, x.W, func(at, y0, y1, x0, x1 int) {
				out := y[at*c : at*c+c]
				for i := y0; i < y1; i += p.Dilation[0] {
					for j := x0; j < x1; j += p.Dilation[1] {
						for k, e := range v[(i*x.W+j)*c:][:c] {
							out[k] = max(out[k], e)
						}
					}
				}
			})
		},
		gradient: func(dx, dy, v, y []float32, acc bool) {
			if !acc {
				clear(dx)
			}
			p.each(x.H, x.W, func(at, y0, y1, x0, x1 int) {
				for k := range c {
					d, m := dy[at*c+k], y[at*c+k]
				window:
					for i := y0; i < y1; i += p.Dilation[0] {
						for j := x0; j < x1; j += p.Dilation[1] {
							if e := (i*x.W+j)*c + k; v[e] == m {
								dx[e] += d
								break window
							}
						}
					}
				}
			})
		},
	})
}
