package nn

import (
	"fmt"
	"slices"
)

// phased is what a ConvTranspose became: a convolution that makes the phases of its output, and the layers that move them
// into place. What does the same to all pixels of a channel is done before these, where it belongs to the convolution:
// folded into its weights or its bias, or rounded with its output.
type phased struct {
	transposed
	layers []*Layer // the convolution, what follows it at once, and the moves
}

// firstMove is where the moves begin among p's layers.
func (p *phased) firstMove() int {
	return slices.IndexFunc(p.layers, func(l *Layer) bool { return Moves(l.Op) })
}

// computes returns the last layer before the moves.
func (p *phased) computes() *Layer { return p.layers[p.firstMove()-1] }

// each adds a layer that does the same to all pixels of a channel of its first input, by the parameters of that channel.
func (n *node) each(op Op, in ...string) error {
	p := n.im.phased[in[0]]
	if p == nil || n.im.uses[in[0]] != 1 {
		return n.emit(op, in...)
	}
	l := &Layer{Name: n.name, Op: op, In: slices.Clone(in)}
	for i := range in[1:] {
		parameter, err := n.weight(1 + i)
		if err != nil {
			return err
		}
		if parameter, err = n.phases(p, parameter); err != nil {
			return err
		}
		l.In[1+i] = parameter.Name
	}
	move := p.firstMove()
	l.In[0] = p.layers[move].In[0]
	l.Out = []string{n.im.uniqueName(n.Outputs[0] + "_phases")}
	if err := n.add(l); err != nil {
		return err
	}
	layers := n.im.net.Layers // l is the last of them
	at := slices.Index(layers, p.layers[move])
	copy(layers[at+1:], layers[at:])
	layers[at] = l
	p.layers[move].In[0] = l.Out[0]
	p.layers = slices.Insert(slices.Clone(p.layers), move, l)
	return n.rename(p)
}

// rename gives what p makes the name of n's output, which takes its place.
func (n *node) rename(p *phased) error {
	last := p.layers[len(p.layers)-1]
	delete(n.im.net.Values, last.Out[0])
	delete(n.im.phased, last.Out[0])
	last.Out[0] = n.Outputs[0]
	n.im.phased[n.Outputs[0]] = p
	return n.im.net.inferShape(last)
}

// phases returns the constant v, one number for each channel of p's output, as one for each of the convolution's.
func (n *node) phases(p *phased, v *Value) (*Value, error) {
	if channels := p.perGroup * p.groups; len(v.Data) != channels {
		return nil, fmt.Errorf("constant %q has shape %v for %d channels", v.Name, v.Shape, channels)
	}
	return n.derived(v, []int{len(v.Data) * p.count()}, p.transposed.phases(v.Data)), nil
}
