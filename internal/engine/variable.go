package engine

// variable is a batch of maps that is trained itself.
type variable struct {
	p *Param
	t *Tensor
}

// Variable adds the maps that p holds, [B, h, w, c], one for each image of a batch: images that are optimised.
func (g *Graph) Variable(p *Param, h, w, c int) *Tensor {
	return g.add(&variable{p: p, t: &Tensor{Name: p.Name, H: h, W: w, C: c}})
}

func (n *variable) label() string    { return n.t.Name }
func (n *variable) in() []*Tensor    { return nil }
func (n *variable) out() *Tensor     { return n.t }
func (n *variable) params() []*Param { return []*Param{n.p} }

func (n *variable) forward(b *builder) {
	x := b.value(n.t)
	b.image("variable", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			copy(x.at(c, i), n.p.Data[i*n.t.Len():])
		}
	}, x)
}

func (n *variable) backward(b *builder) {
	dx := b.grad(n.t)
	b.image("variable", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			copy(n.p.Grad[i*n.t.Len():], dx.at(c, i))
		}
	}, dx)
}
