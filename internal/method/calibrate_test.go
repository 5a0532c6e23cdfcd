package method

import (
	"context"
	"slices"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/quant"
)

// calibrated returns twins whose activation ranges were chosen.
func calibrated(t *testing.T, net *nn.Network, o Options) *twins {
	t.Helper()
	tw, err := newTwins(context.Background(), net, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := tw.calibrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range tw.q.Sites {
		if err := s.Quantizer.Validate(); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if s.Observe || !s.On || s.Scale != s.Quantizer.Scale[0] {
			t.Errorf("%s: observes %v, rounds %v, scale %g of %g", s.Name, s.Observe, s.On, s.Scale, s.Quantizer.Scale[0])
		}
	}
	return tw
}

// imageObservers are those that can go by images.
func imageObservers() []string {
	return slices.DeleteFunc(slices.Clone(Observers), func(o string) bool { return !ByImages(o) })
}

// Each observer chooses from the user's images what its definition says, with weights rounded and activations not.
func TestCalibrateObservers(t *testing.T) {
	const n = 23
	cut := []int{8, 8, 7} // every image counts
	x := noise(n)
	for _, name := range append(imageObservers(), "") {
		o := tiny(t)
		o.Observer, o.Images = name, x
		tw := calibrated(t, tinyNet(t), o)

		q := tw.qNet.Clone()
		tw.q.Store() // the grids of the weights
		for v := range q.Values {
			if w := tw.qNet.Values[v]; w.Quant != nil {
				q.Values[v].Data = rounded(w)
			}
		}
		for _, l := range q.Layers {
			if _, ok := l.Op.(nn.FakeQuant); ok {
				l.Op = nn.Identity{}
			}
		}
		var batches []map[string][]float32
		first := 0
		for _, size := range cut {
			batches = append(batches, reference(t, q, x[first*192:(first+size)*192], size))
			first += size
		}
		for _, s := range tw.placement.Activations {
			if s.Tied || s.Tensor == "input" {
				continue
			}
			var observer quant.Observer
			switch name {
			case "minmax":
				observer = &quant.MinMax{}
			case "percentile":
				observer = quant.NewPercentile(99.99)
			case "mse":
				observer = quant.NewMSE(s.Quantizer.Scheme)
			case "laplace":
				observer = quant.NewLaplace(s.Quantizer.Scheme)
			case "gauss":
				observer = quant.NewGauss(s.Quantizer.Scheme)
			}
			var lo, hi float32
			for i, b := range batches {
				v := b[s.Tensor]
				l, h := min(slices.Min(v), 0), max(slices.Max(v), 0)
				switch {
				case observer != nil:
					observer.Observe(v)
				case i == 0:
					lo, hi = l, h
				default:
					lo, hi = lo+(l-lo)/10, hi+(h-hi)/10
				}
			}
			if observer != nil {
				lo, hi = observer.Range()
			}
			// The engine's sums differ in the last bits, which can move the threshold of a search by a step.
			scale, _ := s.Quantizer.Params(lo, hi)
			if r := s.Quantizer.Scale[0] / scale; r < 0.98 || r > 1.02 {
				t.Errorf("observer %q: %s has scale %g, want %g", name, s.Tensor, s.Quantizer.Scale[0], scale)
			}
		}
	}
}

// rounded is a weight on its grid.
func rounded(v *nn.Value) []float32 {
	y := make([]float32, len(v.Data))
	v.Quant.FakeQuantizeChannels(y, v.Data)
	return y
}

func TestCalibrateImageRange(t *testing.T) {
	for _, observer := range imageObservers() {
		o := tiny(t)
		o.Observer = observer
		tw := calibrated(t, tinyNet(t), o)
		s := tw.placement.Activations[0]
		if s.Tensor != "input" {
			t.Fatalf("the first quantizer is that of %q", s.Tensor)
		}
		want := quant.New(s.Quantizer.Scheme)
		want.SetRange(0, -120.0/64, (255.0-120)/64) // black to white
		near(t, observer+" scale of the image", float64(s.Quantizer.Scale[0]), float64(want.Scale[0]))
	}
}

func TestEvenly(t *testing.T) {
	for _, c := range []struct {
		n, most int
		want    []int
	}{
		{1, 8, []int{1}}, {8, 8, []int{8}}, {9, 8, []int{5, 4}}, {16, 8, []int{8, 8}}, {23, 8, []int{8, 8, 7}},
		{65, 64, []int{33, 32}}, {127, 64, []int{64, 63}}, {3, 1, []int{1, 1, 1}},
	} {
		if got := evenly(c.n, c.most); !slices.Equal(got, c.want) {
			t.Errorf("%d images, %d at most: %v, want %v", c.n, c.most, got, c.want)
		}
	}
}

// An image moves the ranges wherever it is in the set.
func TestCalibrateEveryImage(t *testing.T) {
	const n = 9 // of batches of 8
	scale := func(x []float32, observer string) float32 {
		o := tiny(t)
		o.Images, o.Observer = x, observer
		tw := calibrated(t, tinyNet(t), o)
		return tw.placement.Activations[1].Quantizer.Scale[0]
	}
	for _, observer := range []string{"minmax", "ema"} {
		before := scale(noise(n), observer)
		for i := range n {
			x := noise(n)
			for k := range 192 {
				x[i*192+k] *= 50
			}
			if got := scale(x, observer); got < 2*before {
				t.Errorf("%s: with a large image %d the scale is %g, was %g", observer, i, got, before)
			}
		}
	}
}

func TestCalibrateFewImages(t *testing.T) {
	for _, test := range []struct{ n, batches int }{{1, 1}, {5, 1}, {8, 1}, {15, 2}, {16, 2}, {17, 3}} {
		o := tiny(t)
		o.Images = noise(test.n)
		var steps []int
		o.Progress = func(p Progress) {
			if p.Phase != "calibrate" || p.Total != test.batches {
				t.Errorf("%d images: %+v, want %d batches", test.n, p, test.batches)
			}
			steps = append(steps, p.Step)
		}
		tw := calibrated(t, tinyNet(t), o)
		if tw.ranges.seen != test.batches || len(steps) != test.batches {
			t.Errorf("%d images: %d batches seen, steps %v, want %d", test.n, tw.ranges.seen, steps, test.batches)
		}
	}
}

func TestCalibrateRefused(t *testing.T) {
	for name, spoil := range map[string]func(o *Options){
		"no images":        func(o *Options) { o.Images = []float32{} },
		"not a whole one":  func(o *Options) { o.Images = noise(1)[1:] },
		"unknown observer": func(o *Options) { o.Observer = "median" },
	} {
		o := tiny(t)
		spoil(&o)
		tw, err := newTwins(context.Background(), tinyNet(t), &o)
		if err != nil {
			t.Fatal(err)
		}
		if err := tw.calibrate(context.Background()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Scheme paper quantizes what activation functions make: a network without them has nothing to calibrate.
func TestCalibrateNothing(t *testing.T) {
	net := tinyNet(t)
	for _, l := range net.Layers {
		if _, ok := l.Op.(nn.Relu); ok {
			l.Op = nn.Identity{}
		}
	}
	o := tiny(t)
	o.Place.Scheme, o.Images = nn.Paper, noise(2)
	if tw := calibrated(t, net, o); len(tw.q.Sites) != 0 {
		t.Errorf("%d sites", len(tw.q.Sites))
	}
}
