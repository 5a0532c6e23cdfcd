package intkernel

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// graph is a model whose inputs a and b are integers held in float32, each from 0 to 255.
type graph struct {
	m     *onnx.Model
	names int
}

func newGraph(inputs ...*onnx.ValueInfo) *graph {
	return &graph{m: &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{Name: "rules", Inputs: inputs}}}
}

func (g *graph) node(op string, in []string, attrs ...*onnx.Attribute) string {
	g.names++
	name := fmt.Sprint(op, g.names)
	g.m.Graph.Nodes = append(g.m.Graph.Nodes, &onnx.Node{Name: name, OpType: op, Inputs: in, Outputs: []string{name}, Attributes: attrs})
	return name
}

func (g *graph) scalar(scale float32) string {
	g.names++
	name := fmt.Sprint("scale", g.names)
	g.m.Graph.Initializers = append(g.m.Graph.Initializers, onnx.NewFloats(name, nil, []float32{scale}))
	return name
}

func (g *graph) zero(z int32) string {
	g.names++
	name := fmt.Sprint("zero", g.names)
	g.m.Graph.Initializers = append(g.m.Graph.Initializers, onnx.NewInts(name, onnx.Uint8, nil, []int64{int64(z)}))
	return name
}

// integers has the elements of an input as uint8, with a scale and a zero point.
func (g *graph) integers(input string, scale float32, zero int32) string {
	q := g.node("QuantizeLinear", []string{input, g.scalar(1), g.zero(0)})
	return g.node("DequantizeLinear", []string{q, g.scalar(scale), g.zero(zero)})
}

// output quantizes a tensor and makes it an output.
func (g *graph) output(t string, scale float32, zero int32) {
	q := g.node("QuantizeLinear", []string{t, g.scalar(scale), g.zero(zero)})
	g.m.Graph.Outputs = append(g.m.Graph.Outputs, &onnx.ValueInfo{Name: q, Type: onnx.Uint8})
}

// run returns the outputs of ONNX Runtime.
func (g *graph) run(t *testing.T, inputs ...*onnx.Tensor) [][]uint8 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.onnx")
	if err := g.m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	var all [][]uint8
	for _, y := range oracle.RunORT(t, path, inputs, oracle.ORTOptions{Level: oracle.Extended}) {
		b, err := y.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// pairs are all pairs of bytes.
func pairs() (a, b []uint8) {
	for i := range 65536 {
		a, b = append(a, uint8(i)), append(b, uint8(i>>8))
	}
	return a, b
}

func asFloats(x []uint8) []float32 {
	v := make([]float32, len(x))
	for i, q := range x {
		v[i] = float32(q)
	}
	return v
}

func input(name string, dims ...int64) *onnx.ValueInfo {
	v := &onnx.ValueInfo{Name: name, Type: onnx.Float}
	for _, d := range dims {
		v.Shape = append(v.Shape, onnx.Dim{Size: d})
	}
	return v
}

// sets is how many random scales and zero points are tried.
const sets = 40

// All pairs of bytes have the sum and the product that ONNX Runtime computes, whatever their scales.
func TestPairsOfONNXRuntime(t *testing.T) {
	a, b := pairs()
	n := int64(len(a))
	for _, op := range []string{"Add", "Mul"} {
		t.Run(op, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(op))))
			g := newGraph(input("a", 1, n), input("b", 1, n))
			var sums []*AddParams
			var products []*MulParams
			for range sets {
				sa, sb, sc := r.Float32()/10+0.001, r.Float32()/10+0.001, r.Float32()/10+0.01
				az, bz, cz := int32(r.IntN(256)), int32(r.IntN(256)), int32(r.IntN(256))
				if op == "Mul" {
					sc *= 20
				}
				sums = append(sums, NewAdd(sa, sb, sc, az, bz, cz, 0, 255, false))
				products = append(products, &MulParams{AZ: az, BZ: bz, R: NewRequant([]float32{float32(sa*sb) / sc}, cz, 0, 255, false)})
				g.output(g.node(op, []string{g.integers("a", sa, az), g.integers("b", sb, bz)}), sc, cz)
			}
			y := make([]uint8, n)
			for k, want := range g.run(t, onnx.NewFloats("a", []int64{1, n}, asFloats(a)), onnx.NewFloats("b", []int64{1, n}, asFloats(b))) {
				if op == "Add" {
					Add(y, a, b, sums[k])
				} else {
					Mul(y, a, b, products[k])
				}
				wrong := 0
				for i := range want {
					if y[i] != want[i] {
						wrong++
					}
				}
				if wrong > 0 {
					t.Errorf("set %d: %d of %d differ", k, wrong, n)
				}
			}
		})
	}
}

// AveragePool has the bits of ONNX Runtime, borders or not.
func TestAverageOfONNXRuntime(t *testing.T) {
	in := Map{H: 9, W: 11, C: 5}
	r := rand.New(rand.NewPCG(3, 3))
	x := randomImage(r, in, 0)
	var planes []float32
	for c := range in.C {
		for y := range in.H {
			for col := range in.W {
				planes = append(planes, float32(x[in.At(y, col)+c]))
			}
		}
	}
	g := newGraph(input("x", 1, 5, 9, 11))
	type set struct {
		k *Average
		m Map
	}
	var all []set
	for i := range 60 {
		scale, outScale := r.Float32()/10+0.001, r.Float32()/10+0.001
		zero, outZero := int32(r.IntN(256)), int32(r.IntN(256))
		k, stride := 2+r.IntN(4), 1+r.IntN(2)
		pad := r.IntN(k)
		countPad := i%2 == 0
		attrs := []*onnx.Attribute{
			onnx.AttrIs("kernel_shape", int64(k), int64(k)), onnx.AttrIs("strides", int64(stride), int64(stride)),
			onnx.AttrIs("pads", int64(pad), int64(pad), int64(pad), int64(pad)),
		}
		if countPad {
			attrs = append(attrs, onnx.AttrI("count_include_pad", 1))
		}
		g.output(g.node("AveragePool", []string{g.integers("x", scale, zero)}, attrs...), outScale, outZero)
		w := Window{KH: k, KW: k, StrideH: stride, StrideW: stride, DilH: 1, DilW: 1, PadTop: pad, PadLeft: pad}
		out := Map{H: (in.H+2*pad-k)/stride + 1, W: (in.W+2*pad-k)/stride + 1, C: in.C, Top: 1, Side: 1}
		all = append(all, set{NewAverage(w, countPad, scale, zero, outScale, outZero, 0, 255, false), out})
	}
	for i, want := range g.run(t, onnx.NewFloats("x", []int64{1, 5, 9, 11}, planes)) {
		m := all[i].m
		y := make([]uint8, m.Size())
		for part := range 3 {
			all[i].k.Run(y, m, x, in, part, 3)
		}
		wrong := 0
		for k, q := range want {
			p := k % (m.H * m.W)
			if y[m.At(p/m.W, p%m.W)+k/(m.H*m.W)] != q {
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("set %d: %+v: %d of %d differ", i, all[i].k.Window, wrong, len(want))
		}
	}
}
