package method

import (
	"context"
	"math"
	"slices"
	"testing"

	"zaq/internal/engine"
)

// The gradient of Q over two parts is that over a batch of both, since nothing in P and Q looks at other images.
func TestPartsAreABatch(t *testing.T) {
	o := tiny(t)
	o.Generator.Parts = 2
	net := tinyNet(t)
	gradients := func(batch int, run func(tw *twins, p *engine.Program)) [][]float32 {
		o := o
		o.Generator.Batch = batch
		tw, err := newTwinsBehind(context.Background(), net, &o, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range tw.ranges.quants {
			q.SetRange(0, -2, 3)
		}
		for _, s := range tw.ranges.sites {
			s.Load()
		}
		p, err := tw.g.Compile(engine.Spec{
			Batch: batch, WRT: tw.q.Params,
			Objective: []engine.Term{{Loss: tw.g.L1("D_o", tw.pOut[0], tw.qOut[0]), Coef: 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		run(tw, p)
		var all [][]float32
		for _, w := range tw.q.Params {
			all = append(all, slices.Clone(w.Grad))
		}
		return all
	}
	var images []float32
	parts := gradients(4, func(tw *twins, p *engine.Program) {
		x := make([]float32, 64*tw.image.Len())
		for i := range x {
			x[i] = float32(math.Sin(float64(i)*0.7) + math.Cos(float64(i)*0.013))
		}
		if err := tw.take(&stock{n: 64, x: x}); err != nil {
			t.Fatal(err)
		}
		runs := 0
		tw.accumulate(p, tw.q.Params, 5, "knowledge transfer", func() {
			images = append(images, tw.image.images(p)...)
			runs++
		})
		if runs != 2 {
			t.Errorf("%d runs", runs)
		}
	})
	whole := gradients(8, func(tw *twins, p *engine.Program) {
		tw.image.load(p, images)
		p.Run()
	})
	for i := range whole {
		for k, want := range whole[i] {
			if got := parts[i][k]; math.Abs(float64(got-want)) > 1e-5*(1+math.Abs(float64(want))) {
				t.Fatalf("parameter %d, element %d: %v over two parts, %v over the batch", i, k, got, want)
			}
		}
	}
	if slices.Equal(images[:len(images)/2], images[len(images)/2:]) {
		t.Error("both parts saw the same images")
	}
}

// More images at a time take more memory, and training takes more than rounding.
func TestFootprint(t *testing.T) {
	o := tiny(t)
	net := tinyNet(t)
	of := func(batch int, trains bool) int64 {
		o := o
		o.Generator.Batch = batch
		n, err := Footprint(context.Background(), net, o, trains)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if a, b, c := of(8, false), of(8, true), of(64, true); !(0 < a && a < b && b < c) {
		t.Errorf("%d to round and %d to train with 8 images, %d with 64", a, b, c)
	}
	looked := of(8, false)
	o.Images, o.Source = make([]float32, 64*net.Values[net.Inputs[0]].Shape[1]*64), SourceGiven
	if a, b := of(8, false), of(8, true); !(a < b) || looked == 0 {
		t.Errorf("%d to round and %d to train on images that are there", a, b)
	}
}
