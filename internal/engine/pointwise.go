package engine

import (
	"math"
	"slices"

	"zaq/internal/kernel"
)

// Activation is the nonlinearity of a pointwise operation.
type Activation struct {
	Kind   kernel.Act
	Alpha  float32 // slope of a leaky ReLU
	Lo, Hi float32 // of a clip
}

// ActQuant fake-quantizes activations: the site where a tensor is rounded, with its grid.
type ActQuant struct {
	Name        string
	Scale       float32
	Zero        int32
	QMin, QMax  int32
	PassThrough bool // let gradients pass outside of the range

	// On rounds; Observe records the range of what arrives, zero included, in Lo and Hi after a run. Both may be
	// switched between runs.
	On, Observe bool
	Lo, Hi      float32

	laneLo, laneHi [lanes]float32
}

// pointwise is the chain y = fq(act(norm(x) + res)), each part optional. Graphs are built from chains of one
// part, and Compile joins them.
type pointwise struct {
	x, res, y *Tensor
	norm      *norm
	act       Activation
	quant     *ActQuant

	k          kernel.Pointwise
	bare, grid kernel.Pointwise // what comes before quantization, and that alone: for observation
}

// The order of a chain's parts: one may be joined to another only if all of its parts come before.
const (
	stageNorm = iota + 1
	stageAdd
	stageAct
	stageQuant
)

func (n *pointwise) label() string { return n.y.Name }
func (n *pointwise) out() *Tensor  { return n.y }
func (n *pointwise) in() []*Tensor {
	if n.res != nil {
		return []*Tensor{n.x, n.res}
	}
	return []*Tensor{n.x}
}
func (n *pointwise) params() []*Param {
	if n.norm == nil {
		return nil
	}
	return n.norm.params()
}

func (n *pointwise) stages() (first, last int) {
	for s, has := range map[int]bool{stageNorm: n.norm != nil, stageAdd: n.res != nil, stageAct: n.act.Kind != kernel.ActNone, stageQuant: n.quant != nil} {
		if has {
			if first == 0 || s < first {
				first = s
			}
			last = max(last, s)
		}
	}
	return first, last
}

func (g *Graph) pointwise(name string, n *pointwise) *Tensor {
	n.y = &Tensor{Name: name, H: n.x.H, W: n.x.W, C: n.x.C}
	return g.add(n)
}

// Activate adds an activation function.
func (g *Graph) Activate(name string, x *Tensor, a Activation) *Tensor {
	return g.pointwise(name, &pointwise{x: x, act: a})
}

// Add adds the sum of two maps of the same shape.
func (g *Graph) Add(name string, a, b *Tensor) *Tensor {
	return g.pointwise(name, &pointwise{x: a, res: b})
}

// FakeQuant adds a quantization site.
func (g *Graph) FakeQuant(name string, x *Tensor, q *ActQuant) *Tensor {
	return g.pointwise(name, &pointwise{x: x, quant: q})
}

// fuse returns the nodes of the graph with chains of pointwise operations joined where nobody else reads what is
// between them. The graph stays as it is: another program may want other outputs.
func (g *Graph) fuse(keep []*Tensor) []node {
	made := map[*Tensor]*pointwise{} // by what they make
	joinable := func(t *Tensor, stage int) bool {
		p := made[t]
		if p == nil || t.consumers != 1 || slices.Contains(keep, t) {
			return false
		}
		_, last := p.stages()
		return last < stage
	}
	var nodes []node
	for _, m := range g.nodes {
		n, ok := m.(*pointwise)
		if !ok {
			nodes = append(nodes, m)
			continue
		}
		n = &pointwise{x: n.x, res: n.res, y: n.y, norm: n.norm, act: n.act, quant: n.quant}
		first, _ := n.stages()
		if n.res != nil && !joinable(n.x, first) && joinable(n.res, first) && n.norm == nil {
			n.x, n.res = n.res, n.x
		}
		if joinable(n.x, first) {
			p := made[n.x]
			nodes = slices.DeleteFunc(nodes, func(m node) bool { return m == p })
			n.x = p.x
			if p.norm != nil {
				n.norm = p.norm
			}
			if p.res != nil {
				n.res = p.res
			}
			if p.act.Kind != kernel.ActNone {
				n.act = p.act
			}
		}
		made[n.y] = n
		nodes = append(nodes, n)
	}
	return nodes
}

// configure sets the kernels from the parts as they are now.
func (n *pointwise) configure() {
	n.describe(&n.bare)
	n.bare.Prepare()
	n.describe(&n.k)
	n.grid.C = n.y.C
	if q := n.quant; q != nil {
		for _, k := range []*kernel.Pointwise{&n.k, &n.grid} {
			k.Quant, k.QScale, k.QZero, k.QMin, k.QMax, k.PassThrough = q.On, q.Scale, q.Zero, q.QMin, q.QMax, q.PassThrough
		}
	}
	n.k.Prepare()
	n.grid.Prepare()
}

func (n *pointwise) describe(k *kernel.Pointwise) {
	k.C, k.Act, k.Alpha, k.Lo, k.Hi = n.y.C, n.act.Kind, n.act.Alpha, n.act.Lo, n.act.Hi
	if n.norm != nil {
		k.Scale, k.Shift = n.norm.scale, n.norm.shift
	}
}

