package nn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"zaq/internal/quant"
)

// sketch builds a network from lines "op in ... > out": shapes are inferred, weights are small random
// numbers. The tensor x [N,4,8,8] is the input.
func sketch(t *testing.T, outputs []string, lines ...string) *Network {
	t.Helper()
	n := &Network{
		Inputs: []string{"x"}, Outputs: outputs, Opset: 13, BatchDim: "N",
		Values: map[string]*Value{"x": {Name: "x", Shape: []int{Batch, 4, 8, 8}}},
	}
	rng := rand.New(rand.NewPCG(1, 1))
	constant := func(name string, spread, mean float64, shape ...int) {
		v := &Value{Name: name, Shape: shape, Data: make([]float32, size(shape))}
		for i := range v.Data {
			v.Data[i] = float32(mean + spread*rng.NormFloat64())
		}
		n.Values[name] = v
	}
	for _, line := range lines {
		before, out, _ := strings.Cut(line, " > ")
		f := strings.Fields(before)
		l := &Layer{Name: "node_" + out, In: f[1:], Out: []string{out}}
		channels := n.Values[l.In[0]].Shape[1]
		switch f[0] {
		case "conv", "depthwise":
			op := Conv{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 1}
			per := channels
			if f[0] == "depthwise" {
				op.Groups, per = channels, 1
			}
			constant(out+".w", 0.3, 0, channels, per, 3, 3)
			constant(out+".b", 0.1, 0, channels)
			l.Op, l.In = op, append(l.In, out+".w", out+".b")
		case "gemm":
			constant(out+".w", 0.3, 0, 5, channels)
			constant(out+".b", 0.1, 0, 5)
			l.Op, l.In = Gemm{}, append(l.In, out+".w", out+".b")
		case "bn":
			constant(out+".gamma", 0.1, 1, channels)
			constant(out+".beta", 0.1, 0, channels)
			constant(out+".mean", 0.1, 0, channels)
			constant(out+".var", 0.01, 1, channels)
			l.Op, l.In = BatchNorm{Epsilon: 1e-5}, append(l.In, out+".gamma", out+".beta", out+".mean", out+".var")
		case "relu":
			l.Op = Relu{}
		case "relu6":
			l.Op = Clip{0, 6}
		case "leaky":
			l.Op = LeakyRelu{0.1}
		case "add":
			l.Op = Add{}
		case "Sub", "Div":
			constant(out+".c", 0.1, 1, channels, 1, 1)
			l.Op, l.In = Operator{Type: f[0], Opset: 13}, append(l.In, out+".c")
		case "Sqrt", "over":
			l.Op = Operator{Type: map[string]string{"Sqrt": "Sqrt", "over": "Div"}[f[0]], Opset: 13}
		case "pointwise":
			constant(out+".w", 0.3, 1, channels, 1, 1, 1)
			constant(out+".b", 0.1, 0, channels)
			l.Op, l.In = Conv{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: channels}, append(l.In, out+".w", out+".b")
		case "maxpool":
			l.Op = MaxPool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}}
		case "avgpool":
			l.Op = AveragePool{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}}
		case "gap":
			l.Op = GlobalAveragePool{}
		case "flatten":
			l.Op = Flatten{}
		case "identity":
			l.Op = Identity{}
		case "slice":
			l.Op = Slice{Starts: []int{0, 0}, Ends: []int{8, 8}, Axes: []int{2, 3}, Steps: []int{2, 2}}
		case "pad":
			l.Op = Pad{Pads: []int{0, 0, 1, 1, 0, 0, 3, 3}}
		case "padone":
			l.Op = Pad{Pads: []int{0, 0, 1, 1, 0, 0, 1, 1}, Value: 1}
		default:
			t.Fatalf("no operator %q", f[0])
		}
		n.Layers = append(n.Layers, l)
		if err := n.inferShape(l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if err := n.Check(); err != nil {
		t.Fatal(err)
	}
	return n
}

// describe lists the sites of a placement as "tensor:bits", with "=" for tied ones.
func describe(p *Placement) string {
	var s []string
	for _, a := range p.Activations {
		tied := ""
		if a.Tied {
			tied = "="
		}
		s = append(s, fmt.Sprintf("%s:%s%d", a.Tensor, tied, a.Quantizer.Bits))
	}
	return strings.Join(s, " ")
}

