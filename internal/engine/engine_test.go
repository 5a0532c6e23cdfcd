package engine

import (
	"math"
	"math/rand"
	"testing"

	"zaq/internal/kernel"
)

// net is a small network that has every operation with a gradient.
type net struct {
	g      *Graph
	in     *Tensor
	params []*Param
	losses []*Loss
	crm    *FeatureLoss
	out    *Tensor
}

func randoms(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	return v
}

func build(t testing.TB, r *rand.Rand) *net {
	n := &net{g: NewGraph()}
	g := n.g
	param := func(name string, k int, scale, shift float64) *Param {
		p := NewParam(name, randoms(r, k, scale), true)
		for i := range p.Data {
			p.Data[i] += float32(shift)
		}
		n.params = append(n.params, p)
		return p
	}
	weight := func(name string, k, c int) *Weight {
		w := NewWeight(name, randoms(r, k, 0.4), c, nil)
		n.params = append(n.params, w.Param)
		return w
	}
	must := func(x *Tensor, err error) *Tensor {
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	stats := func(c int) *Stats { return &Stats{Mean: randoms(r, c, 0.1), Var: ones(c), Epsilon: 1e-5} }
	shape := func(cout, k, stride, pad int) kernel.ConvShape {
		return kernel.ConvShape{Cout: cout, KH: k, KW: k, StrideH: stride, StrideW: stride, DilH: 1, DilW: 1, PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad, Groups: 1}
	}
	n.in = g.Input("z", 1, 1, 5)
	x := must(g.Linear("fc", n.in, weight("fc.w", 5*4*4*6, 96), param("fc.b", 96, 0.1, 0), 4, 4, 6))
	x = g.BatchNorm("bn0", x, param("g0", 6, 0.2, 1), param("b0", 6, 0.2, 0), stats(6), true)
	x = g.Upsample2x("up", x)
	x = must(g.Conv("c1", x, weight("c1.w", 9*6*8, 8), shape(8, 3, 1, 1)))
	x = g.BatchNorm("bn1", x, param("g1", 8, 0.2, 1), param("b1", 8, 0.2, 0), stats(8), true)
	x = g.Activate("leaky", x, Activation{Kind: kernel.ActLeakyReLU, Alpha: 0.2})
	x = g.Tanh("tanh", x)
	x = g.BatchNorm("bn2", x, nil, nil, stats(8), true)
	x = g.Affine("pixels", x, ones(8), make([]float32, 8))
	y := must(g.Conv("c2", x, weight("c2.w", 9*8*12, 12), shape(12, 3, 2, 1)))
	match := g.BNMatch("statistics", []PreNorm{{y, stats(12)}, {x, stats(8)}}).Loss
	y = g.BatchNorm("bn3", y, param("g3", 12, 0.2, 1), param("b3", 12, 0.2, 0), stats(12), false)
	s, err := g.Window("shortcut", x, Window{Step: [3]int{2, 2, 1}, Count: [3]int{4, 4, 8}, Before: [3]int{0, 0, 2}, After: [3]int{0, 0, 2}})
	s = must(s, err)
	y = g.Activate("relu", g.Add("add", s, y), Activation{Kind: kernel.ActReLU})
	q := must(g.Conv("c3", y, weight("c3.w", 9*12*12, 12), shape(12, 3, 1, 1)))
	q = g.Bias("bias", q, param("b4", 12, 0.1, 0))
	m := g.MaxPool("max", q, Pool{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}})
	a := g.AveragePool("avg", q, Pool{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}})
	q = g.Add("pools", m, a)
	n.crm = g.CRM("features", []*Tensor{y}, []*Tensor{q})
	z := g.GlobalAveragePool("gap", q)
	n.out = must(g.Linear("head", z, weight("head.w", 12*3, 3), param("head.b", 3, 0.1, 0), 1, 1, 3))
	o := must(g.Linear("head2", g.GlobalAveragePool("gap2", y), weight("head2.w", 12*3, 3), nil, 1, 1, 3))
	n.losses = []*Loss{g.L1("outputs", n.out, o), n.crm.Loss, g.MeanAbs("activation", y), g.CrossEntropy("ce", n.out, []int{0, 1, 2, 0, 1, 2, 0, 1, 2}, 0.1), match}
	return n
}

func (n *net) objective() []Term {
	return []Term{{n.losses[0], 0.7}, {n.losses[1], 3}, {n.losses[2], -0.4}, {n.losses[3], 0.9}, {n.losses[4], 0.6}}
}

