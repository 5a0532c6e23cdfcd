package engine

import (
	"math"

	"zaq/internal/kernel"
)

// imageMatch compares the statistics of every single image with those that batch normalizations remember.
type imageMatch struct {
	lossBase
	at []PreNorm

	ka, k0 [][]float32 // dx = ka*x + k0 for each image and channel, up to the loss's factor; of the program being compiled
	lane   [lanes]float64
}

// BNMatchImages adds the loss that images are distilled by in ZeroQ (Cai et al. 2020): the mean over images of the sum
// over layers and channels of (m - mu)^2 + (s - sigma)^2, with m and s the mean and deviation over an image's positions.
func (g *Graph) BNMatchImages(name string, at []PreNorm) *Loss {
	n := &imageMatch{lossBase: newLoss(name), at: at, ka: make([][]float32, len(at)), k0: make([][]float32, len(at))}
	for _, a := range at {
		n.inputs = append(n.inputs, a.Tensor)
	}
	return g.addLoss(n)
}

func (n *imageMatch) forward(b *builder) {
	for l, a := range n.at {
		c := a.Tensor.C
		ka, k0 := make([]float32, b.p.batch*c), make([]float32, b.p.batch*c)
		n.ka[l], n.k0[l] = ka, k0
		x := b.value(a.Tensor)
		var sums [lanes]*imageSums
		for i := range sums {
			sums[i] = &imageSums{make([]float64, c), make([]float64, c), make([]float32, c)}
		}
		b.image("image statistics", 0, func(ch *chunk) {
			for i := ch.n0; i < ch.n1; i++ {
				n.lane[ch.lane] += measureImage(a, x.at(ch, i), sums[ch.lane], ka[i*c:], k0[i*c:], float64(b.p.batch))
			}
		}, x)
	}
	b.global("loss", 1, func(int) {
		n.l.Value = 0
		for l, v := range n.lane {
			n.l.Value += v / float64(b.p.batch)
			n.lane[l] = 0
		}
	})
}

// imageSums is room for the sums over an image.
type imageSums struct {
	sum, squares []float64
	shift        []float32
}

// measureImage returns the share of an image at a layer and sets the coefficients of its gradient.
func measureImage(a PreNorm, x []float32, s *imageSums, ka, k0 []float32, batch float64) (loss float64) {
	c := a.Tensor.C
	positions := float64(a.Tensor.H * a.Tensor.W)
	clear(s.sum)
	clear(s.squares)
	kernel.ChannelSums(s.sum, s.squares, x, c)
	for k, v := range s.sum {
		s.shift[k] = float32(v / positions)
	}
	clear(s.sum)
	clear(s.squares)
	kernel.ChannelMoments(s.sum, s.squares, x, s.shift, c)
	eps := float64(a.Stats.Epsilon)
	for k := range c {
		off := s.sum[k] / positions
		m := float64(s.shift[k]) + off
		deviation := math.Sqrt(max(0, s.squares[k]/positions-float64(off*off)) + eps)
		dm, ds := m-float64(a.Stats.Mean[k]), deviation-math.Sqrt(float64(a.Stats.Var[k])+eps)
		loss += float64(dm*dm) + float64(ds*ds)
		// d/dx = 2 (dm + ds (x - m)/s) / (positions * batch)
		along := 2 * ds / (deviation * positions * batch)
		ka[k] = float32(along)
		k0[k] = float32(2*dm/(positions*batch) - float64(along*m))
	}
	return loss
}

func (n *imageMatch) backward(b *builder) {
	coef := float32(b.coef[n.l])
	for l, a := range n.at {
		dx, acc := b.gradTarget(a.Tensor)
		if dx == nil {
			continue
		}
		c, x, allA, all0 := a.Tensor.C, b.value(a.Tensor), n.ka[l], n.k0[l]
		b.image("loss backward", 0, func(ch *chunk) {
			for i := ch.n0; i < ch.n1; i++ {
				ka, k0 := allA[i*c:(i+1)*c], all0[i*c:(i+1)*c]
				kernel.ScaleBy(ka, coef)
				kernel.ScaleBy(k0, coef)
				kernel.ChannelAffine2(dx.at(ch, i), x.at(ch, i), nil, ka, nil, k0, c, acc)
			}
		}, x, dx)
	}
}