func TestPlaceActivations(t *testing.T) {
	tests := []struct {
		name          string
		outputs       string
		lines         []string
		deploy, paper string
	}{
		{
			"residual block", "y",
			[]string{"conv x > c1", "relu c1 > r1", "conv r1 > c2", "relu c2 > r2", "conv r2 > c3", "add c3 r1 > s", "relu s > r3", "gap r3 > g", "flatten g > f", "gemm f > y"},
			"x:8 r1:4 r2:4 c3:8 r3:8 g:4 f:=4",
			"r1:4 r2:4 r3:4",
		}, {
			"batch norms", "y",
			[]string{"conv x > c1", "bn c1 > b1", "relu6 b1 > r1", "conv r1 > c2", "bn c2 > b2", "flatten b2 > f", "gemm f > y"},
			"x:8 r1:4 b2:4 f:=4",
			"r1:4",
		}, {
			"option A shortcut", "y",
			[]string{"conv x > c1", "relu c1 > r1", "conv r1 > c2", "slice r1 > l", "pad l > p", "add c2 p > s", "relu s > r2", "flatten r2 > f", "gemm f > y"},
			"x:8 r1:4 c2:8 l:=4 p:=4 r2:4 f:=4",
			"r1:4 r2:4",
		}, {
			"max pool", "y",
			[]string{"conv x > c1", "relu c1 > r1", "maxpool r1 > m", "conv m > c2", "gap c2 > g", "flatten g > f", "gemm f > y"},
			"x:8 r1:4 m:=4 c2:8 g:4 f:=4",
			"r1:4",
		}, {
			"image tied", "y",
			[]string{"identity x > i", "conv i > c1", "flatten c1 > f", "gemm f > y"},
			"x:8 i:=8 c1:4 f:=4",
			"",
		}, {
			"image normalized", "y",
			[]string{"Sub x > s", "Div s > d", "pad d > p", "conv p > c1", "Sub c1 > s1", "conv s1 > c2", "flatten c2 > f", "gemm f > y"},
			"d:8 p:=8 c1:8 s1:4 c2:4 f:=4",
			"",
		}, {
			"image read normalized and as it is", "y",
			[]string{"Div x > d", "conv d > c1", "conv x > c2", "add c1 c2 > s", "flatten s > f", "gemm f > y"},
			"x:8 d:8 c1:8 c2:8 s:4 f:=4",
			"",
		}, {
			"image normalized by what was a BatchNorm", "y",
			[]string{"pointwise x > b", "conv b > c", "flatten c > f", "gemm f > y"},
			"x:8 b:8 c:4 f:=4",
			"",
		}, {
			"leaky", "y",
			[]string{"conv x > c1", "leaky c1 > r1", "conv r1 > c2", "leaky c2 > r2", "avgpool r2 > a", "flatten a > f", "gemm f > y"},
			"x:8 c1:8 r1:4 c2:8 r2:8 a:4 f:=4",
			"r1:4 r2:4",
		}, {
			"pre-activation", "y",
			[]string{"conv x > c1", "relu c1 > r1", "conv r1 > c2", "add c2 c1 > s", "flatten s > f", "gemm f > y"},
			"x:8 c1:8 r1:4 c2:8 s:4 f:=4",
			"r1:4",
		}, {
			"outputs of convolutions", "r2 c3",
			[]string{"conv x > c1", "relu c1 > r1", "conv r1 > c2", "relu c2 > r2", "conv r2 > c3"},
			"x:8 r1:4 r2_QuantizeLinear_Input:4 c3_QuantizeLinear_Input:8",
			"r1:4",
		}, {
			"float tail", "g",
			[]string{"conv x > c1", "relu c1 > r1", "padone r1 > p", "avgpool p > a", "gap a > g"},
			"x:8 r1:8",
			"r1:4",
		}, {
			"clips after what computes", "y",
			[]string{"conv x > c1", "avgpool c1 > a", "relu6 a > r1", "Sub r1 > s", "relu6 s > r2", "conv r2 > c2", "gap c2 > g", "relu g > r3", "flatten r3 > f", "gemm f > y"},
			"x:8 c1:8 r1:8 r2:4 c2:8 r3:4 f:=4",
			"r1:4 r2:4 r3:4",
		}, {
			"no grid before a pole", "y",
			[]string{"conv x > c1", "relu c1 > r1", "Sub r1 > e", "Sqrt e > s", "over r1 s > d", "Sqrt r1 > s1", "over s1 d > z", "conv z > c2", "gap c2 > g", "flatten g > f", "gemm f > y"},
			"x:8 r1:8 s1:8 z:4 c2:8 g:4 f:=4",
			"r1:4",
		}, {
			"image clipped", "y",
			[]string{"relu6 x > r", "conv r > c1", "maxpool c1 > m", "relu6 m > r2", "flatten r2 > f", "gemm f > y"},
			"r:8 c1:8 m:=8 r2:4 f:=4",
			"r:4 r2:4",
		}, {
			"normalization in the form of a Conv", "y",
			[]string{"conv x > c1", "relu c1 > r1", "pointwise r1 > n", "relu n > r2", "conv r2 > c2", "flatten c2 > f", "gemm f > y"},
			"x:8 r1:8 r2:4 c2:4 f:=4",
			"r1:4 r2:4",
		}, {
			"padding with ones computes", "y",
			[]string{"conv x > c1", "padone c1 > p", "conv p > c2", "flatten c2 > f", "gemm f > y"},
			"x:8 c1:8 p:4 c2:4 f:=4",
			"",
		},
	}
	for _, tt := range tests {
		for scheme, want := range map[string]string{Deploy: tt.deploy, Paper: tt.paper} {
			n := sketch(t, strings.Fields(tt.outputs), tt.lines...)
			p, err := Place(n, PlaceOptions{Scheme: scheme, WBits: 4, ABits: 4})
			if err != nil {
				t.Fatalf("%s, %s: %v", tt.name, scheme, err)
			}
			if got := describe(p); got != want {
				t.Errorf("%s, %s:\n got %s\nwant %s", tt.name, scheme, got, want)
			}
			if err := n.Check(); err != nil {
				t.Errorf("%s, %s: %v", tt.name, scheme, err)
			}
			if !slices.Equal(n.Outputs, strings.Fields(tt.outputs)) || n.Inputs[0] != "x" {
				t.Errorf("%s, %s: inputs %v, outputs %v", tt.name, scheme, n.Inputs, n.Outputs)
			}
			if _, err := Place(n, PlaceOptions{Scheme: scheme, WBits: 4, ABits: 4}); err == nil {
				t.Errorf("%s, %s: placed twice", tt.name, scheme)
			}
		}
	}
}