// The gradient of every loss agrees with finite differences along a random direction of each parameter.
func TestGradients(t *testing.T) {
	const batch = 9
	for i := range build(t, rand.New(rand.NewSource(3))).losses {
		r := rand.New(rand.NewSource(3))
		n := build(t, r)
		loss := n.losses[i]
		p, err := n.g.Compile(Spec{Batch: batch, Objective: []Term{{loss, 1.5}}, WRT: n.params})
		if err != nil {
			t.Fatal(err)
		}
		copy(p.Data(n.in), randoms(r, batch*5, 1))
		p.Run()
		var grads [][]float32
		for _, q := range n.params {
			grads = append(grads, append([]float32(nil), q.Grad...))
		}
		for i, q := range n.params {
			dir := randoms(r, len(q.Data), 1/math.Sqrt(float64(len(q.Data))))
			want := kernel.Dot(grads[i], dir)
			if off, limit := n.differ(p, q, dir, loss, want/1.5), 1e-3+0.06*math.Abs(want); off > limit {
				t.Errorf("%s by %s: gradient along a direction %.5f, off by %.5f", loss.Name, q.Name, want/1.5, off)
			}
		}
	}
}

// differ returns how far the slope of the loss along dir is from want. Kinks of ReLU, max and |.| spoil some step
// sizes and rounding others, so the best of a few counts.
func (n *net) differ(p *Program, q *Param, dir []float32, loss *Loss, want float64) float64 {
	best := math.Inf(1)
	old := append([]float32(nil), q.Data...)
	for _, h := range []float64{2e-2, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4} {
		at := func(s float64) float64 {
			for j := range q.Data {
				q.Data[j] = old[j] + float32(s)*dir[j]
			}
			q.Changed()
			p.Run()
			return loss.Value
		}
		best = min(best, math.Abs((at(h)-at(-h))/(2*h)-want))
	}
	copy(q.Data, old)
	q.Changed()
	return best
}

// The bits of losses and gradients do not depend on the number of threads.
func TestThreads(t *testing.T) {
	var want [][]float32
	for _, threads := range []int{1, 2, 3, 4, 8} {
		r := rand.New(rand.NewSource(5))
		n := build(t, r)
		p, err := n.g.Compile(Spec{Batch: 9, Objective: n.objective(), WRT: n.params, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		copy(p.Data(n.in), randoms(r, 9*5, 1))
		p.Run()
		p.Run()
		for i, q := range n.params {
			if threads == 1 {
				want = append(want, append([]float32(nil), q.Grad...))
				continue
			}
			for j, v := range q.Grad {
				if v != want[i][j] {
					t.Fatalf("%d threads: %s gradient %d is %v, with one thread %v", threads, q.Name, j, v, want[i][j])
				}
			}
		}
	}
}

// An upsampling fused with its convolution equals the two apart, forward and backward.
func TestUpsampleConv(t *testing.T) {
	for _, size := range [][4]int{{1, 1, 3, 5}, {2, 3, 16, 16}, {4, 4, 5, 17}, {5, 7, 33, 8}} {
		h, w, cin, cout := size[0], size[1], size[2], size[3]
		const batch = 5
		r := rand.New(rand.NewSource(1))
		first, weights, in := randoms(r, 4*h*w*cin, 1), randoms(r, 9*cin*cout, 0.3), randoms(r, batch*4, 1)
		target := randoms(r, batch*4, 1)
		var grads [2][][]float32
		var outs [2][]float32
		for fused := range 2 {
			g := NewGraph()
			z, o := g.Input("z", 1, 1, 4), g.Input("target", 1, 1, 4)
			v := NewWeight("v", append([]float32(nil), first...), h*w*cin, nil)
			k := NewWeight("w", append([]float32(nil), weights...), cout, nil)
			k2 := NewWeight("w2", randoms(rand.New(rand.NewSource(2)), 4*h*w*cout*4, 1), 4, nil)
			x, err := g.Linear("x", z, v, nil, h, w, cin)
			if err != nil {
				t.Fatal(err)
			}
			var y *Tensor
			if fused == 1 {
				y, err = g.UpsampleConv("y", x, k)
			} else {
				y, err = g.Conv("y", g.Upsample2x("up", x), k, kernel.ConvShape{Cout: cout, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1})
			}
			if err != nil {
				t.Fatal(err)
			}
			head, err := g.Linear("head", y, k2, nil, 1, 1, 4)
			if err != nil {
				t.Fatal(err)
			}
			loss := g.L1("loss", head, o)
			p, err := g.Compile(Spec{Batch: batch, Objective: []Term{{loss, 1}}, WRT: []*Param{v.Param, k.Param}, Outputs: []*Tensor{y}})
			if err != nil {
				t.Fatal(err)
			}
			copy(p.Data(z), in)
			copy(p.Data(o), target)
			p.Run()
			outs[fused] = append([]float32(nil), p.Data(y)...)
			grads[fused] = [][]float32{v.Grad, k.Grad}
		}
		near(t, "output", outs[1], outs[0])
		near(t, "gradient of x", grads[1][0], grads[0][0])
		near(t, "gradient of w", grads[1][1], grads[0][1])
	}
}

func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	var off, top float64
	for i := range want {
		off, top = max(off, math.Abs(float64(got[i]-want[i]))), max(top, math.Abs(float64(want[i])))
	}
	if !(off <= 1e-5*top) {
		t.Errorf("%s: off by %g of %g", what, off, top)
	}
}
