//go:build !noasm && !race

package zaq_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq"
	"zaq/infer"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
	"zaq/internal/random"
)

// severalInputs are small networks of ten classes that take more than one image of 3 x 16 x 16.
var severalInputs = map[string]func(b *drawing){
	// Two pictures go through the same weights.
	"siamese": func(b *drawing) {
		l := b.convolution(b.input("left", 3, 16, 16), "stem", 3, 8)
		r := b.convolution(b.input("right", 3, 16, 16), "stem", 3, 8)
		x := b.node("Concat", []string{l, r}, onnx.AttrI("axis", 1))
		b.classify(b.convolution(x, "both", 16, 16), 16)
	},
	// A map that is smaller than the picture, with channels that are no colors, comes first.
	"map": func(b *drawing) {
		d := b.convolution(b.input("radar", 2, 8, 8), "far", 2, 8)
		x := b.convolution(b.input("image", 3, 16, 16), "near", 3, 8)
		x = b.node("MaxPool", []string{x}, onnx.AttrIs("kernel_shape", 2, 2), onnx.AttrIs("strides", 2, 2))
		x = b.node("Add", []string{x, d})
		b.classify(b.convolution(x, "both", 8, 16), 16)
	},
	// A picture of bytes, which the network normalizes itself, beside a gray one of real numbers.
	"bytes": func(b *drawing) {
		b.input("pixels", 3, 16, 16)
		b.graph.Inputs[0].Type = onnx.Uint8
		x := b.node("Cast", []string{"pixels"}, onnx.AttrI("to", int64(onnx.Float)))
		x = b.node("Sub", []string{x, b.constant("mean", []float32{120}, 1)})
		x = b.node("Div", []string{x, b.constant("deviation", []float32{64}, 1)})
		x = b.convolution(x, "near", 3, 8)
		x = b.node("Add", []string{x, b.convolution(b.input("depth", 1, 16, 16), "far", 1, 8)})
		b.classify(b.convolution(x, "both", 8, 16), 16)
	},
	// Features join the picture behind its convolutions.
	"vector": func(b *drawing) {
		x := b.convolution(b.input("image", 3, 16, 16), "stem", 3, 8)
		x = b.node("Flatten", []string{b.node("GlobalAveragePool", []string{b.convolution(x, "body", 8, 16)})})
		x = b.node("Concat", []string{x, b.input("features", 5)}, onnx.AttrI("axis", 1))
		x = b.node("Relu", []string{b.node("Gemm", []string{x, b.random("hidden", 0.3, 21, 12)})})
		b.node("Gemm", []string{x, b.random("fc", 0.5, 12, 10)})
	},
	// What is behind the network has an input of its own.
	"tail": func(b *drawing) {
		b.classify(b.convolution(b.input("image", 3, 16, 16), "stem", 3, 16), 16)
		b.node("Mul", []string{b.last(), b.input("factor", 1)})
	},
}

// All methods quantize networks with several inputs. The file has them all, in their order and each with a quantizer of its
// own where layers read it, keeps what the float network says, and package infer says of it what ONNX Runtime does, to the last
// bit.
func TestSeveralInputs(t *testing.T) {
	for name, draw := range severalInputs {
		m := load(t, drawn(t, draw))
		inputs := ports(zaq.Inspect(m).Inputs)
		for _, method := range zaq.Methods {
			if method == "ft" {
				continue
			}
			for precision, least := range map[string]float64{"w8a8": 22, "w4a4": 4} {
				if precision == "w4a4" && method != "zaq" && method != "squant" {
					continue
				}
				t.Run(name+" "+method+" "+precision, func(t *testing.T) {
					o := zaq.Options{Method: method, Precision: precision, ZAQ: zaq.ZAQOptions{Batch: 16, Warmup: 40, Steps: 6, LR: 0.001}}
					o.Synth.Count, o.Synth.Steps = 32, 60
					q := write(t, quantize(t, m, o))
					if got := ports(zaq.Inspect(q).Inputs); !slices.Equal(got, inputs) {
						t.Fatalf("inputs %v, want %v", got, inputs)
					}
					file, err := onnx.ReadFile(q.Path())
					if err != nil {
						t.Fatal(err)
					}
					for _, p := range zaq.Inspect(q).Inputs {
						want := "QuantizeLinear"
						switch p.Name {
						case "factor":
							want = "Mul"
						case "pixels":
							want = "Cast"
						}
						if n := readers(file, p.Name); !slices.Equal(n, []string{want}) {
							t.Errorf("input %s is read by %v", p.Name, n)
						}
					}
					x, tensors := noiseFor(q, 4)
					want := floats(t, oracle.RunORT(t, q.Path(), tensors, oracle.ORTOptions{})[0])
					p, err := infer.Load(q.Path())
					if err != nil {
						t.Fatal(err)
					}
					y, err := p.Run(context.Background(), x)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(y[0].Data, want) {
						t.Errorf("package infer is %g dB from ONNX Runtime", quant.SQNR(want, y[0].Data))
					}
					float := floats(t, oracle.RunORT(t, m.Path(), tensors, oracle.ORTOptions{})[0])
					if db := quant.SQNR(float, want); db < least {
						t.Errorf("%.1f dB of the float network, want %g", db, least)
					}
				})
			}
		}
	}
}

