package nn

import (
	"fmt"

	"zaq/internal/quant"
)

// The schemes of quantizer placement.
const (
	// Paper is the protocol of the literature: the weights of every Conv and Gemm, first and last
	// included, and the activations after every ReLU, ReLU6 and LeakyReLU are quantized, all asymmetric;
	// image, pooled features and the inputs of residual sums stay float.
	Paper = "paper"

	// Deploy leaves nothing float between the image and the logits, so that an integer engine can run the
	// network: symmetric weights, activations of A bits where they feed a Conv or Gemm and 8 bits elsewhere.
	Deploy = "deploy"
)

// PlaceOptions say which quantizers a network gets.
type PlaceOptions struct {
	Scheme        string // Paper or Deploy
	WBits, ABits  int    // 2 to 8
	FirstLastBits int    // weights of the first and the last layer that has any; 0: WBits
	PerTensor     bool   // one grid for all output channels of a weight, not one each

	Bits map[string]int // of single weights, by the name of the constant, in place of WBits and FirstLastBits; may be nil
}

// Placement lists the quantizers of a network.
type Placement struct {
	Activations []*Site
	Weights     []*WeightSite
}

// Site is a quantized activation.
type Site struct {
	Layer     *Layer // the FakeQuant
	Quantizer *quant.Quantizer
	Tensor    string // what Layer reads: the float tensor to observe

	// Tied sites only move values that an earlier site with the same Quantizer rounded already; there is
	// nothing to observe.
	Tied bool
}

// WeightSite is a quantized weight. A weight that several layers share has one Quantizer.
type WeightSite struct {
	Layer     *Layer
	Value     *Value
	Quantizer *quant.Quantizer

	// Output is what the layer makes, behind the BatchNorm that counts as part of it and before any activation
	// or quantizer. Float is the name that this tensor had before quantizers were placed.
	Output, Float string
}

// Place adds quantizers to a float network, to be calibrated by the caller: FakeQuant layers, which the
// consumers of a quantized tensor then read in its stead, and Quant of the weights. Tensors that must share
// a grid share the *Quantizer.
//
// A BatchNorm after a Conv or Gemm counts as part of it. Under Deploy, others have grids around them, and what FoldBatchNorm
// makes of them, before or after, is for QuantizeNorms: such a Conv is no weight with a choice of bits.
//
// Inputs and outputs of the network keep their names. Where the tensor behind an output is quantized, the
// FakeQuant takes over its name.
func Place(n *Network, o PlaceOptions) (*Placement, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	for _, l := range n.Layers {
		if _, ok := l.Op.(FakeQuant); ok {
			return nil, fmt.Errorf("place quantizers: layer %q is one already", l.Name)
		}
	}
	p := new(Placement)
	if err := p.placeWeights(n, o); err != nil {
		return nil, err
	}
	if o.Scheme == Paper {
		p.insert(n, paperActivations(n, o.ABits))
	} else {
		p.insert(n, deployActivations(n, o.ABits))
	}
	return p, nil
}

func (o PlaceOptions) check() error {
	if o.Scheme != Paper && o.Scheme != Deploy {
		return fmt.Errorf("quantization scheme %q: want %s or %s", o.Scheme, Deploy, Paper)
	}
	for _, b := range []struct {
		what string
		bits int
	}{{"weights", o.WBits}, {"activations", o.ABits}, {"first and last weights", o.firstLastBits()}} {
		if b.bits < quant.MinBits || b.bits > quant.MaxBits {
			return fmt.Errorf("%d bits for %s: want %d to %d", b.bits, b.what, quant.MinBits, quant.MaxBits)
		}
	}
	return nil
}

func (o PlaceOptions) firstLastBits() int {
	if o.FirstLastBits == 0 {
		return o.WBits
	}
	return o.FirstLastBits
}

