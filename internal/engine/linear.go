package engine

import (
	"fmt"

	"zaq/internal/kernel"
)

// linear is y = x w + bias over the flattened map of an image; w [K, M], M = H*W*C of y.
type linear struct {
	x, y       *Tensor
	w          *Weight
	bias       *Param
	transposed []float32 // w^T [M, K], for the input gradient
	version    int
}

// Linear adds a linear layer with w [len(x), h*w*c] and optional bias; its output is a map of h x w x c.
func (g *Graph) Linear(name string, x *Tensor, w *Weight, bias *Param, h, wd, c int) (*Tensor, error) {
	y := &Tensor{Name: name, H: h, W: wd, C: c}
	if len(w.Data) != x.Len()*y.Len() || w.Channels != y.Len() {
		return nil, fmt.Errorf("%s: %d weights for %d inputs and %d outputs", name, len(w.Data), x.Len(), y.Len())
	}
	if bias != nil && len(bias.Data) != y.Len() {
		return nil, fmt.Errorf("%s: %d biases for %d outputs", name, len(bias.Data), y.Len())
	}
	return g.add(&linear{x: x, y: y, w: w, bias: bias}), nil
}

func (n *linear) label() string { return n.y.Name }
func (n *linear) in() []*Tensor { return []*Tensor{n.x} }
func (n *linear) out() *Tensor  { return n.y }
func (n *linear) params() []*Param {
	if n.bias == nil {
		return []*Param{n.w.Param}
	}
	return []*Param{n.w.Param, n.bias}
}

func (n *linear) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	k, m := n.x.Len(), n.y.Len()
	p := b.p
	b.prepare(n.w, nil)
	parts := columnParts(m)
	b.global("linear forward", parts, func(t int) {
		from, to := columnPart(m, t, parts)
		out := y.rows(p, 0, p.batch)
		kernel.MatMulColumns(out, x.rows(p, 0, p.batch), n.w.value, p.batch, k, m, from, to, false)
		if n.bias != nil {
			for ; len(out) > 0; out = out[m:] {
				kernel.Accumulate(out[from:to], n.bias.Data[from:to])
			}
		}
	}, x, y)
	b.costs(n.flops())
}

// The products share columns of the weights, not images: weights can be far more than what an image brings. A part is at least
// fewestColumns wide.
const fewestColumns = 64

func columnParts(m int) int { return min(lanes, (m+fewestColumns-1)/fewestColumns) }

func columnPart(m, part, parts int) (from, to int) {
	blocks := (m + fewestColumns - 1) / fewestColumns
	return blocks * part / parts * fewestColumns, min(m, blocks*(part+1)/parts*fewestColumns)
}

// flops are those of one of its products for an image.
func (n *linear) flops() float64 { return 2 * float64(n.x.Len()) * float64(n.y.Len()) }

func (n *linear) backward(b *builder) {
	x, dy := b.value(n.x), b.grad(n.y)
	k, m := n.x.Len(), n.y.Len()
	p := b.p
	if n.bias != nil && b.wrt[n.bias] {
		b.global("bias gradient", 1, func(int) {
			g := n.bias.Grad
			for rows := dy.rows(p, 0, p.batch); len(rows) > 0; rows = rows[m:] {
				kernel.Accumulate(g, rows[:m])
			}
		}, dy)
	}
	if b.wrt[n.w.Param] {
		b.trains(n.w)
		xt := make([]float32, k*p.batch)
		b.global("transpose", 1, func(int) {
			rows := x.rows(p, 0, p.batch)
			for i := range k {
				for j := range p.batch {
					xt[i*p.batch+j] = rows[j*k+i]
				}
			}
		}, x)
		parts := columnParts(m)
		b.global("linear weight gradient", parts, func(t int) {
			from, to := columnPart(m, t, parts)
			kernel.MatMulColumns(n.w.Grad, xt, dy.rows(p, 0, p.batch), k, p.batch, m, from, to, true)
		}, dy)
		b.costs(n.flops())
	}
	dx, accumulate := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	if n.transposed == nil {
		n.transposed = make([]float32, k*m)
	}
	b.prepare(n.w, func() {
		w := n.w.Value()
		if n.version == n.w.version {
			return
		}
		n.version = n.w.version
		for i := range k {
			for j := range m {
				n.transposed[j*k+i] = w[i*m+j]
			}
		}
	})
	b.global("linear input gradient", lanes, func(l int) {
		n0, n1 := p.lane(l)
		kernel.MatMul(dx.rows(p, n0, n1), dy.rows(p, n0, n1), n.transposed, n1-n0, m, k, accumulate)
	}, dx, dy)
	b.costs(n.flops())
}
