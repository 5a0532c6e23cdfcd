package engine

import (
	"slices"

	"zaq/internal/kernel"
)

// again returns the map of t for a backward step of a layer that reads so many weights. What one pass makes of a map
// that is kept anyway is not kept beside it but made again, just before it is needed: for a cached pass more, half of
// what a network's forward pass leaves behind is neither written to memory nor read from it.
func (b *builder) again(t *Tensor, weights int) *buffer {
	n, ok := b.makers[t].(*pointwise)
	if !ok || !n.remade(b) || slices.Contains(b.p.outputs, t) {
		return b.value(t)
	}
	x := b.again(n.x, weights)
	layer := b.p.layer
	b.p.layer = n.label()
	y := b.p.newBuffer(t.Name+" again", t.Len())
	b.image("pointwise again", 0, func(c *chunk) { n.k.Forward(y.all(c), x.all(c), nil) }, x, y)
	b.together(weights, nil)
	b.byRows(t.H)
	b.p.layer = layer
	return y
}

// remade reports whether y is made again from x where the backward pass needs it: where x is there, as the chain's
// own gradient needs it.
func (n *pointwise) remade(b *builder) bool {
	return n.res == nil && b.needs[n.y] && n.readsX(b)
}

// readsX reports whether the gradient of the chain depends on x: on which side of a bend it was, or for the sums of
// a normalization.
func (n *pointwise) readsX(b *builder) bool { return n.bends() || n.sums(b) }

func (n *pointwise) bends() bool { return n.act.Kind != kernel.ActNone || n.quant != nil }

func (n *pointwise) sums(b *builder) bool {
	return n.norm != nil && (n.norm.train || b.wrt[n.norm.gamma] || b.wrt[n.norm.beta])
}