// Preprocessing is about one of several inputs: the one that the description names or fits, or the first picture, in color
// where there is one. A file that is made of the model says which.
func TestWhichInputIsDescribed(t *testing.T) {
	gray := func(b *drawing) {
		x := b.convolution(b.input("gray", 1, 8, 8), "a", 1, 8)
		b.classify(b.node("Add", []string{x, b.convolution(b.input("color", 3, 8, 8), "b", 3, 8)}), 8)
	}
	for name, c := range map[string]struct {
		draw              func(b *drawing)
		json, want, error string
	}{
		"first picture":         {draw: severalInputs["siamese"], want: "left"},
		"picture behind others": {draw: severalInputs["map"], want: "image"},
		"color before gray":     {draw: gray, want: "color"},
		"fitting":               {draw: gray, json: `{"color": "gray"}`, want: "gray"},
		"named":                 {draw: severalInputs["siamese"], json: `{"input": "right"}`, want: "right"},
		"unknown":               {draw: severalInputs["siamese"], json: `{"input": "up"}`, error: `several.json: input "up" is none of the model's: left, right`},
		"named, no picture":     {draw: severalInputs["vector"], json: `{"input": "features"}`, error: `input "features" has shape [-1 5], not [N,C,H,W]`},
		"fitting none":          {draw: severalInputs["siamese"], json: `{"color": "gray"}`, error: "none of the 2 inputs (left, right) is an image of 1 channels"},
	} {
		t.Run(name, func(t *testing.T) {
			path := drawn(t, c.draw)
			if c.json != "" {
				if err := os.WriteFile(strings.TrimSuffix(path, ".onnx")+".json", []byte(`{"preprocess": `+c.json+`}`), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m, err := zaq.Load(path)
			if c.error != "" {
				if err == nil || !strings.Contains(err.Error(), c.error) {
					t.Errorf("%v, want %s", err, c.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			q := write(t, quantize(t, m, zaq.Options{Method: "squant", Precision: "w8a8"}))
			for _, m := range []*zaq.Model{m, q} {
				if got := m.Preprocessing().Input; got != c.want {
					t.Errorf("%s: about input %q, want %q", m.Path(), got, c.want)
				}
			}
		})
	}
}

// ports are inputs in words.
func ports(in []zaq.Port) (all []string) {
	for _, p := range in {
		all = append(all, fmt.Sprint(p))
	}
	return all
}

// readers are the operators that read a tensor.
func readers(m *onnx.Model, name string) (ops []string) {
	for _, n := range m.Graph.Nodes {
		if slices.Contains(n.Inputs, name) {
			ops = append(ops, n.OpType)
		}
	}
	return ops
}

// noiseFor makes n images of standard normal noise for all inputs, for package infer and for ONNX Runtime.
func noiseFor(m *zaq.Model, n int) (in []infer.Tensor, tensors []*onnx.Tensor) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, p := range zaq.Inspect(m).Inputs {
		shape := slices.Clone(p.Shape)
		shape[0] = n
		size, dims := 1, []int64{}
		for _, d := range shape {
			size, dims = size*d, append(dims, int64(d))
		}
		x, bytes := make([]float32, size), make([]int64, size)
		for i := range x {
			x[i] = float32(min(max(rng.NormFloat64(), -1.8), 1.8))
			if p.Type == "uint8" {
				x[i] = float32(math.Round(float64(120 + 64*x[i])))
			}
			bytes[i] = int64(x[i])
		}
		in = append(in, infer.Tensor{Name: p.Name, Shape: shape, Data: x})
		if p.Type == "uint8" {
			tensors = append(tensors, onnx.NewInts(p.Name, onnx.Uint8, dims, bytes))
			continue
		}
		tensors = append(tensors, onnx.NewFloats(p.Name, dims, x))
	}
	return in, tensors
}

func floats(t *testing.T, x *onnx.Tensor) []float32 {
	t.Helper()
	v, err := x.Floats()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// drawing is a model being written.
type drawing struct {
	graph onnx.Graph
	rng   *rand.Rand
}

// drawn writes the model that draw draws; what its last node makes is its output, of ten classes.
func drawn(t *testing.T, draw func(b *drawing)) string {
	t.Helper()
	b := &drawing{rng: rand.New(rand.NewPCG(1, 2))}
	draw(b)
	b.graph.Name, b.graph.Outputs = "several", []*onnx.ValueInfo{{Name: b.last(), Type: onnx.Float, Shape: []onnx.Dim{{Size: -1, Param: "N"}, {Size: 10}}}}
	m := &onnx.Model{IRVersion: 7, Opsets: []onnx.Opset{{Version: 13}}, Graph: &b.graph}
	remember(t, m)
	path := filepath.Join(t.TempDir(), "several.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// remember gives all BatchNormalizations the statistics that standard normal inputs cause.
func remember(t *testing.T, m *onnx.Model) {
	t.Helper()
	net, err := nn.Import(m)
	if err != nil {
		t.Fatal(err)
	}
	const n = 16
	inputs := map[string][]float32{}
	for i, name := range net.Inputs {
		size := n
		for _, d := range net.Values[name].Shape[1:] {
			size *= d
		}
		inputs[name] = make([]float32, size)
		random.New(uint64(i), 0, "remember").Normal(inputs[name])
		if net.Port(name).Type == onnx.Uint8 {
			for k, v := range inputs[name] {
				inputs[name][k] = float32(math.Round(float64(min(max(120+64*v, 0), 255))))
			}
		}
	}
	for _, l := range net.Layers {
		if _, ok := l.Op.(nn.BatchNorm); !ok {
			continue
		}
		values, err := nn.Reference(net, inputs, n)
		if err != nil {
			t.Fatal(err)
		}
		x, shape := values[l.In[0]], net.Values[l.In[0]].Shape
		plane := shape[2] * shape[3]
		mean, variance := net.Input(l, 3).Data, net.Input(l, 4).Data
		for c := range mean {
			var sum, squares float64
			for i := c * plane; i < len(x); i += len(mean) * plane {
				for _, v := range x[i : i+plane] {
					sum, squares = sum+float64(v), squares+float64(v)*float64(v)
				}
			}
			sum, squares = sum/float64(n*plane), squares/float64(n*plane)
			mean[c], variance[c] = float32(sum), float32(squares-sum*sum)
		}
		for i, data := range [][]float32{mean, variance} {
			initializer := m.Graph.Initializer(l.In[3+i])
			*initializer = *onnx.NewFloats(initializer.Name, initializer.Dims, data)
		}
	}
}

func (b *drawing) input(name string, shape ...int64) string {
	dims := []onnx.Dim{{Size: -1, Param: "N"}}
	for _, d := range shape {
		dims = append(dims, onnx.Dim{Size: d})
	}
	b.graph.Inputs = append(b.graph.Inputs, &onnx.ValueInfo{Name: name, Type: onnx.Float, Shape: dims})
	return name
}

func (b *drawing) node(op string, in []string, attrs ...*onnx.Attribute) string {
	name := fmt.Sprintf("%s%d", op, len(b.graph.Nodes))
	b.graph.Nodes = append(b.graph.Nodes, &onnx.Node{Name: name, OpType: op, Inputs: in, Outputs: []string{name}, Attributes: attrs})
	return name
}

// last is what the last node makes.
func (b *drawing) last() string { return b.graph.Nodes[len(b.graph.Nodes)-1].Outputs[0] }

// random is a constant, the same one for a name that was there before.
func (b *drawing) random(name string, deviation float64, dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(b.rng.NormFloat64() * deviation)
	}
	return b.constant(name, v, dims...)
}

func (b *drawing) constant(name string, v []float32, dims ...int64) string {
	if b.graph.Initializer(name) == nil {
		b.graph.Initializers = append(b.graph.Initializers, onnx.NewFloats(name, dims, v))
	}
	return name
}

// convolution is one of 3 x 3 with unit gain, BatchNormalization and Relu.
func (b *drawing) convolution(x, name string, in, out int64) string {
	w := b.random(name, math.Sqrt(1/float64(9*in)), out, in, 3, 3)
	x = b.node("Conv", []string{x, w}, onnx.AttrIs("kernel_shape", 3, 3), onnx.AttrIs("pads", 1, 1, 1, 1))
	all := func(suffix string, v float32) string {
		return b.constant(name+suffix, slices.Repeat([]float32{v}, int(out)), out)
	}
	return b.node("Relu", []string{b.node("BatchNormalization", []string{x, all(".gamma", 1), all(".beta", 0.2), all(".mean", 0), all(".variance", 1)})})
}

func (b *drawing) classify(x string, channels int64) {
	x = b.node("Flatten", []string{b.node("GlobalAveragePool", []string{x})})
	b.node("Gemm", []string{x, b.random("fc", 1, channels, 10)})
}
