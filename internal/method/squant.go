package method

import (
	"cmp"
	"context"
	"math"
	"slices"

	"zaq/internal/nn"
)

// SQuant rounds weights so that errors cancel within kernels and output channels (Guo et al., SQuant: On-the-Fly Data-Free
// Quantization via Diagonal Hessian Approximation, ICLR 2022). After rounding to nearest, the elements of each kernel
// whose errors are largest are rounded the other way until the errors' sum is at most a half, and then, by at most one
// element a kernel, the same for the sum over all kernels of an output channel. Ranges follow from statistics. It takes
// milliseconds and needs no training.
func SQuant(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	return post(ctx, net, o, recipe{source: SourceStatistics, settle: flip})
}

// flip chooses the grid of a weight and rounds it so.
func flip(w *nn.WeightSite, fit *weightFit) {
	fit.grid(w)
	shape, q := w.Value.Shape, w.Quantizer
	kernel := 1
	for _, n := range shape[2:] {
		kernel *= n
	}
	each := len(w.Value.Data) / shape[0]
	for o := range shape[0] {
		grid := 0
		if q.PerChannel {
			grid = o
		}
		c := newChannel(w.Value.Data[o*each:(o+1)*each], q.Scale[grid], q.Zero[grid], q.QMin, q.QMax)
		if kernel > 1 {
			for k := 0; k < each; k += kernel {
				c.settle(k, k+kernel)
			}
		}
		c.balance(kernel)
		c.store()
	}
}

// channel are the weights of an output channel while they are rounded.
type channel struct {
	w          []float32
	scale      float32
	zero       int32
	qmin, qmax int32

	level   []int32
	err     []float64 // of the level, in steps of the grid
	flipped []bool
}

func newChannel(w []float32, scale float32, zero, qmin, qmax int32) *channel {
	c := &channel{
		w: w, scale: scale, zero: zero, qmin: qmin, qmax: qmax,
		level: make([]int32, len(w)), err: make([]float64, len(w)), flipped: make([]bool, len(w)),
	}
	for i, v := range w {
		r := float64(v / scale)
		l := min(max(math.RoundToEven(r)+float64(zero), float64(qmin)), float64(qmax))
		c.level[i], c.err[i] = int32(l), l-float64(zero)-r
	}
	return c
}

// sum adds the errors of elements from to to.
func (c *channel) sum(from, to int) (e float64) {
	for _, v := range c.err[from:to] {
		e += v
	}
	return e
}

// candidates returns the elements from to to that could be rounded the other way to make a sum of that sign smaller, those
// with the largest error first. Elements that lie outside of the grid are none.
func (c *channel) candidates(from, to int, sign float64) (list []int) {
	for i := from; i < to; i++ {
		next := c.level[i] - int32(sign)
		if e := c.err[i] * sign; e > 0 && e <= 0.5 && !c.flipped[i] && next >= c.qmin && next <= c.qmax {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(c.err[b]*sign, c.err[a]*sign) })
	return list
}

func (c *channel) flip(i int, sign float64) {
	c.level[i] -= int32(sign)
	c.err[i] -= sign
	c.flipped[i] = true
}

// settle flips elements of a kernel until their errors sum to a half at most.
func (c *channel) settle(from, to int) {
	e := c.sum(from, to)
	sign := math.Copysign(1, e)
	for _, i := range head(c.candidates(from, to, sign), int(math.RoundToEven(math.Abs(e)))) {
		c.flip(i, sign)
	}
}

// balance does the same for the whole channel, with one element of each kernel at most: that whose error is largest, of
// the kernels whose errors sum to the most.
func (c *channel) balance(kernel int) {
	e := c.sum(0, len(c.w))
	sign := math.Copysign(1, e)
	type marginal struct {
		i   int
		sum float64
	}
	var list []marginal
	for k := 0; k < len(c.w); k += kernel {
		sum := c.sum(k, k+kernel) * sign
		if found := c.candidates(k, k+kernel, sign); sum > 0 && len(found) > 0 {
			list = append(list, marginal{found[0], sum})
		}
	}
	slices.SortStableFunc(list, func(a, b marginal) int { return cmp.Compare(b.sum, a.sum) })
	for _, m := range head(list, int(math.RoundToEven(math.Abs(e)))) {
		c.flip(m.i, sign)
	}
}

func head[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// store writes the real values of the levels.
func (c *channel) store() {
	for i, l := range c.level {
		c.w[i] = float32(l-c.zero) * c.scale
	}
}
