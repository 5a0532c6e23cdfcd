package nn

import (
	"fmt"
)

// AbsorbConvBias moves the bias of each Conv or Gemm that only a BatchNorm reads into that BatchNorm's mean:
// mean' = mean - b. Every other tensor keeps its values; that layer's own output loses the bias.
func AbsorbConvBias(n *Network) {
	for _, bn := range n.Layers {
		conv := n.normalized(bn)
		if conv == nil {
			continue
		}
		bias := n.Input(conv, 2)
		if bias == nil {
			continue
		}
		mean := n.own(bn, 3)
		for c := range mean.Data {
			mean.Data[c] -= bias.Data[c]
		}
		conv.In = conv.In[:2]
	}
	n.prune()
}

// PositiveGamma makes every gamma of a BatchNorm after a Conv or Gemm not negative: where one is, it and the
// channel's weights, bias and mean change sign. Every other tensor keeps its values exactly; that
// layer's own output changes sign in those channels. Left alone are outputs that something else reads too, and
// weights that another layer shares. It fails where quantized weights have no grid for the other sign.
func PositiveGamma(n *Network) error {
	for _, bn := range n.Layers {
		conv := n.normalized(bn)
		if conv == nil || n.soleConsumer(conv.In[1]) != conv {
			continue
		}
		for c, gamma := range n.Input(bn, 1).Data {
			if gamma >= 0 {
				continue
			}
			if err := negateChannel(n.Input(conv, 1), c); err != nil {
				return fmt.Errorf("node %q: weight %q: %w", conv.Name, conv.In[1], err)
			}
			if n.Input(conv, 2) != nil {
				negate(n.own(conv, 2).Data[c : c+1])
			}
			negate(n.own(bn, 1).Data[c : c+1])
			negate(n.own(bn, 3).Data[c : c+1])
		}
	}
	n.prune()
	return nil
}

// AttachStats sets the Stats of every BatchNorm's output: mean beta, deviation |gamma|. It changes no
// values.
func AttachStats(n *Network) {
	for _, l := range n.Layers {
		if _, ok := l.Op.(BatchNorm); ok {
			n.attachStats(l)
		}
	}
}

func (n *Network) attachStats(bn *Layer) {
	gamma, beta := n.Input(bn, 1), n.Input(bn, 2)
	s := &Stats{Mean: append([]float32(nil), beta.Data...), Std: append([]float32(nil), gamma.Data...)}
	for c, g := range s.Std {
		s.Std[c] = max(g, -g)
	}
	n.Output(bn).Stats = s
}

// normalized returns the Conv or Gemm whose output goes to the BatchNorm bn and nowhere else, or nil where
// l is no BatchNorm or there is none.
func (n *Network) normalized(l *Layer) *Layer {
	if _, ok := l.Op.(BatchNorm); !ok {
		return nil
	}
	source := n.Producer(l.In[0])
	if source == nil || !hasWeights(source) || n.soleConsumer(l.In[0]) != l {
		return nil
	}
	return source
}

func negate(data []float32) {
	for i := range data {
		data[i] = -data[i]
	}
}

// negateChannel changes the sign of the weights of output channel c, in integers too. A channel that uses
// an integer whose negative does not exist is mirrored in the integers' range instead: q' = qmax+qmin-q, and
// so is its zero point; that takes a zero point for each channel.
func negateChannel(w *Value, c int) error {
	channel := w.channel(c)
	if q := w.Quant; q != nil {
		k := 0
		if len(q.Zero) > 1 {
			k = c
		}
		fits := q.Zero[k] == 0
		for _, v := range channel {
			level := -q.Quantize(v, c)
			fits = fits && q.QMin <= level && level <= q.QMax
		}
		if !fits && !q.PerChannel {
			return fmt.Errorf("channel %d cannot change sign on the grid that all channels share", c)
		}
		if !fits {
			q = q.Clone()
			q.Zero[k] = q.QMax + q.QMin - q.Zero[k]
			q.Symmetric = false
			w.Quant = q
		}
	}
	negate(channel)
	return nil
}

// channel returns the elements of index c of axis 0.
func (v *Value) channel(c int) []float32 {
	each := len(v.Data) / v.Shape[0]
	return v.Data[c*each:][:each]
}
