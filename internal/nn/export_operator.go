package nn

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// operator writes an Operator in the form of the operator set that the file will have.
func (e *exporter) operator(l *Layer, op Operator) error {
	in := slices.Clone(l.In)
	for i, name := range in {
		if v := e.n.Values[name]; name != "" && v != nil && v.Const() {
			in[i] = e.constant(name)
		}
	}
	node := op.Node(l)
	node.Inputs, node.Outputs = in[:len(node.Inputs)], slices.Clone(l.Out)
	if err := op.recapture(node, in); err != nil {
		return err
	}
	if err := e.bodies(node); err != nil {
		return err
	}
	if op.Domain == "" && op.Opset < e.version {
		var err error
		if node, err = e.converted(l, node, op.Opset); err != nil {
			return err
		}
	}
	if e.misread(l, op) {
		var logs *onnx.Node
		logs, node = e.logarithms(node)
		e.g.Nodes = append(e.g.Nodes, logs)
	}
	e.g.Nodes = append(e.g.Nodes, node)
	for _, name := range l.Out {
		if v := e.n.Values[name]; v != nil && v.Type != onnx.Undefined {
			e.declare(name, name, v.Type)
		}
	}
	return nil
}

// bodies refuses a node whose bodies, which are not converted, would read otherwise in the operator set of the file.
func (e *exporter) bodies(node *onnx.Node) error {
	if e.n.Opset >= e.version {
		return nil
	}
	bodies, err := node.Bodies()
	for _, g := range bodies {
		for _, inner := range g.Nodes {
			if (inner.Domain == "" || inner.Domain == "ai.onnx") && !operator.Same(inner.OpType, e.n.Opset, e.version) {
				return fmt.Errorf("its body has a %s of opset %d, which is not converted to opset %d", inner.OpType, e.n.Opset, e.version)
			}
			if err := e.bodies(inner); err != nil {
				return err
			}
		}
	}
	return err
}

// converted returns a node of an older operator set in the form of the newer one: what was an attribute becomes an
// input, and the few operators whose meaning has changed get new names and attributes.
func (e *exporter) converted(l *Layer, node *onnx.Node, from int64) (*onnx.Node, error) {
	if operator.Same(node.OpType, from, e.version) {
		return node, nil
	}
	shape := e.n.Values[l.In[0]].Shape
	c, err := operator.Convert(node, from, e.version, shape)
	if err != nil {
		return nil, fmt.Errorf("opset %d has no form of it: %w", e.version, err)
	}
	for i, t := range c.Constants {
		for len(c.Node.Inputs) <= i {
			c.Node.Inputs = append(c.Node.Inputs, "")
		}
		name := l.Name + "_" + c.Names[i]
		d := dims(t.Shape)
		if t.Data != nil {
			c.Node.Inputs[i] = e.floats(name, d, t.Data)
		} else {
			c.Node.Inputs[i] = e.ints(name, t.Type, d, t.Ints)
		}
	}
	return c.Node, nil
}
