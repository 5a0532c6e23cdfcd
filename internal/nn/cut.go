package nn

import (
	"fmt"
	"maps"
	"slices"
)

// Cut divides a network behind its last layers with weights. The trunk is what quantization is about; the tail, which
// may be empty, is what is left: the softmax of a classifier, the decoding of a detector's boxes. A tail is computed in
// float and goes into the file as it was.
//
// The tail begins where something is computed that no weights follow, other than an activation, a pooling or a sum, or
// where images of a batch are mixed;
// moves before it that serve it alone belong to it. The trunk's outputs are the network's, where the trunk makes them,
// and what the tail reads. Both keep all names, so that Join can put them together.
func Cut(n *Network) (trunk, tail *Network) {
	inTail := n.tailLayers()
	trunk, tail = n.part(), n.part()
	made := make(map[string]bool) // by the trunk
	for _, l := range n.Layers {
		if inTail[l] {
			tail.Layers = append(tail.Layers, l)
			continue
		}
		trunk.Layers = append(trunk.Layers, l)
		for _, t := range l.Out {
			made[t] = true
		}
	}
	trunk.Inputs = n.Inputs
	wanted := make(map[string]bool)
	for _, t := range n.Outputs {
		wanted[t] = true
	}
	for _, l := range tail.Layers {
		for _, t := range l.In {
			wanted[t] = true
		}
	}
	for _, l := range trunk.Layers {
		for _, t := range l.Out {
			if wanted[t] && t != "" {
				trunk.Outputs = append(trunk.Outputs, t)
				tail.Inputs = append(tail.Inputs, t)
			}
		}
	}
	for _, t := range n.Inputs {
		if wanted[t] {
			tail.Inputs = append(tail.Inputs, t)
		}
	}
	tail.Outputs = n.Outputs
	if len(tail.Layers) == 0 { // their order is that of the file
		trunk.Outputs = n.Outputs
	}
	trunk.prune()
	tail.prune()
	return trunk, tail
}

// part returns a network of the same values without layers.
func (n *Network) part() *Network {
	p := *n
	p.Layers, p.Inputs, p.Outputs = nil, nil, nil
	p.Values = maps.Clone(n.Values)
	return &p
}

func (n *Network) tailLayers() map[*Layer]bool {
	live, tail := n.live(), make(map[*Layer]bool)
	made := make(map[string]bool) // by the tail
	for _, l := range n.Layers {
		op, ok := l.Op.(Operator)
		if live[l] || !(ok && (!op.Moves() || !n.computed(l) || n.mixesImages(l, op))) && !slices.ContainsFunc(l.In, func(t string) bool { return made[t] }) {
			continue
		}
		tail[l] = true
		for _, t := range l.Out {
			made[t] = true
		}
	}
	for _, l := range slices.Backward(n.Layers) {
		_, concat := l.Op.(Concat)
		if live[l] || tail[l] || !Moves(l.Op) && !concat {
			continue
		}
		serves := slices.ContainsFunc(l.Out, func(t string) bool { return len(n.Consumers(t)) > 0 })
		for _, t := range l.Out {
			if slices.Contains(n.Outputs, t) || slices.ContainsFunc(n.Consumers(t), func(c *Layer) bool { return !tail[c] }) {
				serves = false
			}
		}
		tail[l] = serves
	}
	return tail
}

// Join puts a trunk, which may have been quantized since, and its tail together.
func Join(trunk, tail *Network) (*Network, error) {
	n := trunk.Clone()
	names := make(map[string]bool)
	for _, l := range n.Layers {
		names[l.Name] = true
	}
	for name, v := range tail.Values {
		switch old := n.Values[name]; {
		case old == nil:
			n.Values[name] = v.clone()
		case !slices.Contains(tail.Inputs, name) && !(old.Const() && v.Const()):
			return nil, fmt.Errorf("tensor %q is there twice: quantization took its name", name)
		}
	}
	for _, l := range tail.Layers {
		c := *l
		for i := 0; names[c.Name]; i++ {
			c.Name = fmt.Sprintf("%s_%d", l.Name, i)
		}
		names[c.Name] = true
		n.Layers = append(n.Layers, &c)
	}
	n.Outputs = slices.Clone(tail.Outputs)
	n.prune()
	return n, n.Check()
}
