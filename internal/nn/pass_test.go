package nn

import (
	"math"
	"slices"
	"strings"
	"testing"

	"zaq/internal/quant"
)

// normalizedConv adds a Conv of 3x3 from 4 channels to 4 and a BatchNorm, with gammas of both signs and
// one of zero, and returns the names of both outputs.
func normalizedConv(b *graphBuilder, x string, bias bool) (conv, bn string) {
	args := []any{x, b.weights(4, 4, 3, 3), nums("pads", 1, 1, 1, 1)}
	if bias {
		args = append(args, b.weights(4))
	}
	conv = b.node("Conv", args...)
	return conv, batchNorm(b, conv)
}

func batchNorm(b *graphBuilder, x string) string {
	return b.node("BatchNormalization", x, b.floats([]int64{4}, 0.7, -1.2, 0, -0.4), b.weights(4), b.weights(4),
		b.floats([]int64{4}, 1, 0.3, 2, 0.1))
}

// passNetworks are networks with all that the passes on BatchNorm tell apart.
func passNetworks(t *testing.T) map[string]*Network {
	build := func(f func(b *graphBuilder) string) *Network {
		b := newGraph(13)
		b.input("x", 4, 5, 6)
		b.output(f(b))
		return b.mustImport(t)
	}
	return map[string]*Network{
		"chain": build(func(b *graphBuilder) string {
			_, y := normalizedConv(b, "x", true)
			_, y = normalizedConv(b, b.node("Relu", y), false)
			return y
		}),
		"shared weights": build(func(b *graphBuilder) string {
			w, bias := b.weights(4, 4, 1, 1), b.weights(4)
			y := batchNorm(b, b.node("Conv", "x", w, bias))
			return batchNorm(b, b.node("Conv", b.node("Relu", y), w, bias))
		}),
		"shared bias": build(func(b *graphBuilder) string {
			bias := b.weights(4)
			y := batchNorm(b, b.node("Conv", "x", b.weights(4, 4, 1, 1), bias))
			return batchNorm(b, b.node("Conv", b.node("Relu", y), b.weights(4, 1, 2, 2), bias, num("group", 4)))
		}),
		"conv read twice": build(func(b *graphBuilder) string {
			conv, y := normalizedConv(b, "x", true)
			return b.node("Add", y, conv)
		}),
		"batch norm alone": build(func(b *graphBuilder) string { return batchNorm(b, b.node("Relu", batchNorm(b, "x"))) }),
		"batch norm twice": build(func(b *graphBuilder) string {
			_, y := normalizedConv(b, "x", false)
			return batchNorm(b, y)
		}),
		"gemm": build(func(b *graphBuilder) string {
			return batchNorm(b, b.node("Gemm", b.node("Flatten", "x"), b.weights(120, 4)))
		}),
	}
}

var passes = map[string]func(*Network) error{
	"AbsorbConvBias": func(n *Network) error { AbsorbConvBias(n); return nil },
	"PositiveGamma":  PositiveGamma,
	"AttachStats":    func(n *Network) error { AttachStats(n); return nil },
	"FoldBatchNorm":  FoldBatchNorm,
	"FoldBatchNorm, Unfold": func(n *Network) error {
		if err := FoldBatchNorm(n); err != nil {
			return err
		}
		Unfold(n)
		return nil
	},
	"FoldBatchNorm, Unfold, FoldBatchNorm": func(n *Network) error {
		if err := FoldBatchNorm(n); err != nil {
			return err
		}
		Unfold(n)
		return FoldBatchNorm(n)
	},
	"all": func(n *Network) error {
		AbsorbConvBias(n)
		AttachStats(n)
		if err := PositiveGamma(n); err != nil {
			return err
		}
		return FoldBatchNorm(n)
	},
}

// TestPasses runs every pass on every network and compares outputs before and after.
func TestPasses(t *testing.T) {
	const batch = 2
	networks := passNetworks(t)
	for _, name := range cifarModels {
		networks[name] = nil
	}
	for name, n := range networks {
		t.Run(name, func(t *testing.T) {
			images := batch
			if n == nil {
				n, images = importFile(t, "cifar10", name+".onnx"), 1
			}
			out := n.Outputs[0]
			x := waves(images*size(n.Values[n.Inputs[0]].Shape), 1)
			want := evaluate(t, n, x, images)[out]
			for pass, run := range passes {
				p := n.Clone()
				if err := run(p); err != nil {
					t.Fatalf("%s: %v", pass, err)
				}
				if err := p.Check(); err != nil {
					t.Fatalf("%s: %v", pass, err)
				}
				if d := distance(evaluate(t, p, x, images)[out], want); !(d <= 1e-5) {
					t.Errorf("%s: output is off by %g", pass, d)
				}
			}
			if again := evaluate(t, n, x, images)[out]; !slices.Equal(again, want) {
				t.Error("passes on clones changed the network")
			}
		})
	}
}

func countKind(n *Network, kind string) (count int) {
	for _, l := range n.Layers {
		if l.Op.Kind() == kind {
			count++
		}
	}
	return count
}

// TestAbsorbConvBias pins that biases go where a BatchNorm follows and stay elsewhere.
func TestAbsorbConvBias(t *testing.T) {
	for name, want := range map[string]int{"chain": 0, "shared weights": 0, "shared bias": 0, "conv read twice": 1} {
		n := passNetworks(t)[name]
		AbsorbConvBias(n)
		biases := 0
		for l := range n.Weights() {
			if n.Input(l, 2) != nil {
				biases++
			}
		}
		if biases != want {
			t.Errorf("%s: %d biases are left, want %d", name, biases, want)
		}
	}
}

