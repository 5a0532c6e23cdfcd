package operator

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"zaq/internal/onnx"
)

// The slopes of what is done to lines are what differences of the values say.
func TestLineSlopes(t *testing.T) {
	axes := func(v ...int64) *onnx.Attribute { return onnx.AttrIs("axes", v...) }
	scale, shift := Floats([]float32{1, -2, 0.5, 3}, 4), Floats([]float32{0, 1, 2, -1}, 4)
	shape := []int{1, 4, 3, 2}
	for _, tt := range []struct {
		op     string
		opset  int64
		attrs  []*onnx.Attribute
		inputs []*Tensor
		lines  int
		ofOnes bool
	}{
		{"Softmax", 13, nil, nil, 12, false},
		{"Softmax", 13, []*onnx.Attribute{onnx.AttrI("axis", 1)}, nil, 6, false},
		{"Softmax", 11, nil, nil, 1, false},
		{"LogSoftmax", 13, []*onnx.Attribute{onnx.AttrI("axis", 2)}, nil, 8, false},
		{"LpNormalization", 13, []*onnx.Attribute{onnx.AttrI("axis", 1)}, nil, 6, false},
		{"LpNormalization", 13, []*onnx.Attribute{onnx.AttrI("axis", 1), onnx.AttrI("p", 1)}, nil, 6, false},
		{"InstanceNormalization", 13, nil, []*Tensor{scale, shift}, 4, false},
		{"GroupNormalization", 18, []*onnx.Attribute{onnx.AttrI("num_groups", 2)}, []*Tensor{Floats([]float32{1, 2}, 2), Floats([]float32{3, 4}, 2)}, 2, false},
		{"GroupNormalization", 21, []*onnx.Attribute{onnx.AttrI("num_groups", 2)}, []*Tensor{scale, shift}, 2, false},
		{"LayerNormalization", 17, nil, []*Tensor{Floats([]float32{2, -1}, 2)}, 12, false},
		{"LayerNormalization", 17, []*onnx.Attribute{onnx.AttrI("axis", 1)}, []*Tensor{Floats([]float32{2}), Floats([]float32{1, 2}, 2)}, 1, false},
		{"ReduceSum", 11, []*onnx.Attribute{axes(1)}, nil, 6, true},
		{"ReduceSum", 13, nil, []*Tensor{Integers([]int64{-1, 1}, 2)}, 3, true},
		{"ReduceMean", 13, []*onnx.Attribute{axes(2, 3)}, nil, 4, true},
		{"ReduceMax", 13, []*onnx.Attribute{axes(1)}, nil, 6, true},
		{"ReduceMin", 13, []*onnx.Attribute{axes(1, 2, 3)}, nil, 1, true},
		{"ReduceL1", 13, []*onnx.Attribute{axes(1)}, nil, 6, true},
		{"ReduceL2", 13, []*onnx.Attribute{axes(1)}, nil, 6, true},
		{"ReduceSumSquare", 13, []*onnx.Attribute{axes(-1)}, nil, 12, true},
		{"ReduceLogSumExp", 13, []*onnx.Attribute{axes(1)}, nil, 6, true},
	} {
		x := &Tensor{Type: onnx.Float, Shape: shape}
		l, ok := LineOf(&onnx.Node{OpType: tt.op, Attributes: tt.attrs}, tt.opset, append([]*Tensor{x}, tt.inputs...))
		if !ok {
			t.Errorf("%s: no line", tt.op)
			continue
		}
		r := rand.New(rand.NewPCG(1, 2))
		count := 0
		l.Each(func(_ int, places []int) {
			count++
			n := len(places)
			x, dx := make([]float64, n), make([]float64, n)
			for i := range x {
				x[i] = r.NormFloat64()
			}
			m := n
			if l.One {
				m = 1
			}
			y, dy, up, down := make([]float64, m), make([]float64, m), make([]float64, m), make([]float64, m)
			for i := range dy {
				dy[i] = r.NormFloat64()
			}
			l.Value(y, x)
			l.Slope(dx, dy, x, y)
			const h = 1e-5
			for i, v := range x {
				x[i] = v + h
				l.Value(up, x)
				x[i] = v - h
				l.Value(down, x)
				x[i] = v
				var want float64
				for j, d := range dy {
					want += d * (up[j] - down[j]) / (2 * h)
				}
				if math.Abs(dx[i]-want) > 1e-4*(1+math.Abs(want)) {
					t.Errorf("%s: slope %g, differences say %g", tt.op, dx[i], want)
				}
			}
		})
		if count != tt.lines || l.One != tt.ofOnes {
			t.Errorf("%s: %d lines, want %d", tt.op, count, tt.lines)
		}
	}
}

// A line of zeros has no direction: LpNormalization makes zeros of it, and no slope.
func TestLpNormalizationOfZeros(t *testing.T) {
	for _, p := range []int64{1, 2} {
		x := &Tensor{Type: onnx.Float, Shape: []int{2, 3}}
		n := &onnx.Node{OpType: "LpNormalization", Attributes: []*onnx.Attribute{onnx.AttrI("p", p)}}
		l, ok := LineOf(n, 13, []*Tensor{x})
		if !ok {
			t.Fatal("no line")
		}
		line, dy := make([]float64, 3), []float64{1, -2, 3}
		y, dx := []float64{7, 7, 7}, []float64{7, 7, 7}
		l.Value(y, line)
		l.Slope(dx, dy, line, y)
		if !slices.Equal(y, line) || !slices.Equal(dx, line) {
			t.Errorf("p %d: zeros become %v with slopes %v, want zeros", p, y, dx)
		}
	}
}

// Not everything that works on lines has a slope, or says which lines before its inputs are there.
func TestNoLine(t *testing.T) {
	x := &Tensor{Type: onnx.Float, Shape: []int{1, 4}}
	for _, n := range []*onnx.Node{
		{OpType: "Hardmax"}, {OpType: "ReduceProd"}, {OpType: "Relu"}, {OpType: "Softmax", Domain: "other"},
		{OpType: "Softmax", Attributes: []*onnx.Attribute{onnx.AttrI("axis", 5)}},
		{OpType: "ReduceSum", Attributes: []*onnx.Attribute{onnx.AttrI("noop_with_empty_axes", 1)}},
		{OpType: "LayerNormalization"},
	} {
		if _, ok := LineOf(n, 17, []*Tensor{x}); ok {
			t.Errorf("%s has lines", n.OpType)
		}
	}
}

// The definitions of ONNX's GroupNormalization, which its backend tests of that version do not have.
func TestGroupNormalization(t *testing.T) {
	x := Floats([]float32{1, 2, 3, 4, 5, 6, 7, 8}, 1, 4, 2)
	groups := []*onnx.Attribute{onnx.AttrI("num_groups", 2), {Name: "epsilon", Type: onnx.AttrFloat, Float: 0}}
	n := &onnx.Node{OpType: "GroupNormalization", Attributes: groups}
	s := math.Sqrt(1.25)
	for opset, in := range map[int64][]*Tensor{
		18: {x, Floats([]float32{1, 2}, 2), Floats([]float32{0, 1}, 2)},
		21: {x, Floats([]float32{1, 1, 2, 2}, 4), Floats([]float32{0, 0, 1, 1}, 4)},
	} {
		out, err := Eval(n, opset, in)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range out[0].Data {
			want := (float64(i%4) - 1.5) / s
			if i >= 4 {
				want = 2*want + 1
			}
			if math.Abs(float64(v)-want) > 1e-6 {
				t.Errorf("opset %d: element %d is %v, want %v", opset, i, v, want)
			}
		}
	}
}
