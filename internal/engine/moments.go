package engine

import "zaq/internal/kernel"

// moments are the mean and variance of every channel over a batch. Sums of squares are taken of the distances to a point
// near the mean, or else a channel whose mean is large beside its deviation would lose its variance: the mean of the
// lane's first image, which is at most the square root of the lane's images times the lane's deviation away.
type moments struct {
	channels, positions int // of an image
	shift               [lanes][]float32
	sum, sumSq          *laneSums[float64]
	mean, variance      []float64 // of the last run
}

func newMoments(t *Tensor) *moments {
	m := &moments{channels: t.C, positions: t.H * t.W, sum: newLaneSums[float64](t.C), sumSq: newLaneSums[float64](t.C),
		mean: make([]float64, t.C), variance: make([]float64, t.C)}
	for l := range m.shift {
		m.shift[l] = make([]float32, t.C)
	}
	return m
}

// add takes in the images of a chunk.
func (m *moments) add(c *chunk, x *buffer) {
	sum, sumSq, shift := m.sum.lane[c.lane], m.sumSq.lane[c.lane], m.shift[c.lane]
	if first, _ := c.p.lane(c.lane); first == c.n0 {
		kernel.ChannelSums(sum, sumSq, x.at(c, c.n0), m.channels)
		for k := range shift {
			shift[k] = float32(sum[k] / float64(m.positions))
		}
		clear(sum)
		clear(sumSq)
	}
	kernel.ChannelMoments(sum, sumSq, x.all(c), shift, m.channels)
}

// finish sets mean and variance from the sums of the lanes, in their order, as Chan et al. (1979) join them, and clears
// these for the next run.
func (m *moments) finish(p *Program) {
	for k := range m.channels {
		var count, mean, squares float64
		for l := range lanes {
			n0, n1 := p.lane(l)
			n := float64((n1 - n0) * m.positions)
			if n == 0 {
				continue
			}
			sum, sumSq := &m.sum.lane[l][k], &m.sumSq.lane[l][k]
			distance := float64(m.shift[l][k]) + *sum/n - mean
			squares += *sumSq - float64(*sum**sum/n) + float64(float64(distance*distance)*count*n/(count+n))
			mean += float64(distance * n / (count + n))
			count += n
			*sum, *sumSq = 0, 0
		}
		m.mean[k], m.variance[k] = mean, max(0, squares/count)
	}
}
