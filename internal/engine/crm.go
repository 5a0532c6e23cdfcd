package engine

import (
	"math"

	"zaq/internal/kernel"
)

// gram is S = F^T F over all images and positions: F [B*H*W, C], S [C, C].
type gram struct {
	x, s *Tensor
	sum  []float32
	lane *laneSums[float32]
	inv  []float64 // of the roots of the diagonal

	// dS + dS^T, set by the losses that read S before the backward steps run.
	dsum []float32
}

func (n *gram) label() string    { return n.s.Name }
func (n *gram) in() []*Tensor    { return []*Tensor{n.x} }
func (n *gram) out() *Tensor     { return n.s }
func (n *gram) params() []*Param { return nil }

// gram adds the product right behind x, so that the map need not outlive its segment.
func (g *Graph) gram(x *Tensor) *gram {
	n := &gram{x: x, s: &Tensor{Name: "gram " + x.Name, H: 1, W: x.C, C: x.C, reduced: true}}
	n.sum, n.dsum = make([]float32, x.C*x.C), make([]float32, x.C*x.C)
	n.lane, n.inv = newLaneSums[float32](x.C*x.C), make([]float64, x.C)
	g.add(n)
	g.after(x.producer)
	return n
}

// after moves the last node of the graph to right behind n.
func (g *Graph) after(n node) {
	last := len(g.nodes) - 1
	moved := g.nodes[last]
	for i, m := range g.nodes {
		if m == n {
			copy(g.nodes[i+2:], g.nodes[i+1:last])
			g.nodes[i+1] = moved
			return
		}
	}
}

func (n *gram) forward(b *builder) {
	x := b.value(n.x)
	c, hw := n.x.C, n.x.H*n.x.W
	b.image("gram", 2*float64(c*c*hw), func(ch *chunk) {
		for i := ch.n0; i < ch.n1; i++ {
			f := x.at(ch, i)
			kernel.MatMulTA(n.lane.lane[ch.lane], f, f, c, len(f)/c, c)
		}
	}, x)
	b.byRows(n.x.H)
}

// backward is dF = F (dS + dS^T).
func (n *gram) backward(b *builder) {
	dx, acc := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	x := b.again(n.x, 0)
	c, hw := n.x.C, n.x.H*n.x.W
	b.image("gram backward", 2*float64(c*c*hw), func(ch *chunk) {
		for i := ch.n0; i < ch.n1; i++ {
			f := x.at(ch, i)
			kernel.MatMul(dx.at(ch, i), f, n.dsum, len(f)/c, c, c, acc)
		}
	}, x, dx)
	b.byRows(n.x.H)
}

type crm struct {
	lossBase
	result *FeatureLoss
	p, q   []*gram
	rp     [][]float64 // relation maps of the last run
	rq     [][]float64
}

// CRM adds the feature discrepancy D_f of Liu, Zhang and Wang (2021): for each pair of feature maps the channel
// relation maps R_ij = cosine(f_i, f_j), with the batch inside of the vectors, are compared,
//
//	d_l = (1/C_l^2) * ||R_P^l - R_Q^l||_1.
func (g *Graph) CRM(name string, p, q []*Tensor) *FeatureLoss {
	n := &crm{lossBase: newLoss(name)}
	for i := range p {
		gp, gq := g.gram(p[i]), g.gram(q[i])
		n.p, n.q = append(n.p, gp), append(n.q, gq)
		n.inputs = append(n.inputs, gp.s, gq.s)
		n.rp, n.rq = append(n.rp, make([]float64, len(gp.sum))), append(n.rq, make([]float64, len(gq.sum)))
	}
	n.result = newFeatureLoss(n.l, len(p))
	g.addLoss(n)
	return n.result
}

// relationEps keeps the cosine of a dead channel, and its gradient, finite: it is added to a channel's mean
// square before the root.
const relationEps = 1e-6

func (n *crm) forward(b *builder) {
	layers := len(n.p)
	b.global("channel relation", 2*layers, func(t int) {
		g, r := n.p, n.rp
		if t >= layers {
			g, r, t = n.q, n.rq, t-layers
		}
		g[t].lane.drain(g[t].sum, 0, len(g[t].sum))
		g[t].relation(r[t], n.eps(b.p, t))
	})
	b.global("channel relation", 1, func(int) {
		n.l.Value = 0
		for l := range n.p {
			var d float64
			for i, v := range n.rp[l] {
				d += math.Abs(v - n.rq[l][i])
			}
			d /= float64(len(n.rp[l]))
			n.result.Distances[l] = d
			n.l.Value += float64(float64(layers) * n.result.Weights[l] * d)
		}
	})
}

func (n *crm) eps(p *Program, l int) float64 {
	return relationEps * float64(p.batch*n.p[l].x.H*n.p[l].x.W)
}

func (n *crm) backward(b *builder) {
	layers := len(n.p)
	coef := b.coef[n.l]
	wantP, wantQ := make([]bool, layers), make([]bool, layers)
	for l := range layers {
		wantP[l], wantQ[l] = b.needs[n.p[l].s], b.needs[n.q[l].s]
		b.gradTarget(n.p[l].s)
		b.gradTarget(n.q[l].s)
	}
	b.global("channel relation backward", layers, func(l int) {
		k := coef * float64(layers) * n.result.Weights[l] / float64(len(n.rp[l]))
		if wantP[l] {
			n.p[l].relationGradient(n.rp[l], n.rq[l], n.eps(b.p, l), k)
		}
		if wantQ[l] {
			n.q[l].relationGradient(n.rq[l], n.rp[l], n.eps(b.p, l), k)
		}
	})
}

// relation writes r_ij = s_ij / sqrt((s_ii + eps)(s_jj + eps)).
func (n *gram) relation(r []float64, eps float64) {
	c, s, inv := n.x.C, n.sum, n.inv
	for i := range c {
		inv[i] = 1 / math.Sqrt(float64(s[i*c+i])+eps)
	}
	for i := range c {
		for j := range c {
			r[i*c+j] = float64(s[i*c+j]) * inv[i] * inv[j]
		}
	}
}

// relationGradient writes dS + dS^T for k * sum |r - other|, r the relation map of s.
//
// With m_i = (s_ii + eps)^(-1/2) and E = k*sign(r - other): dS_ij = E_ij m_i m_j, and through m_i
// dS_ii -= 1/2 m_i^2 * sum over j of (E_ij + E_ji) r_ij.
func (n *gram) relationGradient(r, other []float64, eps, k float64) {
	c, s, ds, inv := n.x.C, n.sum, n.dsum, n.inv
	for i := range c {
		inv[i] = 1 / math.Sqrt(float64(s[i*c+i])+eps)
	}
	for i := range c {
		var through float64
		for j := range c {
			// S is symmetric, so E is.
			var e float64
			if d := r[i*c+j] - other[i*c+j]; d > 0 {
				e = k
			} else if d < 0 {
				e = -k
			}
			ds[i*c+j] = float32(2 * e * inv[i] * inv[j])
			through += float64(2 * e * r[i*c+j])
		}
		ds[i*c+i] -= float32(through * inv[i] * inv[i])
	}
}
