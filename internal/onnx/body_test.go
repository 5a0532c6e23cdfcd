package onnx

import (
	"slices"
	"testing"
)

func TestCaptured(t *testing.T) {
	inner := &Graph{
		Nodes:   []*Node{{OpType: "Add", Inputs: []string{"a", "own"}, Outputs: []string{"s"}}, {OpType: "Mul", Inputs: []string{"s", "outer"}, Outputs: []string{"m"}}},
		Outputs: []*ValueInfo{{Name: "m"}, {Name: "handed"}},
	}
	body := &Graph{
		Inputs:       []*ValueInfo{{Name: "a"}},
		Initializers: []*Tensor{NewFloats("own", nil, []float32{1})},
		Nodes:        []*Node{{OpType: "If", Inputs: []string{"condition"}, Outputs: []string{"y"}, Attributes: []*Attribute{AttrG("then_branch", inner)}}},
		Outputs:      []*ValueInfo{{Name: "y"}},
	}
	n := &Node{OpType: "Loop", Inputs: []string{"trips"}, Attributes: []*Attribute{AttrI("other", 1), AttrG("body", body)}}
	got, err := n.Captured()
	if want := []string{"condition", "outer", "handed"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	bodies, err := n.Bodies()
	if err != nil || len(bodies) != 1 || len(bodies[0].Nodes) != 1 {
		t.Errorf("bodies %v, %v", bodies, err)
	}
}