// TestPositiveGamma pins that gammas are not negative where weights could take the sign.
func TestPositiveGamma(t *testing.T) {
	for name, want := range map[string]int{"chain": 0, "shared weights": 4, "shared bias": 0, "conv read twice": 2, "batch norm twice": 2, "gemm": 0} {
		n := passNetworks(t)[name]
		if err := PositiveGamma(n); err != nil {
			t.Fatal(err)
		}
		negative := 0
		for _, l := range n.Layers {
			if _, ok := l.Op.(BatchNorm); ok {
				for _, g := range n.Input(l, 1).Data {
					if g < 0 {
						negative++
					}
				}
			}
		}
		if negative != want {
			t.Errorf("%s: %d gammas are negative, want %d", name, negative, want)
		}
	}
}

// TestFoldBatchNorm pins what is folded into what, under which names.
func TestFoldBatchNorm(t *testing.T) {
	for name, want := range map[string]int{"chain": 0, "shared weights": 2, "conv read twice": 1, "batch norm alone": 2, "batch norm twice": 0, "gemm": 0} {
		n := passNetworks(t)[name]
		before := len(n.Layers) - countKind(n, "BatchNormalization")
		if err := FoldBatchNorm(n); err != nil {
			t.Fatal(err)
		}
		if left := countKind(n, "BatchNormalization"); left != 0 {
			t.Errorf("%s: %d are left", name, left)
		}
		if got := len(n.Layers) - before; got != want {
			t.Errorf("%s: %d became a Conv of their own, want %d", name, got, want)
		}
	}
	n := importFile(t, "cifar10", cifarModels[0]+".onnx")
	gamma, beta := n.Values["bn1.weight"].Data, n.Values["bn1.bias"].Data
	if err := FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	conv := n.Layer("conv1")
	if want := []string{"input", "conv1.weight", "conv1.bias"}; !slices.Equal(conv.In, want) || conv.Out[0] != "bn1_out" {
		t.Errorf("conv1 reads %q, want %q, makes %q", conv.In, want, conv.Out)
	}
	stats := n.Values["bn1_out"].Stats
	if stats == nil || !slices.Equal(stats.Mean, beta) {
		t.Fatalf("statistics %v, want mean %v", stats, beta)
	}
	for c, s := range stats.Std {
		if s != float32(math.Abs(float64(gamma[c]))) {
			t.Errorf("deviation of channel %d is %v, gamma is %v", c, s, gamma[c])
		}
	}
}

// integersOf returns the integers of a quantized constant.
func integersOf(v *Value) []int32 {
	q := make([]int32, len(v.Data))
	for c := range v.Shape[0] {
		each := len(v.Data) / v.Shape[0]
		for i, x := range v.channel(c) {
			q[c*each+i] = v.Quant.Quantize(x, c)
		}
	}
	return q
}

// quantizeWeights puts all weights of n on the grids of a scheme.
func quantizeWeights(n *Network, s quant.Scheme) {
	for _, w := range n.Weights() {
		w.Quant = quant.New(s)
		for c := range w.Shape[0] {
			channel := w.channel(c)
			if s.PerChannel || c == 0 {
				w.Quant.SetRange(c, slices.Min(channel), slices.Max(channel))
			}
		}
		w.Quant.FakeQuantizeChannels(w.Data, w.Data)
	}
}

// TestFoldQuantized folds a BatchNorm into quantized weights: outputs stay, and so do the integers but for
// the sign of channels with negative gamma (1 and 3) and those of a dead one (2).
func TestFoldQuantized(t *testing.T) {
	for name, s := range map[string]quant.Scheme{
		"narrow":    {Bits: 4, Signed: true, Symmetric: true, Narrow: true, PerChannel: true},
		"symmetric": {Bits: 3, Signed: true, Symmetric: true, PerChannel: true},
		"unsigned":  {Bits: 2, PerChannel: true},
		"signed":    {Bits: 8, Signed: true, PerChannel: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := passNetworks(t)["chain"]
			quantizeWeights(n, s)
			x := waves(2*4*5*6, 2)
			want := evaluate(t, n, x, 2)[n.Outputs[0]]
			folded := n.Clone()
			if err := FoldBatchNorm(folded); err != nil {
				t.Fatal(err)
			}
			if err := folded.Check(); err != nil {
				t.Fatal(err)
			}
			if d := distance(evaluate(t, folded, x, 2)[n.Outputs[0]], want); !(d <= 1e-5) {
				t.Errorf("output is off by %g", d)
			}
			for l, w := range n.Weights() {
				before, after := integersOf(w), integersOf(folded.Values[w.Name])
				q, p := w.Quant, folded.Values[w.Name].Quant
				if err := p.Validate(); err != nil {
					t.Error(err)
				}
				for c, sign := range []int32{1, -1, 0, -1} {
					for i := c * 36; i < (c+1)*36; i++ {
						if a, b := after[i]-p.Zero[c], before[i]-q.Zero[c]; a != sign*b {
							t.Fatalf("%s: integer %d of channel %d became %d", l.Name, b, c, a)
						}
					}
				}
			}
		})
	}
}

// TestFoldQuantizedPerTensor refuses weights whose channels share one scale.
func TestFoldQuantizedPerTensor(t *testing.T) {
	n := passNetworks(t)["chain"]
	quantizeWeights(n, quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true})
	if err := FoldBatchNorm(n.Clone()); err == nil || !strings.Contains(err.Error(), "before quantizing") {
		t.Errorf("error %v", err)
	}
	// A sign on a grid that is its own mirror image is no difficulty.
	if err := PositiveGamma(n.Clone()); err != nil {
		t.Error(err)
	}
	quantizeWeights(n, quant.Scheme{Bits: 8})
	if err := PositiveGamma(n); err == nil || !strings.Contains(err.Error(), "channel 1 cannot change sign") {
		t.Errorf("error %v", err)
	}
}
