package engine

import (
	"math"

	"zaq/internal/kernel"
)

// bnMatch compares the statistics of a batch with those that batch normalizations remember of the training data:
//
//	(1/L) * sum over layers of the mean over channels of ((m - mu)/sigma)^2 + (s/sigma - 1)^2
//
// with m, s the batch's mean and deviation, mu and sigma the running ones. The published losses (ZeroQ, GDFQ,
// DeepInversion) leave out the division by sigma and then are dominated by the layers with the largest values.
type bnMatch struct {
	lossBase
	at []PreNorm

	moments []*moments
	ka, k0  [][]float32 // dx = ka*x + k0 for each channel, up to the loss's factor
	losses  []float64
	gain    []float64
}

// BNMatch is the loss of the function of that name.
type BNMatch struct {
	Loss *Loss
	// Gain says for each layer, of the last run, how many times larger than the running deviation the batch's is: the
	// geometric mean over channels.
	Gain []float64
}

// BNMatch adds the loss for the tensors at, which enter batch normalizations.
func (g *Graph) BNMatch(name string, at []PreNorm) *BNMatch {
	n := &bnMatch{lossBase: newLoss(name), at: at, losses: make([]float64, len(at)), gain: make([]float64, len(at))}
	for _, a := range at {
		c := a.Tensor.C
		n.inputs = append(n.inputs, a.Tensor)
		n.moments = append(n.moments, newMoments(a.Tensor))
		n.ka, n.k0 = append(n.ka, make([]float32, c)), append(n.k0, make([]float32, c))
	}
	return &BNMatch{Loss: g.addLoss(n), Gain: n.gain}
}

func (n *bnMatch) forward(b *builder) {
	for l, a := range n.at {
		x, m := b.value(a.Tensor), n.moments[l]
		b.image("batch statistics", 0, func(c *chunk) { m.add(c, x) }, x)
	}
	b.global("loss", len(n.at), func(l int) { n.measure(l, b.p) })
	b.global("loss", 1, func(int) {
		n.l.Value = 0
		for _, v := range n.losses {
			n.l.Value += v
		}
	})
}

// measure computes the share of layer l, and the coefficients of its gradient.
func (n *bnMatch) measure(l int, p *Program) {
	a := n.at[l]
	c := a.Tensor.C
	count := float64(p.batch * a.Tensor.H * a.Tensor.W)
	n.moments[l].finish(p)
	share := 1 / float64(len(n.at)*c)
	n.losses[l] = 0
	var logGain float64
	for k := range c {
		variance := float64(a.Stats.Var[k]) + float64(a.Stats.Epsilon)
		sigma := math.Sqrt(variance)
		m := n.moments[l].mean[k]
		s := math.Sqrt(n.moments[l].variance[k] + float64(a.Stats.Epsilon))
		dm, ds := (m-float64(a.Stats.Mean[k]))/sigma, s/sigma-1
		n.losses[l] += float64(share * (float64(dm*dm) + float64(ds*ds)))
		logGain += math.Log(s/sigma) / float64(c)
		// d/dx = 2 share (dm/sigma + ds/sigma (x - m)/s) / count
		along := 2 * share * ds / (sigma * s * count)
		n.ka[l][k] = float32(along)
		n.k0[l][k] = float32(2*share*dm/(sigma*count) - float64(along*m))
	}
	n.gain[l] = math.Exp(logGain)
}

func (n *bnMatch) backward(b *builder) {
	coef := float32(b.coef[n.l])
	b.global("loss backward", 1, func(int) {
		for l := range n.at {
			kernel.ScaleBy(n.ka[l], coef)
			kernel.ScaleBy(n.k0[l], coef)
		}
	})
	for l, a := range n.at {
		dx, acc := b.gradTarget(a.Tensor)
		if dx == nil {
			continue
		}
		x := b.value(a.Tensor)
		b.image("loss backward", 0, func(ch *chunk) {
			for i := ch.n0; i < ch.n1; i++ {
				kernel.ChannelAffine2(dx.at(ch, i), x.at(ch, i), nil, n.ka[l], nil, n.k0[l], a.Tensor.C, acc)
			}
		}, x, dx)
	}
}
