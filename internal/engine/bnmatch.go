package engine

import (
	"math"
	"slices"

	"zaq/internal/kernel"
)

// BNForm says how far a batch's statistics, mean m and variance v of each channel, are from those that a batch
// normalization remembers, mu and sigma^2.
type BNForm int

const (
	// BNRelative is the mean over layers and channels of ((m - mu)/sigma)^2 + (sqrt(v)/sigma - 1)^2. The published
	// losses leave out the division by sigma and then are dominated by the layers with the largest values.
	BNRelative BNForm = iota
	// BNSquares is the mean over layers of the mean squares over channels of m - mu and of v - sigma^2: GDFQ (Xu et
	// al. 2020).
	BNSquares
	// BNNorms is the sum over layers of the Euclidean norms over channels of m - mu and of v - sigma^2:
	// DeepInversion (Yin et al. 2020).
	BNNorms
)

// bnMatch compares the statistics of a batch with those that batch normalizations remember of the training data.
type bnMatch struct {
	lossBase
	at     []PreNorm
	form   BNForm
	weight []float64 // of the layers
	scale  []float64 // of the layers

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
	// Weights are factors of the layers, 1 at first.
	Weights []float64
	// Scales are the units in which BNNorms takes the statistics of the layers, 1 at first: m and mu are divided by them, v and
	// sigma^2 by their squares.
	Scales []float64
}

// BNMatch adds the loss of form BNRelative for the tensors at, which enter batch normalizations.
func (g *Graph) BNMatch(name string, at []PreNorm) *BNMatch { return g.BNMatchBy(BNRelative, name, at) }

// BNMatchBy adds the loss of a form.
func (g *Graph) BNMatchBy(form BNForm, name string, at []PreNorm) *BNMatch {
	n := &bnMatch{lossBase: newLoss(name), at: at, form: form, weight: ones64(len(at)), scale: ones64(len(at)),
		losses: make([]float64, len(at)), gain: make([]float64, len(at))}
	for _, a := range at {
		c := a.Tensor.C
		n.inputs = append(n.inputs, a.Tensor)
		n.moments = append(n.moments, newMoments(a.Tensor))
		n.ka, n.k0 = append(n.ka, make([]float32, c)), append(n.k0, make([]float32, c))
	}
	return &BNMatch{Loss: g.addLoss(n), Gain: n.gain, Weights: n.weight, Scales: n.scale}
}

func ones64(n int) []float64 { return slices.Repeat([]float64{1}, n) }

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
	count := float64(p.batch * a.Tensor.H * a.Tensor.W)
	n.moments[l].finish(p)
	var logGain float64
	for k, v := range n.moments[l].variance {
		eps := float64(a.Stats.Epsilon)
		logGain += math.Log(math.Sqrt(v+eps)/math.Sqrt(float64(a.Stats.Var[k])+eps)) / float64(a.Tensor.C)
	}
	n.gain[l] = math.Exp(logGain)
	switch n.form {
	case BNRelative:
		n.relative(l, count)
	case BNSquares:
		share := n.weight[l] / float64(len(n.at)*a.Tensor.C)
		dm, dv := n.squares(l)
		n.losses[l] = share * (dm + dv)
		n.along(l, 2*share, 2*share, count)
	case BNNorms:
		dm, dv := n.squares(l)
		unit := n.scale[l] * n.scale[l]
		dm, dv = math.Sqrt(dm/unit+normEps), math.Sqrt(dv/(unit*unit)+normEps)
		n.losses[l] = n.weight[l] * (dm + dv)
		n.along(l, n.weight[l]/(dm*unit), n.weight[l]/(dv*unit*unit), count)
	}
}

// normEps keeps the gradient of a Euclidean norm finite at zero.
const normEps = 1e-12

func (n *bnMatch) relative(l int, count float64) {
	a := n.at[l]
	share := n.weight[l] / float64(len(n.at)*a.Tensor.C)
	n.losses[l] = 0
	for k := range a.Tensor.C {
		variance := float64(a.Stats.Var[k]) + float64(a.Stats.Epsilon)
		sigma := math.Sqrt(variance)
		m := n.moments[l].mean[k]
		s := math.Sqrt(n.moments[l].variance[k] + float64(a.Stats.Epsilon))
		dm, ds := (m-float64(a.Stats.Mean[k]))/sigma, s/sigma-1
		n.losses[l] += float64(share * (float64(dm*dm) + float64(ds*ds)))
		// d/dx = 2 share (dm/sigma + ds/sigma (x - m)/s) / count
		along := 2 * share * ds / (sigma * s * count)
		n.ka[l][k] = float32(along)
		n.k0[l][k] = float32(2*share*dm/(sigma*count) - float64(along*m))
	}
}

// squares returns the sums over channels of (m - mu)^2 and of (v - sigma^2)^2.
func (n *bnMatch) squares(l int) (means, variances float64) {
	s := n.at[l].Stats
	for k, m := range n.moments[l].mean {
		dm, dv := m-float64(s.Mean[k]), n.moments[l].variance[k]-float64(s.Var[k])
		means += float64(dm * dm)
		variances += float64(dv * dv)
	}
	return means, variances
}

// along sets the coefficients of the gradient for d/dm = byMean*(m - mu) and d/dv = byVariance*(v - sigma^2).
func (n *bnMatch) along(l int, byMean, byVariance, count float64) {
	s := n.at[l].Stats
	for k, m := range n.moments[l].mean {
		gm := byMean * (m - float64(s.Mean[k]))
		gv := byVariance * (n.moments[l].variance[k] - float64(s.Var[k]))
		n.ka[l][k] = float32(2 * gv / count)
		n.k0[l][k] = float32((gm - float64(2*gv*m)) / count)
	}
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