// weightScheme returns the grid of a weight of the given bits. Symmetric grids are narrow, but for two
// bits: a fourth of the levels is too much to give away for symmetry, so they are -2, -1, 0 and 1, and the
// scale decides which tail they fit.
func (o PlaceOptions) weightScheme(bits int) quant.Scheme {
	s := quant.Scheme{Bits: bits, PerChannel: !o.PerTensor}
	if o.Scheme == Deploy {
		s.Signed, s.Symmetric, s.Narrow = true, true, bits > 2
	}
	return s
}

func (p *Placement) placeWeights(n *Network, o PlaceOptions) error {
	for l, v := range n.Weights() {
		if v == nil || v.Data == nil {
			return fmt.Errorf("place quantizers: layer %q: weights %q are not constant", l.Name, l.In[1])
		}
		if o.Scheme == Deploy && n.scalesChannels(l) {
			continue
		}
		out := n.normalizedOutput(l)
		p.Weights = append(p.Weights, &WeightSite{Layer: l, Value: v, Output: out, Float: out})
	}
	last := len(p.Weights) - 1
	placed := make(map[*Value]bool)
	for i, w := range p.Weights {
		if !placed[w.Value] {
			if w.Value.Quant != nil {
				return fmt.Errorf("place quantizers: weights %q are quantized already", w.Value.Name)
			}
			bits := o.WBits
			if i == 0 || i == last {
				bits = o.firstLastBits()
			}
			if own, ok := o.Bits[w.Value.Name]; ok {
				bits = own
			}
			w.Value.Quant = quant.New(o.weightScheme(bits))
			placed[w.Value] = true
		}
		w.Quantizer = w.Value.Quant
	}
	return nil
}

// normalizedOutput returns the output of the BatchNorm that alone reads what l makes, or what l makes.
func (n *Network) normalizedOutput(l *Layer) string {
	if c := n.soleConsumer(l.Out[0]); c != nil {
		if _, ok := c.Op.(BatchNorm); ok {
			return c.Out[0]
		}
	}
	return l.Out[0]
}

// Round moves the weight onto the grid of its quantizer.
func (w *WeightSite) Round() { w.Quantizer.FakeQuantizeChannels(w.Value.Data, w.Value.Data) }

// insert adds a FakeQuant after each tensor that has a quantizer, in topological order.
func (p *Placement) insert(n *Network, quantizers map[string]*quant.Quantizer) {
	outputs := make(map[string]bool)
	for _, name := range n.Outputs {
		outputs[name] = true
	}
	produced := make(map[string]*Layer)
	for _, l := range n.Layers {
		for _, name := range l.Out {
			produced[name] = l
		}
	}
	renamed := make(map[string]string)
	seen := make(map[*quant.Quantizer]bool)
	var layers []*Layer
	add := func(name string) {
		q := quantizers[name]
		if q == nil {
			return
		}
		v := n.Values[name]
		in, out := name, n.uniqueName(name+"_DequantizeLinear_Output")
		if producer := produced[name]; outputs[name] && producer != nil {
			in, out = n.uniqueName(name+"_QuantizeLinear_Input"), name
			for i := range producer.Out {
				if producer.Out[i] == name {
					producer.Out[i] = in
				}
			}
			v.Name = in
			n.Values[in] = v
			for _, w := range p.Weights {
				if w.Output == name {
					w.Output = in
				}
			}
		} else {
			renamed[name] = out
		}
		n.Values[out] = &Value{Name: out, Shape: v.Shape}
		l := &Layer{Name: n.uniqueLayer(name + "_QuantizeLinear"), Op: FakeQuant{q}, In: []string{in}, Out: []string{out}}
		layers = append(layers, l)
		p.Activations = append(p.Activations, &Site{Layer: l, Quantizer: q, Tensor: in, Tied: seen[q]})
		seen[q] = true
	}
	for _, name := range n.Inputs {
		add(name)
	}
	for _, l := range n.Layers {
		for i, name := range l.In {
			if to, ok := renamed[name]; ok {
				l.In[i] = to
			}
		}
		layers = append(layers, l)
		for _, name := range l.Out {
			add(name)
		}
	}
	n.Layers = layers
}
