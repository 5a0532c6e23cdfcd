package engine

import (
	"slices"

	"zaq/internal/kernel"
)

// remade is a map that was made again, for the steps up to the next barrier.
type remade struct {
	y        *buffer
	barriers int // before it
}

// again returns the map of t for a backward step of a layer that reads so many weights. What is soon made of a map that
// is kept anyway is not kept beside it but made again, just before it is needed: for some work on what is in the cache, more
// than half of what a network's forward pass leaves behind is neither written to memory nor read from it.
func (b *builder) again(t *Tensor, weights int) *buffer {
	n, ok := b.makers[t].(interface {
		again(b *builder, weights int) *buffer
	})
	if !ok || slices.Contains(b.p.outputs, t) {
		return b.value(t)
	}
	if r, ok := b.remade[t]; ok && r.barriers == b.p.barriers {
		return r.y
	}
	layer := b.p.layer
	b.p.layer = b.makers[t].label()
	y := n.again(b, weights)
	b.p.layer = layer
	b.remade[t] = remade{y, b.p.barriers}
	return y
}

// again makes y again where x is there, as the chain's own gradient needs it.
func (n *pointwise) again(b *builder, weights int) *buffer {
	if n.res != nil || !b.needs[n.y] || !n.readsX(b) {
		return b.value(n.y)
	}
	x := b.again(n.x, weights)
	y := b.p.newBuffer(n.y.Name+" again", n.y.Len())
	b.image("pointwise again", 0, func(c *chunk) { n.k.Forward(y.all(c), x.all(c), nil) }, x, y)
	b.together(weights, nil)
	b.byRows(n.y.H)
	return y
}

// again makes y again where that takes so few operations that memory would take longer: if the convolution is depthwise,
// and the forward pass itself has not left y there.
func (n *conv) again(b *builder, weights int) *buffer {
	if k := b.keeps[n.y]; k == nil || n.shape.Groups == 1 || n.shape.Groups != n.shape.Cin || n.shape.Cin != n.shape.Cout || b.readLater(k) {
		return b.value(n.y)
	}
	x := b.again(n.x, weights)
	y := b.p.newBuffer(n.y.Name+" again", n.y.Len())
	n.forwardStep(b, "again", x, y)
	b.nominal(0)
	b.together(weights, n.plan.BatchScratchLen)
	return y
}

// readsX reports whether the gradient of the chain depends on x: on which side of a bend it was, or for the sums of
// a normalization.
func (n *pointwise) readsX(b *builder) bool { return n.bends() || n.sums(b) }

func (n *pointwise) bends() bool { return n.act.Kind != kernel.ActNone || n.quant != nil }

func (n *pointwise) sums(b *builder) bool {
	return n.norm != nil && (n.norm.train || b.wrt[n.norm.gamma] || b.wrt[n.norm.beta])
}
