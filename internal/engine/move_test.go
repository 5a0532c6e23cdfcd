package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// operatorNet is x [N,4,H,W] -> one operator, or a chain of them, by the network's own names.
func operatorNet(t *testing.T, h, w int, build func(add func(op nn.Op, in ...string) string, constant func(v *nn.Value) string) string) *nn.Network {
	t.Helper()
	net := &nn.Network{
		Inputs: []string{"x"}, Opset: 13, BatchDim: "N",
		Values: map[string]*nn.Value{"x": {Name: "x", Shape: []int{nn.Batch, 4, h, w}}},
	}
	add := func(op nn.Op, in ...string) string {
		name := fmt.Sprintf("t%d", len(net.Layers))
		net.Layers = append(net.Layers, &nn.Layer{Name: name, Op: op, In: in, Out: []string{name}})
		return name
	}
	constant := func(v *nn.Value) string {
		v.Name = fmt.Sprintf("k%d", len(net.Values))
		net.Values[v.Name] = v
		return v.Name
	}
	net.Outputs = []string{build(add, constant)}
	if err := nn.InferShapes(net); err != nil {
		t.Fatal(err)
	}
	return net
}

func onnxOp(op string, attrs ...*onnx.Attribute) nn.Operator {
	return nn.Operator{Type: op, Opset: 13, Attributes: attrs}
}

func integers(v ...int64) *nn.Value {
	return &nn.Value{Shape: []int{len(v)}, Ints: v, Type: onnx.Int64}
}

func number(v ...float32) *nn.Value {
	return &nn.Value{Shape: []int{len(v)}, Data: v, Type: onnx.Float}
}

// operatorCase is a network that build makes of an image of 4 channels.
type operatorCase struct {
	name  string
	h, w  int
	build func(add func(op nn.Op, in ...string) string, constant func(v *nn.Value) string) string
}

// Operators in the engine's order of memory are those of the definition, and their gradients are what differences say.
func TestOperators(t *testing.T) {
	checkOperators(t, []operatorCase{
		{"channel shuffle", 3, 5, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			y := add(nn.Reshape{Shape: []int{nn.Batch, 2, 2, 3, 5}}, "x")
			return add(nn.Reshape{Shape: []int{nn.Batch, 4, 3, 5}}, add(onnxOp("Transpose", onnx.AttrIs("perm", 0, 2, 1, 3, 4)), y))
		}},
		{"phases side by side", 3, 5, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			y := add(nn.Reshape{Shape: []int{nn.Batch, 2, 1, 2, 3, 5}}, "x")
			return add(nn.Reshape{Shape: []int{nn.Batch, 2, 3, 10}}, add(onnxOp("Transpose", onnx.AttrIs("perm", 0, 1, 4, 2, 5, 3)), y))
		}},
		{"concat with itself", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.Concat{Axis: 1}, "x", add(nn.Relu{}, "x"), "x")
		}},
		{"concat of rows", 1, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.Concat{Axis: 2}, "x", "x")
		}},
		{"flattened and joined", 2, 2, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.Concat{Axis: 1}, add(nn.Flatten{}, "x"), add(nn.Flatten{}, add(nn.GlobalAveragePool{}, "x")))
		}},
		{"vectors normalized", 1, 2, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			bn := []string{k(number(1, 2, -1, 0.5, 1, 3, 2, 1)), k(number(0, 1, 2, 3, 4, 5, 6, 7)), k(number(7, 6, 5, 4, 3, 2, 1, 0)), k(number(1, 2, 3, 4, 5, 6, 7, 8))}
			return add(nn.BatchNorm{Epsilon: 1e-3}, append([]string{add(nn.Flatten{}, "x")}, bn...)...)
		}},
		{"part of a list", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			y := add(nn.Reshape{Shape: []int{nn.Batch, 6, 4}}, add(onnxOp("Transpose", onnx.AttrIs("perm", 0, 2, 3, 1)), "x"))
			return add(nn.Slice{Starts: []int{1}, Ends: []int{4}, Axes: []int{2}, Steps: []int{2}}, y)
		}},
		{"nearest", 3, 2, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Resize", onnx.AttrS("coordinate_transformation_mode", "asymmetric"), onnx.AttrS("nearest_mode", "floor")), "x", "", k(number(1, 1, 2, 3)))
		}},
		{"linear", 3, 4, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Resize", onnx.AttrS("mode", "linear")), "x", "", k(number(1, 1, 2, 1.5)))
		}},
		{"depth to space", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("DepthToSpace", onnx.AttrI("blocksize", 2)), "x")
		}},
		{"gather", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Gather", onnx.AttrI("axis", 1)), "x", k(integers(3, 0, 3, 1)))
		}},
		{"reflection", 4, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.Pad{Pads: []int{0, 0, 3, 1, 0, 0, 2, 2}, Mode: "reflect"}, "x")
		}},
		{"edge", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.Pad{Pads: []int{0, 1, 3, 0, 0, 0, 4, 1}, Mode: "edge"}, "x")
		}},
		{"wrap", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.Pad{Pads: []int{0, 2, 2, 1, 0, 1, 1, 3}, Mode: "wrap"}, "x")
		}},
		{"dilated maximum", 6, 7, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(nn.MaxPool{Kernel: [2]int{3, 2}, Stride: [2]int{1, 2}, Dilation: [2]int{2, 3}, Pads: [4]int{2, 1, 1, 2}}, "x")
		}},
		{"gate", 3, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Mul"), add(onnxOp("Sigmoid"), add(nn.GlobalAveragePool{}, "x")), "x")
		}},
		{"square", 2, 2, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Mul"), "x", "x")
		}},
		{"slopes", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("PRelu"), "x", k(&nn.Value{Shape: []int{4, 1, 1}, Data: []float32{0.1, -0.3, 2, 0}, Type: onnx.Float}))
		}},
		{"constants around", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Div"), k(number(2)), add(onnxOp("Add"), add(onnxOp("Exp"), "x"), k(number(1, 2, 3))))
		}},
		{"sum of three", 2, 2, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Sum"), "x", add(onnxOp("Tanh"), "x"), "x")
		}},
		{"hard swish", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("HardSwish"), "x")
		}},
		{"mish", 2, 3, func(add func(nn.Op, ...string) string, k func(*nn.Value) string) string {
			return add(onnxOp("Mish"), "x")
		}},
	})
}

