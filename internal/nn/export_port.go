package nn

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// ports has the nodes read what the network has in the place of the inputs that the file is to have in another form, and
// begins with the nodes that make it: bytes are transposed before they become floats.
func (e *exporter) ports() error {
	body := e.g.Nodes
	e.g.Nodes = nil
	for _, input := range e.n.Inputs {
		port, made := e.n.Port(input), input
		if port.ChannelsLast {
			shape := e.n.Values[input].Shape
			from := made
			made = e.tensor(input + "_transposed")
			e.node(e.nodeName(input+"_Transpose"), "Transpose", []string{from}, []string{made}, onnx.AttrIs("perm", toChannelsFirst...))
			e.g.Values = append(e.g.Values, e.info(made, shape, port.Type))
		}
		if port.Type != onnx.Float {
			from := made
			made = e.tensor(input + "_float32")
			e.node(e.nodeName(input+"_Cast"), "Cast", []string{from}, []string{made}, onnx.AttrI("to", int64(onnx.Float)))
			e.declare(made, input, onnx.Float)
		}
		if made == input {
			continue
		}
		for _, n := range body {
			n.Inputs = slices.Clone(n.Inputs) // perhaps the layer's own
			for i, t := range n.Inputs {
				if t == input {
					n.Inputs[i] = made
				}
			}
			if err := n.Recapture(map[string]string{input: made}); err != nil {
				return fmt.Errorf("node %q (%s): %w", n.Name, n.OpType, err)
			}
		}
	}
	e.g.Nodes = append(e.g.Nodes, body...)
	return nil
}
