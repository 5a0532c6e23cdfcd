package engine

import (
	"fmt"

	"zaq/internal/kernel"
)

// upconv is a nearest 2x upsampling followed by a 3x3 convolution with padding 1, computed without the larger map
// in between.
type upconv struct {
	x, y *Tensor
	w    *Weight
	plan *kernel.UpsampleConv

	products           []float32 // the weights that the kernel multiplies with
	packed, packedGrad []float32
	version            [3]int // of each of them
}

// UpsampleConv adds Upsample2x and a 3x3 convolution with padding 1 and weights w [3, 3, Cin, Cout].
func (g *Graph) UpsampleConv(name string, x *Tensor, w *Weight) (*Tensor, error) {
	cout := w.Channels
	if len(w.Data) != 9*x.C*cout {
		return nil, fmt.Errorf("%s: %d weights where the shape needs %d", name, len(w.Data), 9*x.C*cout)
	}
	n := &upconv{x: x, y: &Tensor{Name: name, H: 2 * x.H, W: 2 * x.W, C: cout}, w: w}
	n.plan = kernel.NewUpsampleConv(x.H, x.W, x.C, cout)
	n.products = make([]float32, n.plan.ProductsLen())
	return g.add(n), nil
}

func (n *upconv) label() string    { return n.y.Name }
func (n *upconv) in() []*Tensor    { return []*Tensor{n.x} }
func (n *upconv) out() *Tensor     { return n.y }
func (n *upconv) params() []*Param { return []*Param{n.w.Param} }

// pack derives what the kernel reads from the weights, where it is not up to date.
func (n *upconv) pack() {
	for i, derive := range []func(){
		func() { n.plan.Products(n.products, n.w.value) },
		func() { n.plan.Pack(n.packed, n.products) },
		func() {
			if n.packedGrad != nil {
				n.plan.PackGrad(n.packedGrad, n.products)
			}
		},
	} {
		if n.version[i] != n.w.version {
			derive()
			n.version[i] = n.w.version
		}
	}
}

func (n *upconv) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	if n.packed == nil {
		n.packed = make([]float32, n.plan.PackedLen())
	}
	b.prepare(n.w, n.pack)
	scratch := n.plan.ScratchLen()
	b.p.needScratch(scratch)
	b.image("upsample + conv 3x3 forward", n.plan.Flops(), func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			n.plan.Forward(y.at(c, i), x.at(c, i), n.packed, c.scratch(scratch))
		}
	}, x, y)
}

func (n *upconv) backward(b *builder) {
	x, dy := b.again(n.x, 0), b.grad(n.y)
	dx, accumulate := b.gradTarget(n.x)
	var sums *laneSums[float32]
	flops := 0.0
	if b.wrt[n.w.Param] {
		b.trains(n.w)
		size := n.x.C * n.y.C
		sums = b.productSums(n.w.Param, n.plan.ProductsLen()/size, size, n.plan.ProductsGrad)
		flops += n.plan.Flops()
	}
	if dx != nil {
		flops += n.plan.Flops()
		if n.packedGrad == nil {
			n.packedGrad = make([]float32, n.plan.PackedGradLen())
			n.version[2] = 0
		}
	}
	scratch := n.plan.ScratchLen()
	b.p.needScratch(scratch)
	b.image("upsample + conv 3x3 gradients", flops, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			var into, dproducts []float32
			if dx != nil {
				into = dx.at(c, i)
			}
			if sums != nil {
				dproducts = sums.lane[c.lane]
			}
			n.plan.Gradients(into, dproducts, x.at(c, i), dy.at(c, i), n.packedGrad, c.scratch(scratch), accumulate)
		}
	}, x, dy, dx)
}
