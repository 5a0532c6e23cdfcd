package method

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// tinyNet is an untrained residual network for 8x8 images. Its batch normalizations are given what a trained
// one's have: channels that differ, shifts, and a gamma below zero.
func tinyNet(t *testing.T) *nn.Network {
	t.Helper()
	net, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 8, 8}, Classes: 5}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range net.Layers {
		if _, ok := l.Op.(nn.BatchNorm); !ok {
			continue
		}
		r := random.New(4, 0, l.Name)
		for c := range net.Input(l, 1).Data {
			net.Input(l, 1).Data[c] = 0.6 + 0.8*r.Float32()
			net.Input(l, 2).Data[c] = r.Float32() - 0.4
			net.Input(l, 3).Data[c] = r.Float32() - 0.5
			net.Input(l, 4).Data[c] = 0.7 + r.Float32()
		}
		net.Input(l, 1).Data[1] *= -1
	}
	return net
}

// unnormalized is tinyNet without batch normalizations.
func unnormalized(t *testing.T) *nn.Network {
	t.Helper()
	net := tinyNet(t)
	if err := nn.FoldBatchNorm(net); err != nil {
		t.Fatal(err)
	}
	return net
}

// tiny are options for a few steps on tinyNet.
func tiny(t *testing.T) Options {
	t.Helper()
	pixels, err := preprocess.Assumed([]int{-1, 3, 8, 8})
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Place: nn.PlaceOptions{Scheme: nn.Deploy, WBits: 4, ABits: 8}, Seed: 1, Pixels: pixels, Fingerprint: "test=yes",
		Generator: Generator{Batch: 8, Warmup: 3, LR: 1e-3, Latent: 16, Batches: 2},
		Tune:      TuneOptions{Steps: 8, QPerG: 2, Schedule: engine.Cosine, LR: 0.03, GLR: 1e-3, Momentum: 0.9, Decay: 5e-4, GradClip: 1},
		ZAQ:       ZAQOptions{Alpha: 1, Beta: 0.05, Tau: 1, FeatureEMA: 0.9},
	}
}

// noise are n images as tinyNet takes them, [n, H, W, C].
func noise(n int) []float32 {
	x := make([]float32, n*8*8*3)
	random.New(9, 0, "images").Normal(x)
	return x
}

// nchw gives images the order of the network's own arithmetic.
func nchw(x []float32, n int) []float32 {
	y := make([]float32, len(x))
	size := len(x) / n
	for i, v := range x {
		at, c := i%size/3, i%3
		y[i/size*size+c*(size/3)+at] = v
	}
	return y
}

