package engine

import "math"

// neighbours are the directions in which a map is compared with itself: along rows, columns and both diagonals.
var neighbours = [4][2]int{{0, 1}, {1, 0}, {1, -1}, {1, 1}}

// totalVariation is the sum over directions of the Euclidean norm of all differences of neighbours.
type totalVariation struct {
	lossBase
	x     *Tensor
	lane  [lanes][4]float64 // of squares
	norms [4]float64
}

// TotalVariation adds the sum over four directions (rows, columns, both diagonals) of ||x - x'||, x' the neighbour in that
// direction and the norm over the whole batch: DeepInversion's prior for images (Yin et al. 2020).
func (g *Graph) TotalVariation(name string, x *Tensor) *Loss {
	return g.addLoss(&totalVariation{lossBase: newLoss(name, x), x: x})
}

// pairs calls f for the pairs of elements of neighbours in a direction, as runs of a row.
func (n *totalVariation) pairs(d [2]int, f func(i, j, count int)) {
	h, w, c := n.x.H, n.x.W, n.x.C
	from, to := max(0, -d[1]), min(w, w-d[1])
	if from >= to {
		return
	}
	for y := range h - d[0] {
		f((y*w+from)*c, ((y+d[0])*w+from+d[1])*c, (to-from)*c)
	}
}

func (n *totalVariation) forward(b *builder) {
	x := b.value(n.x)
	b.image("loss", 0, func(ch *chunk) {
		for i := ch.n0; i < ch.n1; i++ {
			v := x.at(ch, i)
			for k, d := range neighbours {
				n.pairs(d, func(i, j, count int) {
					var s float32
					for e := range count {
						diff := v[i+e] - v[j+e]
						s += float32(diff * diff)
					}
					n.lane[ch.lane][k] += float64(s)
				})
			}
		}
	}, x)
	b.global("loss", 1, func(int) {
		n.l.Value = 0
		for k := range neighbours {
			sum := normEps
			for l := range n.lane {
				sum += n.lane[l][k]
				n.lane[l][k] = 0
			}
			n.norms[k] = math.Sqrt(sum)
			n.l.Value += n.norms[k]
		}
	})
}

func (n *totalVariation) backward(b *builder) {
	dx, acc := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	x, coef := b.value(n.x), b.coef[n.l]
	b.image("loss backward", 0, func(ch *chunk) {
		for i := ch.n0; i < ch.n1; i++ {
			v, g := x.at(ch, i), dx.at(ch, i)
			if !acc {
				clear(g)
			}
			for k, d := range neighbours {
				step := float32(coef / n.norms[k])
				n.pairs(d, func(i, j, count int) {
					for e := range count {
						diff := float32(step * (v[i+e] - v[j+e]))
						g[i+e] += diff
						g[j+e] -= diff
					}
				})
			}
		}
	}, x, dx)
}

// meanNorm is the mean over images of the Euclidean norm of a map.
type meanNorm struct {
	lossBase
	x     *Tensor
	norms []float64 // of the images; of the program being compiled
}

// MeanNorm adds the mean over images of ||x||.
func (g *Graph) MeanNorm(name string, x *Tensor) *Loss {
	return g.addLoss(&meanNorm{lossBase: newLoss(name, x), x: x})
}

func (n *meanNorm) forward(b *builder) {
	x := b.value(n.x)
	norms := make([]float64, b.p.batch)
	n.norms = norms
	b.image("loss", 0, func(ch *chunk) {
		for i := ch.n0; i < ch.n1; i++ {
			sum := normEps
			for _, v := range x.at(ch, i) {
				sum += float64(v) * float64(v)
			}
			norms[i] = math.Sqrt(sum)
		}
	}, x)
	b.global("loss", 1, func(int) {
		n.l.Value = 0
		for _, v := range norms {
			n.l.Value += v / float64(len(norms))
		}
	})
}

func (n *meanNorm) backward(b *builder) {
	dx, acc := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	x, norms, coef := b.value(n.x), n.norms, b.coef[n.l]/float64(b.p.batch)
	b.image("loss backward", 0, func(ch *chunk) {
		for i := ch.n0; i < ch.n1; i++ {
			step, g := float32(coef/norms[i]), dx.at(ch, i)
			for j, v := range x.at(ch, i) {
				put(g, j, float32(step*v), acc)
			}
		}
	}, x, dx)
}
