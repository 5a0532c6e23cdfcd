package engine

import (
	"math"
	"slices"

	"zaq/internal/kernel"
)

// norm is a per-channel affine map: a constant one, a bias, or batch normalization
//
//	y = gamma * (x - mean) / sqrt(variance + eps) + beta
//
// with running statistics (frozen) or those of the batch (train).
type norm struct {
	gamma, beta *Param // nil: 1 and 0, not trained
	stats       *Stats
	train       bool

	mean, invStd []float32 // in use
	scale, shift []float32 // y = scale*x + shift
	sumG, sumGX  []float32 // of the last backward pass: sum of g, and of g*x, over the batch
}

// Stats are the statistics of a batch normalization.
type Stats struct {
	Mean, Var []float32
	Epsilon   float32
	// Momentum is the share of a new batch in the running statistics in training mode; 0 leaves them.
	Momentum float32
}

// Affine adds y = scale*x + shift with constants for each channel.
func (g *Graph) Affine(name string, x *Tensor, scale, shift []float32) *Tensor {
	return g.normed(name, x, &norm{scale: scale, shift: shift})
}

// Bias adds a trainable bias for each channel.
func (g *Graph) Bias(name string, x *Tensor, bias *Param) *Tensor {
	return g.BatchNorm(name, x, nil, bias, &Stats{Mean: make([]float32, x.C), Var: ones(x.C)}, false)
}

// BatchNorm adds a batch normalization; gamma and beta may be nil. With train it uses, and differentiates
// through, the statistics of the batch.
func (g *Graph) BatchNorm(name string, x *Tensor, gamma, beta *Param, s *Stats, train bool) *Tensor {
	return g.normed(name, x, &norm{
		gamma: gamma, beta: beta, stats: s, train: train,
		mean: make([]float32, x.C), invStd: make([]float32, x.C),
		scale: make([]float32, x.C), shift: make([]float32, x.C),
		sumG: make([]float32, x.C), sumGX: make([]float32, x.C),
	})
}

func (g *Graph) normed(name string, x *Tensor, n *norm) *Tensor {
	return g.pointwise(name, &pointwise{x: x, norm: n})
}

func ones(n int) []float32 { return slices.Repeat([]float32{1}, n) }

func (n *norm) params() (p []*Param) {
	if n.gamma != nil {
		p = append(p, n.gamma)
	}
	if n.beta != nil {
		p = append(p, n.beta)
	}
	return p
}

// statistics adds the steps that measure the batch.
func (n *norm) statistics(b *builder, x *buffer, t *Tensor) {
	m := newMoments(t)
	b.image("batch statistics", 0, func(c *chunk) { m.add(c, x) }, x)
	count := float64(b.p.batch * t.H * t.W)
	b.global("batch statistics", 1, func(int) {
		m.finish(b.p)
		momentum := n.stats.Momentum
		for c, variance := range m.variance {
			mean := float32(m.mean[c])
			if momentum > 0 {
				unbiased := variance * count / max(1, count-1)
				n.stats.Mean[c] += float32(momentum * (mean - n.stats.Mean[c]))
				n.stats.Var[c] += float32(momentum * (float32(unbiased) - n.stats.Var[c]))
			}
			n.set(c, mean, variance)
		}
	})
}

// freeze uses the running statistics.
func (n *norm) freeze() {
	if n.stats == nil {
		return
	}
	for c, v := range n.stats.Var {
		n.set(c, n.stats.Mean[c], float64(v))
	}
}

func (n *norm) set(c int, mean float32, variance float64) {
	n.mean[c] = mean
	n.invStd[c] = float32(1 / math.Sqrt(variance+float64(n.stats.Epsilon)))
	n.scale[c], n.shift[c] = n.invStd[c], 0
	if n.gamma != nil {
		n.scale[c] *= n.gamma.Data[c]
	}
	if n.beta != nil {
		n.shift[c] = n.beta.Data[c]
	}
	n.shift[c] -= float32(mean * n.scale[c])
}

// gradients collects the sums of a backward pass and adds to the gradients of gamma and beta.
func (n *norm) gradients(p *Program, dscale, dshift *laneSums[float32]) {
	dscale.drain(n.sumGX, 0, len(n.sumGX))
	dshift.drain(n.sumG, 0, len(n.sumG))
	if n.gamma != nil && p.wrt[n.gamma] {
		for c := range n.sumG {
			n.gamma.Grad[c] += n.normSum(c)
		}
	}
	if n.beta != nil && p.wrt[n.beta] {
		kernel.Accumulate(n.beta.Grad, n.sumG)
	}
}

// normSum is the sum over the batch of g times the normalized x.
func (n *norm) normSum(c int) float32 {
	return n.invStd[c] * (n.sumGX[c] - float32(n.mean[c]*n.sumG[c]))
}

// inputGradient writes ka, kb and k0 of dx = ka*g + kb*x + k0, the gradient through the batch's statistics
// (Ioffe and Szegedy 2015, section 3).
func (n *norm) inputGradient(ka, kb, k0 []float32, count float32) {
	for c := range ka {
		s, h := n.scale[c], n.normSum(c)
		ka[c] = s
		kb[c] = -s * n.invStd[c] * h / count
		k0[c] = s * (float32(n.mean[c]*n.invStd[c]*h) - n.sumG[c]) / count
	}
}
