package engine

import (
	"math"

	"zaq/internal/kernel"
)

// Weight is a parameter as a layer uses it: as it is, or rounded to a grid that is derived anew from the
// master weights whenever they change.
type Weight struct {
	*Param
	Channels int // the last axis of Data: output channels

	// Grid chooses scale and zero point of every output channel (or one for all) from the master weights;
	// nil leaves them in full precision.
	Grid *WeightGrid

	value   []float32 // what the layer multiplies with
	rounded int       // version of the parameter that value was derived from
}

// WeightGrid is the quantization of a weight.
type WeightGrid struct {
	QMin, QMax int32
	Scale      []float32 // one, or one per output channel
	Zero       []int32
	// Fit writes Scale and Zero for the weights w [..., channels].
	Fit func(w []float32, scale []float32, zero []int32)
	// PassThrough lets gradients pass outside of the grid's range.
	PassThrough bool
}

// NewWeight returns w [..., channels] as a layer's weight; grid may be nil.
func NewWeight(name string, w []float32, channels int, grid *WeightGrid) *Weight {
	p := &Weight{Param: NewParam(name, w, true), Channels: channels, Grid: grid}
	p.value = p.Data
	if grid != nil {
		p.value = make([]float32, len(w))
	}
	return p
}

// Value returns the weights as the layer uses them, derived anew if the master weights changed.
func (w *Weight) Value() []float32 {
	if w.Grid != nil && w.rounded != w.version {
		g := w.Grid
		g.Fit(w.Data, g.Scale, g.Zero)
		kernel.FakeQuantChannels(w.value, w.Data, g.Scale, g.Zero, g.QMin, g.QMax, w.Channels)
		w.rounded = w.version
	}
	return w.value
}

// backward turns the gradient of Value, in Grad, into that of the master weights (straight through).
func (w *Weight) backward() {
	if g := w.Grid; g != nil {
		kernel.FakeQuantChannelsBackward(w.Grad, w.Grad, w.Data, g.Scale, g.Zero, g.QMin, g.QMax, w.Channels, g.PassThrough)
	}
}

// laneSums is an array of sums that each lane adds to on its own, and that are then added in lane order.
type laneSums[T float32 | float64] struct{ lane [lanes][]T }

func newLaneSums[T float32 | float64](n int) *laneSums[T] {
	s := &laneSums[T]{}
	for i := range s.lane {
		s.lane[i] = make([]T, n)
	}
	return s
}

// drain writes the sums of elements [i0, i1) to dst and clears the lanes for the next run.
func (s *laneSums[T]) drain(dst []T, i0, i1 int) {
	clear(dst[i0:i1])
	s.add(dst, i0, i1)
}

// add is drain on top of what dst holds.
func (s *laneSums[T]) add(dst []T, i0, i1 int) {
	out := dst[i0:i1]
	for _, l := range s.lane {
		l = l[i0:i1]
		accumulate(out, l)
		clear(l)
	}
}

func accumulate[T float32 | float64](dst, src []T) {
	if d, ok := any(dst).([]float32); ok {
		kernel.Accumulate(d, any(src).([]float32))
		return
	}
	for i, v := range src {
		dst[i] += v
	}
}

// laneGrad returns where image steps add the gradient of parameter p, or nil where it is not wanted.
func (b *builder) laneGrad(p *Param) *laneSums[float32] {
	if p == nil || !b.wrt[p] {
		return nil
	}
	s, ok := b.p.laneGrads[p]
	if !ok {
		s = newLaneSums[float32](len(p.Data))
		b.p.laneGrads[p] = s
	}
	return s
}

// productSums are the gradients of the weights of products by which a layer computes, [products][size], and how they
// are added to elements [i0, i1) of every tap of the gradient of the layer's weights, [taps][size].
type productSums struct {
	*laneSums[float32]
	size  int
	toTap func(grad, sums []float32, i0, i1 int)
}

// productSums returns where image steps add the gradients of the weights of products, which p is turned into.
func (b *builder) productSums(p *Param, products, size int, toTap func(grad, sums []float32, i0, i1 int)) *laneSums[float32] {
	if !b.wrt[p] {
		return nil
	}
	s := newLaneSums[float32](products * size)
	b.p.products[p] = append(b.p.products[p], productSums{s, size, toTap})
	return s
}

// add turns the sums of elements [i0, i1) into gradients and clears them for the next run. Lanes are added up in the
// first of them.
func (s productSums) add(grad []float32, i0, i1 int) {
	total := s.lane[0]
	for at := 0; at < len(total); at += s.size {
		for _, l := range s.lane[1:] {
			l = l[at+i0 : at+i1]
			accumulate(total[at+i0:at+i1], l)
			clear(l)
		}
	}
	s.toTap(grad, total, i0, i1)
	for at := 0; at < len(total); at += s.size {
		clear(total[at+i0 : at+i1])
	}
}

// reduceBlock is how many elements of a gradient one task adds up, productBlock how many of each product.
const (
	reduceBlock  = 1 << 14
	productBlock = 1 << 10
)

// reduceGradients adds the steps that finish the gradients of params.
func (b *builder) reduceGradients(params []*Param) {
	type piece struct {
		p      *Param
		i0, i1 int
	}
	cut := func(p *Param, n, block int) (pieces []piece) {
		for i := 0; i < n; i += block {
			pieces = append(pieces, piece{p, i, min(i+block, n)})
		}
		return pieces
	}
	var pieces, ofProducts []piece
	grads, products := b.p.laneGrads, b.p.products
	for _, p := range params {
		if grads[p] != nil {
			pieces = append(pieces, cut(p, len(p.Data), reduceBlock)...)
		}
		if s := products[p]; s != nil {
			ofProducts = append(ofProducts, cut(p, s[0].size, productBlock)...)
		}
	}
	if len(pieces) > 0 {
		b.global("reduce", len(pieces), func(t int) {
			x := pieces[t]
			grads[x.p].add(x.p.Grad, x.i0, x.i1)
		})
	}
	if len(ofProducts) > 0 {
		b.global("reduce products", len(ofProducts), func(t int) {
			x := ofProducts[t]
			for _, s := range products[x.p] { // one after the other: uses of a parameter have the same size
				s.add(x.p.Grad, x.i0, x.i1)
			}
		})
	}
	if finish := b.p.finish; len(finish) > 0 {
		b.global("finish gradients", 1, func(int) {
			for _, f := range finish {
				f()
			}
		})
	}
	if after := b.p.after; len(after) > 0 {
		b.global("weights", len(after), func(t int) { after[t]() })
	}
}

// trains arranges for the straight-through gradient of w, once.
func (b *builder) trains(w *Weight) {
	if b.wrt[w.Param] && w.Grid != nil && !b.p.straight[w] {
		b.p.straight[w] = true
		b.p.after = append(b.p.after, w.backward)
	}
}

// GradNorm returns the Euclidean norm of the gradients of params together.
func GradNorm(params []*Param) float64 {
	var sum float64
	for _, p := range params {
		sum += kernel.SumSquares(p.Grad)
	}
	return math.Sqrt(sum)
}
