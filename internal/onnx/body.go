package onnx

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Graphs that are attributes, the bodies of If, Loop and Scan, are kept as the bytes that they came as. Here they are
// looked into.

// AttrG returns an attribute that is a graph.
func AttrG(name string, g *Graph) *Attribute {
	w := writer{write: true}
	w.message(6, g.encode)
	return &Attribute{Name: name, Type: AttrGraph, unknown: w.buf}
}

// Bodies returns the graphs among the attributes of n.
func (n *Node) Bodies() ([]*Graph, error) {
	var bodies []*Graph
	for _, a := range n.Attributes {
		err := message{b: a.unknown}.fields(func(f field) error {
			if f.num != 6 && f.num != 11 || f.typ != protowire.BytesType {
				return nil
			}
			bodies = append(bodies, new(Graph))
			return f.message(bodies[len(bodies)-1].decode)
		})
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.Name, err)
		}
	}
	return bodies, nil
}

// Captured returns the names that the bodies of n read from the graphs around them.
func (n *Node) Captured() ([]string, error) {
	bodies, err := n.Bodies()
	if err != nil {
		return nil, err
	}
	var captured []string
	for _, g := range bodies {
		names, err := g.captured()
		if err != nil {
			return nil, err
		}
		captured = append(captured, names...)
	}
	return captured, nil
}

// captured returns the names that g reads and does not define.
func (g *Graph) captured() (names []string, err error) {
	defined := map[string]bool{"": true}
	for _, v := range g.Inputs {
		defined[v.Name] = true
	}
	for _, t := range g.Initializers {
		defined[t.Name] = true
	}
	sparse, err := g.sparseInitializers()
	if err != nil {
		return nil, err
	}
	for _, name := range sparse {
		defined[name] = true
	}
	read := func(name string) {
		if !defined[name] {
			names = append(names, name)
		}
	}
	for _, n := range g.Nodes {
		inner, err := n.Captured()
		if err != nil {
			return nil, err
		}
		for _, list := range [][]string{n.Inputs, inner} {
			for _, name := range list {
				read(name)
			}
		}
		for _, name := range n.Outputs {
			defined[name] = true
		}
	}
	for _, v := range g.Outputs {
		read(v.Name)
	}
	return names, nil
}
