package nn

import (
	"slices"

	"zaq/internal/onnx"
)

// Bodies of If, Loop and Scan read tensors around them by name, without an input for them. Here such a tensor is an input like
// any other, behind those of the node: what it reads is kept, quantized and renamed as for all its readers. Export has the bodies
// read what those inputs are then called.

// withCaptures returns a graph whose nodes have what their bodies read from outside behind their inputs.
func withCaptures(g *onnx.Graph) (*onnx.Graph, error) {
	open := *g
	open.Nodes = slices.Clone(g.Nodes)
	for i, n := range open.Nodes {
		captured, err := n.Captured()
		if err != nil {
			return nil, (&node{Node: n, name: n.Name}).wrap(err)
		}
		if len(captured) > 0 {
			clone := *n
			clone.Inputs = slices.Concat(n.Inputs, captured)
			open.Nodes[i] = &clone
		}
	}
	return &open, nil
}

// recapture has the bodies of node, which a layer of op becomes, read the tensors that are called in, of all inputs of the layer.
func (o Operator) recapture(node *onnx.Node, in []string) error {
	to := make(map[string]string)
	for i, name := range o.Captures {
		if now := in[len(in)-len(o.Captures)+i]; now != name {
			to[name] = now
		}
	}
	if len(to) == 0 { // bytes that nobody has touched
		return nil
	}
	return node.Recapture(to)
}
