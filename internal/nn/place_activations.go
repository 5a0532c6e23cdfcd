package nn

import (
	"slices"

	"zaq/internal/quant"
)

// activation returns a quantizer for an activation: per tensor, asymmetric, unsigned.
func activation(bits int) *quant.Quantizer { return quant.New(quant.Scheme{Bits: bits}) }

// paperActivations gives a quantizer to the result of every activation function that is not an output of
// the network.
func paperActivations(n *Network, bits int) map[string]*quant.Quantizer {
	quantizers := make(map[string]*quant.Quantizer)
	for _, l := range n.Layers {
		switch l.Op.(type) {
		case Relu, Clip, ChannelClip, LeakyRelu:
			if t := l.Out[0]; !slices.Contains(n.Outputs, t) {
				quantizers[t] = activation(bits)
			}
		}
	}
	return quantizers
}

// deployActivations gives a quantizer to every tensor that integer kernels exchange: what a layer reads on
// the way to some Conv or Gemm, and what a Conv makes. What comes after them is carried through in float,
// and so are logits that a Gemm makes.
//
// A tensor has 8 bits but for those that feed a Conv or Gemm; of these the images alone keep 8, also those that the network
// normalizes itself, which it does in float. Layers that only move values tie the grids of what they read and make.
func deployActivations(n *Network, bits int) map[string]*quant.Quantizer {
	d := deployment{n: n, producer: make(map[string]*Layer), consumers: make(map[string][]*Layer)}
	for _, l := range n.Layers {
		for _, t := range l.Out {
			d.producer[t] = l
		}
		for _, t := range l.In {
			d.consumers[t] = append(d.consumers[t], l)
		}
	}
	d.findLive()
	d.findImages()
	d.findStatistics()

	quantizers := make(map[string]*quant.Quantizer)
	add := func(t string) {
		if !d.exchanged(t) {
			return
		}
		l := d.producer[t]
		if l != nil && Moves(l.Op) && quantizers[l.In[0]] != nil {
			quantizers[t] = quantizers[l.In[0]]
		} else {
			quantizers[t] = activation(quant.MaxBits)
		}
		if slices.ContainsFunc(d.consumers[t], d.weighs) {
			q := quantizers[t]
			*q = *activation(bits) // for all that are tied to t, too
		}
	}
	for _, t := range n.Inputs {
		add(t)
	}
	for _, l := range n.Layers {
		for _, t := range l.Out {
			add(t)
		}
	}
	for t := range d.images {
		if q := quantizers[t]; q != nil {
			*q = *activation(quant.MaxBits)
		}
	}
	return quantizers
}

// deployment is a network with the relations that its placement asks for.
type deployment struct {
	n         *Network
	producer  map[string]*Layer
	consumers map[string][]*Layer
	live      map[*Layer]bool // layers on the way to a Conv or Gemm, or one themselves
	images    map[string]bool // inputs, and what normalizing, clipping and moving layers make of them

	statistics map[string]bool // see findStatistics
}

func (d *deployment) findLive() {
	d.live = make(map[*Layer]bool)
	for _, l := range slices.Backward(d.n.Layers) {
		d.live[l] = d.weighs(l)
		for _, t := range l.Out {
			if slices.ContainsFunc(d.consumers[t], func(c *Layer) bool { return d.live[c] }) {
				d.live[l] = true
			}
		}
	}
}

func (d *deployment) findImages() {
	d.images = make(map[string]bool)
	for _, t := range d.n.Inputs {
		d.images[t] = true
	}
	for _, l := range d.n.Layers {
		if len(l.In) == 0 {
			continue // random numbers
		}
		x := l.In[0]
		if _, clip := l.Op.(Clip); !clip && !Moves(l.Op) && !d.n.scalesChannels(l) {
			x, _, _ = d.n.channelAffine(l)
		}
		if d.images[x] {
			d.images[l.Out[0]] = true
		}
	}
}

// weighs reports whether l is a Conv or Gemm whose weights have a choice of bits: not a normalization in the form of a Conv,
// which is placed like the BatchNorm that FoldBatchNorm makes one of after placing.
func (d *deployment) weighs(l *Layer) bool { return hasWeights(l) && !d.n.scalesChannels(l) }

// exchanged reports whether t passes between integer kernels.
func (d *deployment) exchanged(t string) bool {
	if d.absorbed(t) || d.images[t] && d.normalized(t) || d.nearPole(t) || d.normalizing(t) {
		return false
	}
	if slices.ContainsFunc(d.consumers[t], func(c *Layer) bool { return d.live[c] }) {
		return true
	}
	o := d.origin(t)
	if o == nil || !d.weighs(o) {
		return false
	}
	_, conv := o.Op.(Conv)
	return conv
}

// normalized reports whether all that read t do arithmetic with constants that integer kernels do not know.
func (d *deployment) normalized(t string) bool {
	return len(d.consumers[t]) > 0 && !slices.ContainsFunc(d.consumers[t], func(c *Layer) bool {
		x, _, _ := d.n.channelAffine(c)
		return x != t
	})
}

// nearPole reports whether all that read t have a pole or an infinite slope where t is 0, to which a grid rounds what is small:
// the 0.001 that keeps a denominator from being 0. None of them has an integer kernel. What a Conv or Gemm makes is on a grid all
// the same, for their kernels' sake.
func (d *deployment) nearPole(t string) bool {
	if o := d.origin(t); o == nil || hasWeights(o) || len(d.consumers[t]) == 0 {
		return false
	}
	return !slices.ContainsFunc(d.consumers[t], func(c *Layer) bool {
		op, ok := c.Op.(Operator)
		if !ok || op.Domain != "" {
			return true
		}
		switch op.Type {
		case "Sqrt", "Log", "Reciprocal", "Pow":
			return c.In[0] != t
		case "Div":
			return c.In[0] == t || c.In[1] != t
		}
		return true
	})
}

// absorbed reports whether the kernel that makes t applies the next layer as well, so that t never
// exists: a BatchNorm after a Conv or Gemm, and ReLU or ReLU6 after anything that computes, or after an input. A quantizer
// between would stand right before that of the clipped tensor, since the clip goes into the bounds of integers: of two pairs
// in a row ONNX Runtime makes one, with another grid.
func (d *deployment) absorbed(t string) bool {
	p := d.producer[t]
	if len(d.consumers[t]) != 1 || slices.Contains(d.n.Outputs, t) {
		return false
	}
	switch d.consumers[t][0].Op.(type) {
	case BatchNorm:
		return p != nil && hasWeights(p)
	case Relu, Clip, ChannelClip:
		return p == nil || !Moves(p.Op)
	}
	return false
}

// origin returns the layer whose kernel makes t, nil for an input.
func (d *deployment) origin(t string) *Layer {
	p := d.producer[t]
	for p != nil && len(p.In) > 0 && d.absorbed(p.In[0]) {
		p = d.producer[p.In[0]]
	}
	return p
}

// Moves reports whether op only moves or selects elements of one tensor, so that its result lies on the grid of what it
// reads. Padding with zeros counts, because zero lies on every grid.
func Moves(op Op) bool {
	switch o := op.(type) {
	case MaxPool, Slice, Flatten, Reshape, Identity:
		return true
	case Operator:
		return o.Moves()
	case Pad:
		return o.Value == 0
	}
	return false
}
