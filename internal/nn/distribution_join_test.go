package nn

import (
	"math"
	"slices"
	"testing"

	"zaq/internal/onnx"
)

// Channels go through a concatenation and through an enlargement by nearest neighbours as they are, and not through others.
func TestDistributionsThroughDetectors(t *testing.T) {
	resize := func(mode string) Operator {
		return Operator{Type: "Resize", Opset: 13, Attributes: []*onnx.Attribute{onnx.AttrS("mode", mode)}}
	}
	n := &Network{Inputs: []string{"x"}, Outputs: []string{"joined", "smooth"}, Values: map[string]*Value{}}
	for name, shape := range map[string][]int{
		"x": {Batch, 2, 4, 4}, "r": {Batch, 2, 4, 4}, "large": {Batch, 2, 8, 8}, "joined": {Batch, 4, 4, 4}, "tall": {Batch, 2, 8, 4}, "smooth": {Batch, 2, 8, 8},
	} {
		n.Values[name] = &Value{Name: name, Shape: shape}
	}
	n.Layers = []*Layer{
		{Name: "relu", Op: Relu{}, In: []string{"x"}, Out: []string{"r"}},
		{Name: "concat", Op: Concat{Axis: 1}, In: []string{"r", "x"}, Out: []string{"joined"}},
		{Name: "rows", Op: Concat{Axis: 2}, In: []string{"r", "x"}, Out: []string{"tall"}},
		{Name: "nearest", Op: resize("nearest"), In: []string{"x"}, Out: []string{"large"}},
		{Name: "linear", Op: resize("linear"), In: []string{"x"}, Out: []string{"smooth"}},
	}
	known := Distributions(n, map[string]*Distribution{"x": NormalDistribution(&Stats{Mean: []float32{1, 2}, Std: []float32{3, 4}})})
	if d := known["joined"]; d == nil || !slices.Equal(d.Mean, []float64{1, 2, 1, 2}) || d.Lo[0] != 0 || !(d.Lo[2] < -1e9) {
		t.Errorf("joined: %+v", d)
	}
	if d := known["large"]; d == nil || !slices.Equal(d.Std, []float64{3, 4}) {
		t.Errorf("enlarged: %+v", d)
	}
	for _, name := range []string{"tall", "smooth"} {
		if known[name] != nil {
			t.Errorf("%s: %+v", name, known[name])
		}
	}
}

// A channel of DepthToSpace has the elements of four: the mean of their means, and of their squares.
func TestDistributionLaidOut(t *testing.T) {
	b := newGraph(13)
	b.output(b.node("DepthToSpace", b.input("x", 8, 2, 2), num("blocksize", 2)))
	n := &Layer{Op: Operator{Type: "DepthToSpace", Opset: 13, Attributes: b.model.Graph.Nodes[0].Attributes}, In: []string{"x"}, Out: []string{"y"}}
	x := newDistribution(8)
	for c := range x.Mean {
		x.Mean[c], x.Std[c] = float64(c), 1
	}
	y := x.laidOut(n.Op.(Operator), n)
	// Channels are (row, column, channel): 0, 2, 4, 6 are the first's.
	for c, mean := range []float64{3, 4} {
		if y.Mean[c] != mean || math.Abs(y.Std[c]-math.Sqrt(1+5)) > 1e-12 {
			t.Errorf("channel %d: %v, deviation %v", c, y.Mean[c], y.Std[c])
		}
	}
}

// A channel that is made of phases has the elements of all of them, wherever they are moved to.
func TestDistributionOfPhases(t *testing.T) {
	n := &Network{Inputs: []string{"x"}, Outputs: []string{"y"}, Values: map[string]*Value{"x": {Name: "x", Shape: []int{Batch, 4, 2, 3}}}}
	phases := transposed{groups: 1, perGroup: 2, stride: [2]int{1, 2}}
	in := "x"
	for i, op := range phases.interleave(Batch, [2]int{2, 3}, 13) {
		l := &Layer{Name: op.Kind(), Op: op, In: []string{in}, Out: []string{[]string{"apart", "moved", "y"}[i]}}
		if err := n.inferShape(l); err != nil {
			t.Fatal(err)
		}
		n.Layers, in = append(n.Layers, l), l.Out[0]
	}
	if shape := n.Values["y"].Shape; !slices.Equal(shape, []int{Batch, 2, 2, 6}) {
		t.Errorf("shape %v", shape)
	}
	known := Distributions(n, map[string]*Distribution{"x": NormalDistribution(&Stats{Mean: []float32{1, 3, 5, 5}, Std: []float32{0, 0, 2, 2}})})
	if d := known["y"]; d == nil || !slices.Equal(d.Mean, []float64{2, 5}) || !slices.Equal(d.Std, []float64{1, 2}) {
		t.Errorf("%+v", d)
	}
}
