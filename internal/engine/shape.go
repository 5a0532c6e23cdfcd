package engine

import (
	"fmt"

	"zaq/internal/kernel"
)

// mapOp is an operation without parameters that turns the map of one image into another: its backward pass may
// read x, y and dy. It covers what is not worth a node type of its own.
type mapOp struct {
	x, y     *Tensor
	kind     string
	run      func(y, x []float32)
	gradient func(dx, dy, x, y []float32, accumulate bool)
	// readsX and readsY say what the gradient looks at.
	readsX, readsY bool
}

func (n *mapOp) label() string    { return n.y.Name }
func (n *mapOp) in() []*Tensor    { return []*Tensor{n.x} }
func (n *mapOp) out() *Tensor     { return n.y }
func (n *mapOp) params() []*Param { return nil }

func (n *mapOp) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	b.image(n.kind, 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			n.run(y.at(c, i), x.at(c, i))
		}
	}, x, y)
}

func (n *mapOp) backward(b *builder) {
	dx, accumulate := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	dy := b.grad(n.y)
	var x, y *buffer
	if n.readsX {
		x = b.value(n.x)
	}
	if n.readsY {
		y = b.value(n.y)
	}
	b.image(n.kind+" backward", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			var xi, yi []float32
			if x != nil {
				xi = x.at(c, i)
			}
			if y != nil {
				yi = y.at(c, i)
			}
			n.gradient(dx.at(c, i), dy.at(c, i), xi, yi, accumulate)
		}
	}, dx, dy, x, y)
}

// Tanh adds the hyperbolic tangent.
func (g *Graph) Tanh(name string, x *Tensor) *Tensor {
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: x.H, W: x.W, C: x.C}, kind: "tanh", readsY: true,
		run:      kernel.Tanh,
		gradient: func(dx, dy, _, y []float32, acc bool) { kernel.TanhBackward(dx, dy, y, acc) },
	})
}

// Upsample2x doubles height and width by repetition.
func (g *Graph) Upsample2x(name string, x *Tensor) *Tensor {
	return g.add(&mapOp{
		x: x, y: &Tensor{Name: name, H: 2 * x.H, W: 2 * x.W, C: x.C}, kind: "upsample",
		run: func(y, v []float32) { kernel.UpsampleNearest2x(y, v, x.H, x.W, x.C) },
		gradient: func(dx, dy, _, _ []float32, acc bool) {
			kernel.UpsampleNearest2xBackward(dx, dy, x.H, x.W, x.C, acc)
		},
	})
}

// Window is a part of a map, taken with steps, and placed into a larger map of zeros: what Slice and Pad do along
// height, width and channels.
type Window struct {
	Start, Step [3]int // where an axis of the source begins, and its stride
	Count       [3]int // how much of each axis is taken
	Before      [3]int // zeros before it in the result
	After       [3]int // and behind it
	Value       float32
}

// Window adds a Slice or Pad along the axes height, width and channels.
func (g *Graph) Window(name string, x *Tensor, w Window) (*Tensor, error) {
	size := [3]int{x.H, x.W, x.C}
	var out [3]int
	for a := range 3 {
		last := w.Start[a] + (w.Count[a]-1)*w.Step[a]
		if w.Count[a] < 1 || w.Start[a] < 0 || last < 0 || last >= size[a] || w.Before[a] < 0 || w.After[a] < 0 {
			return nil, fmt.Errorf("%s: window leaves its map %v: %+v", name, size, w)
		}
		out[a] = w.Before[a] + w.Count[a] + w.After[a]
	}
	y := &Tensor{Name: name, H: out[0], W: out[1], C: out[2]}
	rows := func(f func(at, from int)) {
		for i := range w.Count[0] {
			for j := range w.Count[1] {
				at := ((w.Before[0]+i)*y.W+w.Before[1]+j)*y.C + w.Before[2]
				from := ((w.Start[0]+i*w.Step[0])*x.W+w.Start[1]+j*w.Step[1])*x.C + w.Start[2]
				f(at, from)
			}
		}
	}
	step, count := w.Step[2], w.Count[2]
	return g.add(&mapOp{
		x: x, y: y, kind: "window",
		run: func(y, x []float32) {
			if w.Value == 0 {
				clear(y)
			} else {
				for i := range y {
					y[i] = w.Value
				}
			}
			rows(func(at, from int) {
				if step == 1 {
					copy(y[at:at+count], x[from:])
					return
				}
				for k := range count {
					y[at+k] = x[from+k*step]
				}
			})
		},
		gradient: func(dx, dy, _, _ []float32, acc bool) {
			if !acc {
				clear(dx)
			}
			rows(func(at, from int) {
				if step == 1 {
					kernel.Accumulate(dx[from:from+count], dy[at:])
					return
				}
				for k := range count {
					dx[from+k*step] += dy[at+k]
				}
			})
		},
	}), nil
}
