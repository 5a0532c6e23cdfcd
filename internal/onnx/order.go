package onnx

import (
	"fmt"
	"slices"
)

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

// frame is a node that waits, with what it reads and has not been looked at.
type frame struct {
	node  *Node
	reads []string
}

// add adds n behind all that it needs. Those that wait are in a list and not on the stack: a damaged file may have millions in a row.
func (o *order) add(n *Node) error {
	if o.state[n] == ordered {
		return nil
	}
	var frames []frame
	wait := func(n *Node) error {
		captured, err := n.Captured()
		if err != nil {
			return fmt.Errorf("node %q (%s): %w", n.label(), n.OpType, err)
		}
		o.state[n] = waiting
		frames = append(frames, frame{n, slices.Concat(n.Inputs, captured)})
		return nil
	}
	err := wait(n)
	for err == nil && len(frames) > 0 {
		f := &frames[len(frames)-1]
		if len(f.reads) == 0 {
			o.state[f.node], o.nodes = ordered, append(o.nodes, f.node)
			frames = frames[:len(frames)-1]
			continue
		}
		t := f.reads[0]
		f.reads = f.reads[1:]
		switch maker := o.maker[t]; {
		case maker == nil || o.state[maker] == ordered:
		case o.state[maker] == waiting:
			err = fmt.Errorf("node %q (%s) reads %q, which is computed from its own output", f.node.label(), f.node.OpType, t)
		default:
			err = wait(maker)
		}
	}
	return err
}
