package engine

import (
	"fmt"
	"math"

	"zaq/internal/operator"
)

// slope is a derivative for the backward pass: 0 where there is none, as of a square root at 0. Values are rounded to such points,
// and one infinite gradient, or the NaN that it makes of a 0, would end all training.
func slope(v float64) float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	return v
}

// Apply adds f of every element.
func (g *Graph) Apply(name string, x *Tensor, f operator.Scalar) *Tensor {
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: x.H, W: x.W, C: x.C}, kind: "function", readsX: true,
		run: func(y, x []float32) {
			for i, v := range x {
				y[i] = float32(f.Value(float64(v)))
			}
		},
		gradient: func(dx, dy, x, _ []float32, acc bool) {
			for i, v := range x {
				put(dx, i, float32(float64(dy[i])*slope(f.Slope(float64(v)))), acc)
			}
		},
	})
}

// ApplyConstant adds f of every element and a constant: k has one for each element of a map. With constantFirst it is
// the function's first argument.
func (g *Graph) ApplyConstant(name string, x *Tensor, f operator.Pair, k []float32, constantFirst bool) (*Tensor, error) {
	if len(k) != x.Len() {
		return nil, fmt.Errorf("%s: %d constants for %v", name, len(k), x)
	}
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: x.H, W: x.W, C: x.C}, kind: "function", readsX: true,
		run: func(y, x []float32) {
			for i, v := range x {
				a, b := float64(v), float64(k[i])
				if constantFirst {
					a, b = b, a
				}
				y[i] = float32(f.Value(a, b))
			}
		},
		gradient: func(dx, dy, x, _ []float32, acc bool) {
			for i, v := range x {
				var s float64
				if constantFirst {
					_, s = f.Slope(float64(k[i]), float64(v))
				} else {
					s, _ = f.Slope(float64(v), float64(k[i]))
				}
				put(dx, i, float32(float64(dy[i])*slope(s)), acc)
			}
		},
	}), nil
}

// pairwise is f of the elements of two maps of the same shape.
type pairwise struct {
	a, b, y *Tensor
	f       operator.Pair
}

// Combine adds f of each pair of elements of two maps of the same shape.
func (g *Graph) Combine(name string, a, b *Tensor, f operator.Pair) (*Tensor, error) {
	if a.Len() != b.Len() {
		return nil, fmt.Errorf("%s: %v and %v", name, a, b)
	}
	return g.add(&pairwise{a, b, &Tensor{Name: name, H: a.H, W: a.W, C: a.C}, f}), nil
}

func (n *pairwise) label() string    { return n.y.Name }
func (n *pairwise) in() []*Tensor    { return []*Tensor{n.a, n.b} }
func (n *pairwise) out() *Tensor     { return n.y }
func (n *pairwise) params() []*Param { return nil }

func (n *pairwise) forward(b *builder) {
	u, v, y := b.value(n.a), b.value(n.b), b.value(n.y)
	b.image("function", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			out, p, q := y.at(c, i), u.at(c, i), v.at(c, i)
			for j := range out {
				out[j] = float32(n.f.Value(float64(p[j]), float64(q[j])))
			}
		}
	}, u, v, y)
}

func (n *pairwise) backward(b *builder) {
	u, v, dy := b.value(n.a), b.value(n.b), b.grad(n.y)
	du, accU := b.gradTarget(n.a)
	dv, accV := b.gradTarget(n.b)
	b.image("function backward", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			d, p, q := dy.at(c, i), u.at(c, i), v.at(c, i)
			var intoU, intoV []float32
			if du != nil {
				intoU = du.at(c, i)
			}
			if dv != nil {
				intoV = dv.at(c, i)
			}
			for j, e := range d {
				s, t := n.f.Slope(float64(p[j]), float64(q[j]))
				put(intoU, j, float32(float64(e)*slope(s)), accU)
				put(intoV, j, float32(float64(e)*slope(t)), accV)
			}
		}
	}, u, v, dy, du, dv)
}
