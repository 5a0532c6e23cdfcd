package onnx

import (
	"fmt"
	"slices"

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
			if !f.isBody() {
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

// isBody reports whether a field of an attribute is a graph.
func (f field) isBody() bool { return (f.num == 6 || f.num == 11) && f.typ == protowire.BytesType }

// Captured returns the names that the bodies of n read from the graphs around them, each once.
func (n *Node) Captured() ([]string, error) {
	var captured []string
	_, err := n.recaptured(func(name string) string {
		if !slices.Contains(captured, name) {
			captured = append(captured, name)
		}
		return name
	})
	return captured, err
}

// Recapture has the bodies of n read the tensor to[name] of the graphs around them where they read name.
func (n *Node) Recapture(to map[string]string) error {
	attributes, err := n.recaptured(func(name string) string {
		if other, ok := to[name]; ok {
			return other
		}
		return name
	})
	if err == nil {
		n.Attributes = attributes
	}
	return err
}

// recaptured returns the attributes of n with bodies that read f(name) where they read name from outside.
func (n *Node) recaptured(f func(string) string) ([]*Attribute, error) {
	attributes := slices.Clone(n.Attributes)
	for i, a := range attributes {
		if len(a.unknown) == 0 {
			continue
		}
		w := writer{write: true}
		err := message{b: a.unknown}.fields(func(field field) error {
			if !field.isBody() {
				w.raw(field.full)
				return nil
			}
			g := new(Graph)
			if err := field.message(g.decode); err != nil {
				return err
			}
			if err := g.recapture(f); err != nil {
				return err
			}
			w.message(field.num, g.encode)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.Name, err)
		}
		clone := *a
		clone.unknown = w.buf
		attributes[i] = &clone
	}
	return attributes, nil
}

// recapture has g read f(name) where it reads a name that it does not define.
func (g *Graph) recapture(f func(string) string) error {
	defined := map[string]bool{"": true}
	for _, v := range g.Inputs {
		defined[v.Name] = true
	}
	for _, t := range g.Initializers {
		defined[t.Name] = true
	}
	sparse, err := g.sparseInitializers()
	if err != nil {
		return err
	}
	for _, name := range sparse {
		defined[name] = true
	}
	given := make(map[string]bool) // names that f has put in the place of others
	read := func(name string) string {
		if defined[name] {
			return name
		}
		other := f(name)
		given[other] = given[other] || other != name
		return other
	}
	for _, n := range g.Nodes {
		for i, name := range n.Inputs {
			n.Inputs[i] = read(name)
		}
		if n.Attributes, err = n.recaptured(read); err != nil {
			return err
		}
		for _, name := range n.Outputs {
			defined[name] = true
		}
	}
	for _, v := range g.Outputs {
		v.Name = read(v.Name)
	}
	for name := range defined {
		if given[name] {
			return fmt.Errorf("a body has a tensor %q of its own, which is also what it is to read from outside", name)
		}
	}
	return nil
}
