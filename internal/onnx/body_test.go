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

func TestRecapture(t *testing.T) {
	inner := &Graph{Nodes: []*Node{{OpType: "Add", Inputs: []string{"a", "b"}, Outputs: []string{"s"}}}, Outputs: []*ValueInfo{{Name: "s"}}}
	body := &Graph{
		Inputs:  []*ValueInfo{{Name: "a"}},
		Nodes:   []*Node{{OpType: "If", Inputs: []string{"b"}, Outputs: []string{"y"}, Attributes: []*Attribute{AttrG("then_branch", inner)}}},
		Outputs: []*ValueInfo{{Name: "y"}},
	}
	before := AttrG("body", body)
	n := &Node{OpType: "Loop", Attributes: []*Attribute{before}}
	if err := n.Recapture(map[string]string{"a": "x", "b": "z"}); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Captured(); err != nil || !slices.Equal(got, []string{"z"}) {
		t.Errorf("reads %v, %v", got, err)
	}
	if got, err := (&Node{Attributes: []*Attribute{before}}).Captured(); err != nil || !slices.Equal(got, []string{"b"}) {
		t.Errorf("what it was made of reads %v, %v", got, err)
	}
	if err := n.Recapture(map[string]string{"z": "y"}); err == nil {
		t.Error("it is to read what it defines")
	}
}