// A quantizer takes no name that a layer has.
func TestPlaceNames(t *testing.T) {
	n := sketch(t, []string{"y"}, "conv x > c1", "relu c1 > r1", "flatten r1 > f", "gemm f > y")
	n.Layers[0].Name = "x_QuantizeLinear"
	if _, err := Place(n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}); err != nil {
		t.Fatal(err)
	}
	if err := n.Check(); err != nil {
		t.Error(err)
	}
}

// Every consumer of a quantized tensor reads it quantized, the shortcut as well.
func TestPlaceReroutes(t *testing.T) {
	n := sketch(t, []string{"c3"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2", "add c2 r1 > s", "conv s > c3")
	if _, err := Place(n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 4}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"node_c1": "x_DequantizeLinear_Output", "node_r1": "c1", "node_c2": "r1_DequantizeLinear_Output",
		"node_s": "c2_DequantizeLinear_Output r1_DequantizeLinear_Output", "node_c3": "s_DequantizeLinear_Output",
		"r1_QuantizeLinear": "r1", "c3_QuantizeLinear": "c3_QuantizeLinear_Input",
	} {
		l := n.Layer(name)
		if l == nil {
			t.Fatalf("no layer %q", name)
		}
		in := l.In
		if hasWeights(l) {
			in = in[:1]
		}
		if got := strings.Join(in, " "); got != want {
			t.Errorf("%s reads %s, want %s", name, got, want)
		}
	}
}

func TestPlaceWeights(t *testing.T) {
	lines := []string{"conv x > c1", "relu c1 > r1", "depthwise r1 > c2", "flatten c2 > f", "gemm f > y"}
	tests := []struct {
		o    PlaceOptions
		want []quant.Scheme
	}{
		{PlaceOptions{Scheme: Deploy, WBits: 4, ABits: 4, FirstLastBits: 8}, []quant.Scheme{
			{Bits: 8, Signed: true, Symmetric: true, Narrow: true, PerChannel: true},
			{Bits: 4, Signed: true, Symmetric: true, Narrow: true, PerChannel: true},
			{Bits: 8, Signed: true, Symmetric: true, Narrow: true, PerChannel: true},
		}},
		{PlaceOptions{Scheme: Deploy, WBits: 2, ABits: 4, PerTensor: true}, slices.Repeat([]quant.Scheme{
			{Bits: 2, Signed: true, Symmetric: true},
		}, 3)},
		{PlaceOptions{Scheme: Paper, WBits: 3, ABits: 4}, slices.Repeat([]quant.Scheme{
			{Bits: 3, PerChannel: true},
		}, 3)},
	}
	for _, tt := range tests {
		n := sketch(t, []string{"y"}, lines...)
		p, err := Place(n, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range p.Weights {
			if w.Quantizer.Scheme != tt.want[i] || w.Value.Quant != w.Quantizer {
				t.Errorf("%+v: weight %d has %+v, want %+v", tt.o, i, w.Quantizer.Scheme, tt.want[i])
			}
			fitWeight(w)
			if err := w.Quantizer.Validate(); err != nil {
				t.Error(err)
			}
			before := slices.Clone(w.Value.Data)
			w.Round()
			if db := quant.SQNR(before, w.Value.Data); db < 6*float64(w.Quantizer.Bits-1)-4 {
				t.Errorf("%+v: weight %d has SQNR %.1f dB at %d bits", tt.o, i, db, w.Quantizer.Bits)
			}
		}
	}
}

// A weight that two layers share has one quantizer, and one site for each.
func TestPlaceSharedWeight(t *testing.T) {
	n := sketch(t, []string{"c2"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2")
	n.Layer("node_c2").In[1] = "c1.w"
	n.prune()
	p, err := Place(n, PlaceOptions{Scheme: Paper, WBits: 4, ABits: 4})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Weights) != 2 || p.Weights[0].Quantizer != p.Weights[1].Quantizer {
		t.Error("the shared weight does not have one quantizer")
	}
}

func TestPlaceErrors(t *testing.T) {
	for want, o := range map[string]PlaceOptions{
		`quantization scheme "": want deploy or paper`:    {WBits: 4, ABits: 4},
		"9 bits for weights: want 2 to 8":                 {Scheme: Deploy, WBits: 9, ABits: 4},
		"1 bits for activations: want 2 to 8":             {Scheme: Paper, WBits: 4, ABits: 1},
		"16 bits for first and last weights: want 2 to 8": {Scheme: Paper, WBits: 4, ABits: 4, FirstLastBits: 16},
	} {
		n := sketch(t, []string{"c1"}, "conv x > c1")
		if _, err := Place(n, o); err == nil || err.Error() != want {
			t.Errorf("%+v: error %v, want %s", o, err, want)
		}
	}
}

// What a layer makes is known by its name before and after quantizers are placed.
func TestPlaceWeightOutputs(t *testing.T) {
	type names struct{ output, float string }
	for _, test := range []struct {
		name   string
		scheme string
		n      *Network
		want   []names
	}{
		{"batch normalization", Deploy, sketch(t, []string{"y"}, "conv x > a", "bn a > b", "relu b > c", "gap c > d", "flatten d > e", "gemm e > y"),
			[]names{{"b", "b"}, {"y", "y"}}},
		{"read twice", Deploy, sketch(t, []string{"y"}, "conv x > a", "bn a > b", "add a b > y"), []names{{"a", "a"}}},
		{"quantized output", Deploy, sketch(t, []string{"y"}, "conv x > y"), []names{{"y_QuantizeLinear_Input", "y"}}},
		{"quantized output behind batch normalization", Deploy, sketch(t, []string{"y"}, "conv x > a", "bn a > y"),
			[]names{{"y_QuantizeLinear_Input", "y"}}},
		{"float output", Paper, sketch(t, []string{"y"}, "conv x > y"), []names{{"y", "y"}}},
	} {
		p, err := Place(test.n, PlaceOptions{Scheme: test.scheme, WBits: 4, ABits: 4})
		if err != nil {
			t.Fatal(err)
		}
		var got []names
		for _, w := range p.Weights {
			got = append(got, names{w.Output, w.Float})
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// fitWeight sets the ranges of a weight's quantizer from the weight as it is: smallest and largest value, or for two
// symmetric bits, which would lose half their levels, those of least squared error.
func fitWeight(w *WeightSite) {
	q, channels := w.Quantizer, 1
	if q.PerChannel {
		channels = w.Value.Shape[0]
	}
	if q.Symmetric && q.Bits == 2 {
		q.SetRanges(quant.MSEChannels(w.Value.Data, channels, q.Scheme))
	} else {
		q.SetRanges(quant.MinMaxChannels(w.Value.Data, channels))
	}
}
