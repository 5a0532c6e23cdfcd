package engine

// FeatureLoss is a distance between the feature maps of two networks, L * sum over layers of w_l * d_l.
type FeatureLoss struct {
	Loss      *Loss
	Distances []float64 // d_l of the last run
	Weights   []float64 // w_l, sum 1, all the same at first; may be changed between runs
}

func newFeatureLoss(l *Loss, layers int) *FeatureLoss {
	f := &FeatureLoss{Loss: l, Distances: make([]float64, layers), Weights: make([]float64, layers)}
	for i := range f.Weights {
		f.Weights[i] = 1 / float64(layers)
	}
	return f
}

// imagePairs is a feature loss that compares the maps of each image by themselves, and takes the mean over images.
type imagePairs struct {
	lossBase
	result *FeatureLoss
	p, q   []*Tensor
	kind   string
	// compare returns a function for maps of h*w positions and c channels. It returns the distance of two maps and,
	// where dp or dq is not nil, adds k times its gradient to them. It has room of its own, so that each lane needs one.
	compare func(hw, c int) func(p, q, dp, dq []float32, k float64) float64

	lane [lanes][]float64
}

func (g *Graph) imagePairs(kind, name string, p, q []*Tensor, compare func(hw, c int) func(p, q, dp, dq []float32, k float64) float64) *FeatureLoss {
	n := &imagePairs{lossBase: newLoss(name), p: p, q: q, kind: kind, compare: compare}
	for i := range p {
		n.inputs = append(n.inputs, p[i], q[i])
	}
	for l := range n.lane {
		n.lane[l] = make([]float64, len(p))
	}
	n.result = newFeatureLoss(n.l, len(p))
	g.addLoss(n)
	return n.result
}

// comparers returns the function of every lane, made when it is needed first.
func (n *imagePairs) comparers(l int) func(lane int) func(p, q, dp, dq []float32, k float64) float64 {
	var f [lanes]func(p, q, dp, dq []float32, k float64) float64
	return func(lane int) func(p, q, dp, dq []float32, k float64) float64 {
		if f[lane] == nil {
			f[lane] = n.compare(n.p[l].H*n.p[l].W, n.p[l].C)
		}
		return f[lane]
	}
}

func (n *imagePairs) forward(b *builder) {
	for l := range n.p {
		p, q, of := b.value(n.p[l]), b.value(n.q[l]), n.comparers(l)
		b.image(n.kind, 0, func(c *chunk) {
			for i := c.n0; i < c.n1; i++ {
				n.lane[c.lane][l] += of(c.lane)(p.at(c, i), q.at(c, i), nil, nil, 0)
			}
		}, p, q)
	}
	b.global("loss", 1, func(int) {
		n.l.Value = 0
		for l := range n.p {
			var d float64
			for i := range n.lane {
				d += n.lane[i][l]
				n.lane[i][l] = 0
			}
			n.result.Distances[l] = d / float64(b.p.batch)
			n.l.Value += float64(float64(len(n.p)) * n.result.Weights[l] * n.result.Distances[l])
		}
	})
}

func (n *imagePairs) backward(b *builder) {
	coef := b.coef[n.l] * float64(len(n.p)) / float64(b.p.batch)
	for l := range n.p {
		dp, accP := b.gradTarget(n.p[l])
		dq, accQ := b.gradTarget(n.q[l])
		if dp == nil && dq == nil {
			continue
		}
		p, q, of := b.value(n.p[l]), b.value(n.q[l]), n.comparers(l)
		at := func(v *buffer, accumulate bool, c *chunk, i int) []float32 {
			if v == nil {
				return nil
			}
			g := v.at(c, i)
			if !accumulate {
				clear(g)
			}
			return g
		}
		b.image(n.kind+" backward", 0, func(c *chunk) {
			for i := c.n0; i < c.n1; i++ {
				of(c.lane)(p.at(c, i), q.at(c, i), at(dp, accP, c, i), at(dq, accQ, c, i), float64(coef*n.result.Weights[l]))
			}
		}, p, q, dp, dq)
	}
}
