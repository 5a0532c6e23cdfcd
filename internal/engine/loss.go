package engine

import (
	"math"

	"zaq/internal/kernel"
)

// Loss is a number that a program computes, and whose gradient it propagates.
type Loss struct {
	Name  string
	Value float64 // of the last run
}

type lossNode interface {
	node
	loss() *Loss
}

// lossBase is what all losses share.
type lossBase struct {
	l      *Loss
	inputs []*Tensor
}

func (n *lossBase) label() string    { return n.l.Name }
func (n *lossBase) in() []*Tensor    { return n.inputs }
func (n *lossBase) out() *Tensor     { return nil }
func (n *lossBase) params() []*Param { return nil }
func (n *lossBase) loss() *Loss      { return n.l }

func newLoss(name string, in ...*Tensor) lossBase {
	return lossBase{l: &Loss{Name: name}, inputs: in}
}

func (g *Graph) addLoss(n lossNode) *Loss {
	g.add(n)
	return n.loss()
}

// l1 is the mean absolute difference of two tensors.
type l1 struct {
	lossBase
	a, b *Tensor
}

// L1 adds the mean over batch and elements of |a - b|: D_o, for logits.
func (g *Graph) L1(name string, a, b *Tensor) *Loss {
	return g.addLoss(&l1{newLoss(name, a, b), a, b})
}

func (n *l1) forward(b *builder) {
	x, y, p := b.value(n.a), b.value(n.b), b.p
	b.global("loss", 1, func(int) {
		n.l.Value = kernel.AbsDiffSum(x.rows(p, 0, p.batch), y.rows(p, 0, p.batch)) / float64(p.batch*n.a.Len())
	}, x, y)
}

func (n *l1) backward(b *builder) {
	x, y, p := b.value(n.a), b.value(n.b), b.p
	coef := b.coef[n.l]
	dx, accX := b.gradTarget(n.a)
	dy, accY := b.gradTarget(n.b)
	b.global("loss backward", 1, func(int) {
		step := float32(coef / float64(p.batch*n.a.Len()))
		u, v := x.rows(p, 0, p.batch), y.rows(p, 0, p.batch)
		var du, dv []float32
		if dx != nil {
			du = dx.rows(p, 0, p.batch)
		}
		if dy != nil {
			dv = dy.rows(p, 0, p.batch)
		}
		for i := range u {
			d := step * sign(u[i]-v[i])
			put(du, i, d, accX)
			put(dv, i, -d, accY)
		}
	}, x, y, dx, dy)
}

func put(dst []float32, i int, v float32, accumulate bool) {
	switch {
	case dst == nil:
	case accumulate:
		dst[i] += v
	default:
		dst[i] = v
	}
}

func sign(v float32) float32 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// meanAbs is the mean of |x|.
type meanAbs struct {
	lossBase
	x    *Tensor
	lane [lanes]float64
}

// MeanAbs adds the mean over batch, positions and channels of |x|; -MeanAbs is the activation regulariser L_a.
func (g *Graph) MeanAbs(name string, x *Tensor) *Loss {
	return g.addLoss(&meanAbs{lossBase: newLoss(name, x), x: x})
}

func (n *meanAbs) forward(b *builder) {
	x := b.value(n.x)
	b.image("loss", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			var s float32
			for _, v := range x.at(c, i) {
				s += float32(math.Abs(float64(v)))
			}
			n.lane[c.lane] += float64(s)
		}
	}, x)
	b.global("loss", 1, func(int) {
		var s float64
		for l, v := range n.lane {
			s += v
			n.lane[l] = 0
		}
		n.l.Value = s / float64(b.p.batch*n.x.Len())
	})
}

func (n *meanAbs) backward(b *builder) {
	dx, acc := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	x := b.value(n.x)
	step := float32(b.coef[n.l] / float64(b.p.batch*n.x.Len()))
	b.image("loss backward", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			d := dx.at(c, i)
			for j, v := range x.at(c, i) {
				put(d, j, step*sign(v), acc)
			}
		}
	}, x, dx)
}

// crossEntropy is softmax cross-entropy against class labels.
type crossEntropy struct {
	lossBase
	x      *Tensor
	labels []int
	smooth float64

	prob, target []float64 // of an image
}

// CrossEntropy adds the mean of -log softmax(x)[label] with label smoothing; labels is read at every run and
// must hold one class for each image.
func (g *Graph) CrossEntropy(name string, x *Tensor, labels []int, smoothing float64) *Loss {
	return g.addLoss(&crossEntropy{newLoss(name, x), x, labels, smoothing, make([]float64, x.Len()), make([]float64, x.Len())})
}

func (n *crossEntropy) forward(b *builder) {
	x, p := b.value(n.x), b.p
	b.global("loss", 1, func(int) {
		var sum float64
		n.each(x.rows(p, 0, p.batch), func(i int, prob, target []float64) {
			for k, t := range target {
				if t > 0 {
					sum -= float64(t * math.Log(max(prob[k], 1e-30)))
				}
			}
		})
		n.l.Value = sum / float64(p.batch)
	}, x)
}

func (n *crossEntropy) backward(b *builder) {
	dx, acc := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	x, p := b.value(n.x), b.p
	coef := b.coef[n.l] / float64(p.batch)
	b.global("loss backward", 1, func(int) {
		d := dx.rows(p, 0, p.batch)
		n.each(x.rows(p, 0, p.batch), func(i int, prob, target []float64) {
			for k := range prob {
				put(d, i*len(prob)+k, float32(coef*(prob[k]-target[k])), acc)
			}
		})
	}, x, dx)
}

// each calls f for every image with its softmax and its smoothed one-hot target.
func (n *crossEntropy) each(x []float32, f func(i int, prob, target []float64)) {
	k := n.x.Len()
	prob, target := n.prob, n.target
	for i := 0; i*k < len(x); i++ {
		row := x[i*k : i*k+k]
		top := math.Inf(-1)
		for _, v := range row {
			top = max(top, float64(v))
		}
		var sum float64
		for j, v := range row {
			prob[j] = math.Exp(float64(v) - top)
			sum += prob[j]
		}
		for j := range prob {
			prob[j] /= sum
			target[j] = n.smooth / float64(k)
		}
		target[n.labels[i]] += 1 - n.smooth
		f(i, prob, target)
	}
}
