package engine

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"zaq/internal/kernel"
)

// methodCases are the operations that methods other than zaq bring.
func methodCases(t *testing.T) (cases []*parity) {
	for _, k := range []struct {
		form BNForm
		name string
	}{{BNSquares, "squares"}, {BNNorms, "norms"}} {
		c := newParity(t, "bnform", k.name, 5, attrs{"form": k.name, "weights": []float64{10, 1}})
		m := c.g.BNMatchBy(k.form, "loss", c.preNorms())
		copy(m.Weights, []float64{10, 1})
		cases = append(cases, c.runLoss(m.Loss))
	}
	images := newParity(t, "bnimages", "two layers", 11, attrs{})
	cases = append(cases, images.runLoss(images.g.BNMatchImages("loss", images.preNorms())))

	for _, size := range [][3]int{{7, 5, 3}, {1, 4, 2}, {3, 1, 1}} {
		c := newParity(t, "totalvariation", fmt.Sprint(size), 9, attrs{})
		cases = append(cases, c.runLoss(c.g.TotalVariation("loss", c.input("x", size[0], size[1], size[2]))))
	}
	norm := newParity(t, "meannorm", "of maps", 9, attrs{})
	cases = append(cases, norm.runLoss(norm.g.MeanNorm("loss", norm.input("x", 3, 4, 5))))

	distill := newParity(t, "distill", "at 20", 6, attrs{"temperature": 20})
	cases = append(cases, distill.runLoss(distill.g.Distill("loss", distill.input("a", 1, 1, 10), distill.input("b", 1, 1, 10), 20)))
	js := newParity(t, "jensenshannon", "at 3", 6, attrs{"temperature": 3})
	cases = append(cases, js.runLoss(js.g.JensenShannon("loss", js.input("a", 1, 1, 7), js.input("b", 1, 1, 7), 3)))

	labels := []int{2, 0, 2, 3, 2}
	embed := newParity(t, "embed", "of repeated labels", len(labels), attrs{"labels": labels})
	cases = append(cases, embed.run(embed.g.Embed("y", embed.input("x", 1, 1, 9), embed.param("table", 0, 1, 4, 9), labels)))
	for _, j := range []Jitter{{DY: 2, DX: -1}, {DY: -7, DX: 9, Mirror: true}} {
		c := newParity(t, "jitter", fmt.Sprintf("%+v", j), 3, attrs{"dy": j.DY, "dx": j.DX, "mirror": j.Mirror})
		cases = append(cases, c.run(c.g.Jitter("y", c.input("x", 5, 4, 3), &j)))
	}

	for kind, add := range map[string]func(g *Graph, name string, p, q []*Tensor) *FeatureLoss{
		"gram": (*Graph).GramMatrices, "scrm": (*Graph).SCRM,
	} {
		weights := []float64{0.6, 0.4}
		c := newParity(t, kind, "two layers", 11, attrs{"weights": weights})
		p, q := c.features([][3]int{{19, 17, 6}, {2, 3, 17}}) // the first is more than SCRM attends to at a time
		f := add(c.g, "loss", p, q)
		copy(f.Weights, weights)
		cases = append(cases, c.runLoss(f.Loss))
	}
	return cases
}

// preNorms adds two maps and the statistics of what read them.
func (c *parity) preNorms() (at []PreNorm) {
	for i, channels := range []int{7, 18} {
		s := &Stats{Mean: randoms(c.r, channels, 1), Var: randoms(c.r, channels, 1), Epsilon: 1e-5}
		for j, v := range s.Var {
			s.Var[j] = 0.2 + v*v
		}
		c.give(fmt.Sprint("mean", i), s.Mean, channels)
		c.give(fmt.Sprint("var", i), s.Var, channels)
		at = append(at, PreNorm{c.input(fmt.Sprint("x", i), 4+i, 5, channels), s})
	}
	return at
}

