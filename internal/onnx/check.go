package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Check reports the first thing in m that no runtime could accept: missing versions, tensors without
// their data, names defined twice or not at all, nodes out of order. It knows no operators, and does not
// look into subgraphs. Node names need not be unique: runtimes do not ask for it, and exporters do not
// see to it.
func Check(m *Model) error {
	if m.IRVersion <= 0 {
		return errors.New("model has no IR version")
	}
	seen := make(map[string]bool)
	for _, o := range m.Opsets {
		if seen[o.Domain] {
			return fmt.Errorf("operator set %q is imported twice", o.Domain)
		}
		seen[o.Domain] = true
		if o.Version <= 0 {
			return fmt.Errorf("operator set %q has no version", o.Domain)
		}
	}
	if len(m.Opsets) == 0 {
		return errors.New("model imports no operator set")
	}
	if m.Graph == nil {
		return errors.New("model has no graph")
	}
	if err := m.tensors((*Tensor).checkData); err != nil {
		return err
	}
	c := checker{m: m, g: m.Graph, defined: make(map[string]string)}
	for _, step := range []func() error{c.inputs, c.initializers, c.nodes, c.outputs, c.values} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checker follows the names of a graph in the order of evaluation.
type checker struct {
	m       *Model
	g       *Graph
	defined map[string]string // tensor name: what defines it
}

func (c *checker) define(name, by string) error {
	if old, ok := c.defined[name]; ok {
		return fmt.Errorf("tensor %q is defined twice: by %s and by %s", name, old, by)
	}
	c.defined[name] = by
	return nil
}

func (c *checker) inputs() error {
	for i, v := range c.g.Inputs {
		if v.Name == "" {
			return fmt.Errorf("graph input %d has no name", i)
		}
		if err := c.define(v.Name, "a graph input"); err != nil {
			return err
		}
	}
	return nil
}

// initializers may have the name of an input, whose default value they then are.
func (c *checker) initializers() error {
	seen := make(map[string]bool)
	add := func(name string) error {
		if name == "" {
			return errors.New("an initializer has no name")
		}
		if seen[name] {
			return fmt.Errorf("initializer %q is there twice", name)
		}
		seen[name] = true
		c.defined[name] = "an initializer"
		return nil
	}
	for _, t := range c.g.Initializers {
		if err := add(t.Name); err != nil {
			return err
		}
	}
	sparse, err := c.g.sparseInitializers()
	if err != nil {
		return err
	}
	for _, name := range sparse {
		if err := add(name); err != nil {
			return err
		}
	}
	return nil
}

// sparseInitializers returns the names of the sparse tensors among the graph's unknown fields. The name
// of one is that of its values, which are its field 1.
func (g *Graph) sparseInitializers() (names []string, err error) {
	err = message{b: g.unknown}.fields(func(f field) error {
		if f.num != 15 || f.typ != protowire.BytesType {
			return nil
		}
		var values Tensor
		err := f.message(func(msg message) error {
			return msg.fields(func(f field) error {
				if f.num == 1 {
					return f.message(values.decode)
				}
				return nil
			})
		})
		names = append(names, values.Name)
		if err != nil {
			return fmt.Errorf("sparse initializer %q: %w", values.Name, err)
		}
		return nil
	})
	return names, err
}

func (c *checker) nodes() error {
	producer := make(map[string]int) // first node that produces a name
	for i := len(c.g.Nodes) - 1; i >= 0; i-- {
		for _, s := range c.g.Nodes[i].Outputs {
			producer[s] = i
		}
	}
	for i, n := range c.g.Nodes {
		if n.OpType == "" {
			return fmt.Errorf("node %d %q has no operator", i, n.label())
		}
		if _, ok := c.m.opset(n.Domain); !ok {
			return fmt.Errorf("node %q (%s): the model does not import its operator set %q", n.label(), n.OpType, n.Domain)
		}
		for _, s := range n.Inputs {
			if _, ok := c.defined[s]; ok || s == "" {
				continue
			}
			if p, ok := producer[s]; ok {
				return fmt.Errorf("node %q (%s) uses %q before node %q produces it", n.label(), n.OpType, s,
					c.g.Nodes[p].label())
			}
			return fmt.Errorf("node %q (%s): nothing defines its input %q", n.label(), n.OpType, s)
		}
		for _, s := range n.Outputs {
			if s == "" {
				continue // an optional output left out
			}
			if err := c.define(s, fmt.Sprintf("node %q", n.label())); err != nil {
				return err
			}
		}
		seen := make(map[string]bool)
		for _, a := range n.Attributes {
			if a.Name == "" {
				return fmt.Errorf("node %q (%s): an attribute has no name", n.label(), n.OpType)
			}
			if seen[a.Name] {
				return fmt.Errorf("node %q (%s): attribute %q is there twice", n.label(), n.OpType, a.Name)
			}
			seen[a.Name] = true
			if a.Type == AttrTensor && a.Tensor == nil {
				return fmt.Errorf("node %q (%s): attribute %q has no tensor", n.label(), n.OpType, a.Name)
			}
		}
	}
	return nil
}

func (c *checker) outputs() error {
	if len(c.g.Outputs) == 0 {
		return errors.New("graph has no outputs")
	}
	seen := make(map[string]bool)
	for _, v := range c.g.Outputs {
		if _, ok := c.defined[v.Name]; !ok {
			return fmt.Errorf("nothing produces graph output %q", v.Name)
		}
		if seen[v.Name] {
			return fmt.Errorf("graph output %q is there twice", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

func (c *checker) values() error {
	seen := make(map[string]bool)
	for _, v := range c.g.Values {
		if seen[v.Name] {
			return fmt.Errorf("type of %q is given twice", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}
