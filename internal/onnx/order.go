package onnx

import "fmt"

// Runtimes put the nodes of a graph in an order of their own, so that files need not have one.

// InOrder returns m with its nodes so that each comes behind those that make what it reads, also what its bodies read from outside. Nodes
// that are in such an order stay in it. It fails where nodes wait for each other.
func (m *Model) InOrder() (*Model, error) {
	if m.Graph == nil {
		return m, nil
	}
	nodes, err := m.Graph.inOrder()
	if err != nil {
		return nil, err
	}
	model, graph := *m, *m.Graph
	model.Graph, graph.Nodes = &graph, nodes
	return &model, nil
}

func (g *Graph) inOrder() ([]*Node, error) {
	o := order{maker: make(map[string]*Node), state: make(map[*Node]progress)}
	for _, n := range g.Nodes {
		for _, t := range n.Outputs {
			if o.maker[t] == nil && t != "" {
				o.maker[t] = n
			}
		}
	}
	for _, n := range g.Nodes {
		if err := o.add(n); err != nil {
			return nil, err
		}
	}
	return o.nodes, nil
}

// order is a list of nodes that grows.
type order struct {
	maker map[string]*Node // of a tensor
	state map[*Node]progress
	nodes []*Node
}

// progress says how far a node has come.
type progress int

const (
	unseen  progress = iota
	waiting          // for those that make its inputs
	ordered
)

// add adds n behind all that it needs.
func (o *order) add(n *Node) error {
	if o.state[n] == ordered {
		return nil
	}
	o.state[n] = waiting
	captured, err := n.Captured()
	if err != nil {
		return fmt.Errorf("node %q (%s): %w", n.label(), n.OpType, err)
	}
	for _, reads := range [][]string{n.Inputs, captured} {
		for _, t := range reads {
			maker := o.maker[t]
			if maker == nil {
				continue
			}
			if o.state[maker] == waiting {
				return fmt.Errorf("node %q (%s) reads %q, which is computed from its own output", n.label(), n.OpType, t)
			}
			if err := o.add(maker); err != nil {
				return err
			}
		}
	}
	o.state[n] = ordered
	o.nodes = append(o.nodes, n)
	return nil
}
