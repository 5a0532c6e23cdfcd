package nn

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Constants that a graph computes are computed here, once and for all: with them goes the arithmetic that exporters do
// on shapes to find, say, the target of a Reshape. Where the batch axis is symbolic, such a number may depend on the
// batch size. Everything of the kind is computed twice, for two batch sizes; an element that is the one and the other
// is the batch size, and one that is the same both times does not depend on it.

// twice is a constant that depends on the batch size: made by a node, one tensor for each of tryBatches.
type twice struct {
	node *node
	in   []string // what the node read
	of   [2]*operator.Tensor
}

// foldable reports whether n computes a constant.
func (n *node) foldable() (bool, error) {
	switch n.OpType {
	case "Constant":
		return true, nil
	case "QuantizeLinear", "DequantizeLinear": // grids are kept
		return false, nil
	case "Shape", "Size":
		if n.in(0) == "" {
			return false, nil
		}
		v := n.im.net.Values[n.in(0)]
		return v == nil || v.Const() || v.Shape != nil, nil
	}
	if !operator.Known(n.Domain, n.OpType) {
		return false, nil
	}
	for i := range n.Inputs {
		if n.in(i) == "" || n.im.batched[n.in(i)] != nil {
			continue
		}
		if c, err := n.constant(i); err != nil || c == nil {
			return false, err
		}
	}
	return true, nil
}

// foldNode computes the constants that n makes.
func (n *node) foldNode() error {
	outs, err := n.evaluate(0)
	if err != nil {
		return err
	}
	var others []*operator.Tensor
	if n.dependsOnBatch() {
		if others, err = n.evaluate(1); err != nil {
			return err
		}
	}
	for i, name := range n.Outputs {
		if name == "" || i >= len(outs) {
			continue
		}
		if others != nil && !equalTensors(outs[i], others[i]) {
			n.im.batched[name] = &twice{node: n, in: n.inputs(len(n.Inputs)), of: [2]*operator.Tensor{outs[i], others[i]}}
			continue
		}
		n.im.addConstant(name, outs[i])
	}
	return nil
}

// dependsOnBatch reports whether n reads the batch size, or what was computed from it.
func (n *node) dependsOnBatch() bool {
	for i := range n.Inputs {
		if n.im.batched[n.in(i)] != nil {
			return true
		}
	}
	if n.OpType != "Shape" && n.OpType != "Size" {
		return false
	}
	v := n.im.net.Values[n.in(0)]
	return v != nil && slices.Contains(v.Shape, Batch) && !n.im.bakedBatch
}

// evaluate runs n for one of tryBatches.
func (n *node) evaluate(which int) ([]*operator.Tensor, error) {
	in := make([]*operator.Tensor, len(n.Inputs))
	for i := range n.Inputs {
		name := n.in(i)
		if name == "" {
			continue
		}
		if t := n.im.batched[name]; t != nil {
			in[i] = t.of[which]
			continue
		}
		c, err := n.im.constant(name)
		switch {
		case err != nil:
			return nil, err
		case c != nil:
			in[i] = c.tensor()
			if t := n.im.types[name]; t != onnx.Undefined {
				in[i].Type = t
			}
		default: // of Shape or Size, which look at nothing else
			batch := tryBatches[which]
			if n.im.bakedBatch {
				batch = 1
			}
			v := n.im.net.Values[name]
			if v == nil {
				return nil, fmt.Errorf("no tensor %q", name)
			}
			shape := v.Shape
			if n.im.channelsLast[n.Inputs[i]] {
				shape = permuted(shape, toChannelsLast)
			}
			in[i] = &operator.Tensor{Type: v.elementType(), Shape: withBatch(shape, batch)}
		}
	}
	return operator.Eval(n.Node, n.im.opset, in)
}

func equalTensors(a, b *operator.Tensor) bool {
	return a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Ints, b.Ints) &&
		slices.EqualFunc(a.Data, b.Data, func(x, y float32) bool { return x == y || x != x && y != y })
}

// addConstant adds what was computed under a name.
func (im *importer) addConstant(name string, t *operator.Tensor) {
	shape := append([]int{}, t.Shape...) // nil would be a shape that is not known, and not a scalar's
	v := &Value{Name: name, Shape: shape, Data: t.Data, Ints: t.Ints, Type: t.Type}
	if v.Data == nil && v.Ints == nil { // no elements
		if v.Ints = []int64{}; operator.IsFloat(t.Type) {
			v.Data, v.Ints = []float32{}, nil
		}
	}
	im.net.Values[name] = v
	im.types[name] = t.Type
}

// symbolicList returns a list of integers in which symbolicBatch stands for the batch size.
func (t *twice) symbolicList() ([]int64, bool) {
	a, b := t.of[0], t.of[1]
	if a.Ints == nil || len(a.Ints) != len(b.Ints) || len(a.Shape) > 1 {
		return nil, false
	}
	list := make([]int64, len(a.Ints))
	for i, v := range a.Ints {
		switch {
		case v == b.Ints[i]:
			list[i] = v
		case v == int64(tryBatches[0]) && b.Ints[i] == int64(tryBatches[1]):
			list[i] = symbolicBatch
		default:
			return nil, false
		}
	}
	return list, true
}

// compute adds the layers that compute a constant which depends on the batch size: something reads it that has to be
// carried through as it is.
func (im *importer) compute(name string) error {
	t := im.batched[name]
	if t == nil || im.net.Values[name] != nil {
		return nil
	}
	for i, in := range t.in {
		if err := im.compute(in); err != nil {
			return err
		}
		if v := im.net.Values[in]; im.channelsLast[t.node.Inputs[i]] && v != nil && !v.Const() { // shapes are those of the file
			var err error
			if t.in[i], err = im.asDeclared(in); err != nil {
				return err
			}
		}
	}
	if err := t.node.addOperator(t.in); err != nil {
		return err
	}
	shape, err := symbolicShape(t.of[0].Shape, t.of[1].Shape, false)
	v := im.net.Values[name]
	v.Shape, v.Type = shape, t.of[0].Type
	return err
}
