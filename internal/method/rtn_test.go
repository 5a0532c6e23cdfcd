package method

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

func TestRTN(t *testing.T) {
	const n = 12
	x := noise(n)
	for _, test := range []struct {
		place    nn.PlaceOptions
		mse      bool
		observer string
		images   int // of the user's own
	}{
		{nn.PlaceOptions{Scheme: nn.Deploy, WBits: 4, ABits: 8}, false, "ema", 0},
		{nn.PlaceOptions{Scheme: nn.Deploy, WBits: 8, ABits: 8}, true, "minmax", 20},
		{nn.PlaceOptions{Scheme: nn.Deploy, WBits: 2, ABits: 8, FirstLastBits: 8}, false, "percentile", 3},
		{nn.PlaceOptions{Scheme: nn.Deploy, WBits: 8, ABits: 8, PerTensor: true}, false, "mse", 9},
		{nn.PlaceOptions{Scheme: nn.Paper, WBits: 5, ABits: 8}, false, "mse", 9},
		{nn.PlaceOptions{Scheme: nn.Paper, WBits: 8, ABits: 8, PerTensor: true}, true, "ema", 9},
	} {
		name := fmt.Sprintf("%+v, mse %v, %s", test.place, test.mse, test.observer)
		o := tiny(t)
		o.Place, o.MSE, o.Observer = test.place, test.mse, test.observer
		if test.images > 0 {
			o.Images = noise(test.images)
		}
		net := tinyNet(t)
		r, err := RTN(context.Background(), net, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkCalibrated(t, r)
		if len(r.Costs) != len(r.Placement.Weights) || r.Steps != 0 || r.Agreement < 0 || r.Agreement > 1 {
			t.Errorf("%s: %d costs, %d steps, agreement %g", name, len(r.Costs), r.Steps, r.Agreement)
		}

		p, err := engine.NewPredictor(r.Net, n, 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		copy(p.Input(), x)
		if err := p.Run(); err != nil {
			t.Fatal(err)
		}
		// A value at the border between two levels can fall on either side.
		values := reference(t, r.Net, x, n)
		if d := difference(values["logits"], p.Output(0)); d > 0.02 {
			t.Errorf("%s: the engine is %g off the reference", name, d)
		}
		if d := difference(reference(t, net, x, n)["logits"], p.Output(0)); test.place.WBits == 8 && d > 0.1 {
			t.Errorf("%s: 8 bits are %g off the float network", name, d)
		}
	}
}

// The cost of a weight is that of rounding it, in whatever form it is rounded.
func TestRTNCosts(t *testing.T) {
	for _, perTensor := range []bool{false, true} {
		o := tiny(t)
		o.Images = noise(8)
		o.Place.PerTensor = perTensor
		p, err := prepare(tinyNet(t))
		if err != nil {
			t.Fatal(err)
		}
		float, _, err := place(p, o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := RTN(context.Background(), tinyNet(t), o)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range r.Costs {
			w := r.Placement.Weights[i]
			want := quant.SQNR(float.Values[w.Value.Name].Data, w.Value.Data)
			if c.Layer != w.Layer || math.Abs(c.WeightSQNR-want) > 1e-3 || want < 10 {
				t.Errorf("per tensor %v: %s costs %g dB, want %g", perTensor, w.Value.Name, c.WeightSQNR, want)
			}
			if !(c.OutputSQNR > 3 && c.OutputSQNR < 60) {
				t.Errorf("per tensor %v: the output of %s costs %g dB", perTensor, w.Layer.Name, c.OutputSQNR)
			}
		}
	}
}

func TestRTNWithoutBatchNorm(t *testing.T) {
	o := tiny(t)
	if r, err := RTN(context.Background(), unnormalized(t), o); !errors.Is(err, ErrNoBatchNorm) || r != nil {
		t.Errorf("%v", err)
	}
	o.Images = noise(10)
	r, err := RTN(context.Background(), unnormalized(t), o)
	if err != nil {
		t.Fatal(err)
	}
	checkCalibrated(t, r)
	// Agreement is on the images that were given.
	x := slices.Clone(o.Images)
	p, q := reference(t, unnormalized(t), x, 10)["logits"], reference(t, r.Net, x, 10)["logits"]
	same := 0
	for i := range 10 {
		a, b := p[i*5:(i+1)*5], q[i*5:(i+1)*5]
		if slices.Index(a, slices.Max(a)) == slices.Index(b, slices.Max(b)) {
			same++
		}
	}
	near(t, "agreement", r.Agreement, float64(same)/10)
}

func TestRTNStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := tiny(t)
	last := 0
	o.Progress = func(p Progress) {
		if last = p.Step; p.Step == 2 {
			cancel()
		}
	}
	if r, err := RTN(ctx, tinyNet(t), o); err != context.Canceled || r != nil || last != 2 {
		t.Errorf("%v after step %d", err, last)
	}
	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	if _, err := RTN(late, tinyNet(t), tiny(t)); err != context.DeadlineExceeded {
		t.Errorf("%v", err)
	}
}

// The quantizer behind a convolution takes over the name of an output: P and Q then call that layer's result by
// different names.
func TestRTNOfMaps(t *testing.T) {
	for _, scheme := range []string{nn.Deploy, nn.Paper} {
		o := tiny(t)
		o.Place.Scheme, o.Images = scheme, noise(6)
		r, err := RTN(context.Background(), mapsNet(t), o)
		if err != nil {
			t.Fatal(err)
		}
		checkCalibrated(t, r)
		c := r.Costs[len(r.Costs)-1]
		if c.Layer.Name != "head" || !(c.OutputSQNR > 3 && c.OutputSQNR < 60) {
			t.Errorf("%s: %s costs %g dB at its output", scheme, c.Layer.Name, c.OutputSQNR)
		}
		if p, err := engine.NewPredictor(r.Net, 2, 0); err != nil || p.Classes(0) != 3*2*2 {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// A batch normalization that follows no convolution costs nothing, whether weights are folded before or after: it is held
// exactly. What comes behind it keeps its own costs.
func TestRTNCostsOfLoneBatchNorm(t *testing.T) {
	for _, perTensor := range []bool{false, true} {
		net := tinyNet(t)
		for _, name := range []string{"weight", "bias", "running_mean", "running_var"} { // the first layer: of the image
			v := net.Values["bn1."+name]
			v.Data, v.Shape = v.Data[:3], []int{3}
		}
		conv, bn := net.Layers[0], net.Layers[1]
		bn.In[0], bn.Out[0], conv.In[0], conv.Out[0] = "input", "normalized", "normalized", "bn1"
		net.Layers[0], net.Layers[1] = bn, conv
		if err := nn.InferShapes(net); err != nil {
			t.Fatal(err)
		}
		o := tiny(t)
		o.Place = nn.PlaceOptions{Scheme: nn.Deploy, WBits: 8, ABits: 8, PerTensor: perTensor}
		o.Images = noise(8)
		r, err := RTN(context.Background(), net, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Costs) != 10 {
			t.Errorf("per tensor %v: %d costs, want 10", perTensor, len(r.Costs))
		}
		for _, c := range r.Costs {
			if !(c.WeightSQNR > 25) || !(c.OutputSQNR > 10 && c.OutputSQNR < 70) {
				t.Errorf("per tensor %v: %s costs %.1f dB of its weights and %.1f of its output", perTensor, c.Layer.Name, c.WeightSQNR, c.OutputSQNR)
			}
		}
	}
}
