package engine

import (
	"fmt"

	"zaq/internal/kernel"
)

// conv is a convolution without bias: y = x * w, w [KH, KW, Cin/Groups, Cout].
type conv struct {
	x, y  *Tensor
	w     *Weight
	shape kernel.ConvShape
	plan  *kernel.Conv

	packed, packedGrad   []float32
	version, gradVersion int
}

// Conv adds the convolution of x with w; the shape's H, W and Cin are those of x.
func (g *Graph) Conv(name string, x *Tensor, w *Weight, s kernel.ConvShape) (*Tensor, error) {
	s.H, s.W, s.Cin = x.H, x.W, x.C
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(w.Data) != s.Weights() {
		return nil, fmt.Errorf("%s: %d weights where the shape needs %d", name, len(w.Data), s.Weights())
	}
	n := &conv{x: x, w: w, shape: s}
	if g.fast {
		n.plan = kernel.NewConv(s)
	} else {
		n.plan = kernel.NewDirectConv(s)
	}
	n.y = &Tensor{Name: name, H: s.OutH(), W: s.OutW(), C: s.Cout}
	return g.add(n), nil
}

func (n *conv) label() string    { return n.y.Name }
func (n *conv) in() []*Tensor    { return []*Tensor{n.x} }
func (n *conv) out() *Tensor     { return n.y }
func (n *conv) params() []*Param { return []*Param{n.w.Param} }

func (n *conv) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	if n.packed == nil {
		n.packed = make([]float32, n.plan.PackedLen())
	}
	b.prepare(n.w, func() {
		if w := n.w.Value(); n.version != n.w.version {
			n.plan.Pack(n.packed, w)
			n.version = n.w.version
		}
	})
	n.forwardStep(b, "forward", x, y)
	b.keepable(n.y)
}

// forwardStep adds the step that makes y of x, the packed weights being there.
func (n *conv) forwardStep(b *builder, what string, x, y *buffer) {
	b.image(n.kernel(what, n.plan.ForwardFlops()), n.plan.ForwardFlops(), func(c *chunk) {
		switch {
		case n.plan.ByPixel():
			y := y.all(c)
			n.plan.ForwardPixels(len(y)/n.y.C, y, x.all(c), n.packed)
		case c.pieces > 1:
			r0, r1 := c.rows(n.y.H)
			n.plan.ForwardRows(r0, r1, y.all(c), x.whole(c, c.n0, c.n1), n.packed)
		default:
			n.plan.ForwardBatch(c.n1-c.n0, y.all(c), x.all(c), n.packed, c.w.scratch)
		}
	}, x, y)
	b.nominal(n.shape.Flops())
	b.together(n.reads(), n.plan.BatchScratchLen)
	b.inRows(n.plan.ForwardByRows(), n, n.y.H, x)
}

func (n *conv) backward(b *builder) {
	dy := b.grad(n.y)
	if dw := n.sums(b); dw != nil {
		b.trains(n.w)
		x := b.again(n.x, n.reads())
		b.image(n.kernel("weight gradient", n.plan.WeightGradFlops()), n.plan.WeightGradFlops(), func(c *chunk) {
			dw := dw.lane[c.lane]
			switch {
			case n.plan.ByPixel():
				dy := dy.all(c)
				n.plan.WeightGradPixels(len(dy)/n.y.C, dw, x.all(c), dy, c.w.scratch)
			case c.pieces > 1:
				r0, r1 := c.rows(n.y.H)
				n.plan.WeightGradRows(r0, r1, dw, x.whole(c, c.n0, c.n1), dy.whole(c, c.n0, c.n1))
			default:
				n.plan.WeightGradBatch(c.n1-c.n0, dw, x.all(c), dy.all(c), c.w.scratch)
			}
		}, x, dy)
		b.nominal(n.shape.Flops())
		b.together(n.reads(), n.plan.BatchScratchLen)
		b.inRows(n.plan.WeightGradByRows(), n, n.y.H, x, dy)
	}
	dx, accumulate := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	if n.packedGrad == nil {
		n.packedGrad = make([]float32, n.plan.PackedGradLen())
	}
	b.prepare(n.w, func() {
		if w := n.w.Value(); n.gradVersion != n.w.version {
			n.plan.PackGrad(n.packedGrad, w)
			n.gradVersion = n.w.version
		}
	})
	b.image(n.kernel("input gradient", n.plan.InputGradFlops()), n.plan.InputGradFlops(), func(c *chunk) {
		switch {
		case n.plan.ByPixel():
			dx := dx.all(c)
			n.plan.InputGradPixels(len(dx)/n.x.C, dx, dy.all(c), n.packedGrad, accumulate)
		case c.pieces > 1:
			r0, r1 := c.rows(n.x.H)
			n.plan.InputGradRows(r0, r1, dx.all(c), dy.whole(c, c.n0, c.n1), n.packedGrad, accumulate)
		default:
			n.plan.InputGradBatch(c.n1-c.n0, dx.all(c), dy.all(c), n.packedGrad, c.w.scratch, accumulate)
		}
	}, dx, dy)
	b.nominal(n.shape.Flops())
	b.together(n.reads(), n.plan.BatchScratchLen)
	b.inRows(n.plan.InputGradByRows(), n, n.x.H, dy)
}

// inRows is byRows for a step of n, which needs what it reads complete, if it works by rows and not by pixels.
func (b *builder) inRows(can bool, n *conv, rows int, reads ...*buffer) {
	if n.plan.ByPixel() {
		b.byRows(rows)
	} else if can {
		b.byRows(rows, reads...)
	}
}

// sums are where image steps add the gradient of w, or those of the products that the kernel computes it by; nil where it
// is not wanted.
func (n *conv) sums(b *builder) *laneSums[float32] {
	if products := n.plan.Products(); products > 0 {
		return b.productSums(n.w.Param, products, n.shape.Cin*n.shape.Cout, n.plan.ProductsGrad)
	}
	return b.laneGrad(n.w.Param)
}

// reads is how many weights a pass reads; by Winograd's algorithm 16 for every nine.
func (n *conv) reads() int { return max(n.shape.Weights(), n.plan.PackedLen()) }

// kernel names what a pass runs; one that executes less than the definition is Winograd's.
func (n *conv) kernel(pass string, flops float64) string {
	s := n.shape
	name := fmt.Sprintf("conv %dx%d/%d %s", s.KH, s.KW, s.StrideH, pass)
	if flops < s.Flops() {
		name += ", winograd"
	}
	return name
}
