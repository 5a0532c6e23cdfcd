package onnx

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// The order of a file stays where it is one; otherwise nodes come behind what they need, be it in a body.
func TestInOrder(t *testing.T) {
	body := AttrG("body", &Graph{
		Nodes:   []*Node{{OpType: "Neg", Inputs: []string{"c"}, Outputs: []string{"minus"}}},
		Outputs: []*ValueInfo{{Name: "minus"}},
	})
	a := &Node{OpType: "A", Inputs: []string{"x"}, Outputs: []string{"a"}}
	b := &Node{OpType: "B", Inputs: []string{"x", ""}, Outputs: []string{"b", ""}}
	c := &Node{OpType: "C", Inputs: []string{"a", "b", "a"}, Outputs: []string{"c"}}
	d := &Node{OpType: "D", Outputs: []string{"d"}, Attributes: []*Attribute{body}}
	for _, tt := range []struct{ file, want []*Node }{
		{[]*Node{b, a, c, d}, []*Node{b, a, c, d}},
		{[]*Node{d, c, b, a}, []*Node{a, b, c, d}},
		{[]*Node{b, d, a, c}, []*Node{b, a, c, d}},
	} {
		m, err := (&Model{Graph: &Graph{Nodes: tt.file}}).InOrder()
		if err != nil || !slices.Equal(m.Graph.Nodes, tt.want) {
			t.Errorf("%v, error %v, want %v", m, err, tt.want)
		}
	}
	a.Inputs[0] = "d"
	if _, err := (&Model{Graph: &Graph{Nodes: []*Node{b, c, d, a}}}).InOrder(); err == nil || !strings.Contains(err.Error(), `(D) reads "c", which is computed from its own output`) {
		t.Errorf("error %v", err)
	}
}

// A long row of nodes that is in the file from its end on needs no stack.
func TestInOrderBackwards(t *testing.T) {
	g := &Graph{}
	for i := range 50_000 {
		g.Nodes = append(g.Nodes, &Node{OpType: "Neg", Inputs: []string{fmt.Sprint(i + 1)}, Outputs: []string{fmt.Sprint(i)}})
	}
	defer debug.SetMaxStack(debug.SetMaxStack(1 << 20))
	m, err := (&Model{Graph: g}).InOrder()
	if err != nil || m.Graph.Nodes[0] != g.Nodes[len(g.Nodes)-1] {
		t.Errorf("error %v", err)
	}
}
