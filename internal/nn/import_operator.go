package nn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"zaq/internal/operator"
)

// anyOperator adds n as it is. Whether it may stay is decided once the whole graph is known (checkOperators): reason is
// what to say if not.
func (n *node) anyOperator(reason error) error {
	in := n.inputs(len(n.Inputs))
	for _, name := range in {
		if _, ok := n.im.integers[name]; ok && reason != nil {
			return reason
		} else if ok {
			return n.unsupported("reads the integer tensor %q", name)
		}
		if err := n.im.compute(name); err != nil {
			return err
		}
		if name == "" || n.im.batched[name] != nil {
			continue
		}
		if v, err := n.im.constant(name); err != nil {
			return err
		} else if v == nil && n.im.net.Values[name] == nil {
			return fmt.Errorf("no tensor %q", name)
		}
	}
	if err := n.addOperator(in); err != nil {
		return cmp.Or(reason, err)
	}
	if n.im.net.Values[n.Outputs[0]].Shape == nil && reason == nil {
		reason = n.unsupported("the shape of its output is not known")
	}
	n.im.reasons[n.name] = reason
	return nil
}

// addOperator adds a layer that does what n does.
func (n *node) addOperator(in []string) error {
	domain := n.Domain
	if domain == "ai.onnx" {
		domain = ""
	}
	l := &Layer{
		Name: n.name, Op: Operator{Type: n.OpType, Domain: domain, Opset: n.im.opsets[domain], Attributes: n.Attributes},
		In: in, Out: slices.Clone(n.Outputs),
	}
	for i, name := range l.Out { // outputs that nobody reads need not be made
		if i > 0 && n.im.uses[name] == 0 {
			l.Out[i] = ""
		}
	}
	for len(l.Out) > 1 && l.Out[len(l.Out)-1] == "" {
		l.Out = l.Out[:len(l.Out)-1]
	}
	if err := n.im.net.inferShape(l); err != nil {
		return err
	}
	n.im.net.Layers = append(n.im.net.Layers, l)
	return nil
}

// checkOperators refuses operators that cannot be carried through: those that come before the last layer with weights,
// or do not follow from one at all, and that the engine does not train or that mix the images of a batch.
func (im *importer) checkOperators() error {
	live, after := im.net.live(), im.net.afterWeights()
	for _, l := range im.net.Layers {
		op, ok := l.Op.(Operator)
		if !ok || !live[l] && after[l] || op.trains() && im.reasons[l.Name] == nil && !im.net.mixesImages(l, op) {
			continue
		}
		if reason := im.reasons[l.Name]; reason != nil {
			return reason
		}
		if op.trains() {
			return &UnsupportedError{Node: l.Name, Op: op.Type, Domain: op.Domain, Reason: "mixes the images of a batch or moves its axis"}
		}
		return &UnsupportedError{Node: l.Name, Op: op.Type, Domain: op.Domain}
	}
	return nil
}

// live returns the layers on the way to a layer with weights, those included.
func (n *Network) live() map[*Layer]bool {
	live, wanted := make(map[*Layer]bool), make(map[string]bool)
	for _, l := range slices.Backward(n.Layers) {
		if !hasWeights(l) && !slices.ContainsFunc(l.Out, func(t string) bool { return wanted[t] }) {
			continue
		}
		live[l] = true
		for _, t := range l.In {
			wanted[t] = true
		}
	}
	return live
}

// afterWeights returns the layers that follow from one with weights, and those that compute with shapes for them.
func (n *Network) afterWeights() map[*Layer]bool {
	after, made := make(map[*Layer]bool), make(map[string]bool)
	for _, l := range n.Layers {
		if hasWeights(l) || slices.ContainsFunc(l.In, func(t string) bool { return made[t] }) {
			after[l] = true
			for _, t := range l.Out {
				made[t] = true
			}
		}
	}
	return after
}

// fallback decides what becomes of a node that has no layer of its own: err, unless the operator as such may stay.
func (n *node) fallback(err error) error {
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) {
		return err
	}
	if (Operator{Type: n.OpType, Domain: n.Domain, Attributes: n.Attributes}).trains() && operator.Known(n.Domain, n.OpType) {
		err = nil
	}
	return n.anyOperator(err)
}
