package nn

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/quant"
)

// Check reports the first thing that makes n no network: a tensor made twice or read before it is made,
// a layer with the wrong number of inputs, shapes that contradict each other, a constant whose data, shape
// and quantizer do not agree. Passes leave networks that pass.
func (n *Network) Check() error {
	ready := make(map[string]bool, len(n.Values))
	for name, v := range n.Values {
		if v == nil || v.Name != name || name == "" {
			return fmt.Errorf("value %q is kept under another name", name)
		}
		if v.Const() {
			if err := checkConstant(v); err != nil {
				return fmt.Errorf("constant %q: %w", name, err)
			}
			ready[name] = true
		}
	}
	for _, name := range n.Inputs {
		switch v := n.Values[name]; {
		case v == nil || v.Shape == nil:
			return fmt.Errorf("input %q has no shape", name)
		case ready[name]:
			return fmt.Errorf("input %q is a constant or there twice", name)
		}
		ready[name] = true
	}
	names := make(map[string]bool, len(n.Layers))
	for _, l := range n.Layers {
		if names[l.Name] {
			return fmt.Errorf("two nodes are named %q", l.Name)
		}
		names[l.Name] = true
		if err := n.checkLayer(l, ready); err != nil {
			return fmt.Errorf("node %q (%s): %w", l.Name, l.Op.Kind(), err)
		}
	}
	for name := range n.Values {
		if !ready[name] {
			return fmt.Errorf("value %q is made by no layer", name)
		}
	}
	for _, name := range n.Outputs {
		if v := n.Values[name]; v == nil || v.Const() {
			return fmt.Errorf("output %q is not computed", name)
		}
	}
	return nil
}

// checkLayer checks l against the tensors that are ready when it runs and adds its own.
func (n *Network) checkLayer(l *Layer, ready map[string]bool) error {
	for _, name := range l.In {
		if name != "" && !ready[name] {
			return fmt.Errorf("reads %q before it is made", name)
		}
	}
	if _, ok := l.Op.(Operator); ok {
		return n.checkOperator(l, ready)
	}
	shape, err := n.outputShape(l)
	if err != nil {
		return err
	}
	out := n.Output(l)
	switch {
	case out == nil:
		return fmt.Errorf("output %q has no value", l.Out[0])
	case ready[out.Name]:
		return fmt.Errorf("makes %q, which is there already", out.Name)
	case !slices.Equal(out.Shape, shape):
		return fmt.Errorf("makes %v, but %q has shape %v", shape, out.Name, out.Shape)
	}
	if s := out.Stats; s != nil && (len(shape) < 2 || len(s.Mean) != shape[1] || len(s.Std) != shape[1]) {
		return fmt.Errorf("statistics of %q are not of its channels", out.Name)
	}
	ready[out.Name] = true
	return nil
}

func checkConstant(v *Value) error {
	elements := len(v.Data)
	if v.Ints != nil {
		elements = len(v.Ints)
	}
	switch {
	case v.Data != nil && v.Ints != nil:
		return errors.New("has both floats and integers")
	case v.Shape == nil || slices.Contains(v.Shape, Batch):
		return fmt.Errorf("has shape %v", v.Shape)
	case elements != size(v.Shape):
		return fmt.Errorf("has %d elements, shape is %v", elements, v.Shape)
	case v.Quant == nil:
		return nil
	case v.Data == nil:
		return errors.New("has a quantizer but no floats")
	}
	return checkQuantizer(v.Quant, v.Shape)
}

func checkQuantizer(q *quant.Quantizer, shape []int) error {
	switch {
	case len(q.Zero) != len(q.Scale):
		return fmt.Errorf("has %d scales and %d zero points", len(q.Scale), len(q.Zero))
	case len(q.Scale) > 1 && (len(shape) == 0 || len(q.Scale) != shape[0]):
		return fmt.Errorf("has %d scales for shape %v", len(q.Scale), shape)
	case q.QMin >= q.QMax:
		return fmt.Errorf("integers %d to %d are no range", q.QMin, q.QMax)
	}
	return nil
}
