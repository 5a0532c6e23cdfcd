package engine

import (
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"zaq/internal/kernel"
)

// inverted is a network of two inverted residual blocks (a widening 1x1 convolution, a depthwise one, a narrowing
// one), the second of them with a sum, under a loss and a channel relation to a constant map.
func inverted(t *testing.T, r *rand.Rand) (g *Graph, x, y *Tensor, terms []Term, params []*Param) {
	g = NewGraph()
	conv := func(x *Tensor, cout, k, groups int) *Tensor {
		w := NewWeight(fmt.Sprint("w", len(params)), randoms(r, k*k*x.C/groups*cout, 0.4), cout, nil)
		s := kernel.ConvShape{Cout: cout, KH: k, KW: k, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
			PadTop: k / 2, PadLeft: k / 2, PadBottom: k / 2, PadRight: k / 2, Groups: groups}
		y, err := g.Conv(fmt.Sprint("conv", len(params)), x, w, s)
		if err != nil {
			t.Fatal(err)
		}
		gamma, beta := NewParam("gamma", randoms(r, cout, 1), false), NewParam("beta", randoms(r, cout, 1), false)
		params = append(params, w.Param, gamma, beta)
		return g.BatchNorm(y.Name+" norm", y, gamma, beta, &Stats{Mean: make([]float32, cout), Var: ones(cout)}, false)
	}
	bend := func(x *Tensor) *Tensor {
		a := g.Activate(x.Name+" act", x, Activation{Kind: kernel.ActClip, Lo: 0, Hi: 2})
		return g.FakeQuant(a.Name+" quant", a, &ActQuant{Scale: 0.125, QMax: 15, On: true})
	}
	x = g.Input("x", 24, 15, 7)
	other := g.Input("other", 24, 15, 16)
	y = x
	for i := range 2 {
		wide := bend(conv(y, 80, 1, 1))
		narrow := conv(bend(conv(wide, 80, 3, 80)), 16, 1, 1)
		if i > 0 {
			narrow = g.Add("sum", narrow, y)
		}
		y = narrow
	}
	crm := g.CRM("features", []*Tensor{other}, []*Tensor{y})
	return g, x, y, []Term{{g.MeanAbs("loss", y), 1}, {crm.Loss, 1}}, params
}

// Pieces of images have the outputs of whole ones, bit by bit, and gradients that differ by the order of sums.
func TestPieces(t *testing.T) {
	defer func(n int) { pieceBytes = n }(pieceBytes)
	run := func(bytes, batch, threads int) (out, grads []float32, pieces int) {
		pieceBytes = bytes
		r := rand.New(rand.NewSource(8))
		g, x, y, terms, params := inverted(t, r)
		p, err := g.Compile(Spec{Batch: batch, Objective: terms, WRT: params, Outputs: []*Tensor{y}, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.segments {
			for _, part := range s.parts {
				for _, run := range part.runs {
					pieces = max(pieces, run.pieces)
				}
			}
		}
		for v := range p.values {
			if _, ok := v.producer.(*input); ok {
				copy(p.Data(v), randoms(rand.New(rand.NewSource(int64(v.C))), batch*v.Len(), 1))
			}
		}
		copy(p.Data(x), randoms(r, batch*x.Len(), 1))
		p.Run()
		for _, q := range params {
			grads = append(grads, q.Grad...)
		}
		return slices.Clone(p.Data(y)), grads, pieces
	}
	for _, batch := range []int{1, 9} {
		out, grads, pieces := run(1<<20, batch, 1)
		if pieces != 1 {
			t.Errorf("%d pieces", pieces)
		}
		for _, bytes := range []int{4, 10_000, 40_000} {
			o, d, pieces := run(bytes, batch, 1)
			if pieces < 2 {
				t.Errorf("%d bytes: images go in one piece", bytes)
			}
			if !slices.Equal(o, out) {
				t.Errorf("%d images, pieces of %d bytes: outputs differ", batch, bytes)
			}
			for i, v := range d {
				if math.Abs(float64(v-grads[i])) > 1e-5*(1+math.Abs(float64(grads[i]))) {
					t.Fatalf("%d images, pieces of %d bytes: gradient %d is %g, not %g", batch, bytes, i, v, grads[i])
				}
			}
			if _, again, _ := run(bytes, batch, 2); !slices.Equal(again, d) {
				t.Errorf("%d images, pieces of %d bytes: gradients depend on threads", batch, bytes)
			}
		}
	}
}