// reference computes every tensor of net by definition.
func reference(t *testing.T, net *nn.Network, x []float32, n int) map[string][]float32 {
	t.Helper()
	values, err := nn.Reference(net, map[string][]float32{net.Inputs[0]: nchw(x, n)}, n)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// difference is the mean absolute difference of two arrays over the mean magnitude of the first.
func difference(want, got []float32) float64 {
	var d, size float64
	for i, v := range want {
		d += math.Abs(float64(v) - float64(got[i]))
		size += math.Abs(float64(v))
	}
	return d / size
}

func TestPrepare(t *testing.T) {
	net := tinyNet(t)
	// A bias in front of a batch normalization.
	conv := net.Layer("conv1")
	net.Values["conv1.bias"] = &nn.Value{Name: "conv1.bias", Shape: []int{4}, Data: []float32{1, -2, 0.5, 0}}
	conv.In = append(conv.In, "conv1.bias")
	before := net.Clone()
	p, err := prepare(net)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(net, before) {
		t.Error("the network that was given has changed")
	}
	for _, l := range p.Layers {
		switch l.Op.(type) {
		case nn.BatchNorm:
			if lo := slices.Min(p.Input(l, 1).Data); lo < 0 {
				t.Errorf("%s: a gamma of %g", l.Name, lo)
			}
			if s := p.Output(l).Stats; s == nil || !slices.Equal(s.Mean, p.Input(l, 2).Data) {
				t.Errorf("%s: statistics %v", l.Name, s)
			}
		case nn.Conv:
			if p.Input(l, 2) != nil {
				t.Errorf("%s still has a bias", l.Name)
			}
		}
	}
	x := noise(3)
	if d := difference(reference(t, net, x, 3)["logits"], reference(t, p, x, 3)["logits"]); d > 1e-5 {
		t.Errorf("it computes something else: %g", d)
	}
}

func TestPrepareRefused(t *testing.T) {
	for _, test := range []struct {
		name, want string
		spoil      func(n *nn.Network)
	}{
		{"no input", "0 inputs", func(n *nn.Network) { n.Inputs = nil }},
		{"a sequence beside the image", `input "second"`, func(n *nn.Network) {
			n.Inputs = append(n.Inputs, "second")
			n.Values["second"] = &nn.Value{Name: "second", Shape: []int{nn.Batch, 7, 5}}
			n.Layers = append(n.Layers, &nn.Layer{Name: "reader", Op: nn.Relu{}, In: []string{"second"}, Out: []string{"read"}})
		}},
		{"unknown shape", `input "input"`, func(n *nn.Network) { n.Values["input"].Shape = nil }},
		{"unknown height", `input "input"`, func(n *nn.Network) { n.Values["input"].Shape[2] = -1 }},
		{"no width", `input "input"`, func(n *nn.Network) { n.Values["input"].Shape[3] = 0 }},
		{"no channels", `input "input"`, func(n *nn.Network) { n.Values["input"].Shape[1] = -1 }},
		{"vectors", `input "input"`, func(n *nn.Network) { n.Values["input"].Shape = []int{nn.Batch, 192} }},
		{"quantized", `node "input_QuantizeLinear"`, func(n *nn.Network) {
			if _, err := nn.Place(n, nn.PlaceOptions{Scheme: nn.Deploy, WBits: 4, ABits: 4}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		net := tinyNet(t)
		test.spoil(net)
		if p, err := prepare(net); err == nil || p != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPlace(t *testing.T) {
	p, err := prepare(tinyNet(t))
	if err != nil {
		t.Fatal(err)
	}
	norms := func(n *nn.Network) (count int) {
		for _, l := range n.Layers {
			if _, ok := l.Op.(nn.BatchNorm); ok {
				count++
			}
		}
		return count
	}
	before := p.Clone()
	for _, perTensor := range []bool{false, true} {
		o := tiny(t)
		o.Place.PerTensor = perTensor
		q, placement, err := place(p, o)
		if err != nil {
			t.Fatal(err)
		}
		// One scale for all channels cannot absorb a factor for each: normalizations are folded first.
		want := norms(p)
		if perTensor {
			want = 0
		}
		if norms(q) != want {
			t.Errorf("per tensor %v: %d batch normalizations, want %d", perTensor, norms(q), want)
		}
		if len(placement.Weights) != 10 || len(placement.Activations) == 0 {
			t.Errorf("per tensor %v: %d weights, %d activations", perTensor, len(placement.Weights), len(placement.Activations))
		}
		for _, w := range placement.Weights {
			if w.Quantizer.PerChannel == perTensor {
				t.Errorf("per tensor %v: %s is per channel: %v", perTensor, w.Value.Name, w.Quantizer.PerChannel)
			}
		}
		for _, f := range nn.Features(p) {
			if q.Values[f] == nil {
				t.Errorf("per tensor %v: tensor %q is gone", perTensor, f)
			}
		}
	}
	if !reflect.DeepEqual(p, before) {
		t.Error("placing has changed the float network")
	}
	o := tiny(t)
	o.Place.WBits = 9
	if _, _, err := place(p, o); err == nil {
		t.Error("9 bits: no error")
	}
}

func TestQuantized(t *testing.T) {
	// The output of the network is a feature, too, so that its quantizer takes over the name.
	net := tinyNet(t)
	net.Outputs = []string{"layer3.0.relu2"}
	q, _, err := place(net, tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	for tensor, want := range map[string]string{
		"input":          "input_DequantizeLinear_Output",
		"relu":           "relu_DequantizeLinear_Output",
		"conv1":          "conv1", // lies within an integer kernel
		"layer3.0.relu2": "layer3.0.relu2",
	} {
		if got := quantized(q, tensor); got != want {
			t.Errorf("%s: %q, want %q", tensor, got, want)
		}
	}
	if l := q.Producer("layer3.0.relu2"); l == nil || l.Op.Kind() != "FakeQuant" {
		t.Errorf("the output is made by %v", l)
	}
}

// onGrid reports whether every element of a constant is a level of its quantizer.
func onGrid(v *nn.Value) bool {
	rounded := make([]float32, len(v.Data))
	v.Quant.FakeQuantizeChannels(rounded, v.Data)
	return slices.Equal(rounded, v.Data)
}

// checkCalibrated fails unless every quantizer of a result has parameters and every weight lies on its grid.
func checkCalibrated(t *testing.T, r *Result) {
	t.Helper()
	for _, l := range r.Net.Layers {
		if op, ok := l.Op.(nn.FakeQuant); ok {
			if err := op.Q.Validate(); err != nil {
				t.Errorf("%s: %v", l.Name, err)
			}
			if got := op.Q.FakeQuantize(0, 0); got != 0 {
				t.Errorf("%s: zero becomes %g", l.Name, got)
			}
		}
	}
	for _, w := range r.Placement.Weights {
		if err := w.Quantizer.Validate(); err != nil {
			t.Errorf("%s: %v", w.Value.Name, err)
		}
		if w.Value.Quant != w.Quantizer || !onGrid(w.Value) {
			t.Errorf("%s does not lie on its grid", w.Value.Name)
		}
		scales := 1
		if w.Quantizer.PerChannel {
			scales = w.Value.Shape[0]
		}
		if len(w.Quantizer.Scale) != scales {
			t.Errorf("%s: %d scales, want %d", w.Value.Name, len(w.Quantizer.Scale), scales)
		}
	}
}

// mapsNet is tinyNet with a convolution in place of its classifier: an answer of 3 channels for each of 2x2 positions.
func mapsNet(t *testing.T) *nn.Network {
	t.Helper()
	net := tinyNet(t)
	net.Layers = net.Layers[:len(net.Layers)-3] // pooling, Flatten, Gemm
	w := make([]float32, 3*16)
	random.New(5, 0, "head").Normal(w)
	net.Values["head.weight"] = &nn.Value{Name: "head.weight", Shape: []int{3, 16, 1, 1}, Data: w}
	net.Values["head.bias"] = &nn.Value{Name: "head.bias", Shape: []int{3}, Data: []float32{0.5, -1, 0.25}}
	net.Layers = append(net.Layers, &nn.Layer{
		Name: "head", Op: nn.Conv{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1},
		In: []string{"layer3.0.relu2", "head.weight", "head.bias"}, Out: []string{"maps"},
	})
	net.Outputs = []string{"maps"}
	if err := nn.InferShapes(net); err != nil {
		t.Fatal(err)
	}
	return net
}
