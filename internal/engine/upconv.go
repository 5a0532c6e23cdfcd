package engine

import (
	"fmt"

	"zaq/internal/kernel"
)

// upconv is a nearest 2x upsampling followed by a 3x3 convolution with padding 1, computed without the larger map
// in between. An output pixel of the phase (a, b) = (row mod 2, column mod 2) sees only 2x2 different pixels of
// x, so each phase is a 2x2 convolution of x whose weights are sums of the 3x3 weights: 4/9 of the
// multiplications, and the same function, at zero-padded borders too.
type upconv struct {
	x, y  *Tensor
	w     *Weight
	phase [4]upPhase
}

// upPhase is the convolution that makes the pixels of one phase.
type upPhase struct {
	plan               *kernel.Conv
	w                  []float32 // [2, 2, Cin, Cout]
	packed, packedGrad []float32
	version            int
	gradVersion        int
}

// upTap says which row of a phase's 2x2 window the row k of the 3x3 window falls on.
func upTap(phase, k int) int { return (phase+k+1)/2 - phase }

// UpsampleConv adds Upsample2x and a 3x3 convolution with padding 1 and weights w [3, 3, Cin, Cout].
func (g *Graph) UpsampleConv(name string, x *Tensor, w *Weight) (*Tensor, error) {
	cout := w.Channels
	if len(w.Data) != 9*x.C*cout {
		return nil, fmt.Errorf("%s: %d weights where the shape needs %d", name, len(w.Data), 9*x.C*cout)
	}
	n := &upconv{x: x, y: &Tensor{Name: name, H: 2 * x.H, W: 2 * x.W, C: cout}, w: w}
	for i := range n.phase {
		a, b := i/2, i%2
		n.phase[i].w = make([]float32, 4*x.C*cout)
		n.phase[i].plan = kernel.NewConv(kernel.ConvShape{
			H: x.H, W: x.W, Cin: x.C, Cout: cout, KH: 2, KW: 2, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
			PadTop: 1 - a, PadBottom: a, PadLeft: 1 - b, PadRight: b, Groups: 1,
		})
	}
	return g.add(n), nil
}

func (n *upconv) label() string    { return n.y.Name }
func (n *upconv) in() []*Tensor    { return []*Tensor{n.x} }
func (n *upconv) out() *Tensor     { return n.y }
func (n *upconv) params() []*Param { return []*Param{n.w.Param} }

// each calls f for every tap of the 3x3 window with the tap of phase i that it is added to.
func (n *upconv) each(i int, f func(tap, into int)) {
	for ky := range 3 {
		for kx := range 3 {
			f(ky*3+kx, upTap(i/2, ky)*2+upTap(i%2, kx))
		}
	}
}

// sum derives the weights of phase i.
func (n *upconv) sum(i int) {
	p, size := &n.phase[i], n.x.C*n.w.Channels
	clear(p.w)
	n.each(i, func(tap, into int) {
		kernel.Accumulate(p.w[into*size:][:size], n.w.value[tap*size:][:size])
	})
}

// pack derives what the kernels of phase i read from the weights, where it is not up to date.
func (n *upconv) pack(i int) {
	p := &n.phase[i]
	if p.version != n.w.version {
		n.sum(i)
		p.plan.Pack(p.packed, p.w)
		p.version = n.w.version
	}
	if p.packedGrad != nil && p.gradVersion != n.w.version {
		p.plan.PackGrad(p.packedGrad, p.w)
		p.gradVersion = n.w.version
	}
}

// rows calls f for every row of phase i with where it begins in the phase's own map and in y.
func (n *upconv) rows(i int, f func(phaseRow, row int)) {
	c := n.y.C
	for r := range n.x.H {
		f(r*n.x.W*c, ((2*r+i/2)*n.y.W+i%2)*c)
	}
}

// flops are those executed for one image.
func (n *upconv) flops() float64 { return 2 * 16 * float64(n.x.H*n.x.W*n.x.C*n.y.C) }

func (n *upconv) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	size, scratch := n.x.H*n.x.W*n.y.C, 0
	for i := range n.phase {
		p := &n.phase[i]
		if p.packed == nil {
			p.packed = make([]float32, p.plan.PackedLen())
		}
		scratch = max(scratch, p.plan.ScratchLen())
		b.prepare(n.w, func() { n.pack(i) })
	}
	b.p.needScratch(scratch + size)
	c := n.y.C
	b.image("upsample + conv 3x3 forward", n.flops(), func(ch *chunk) {
		part, rest := ch.scratch(size), ch.scratch(size + scratch)[size:]
		for k := ch.n0; k < ch.n1; k++ {
			in, out := x.at(ch, k), y.at(ch, k)
			for i := range n.phase {
				n.phase[i].plan.Forward(part, in, n.phase[i].packed, rest)
				n.rows(i, func(from, to int) {
					for range n.x.W {
						copy(out[to:to+c], part[from:from+c])
						from, to = from+c, to+2*c
					}
				})
			}
		}
	}, x, y)
}

func (n *upconv) backward(b *builder) {
	x, dy := b.value(n.x), b.grad(n.y)
	dx, accumulate := b.gradTarget(n.x)
	var sums [4]*laneSums[float32]
	if b.wrt[n.w.Param] {
		b.trains(n.w)
		for i := range sums {
			sums[i] = newLaneSums[float32](len(n.phase[i].w))
		}
		b.p.finish = append(b.p.finish, func() { n.weightGrad(sums) })
	}
	size, scratch := n.x.H*n.x.W*n.y.C, 0
	for i := range n.phase {
		p := &n.phase[i]
		scratch = max(scratch, p.plan.ScratchLen())
		if dx == nil {
			continue
		}
		if p.packedGrad == nil {
			p.packedGrad = make([]float32, p.plan.PackedGradLen())
		}
	}
	b.p.needScratch(scratch + size)
	c := n.y.C
	flops := n.flops()
	if dx != nil && sums[0] != nil {
		flops *= 2
	}
	b.image("upsample + conv 3x3 gradients", flops, func(ch *chunk) {
		part, rest := ch.scratch(size), ch.scratch(size + scratch)[size:]
		for k := ch.n0; k < ch.n1; k++ {
			from := dy.at(ch, k)
			for i := range n.phase {
				n.rows(i, func(to, at int) {
					for range n.x.W {
						copy(part[to:to+c], from[at:at+c])
						to, at = to+c, at+2*c
					}
				})
				if sums[i] != nil {
					n.phase[i].plan.WeightGrad(sums[i].lane[ch.lane], x.at(ch, k), part, rest)
				}
				if dx != nil {
					n.phase[i].plan.InputGrad(dx.at(ch, k), part, n.phase[i].packedGrad, rest, accumulate || i > 0)
				}
			}
		}
	}, x, dy, dx)
}

// weightGrad adds to the gradient of the 3x3 weights: that of each tap is the sum of those of the phases' taps
// that it went into.
func (n *upconv) weightGrad(sums [4]*laneSums[float32]) {
	size := n.x.C * n.w.Channels
	g := n.w.Grad
	part := make([]float32, len(n.phase[0].w))
	for i, s := range sums {
		s.drain(part, 0, len(part))
		n.each(i, func(tap, from int) {
			kernel.Accumulate(g[tap*size:][:size], part[from*size:][:size])
		})
	}
}