// features adds pairs of maps that are alike.
func (c *parity) features(shapes [][3]int) (p, q []*Tensor) {
	for i, s := range shapes {
		x := randoms(c.r, c.batch*s[0]*s[1]*s[2], 1)
		y := randoms(c.r, len(x), 0.3)
		for j := range y {
			y[j] += x[j]
		}
		p = append(p, c.inputOf(fmt.Sprint("p", i), x, s[0], s[1], s[2]))
		q = append(q, c.inputOf(fmt.Sprint("q", i), y, s[0], s[1], s[2]))
	}
	return p, q
}

// The gradient of every loss agrees with finite differences.
func TestLossGradients(t *testing.T) {
	const batch, h, w, channels = 5, 4, 3, 6
	labels := []int{0, 2, 1, 2, 0}
	stats := func(x *Tensor) []PreNorm {
		return []PreNorm{{x, &Stats{Mean: []float32{1, 0, -1, 0, 0.5, 2}, Var: []float32{1, 2, 0.5, 1, 3, 1}, Epsilon: 1e-5}}}
	}
	for name, add := range map[string]func(g *Graph, x, y *Tensor) *Loss{
		"squares": func(g *Graph, x, _ *Tensor) *Loss { return g.BNMatchBy(BNSquares, "l", stats(x)).Loss },
		"norms":   func(g *Graph, x, _ *Tensor) *Loss { return g.BNMatchBy(BNNorms, "l", stats(x)).Loss },
		"norms in units": func(g *Graph, x, _ *Tensor) *Loss {
			m := g.BNMatchBy(BNNorms, "l", stats(x))
			m.Scales[0] = 1.7
			return m.Loss
		},
		"images":  func(g *Graph, x, _ *Tensor) *Loss { return g.BNMatchImages("l", stats(x)) },
		"tv":      func(g *Graph, x, _ *Tensor) *Loss { return g.TotalVariation("l", x) },
		"norm":    func(g *Graph, x, _ *Tensor) *Loss { return g.MeanNorm("l", x) },
		"distill": func(g *Graph, x, y *Tensor) *Loss { return g.Distill("l", x, y, 4) },
		"js":      func(g *Graph, x, y *Tensor) *Loss { return g.JensenShannon("l", x, y, 3) },
		"gram":    func(g *Graph, x, y *Tensor) *Loss { return g.GramMatrices("l", []*Tensor{x}, []*Tensor{y}).Loss },
		"scrm":    func(g *Graph, x, y *Tensor) *Loss { return g.SCRM("l", []*Tensor{x}, []*Tensor{y}).Loss },
		"jitter": func(g *Graph, x, y *Tensor) *Loss {
			return g.L1("l", g.Jitter("j", x, &Jitter{DY: 1, DX: -1, Mirror: true}), y)
		},
		"embed": func(g *Graph, x, y *Tensor) *Loss {
			return g.MeanNorm("l", g.Embed("e", x, NewParam("table", randoms(rand.New(rand.NewSource(5)), 3*h*w*channels, 1), false), labels))
		},
	} {
		r := rand.New(rand.NewSource(2))
		g := NewGraph()
		px, py := NewParam("x", randoms(r, batch*h*w*channels, 1), false), NewParam("y", randoms(r, batch*h*w*channels, 1), false)
		loss := add(g, g.Variable(px, h, w, channels), g.Variable(py, h, w, channels))
		params := []*Param{px, py}
		p, err := g.Compile(Spec{Batch: batch, Objective: []Term{{loss, 1.5}}, WRT: params})
		if err != nil {
			t.Fatal(err)
		}
		p.Run()
		n := &net{}
		for _, q := range params {
			dir := randoms(r, len(q.Data), 1/math.Sqrt(float64(len(q.Data))))
			p.Run()
			want := kernel.Dot(q.Grad, dir) / 1.5
			if off, limit := n.differ(p, q, dir, loss, want), 1e-3+0.02*math.Abs(want); off > limit {
				t.Errorf("%s by %s: gradient along a direction %.5f, off by %.5f", name, q.Name, want, off)
			}
		}
	}
}