func checkOperators(t *testing.T, cases []operatorCase) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			const batch = 3
			net := operatorNet(t, tt.h, tt.w, tt.build)
			shape := net.Values["x"].Shape[1:]
			r := rand.New(rand.NewPCG(1, 2))
			size := 4 * tt.h * tt.w
			x := make([]float32, batch*size)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			g := NewGraph()
			in := g.Input("x", tt.h, tt.w, 4)
			l, err := Lower(g, net, map[string]*Tensor{"x": in}, LowerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			y := l.Tensors[net.Outputs[0]]
			p, err := g.Compile(Spec{Batch: batch, Outputs: []*Tensor{y}, Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			for b := range batch {
				copy(p.Data(in)[b*size:], nhwc(x[b*size:(b+1)*size], shape))
			}
			p.Run()
			want, err := nn.Reference(net, map[string][]float32{"x": x}, batch)
			if err != nil {
				t.Fatal(err)
			}
			o := output{t: y, shape: net.Values[net.Outputs[0]].Shape[1:], len: y.Len()}
			got := make([]float32, batch*o.len)
			for b := range batch {
				o.order(got[b*o.len:(b+1)*o.len], p.Data(y)[b*o.len:])
			}
			if len(got) != len(want[net.Outputs[0]]) {
				t.Fatalf("%d elements, want %d", len(got), len(want[net.Outputs[0]]))
			}
			for i, w := range want[net.Outputs[0]] {
				if math.Abs(float64(got[i]-w)) > 1e-5 {
					t.Fatalf("element %d is %v, want %v", i, got[i], w)
				}
			}
			checkSlopes(t, net, shape)
		})
	}
}

// checkSlopes compares the gradient of the mean absolute output, of images that are a parameter times noise, with
// differences.
func checkSlopes(t *testing.T, net *nn.Network, shape []int) {
	t.Helper()
	g := NewGraph()
	z := g.Input("z", 1, 1, 2)
	n := shape[0] * shape[1] * shape[2]
	r := rand.New(rand.NewPCG(3, 4))
	w := make([]float32, 2*n)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	weight := NewWeight("w", w, n, nil)
	x, err := g.Linear("x", z, weight, nil, shape[1], shape[2], shape[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := Lower(g, net, map[string]*Tensor{"x": x}, LowerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	loss := g.MeanAbs("loss", g.Apply("squared", l.Tensors[net.Outputs[0]], squareOf))
	p, err := g.Compile(Spec{Batch: 2, Objective: []Term{{loss, 1}}, WRT: []*Param{weight.Param}})
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Data(z), []float32{0.7, -0.4, 0.3, 1.1})
	p.Run()
	gradient := append([]float32(nil), weight.Grad...)
	const h = 1e-2
	for i := 0; i < len(w); i += 3 {
		at := func(v float32) float64 {
			weight.Data[i] = v
			weight.Changed()
			p.Run()
			return loss.Value
		}
		v := weight.Data[i]
		slope := (at(v+h) - at(v-h)) / (2 * h)
		at(v)
		if d := math.Abs(slope - float64(gradient[i])); d > 2e-2*(0.05+math.Abs(slope)) {
			t.Errorf("gradient %d is %g, differences say %g", i, gradient[i], slope)
		}
	}
}

var squareOf = operator.Scalar{
	Value: func(x float64) float64 { return x * x },
	Slope: func(x float64) float64 { return 2 * x },
}