func (n *pointwise) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	var res *buffer
	if n.res != nil {
		res = b.value(n.res)
	}
	if n.norm != nil && n.norm.train {
		n.norm.statistics(b, x, n.x)
		b.global("configure", 1, func(int) { n.configure() })
	} else {
		b.p.configure = append(b.p.configure, func() {
			if n.norm != nil {
				n.norm.freeze()
			}
			n.configure()
		})
	}
	at := func(v *buffer, c *chunk, i int) []float32 {
		if v == nil {
			return nil
		}
		return v.at(c, i)
	}
	b.image("pointwise forward", 0, func(c *chunk) {
		q := n.quant
		for i := c.n0; i < c.n1; i++ {
			out := y.at(c, i)
			if q == nil || !q.Observe {
				n.k.Forward(out, x.at(c, i), at(res, c, i))
				continue
			}
			n.bare.Forward(out, x.at(c, i), at(res, c, i))
			lo, hi := finiteRange(out)
			q.laneLo[c.lane], q.laneHi[c.lane] = min(q.laneLo[c.lane], lo), max(q.laneHi[c.lane], hi)
			if q.On {
				n.grid.Forward(out, out, nil)
			}
		}
	}, x, y, res)
	b.byRows(n.y.H)
	b.inPlace(x, y)
	if n.quant != nil {
		b.p.sites = append(b.p.sites, n.quant)
	}
}

func (n *pointwise) backward(b *builder) {
	dy := b.grad(n.y)
	x := dy // a stand-in
	if n.readsX(b) {
		x = b.again(n.x, 0)
	}
	var res, dres *buffer
	var accRes bool
	if n.res != nil {
		if n.bends() {
			res = b.again(n.res, 0)
		}
		dres, accRes = b.gradTarget(n.res)
	}
	dx, accX := b.gradTarget(n.x)
	var dscale, dshift *laneSums[float32]
	if n.sums(b) {
		dscale, dshift = newLaneSums[float32](n.y.C), newLaneSums[float32](n.y.C)
	}
	if n.norm != nil && n.norm.train {
		n.trainBackward(b, x, dy, res, dx, dres, accX, accRes, dscale, dshift)
		return
	}
	b.image("pointwise backward", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			var into, intoRes, r, s, t []float32
			if dx != nil {
				into = dx.at(c, i)
			}
			if dres != nil {
				intoRes = dres.at(c, i)
			}
			if res != nil {
				r = res.at(c, i)
			}
			if dscale != nil {
				s, t = dscale.lane[c.lane], dshift.lane[c.lane]
			}
			if dx != nil && dx == dres { // x + norm(x): the kernel writes an array once
				n.k.Backward(nil, intoRes, dy.at(c, i), x.at(c, i), r, s, t, false, accRes)
				n.k.Backward(into, nil, dy.at(c, i), x.at(c, i), r, nil, nil, accX, false)
				continue
			}
			n.k.Backward(into, intoRes, dy.at(c, i), x.at(c, i), r, s, t, accX, accRes)
		}
	}, x, dy, res, dx, dres)
	b.byRows(n.y.H)
	if dx != nil && dx != dres && !accX {
		b.inPlace(dy, dx)
	}
	if dres != nil && dx != dres && !accRes {
		b.inPlace(dy, dres)
	}
	if dscale != nil {
		b.p.finish = append(b.p.finish, func() { n.norm.gradients(b.p, dscale, dshift) })
	}
}

// finiteRange returns the smallest and largest finite value of x, or +Inf and -Inf if there is none: an infinity has no place on a grid
// but its end, so that what is finite chooses the grid.
func finiteRange(x []float32) (lo, hi float32) {
	if lo, hi = kernel.MinMax(x); lo-lo == 0 && hi-hi == 0 {
		return lo, hi
	}
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range x {
		if v-v == 0 {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

// trainBackward is the backward pass through batch statistics: first the gradient at the normalized map with its
// sums per channel, then, behind a barrier, the gradient of x.
func (n *pointwise) trainBackward(b *builder, x, dy, res, dx, dres *buffer, accX, accRes bool, dscale, dshift *laneSums[float32]) {
	g := b.p.newBuffer("dn "+n.y.Name, n.y.Len())
	b.image("pointwise backward", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			var r []float32
			if res != nil {
				r = res.at(c, i)
			}
			gi := g.at(c, i)
			n.k.Backward(nil, gi, dy.at(c, i), x.at(c, i), r, dscale.lane[c.lane], dshift.lane[c.lane], false, false)
			if dres != nil {
				if accRes {
					kernel.Accumulate(dres.at(c, i), gi)
				} else {
					copy(dres.at(c, i), gi)
				}
			}
		}
	}, x, dy, res, dres, g)
	b.byRows(n.y.H)
	ka, kb, k0 := make([]float32, n.y.C), make([]float32, n.y.C), make([]float32, n.y.C)
	count := float32(b.p.batch * n.y.H * n.y.W)
	b.global("batch norm backward", 1, func(int) {
		n.norm.gradients(b.p, dscale, dshift)
		n.norm.inputGradient(ka, kb, k0, count)
	})
	if dx == nil {
		return
	}
	x2 := b.again(n.x, 0) // behind the barrier
	b.image("batch norm backward", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			kernel.ChannelAffine2(dx.at(c, i), g.at(c, i), x2.at(c, i), ka, kb, k0, n.y.C, accX)
		}
	}, dx, g, x2)
	b.byRows(n.y.H)
}
