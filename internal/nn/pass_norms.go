package nn

import "zaq/internal/quant"

// QuantizeNorms puts the weights of Convs that only scale channels, as FoldBatchNorm makes them of a BatchNorm that follows
// no Conv, on grids of 8 bits wherever what they read is on one. Left in float, ONNX Runtime rounds them itself, with one
// scale for all channels, and the file does not mean what it says.
//
// That costs nothing: the one weight of a channel is ±127 steps of a scale of the channel's own, however few bits other
// weights have.
func QuantizeNorms(n *Network) {
	scheme := quant.Scheme{Bits: quant.MaxBits, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}
	for _, l := range n.Layers {
		if !n.scalesChannels(l) || n.Input(l, 1).Quant != nil || !n.onGrid(l.In[0]) {
			continue
		}
		w := n.own(l, 1)
		w.Quant = quant.New(scheme)
		w.Quant.SetRanges(w.Data, w.Data)
		w.Quant.FakeQuantizeChannels(w.Data, w.Data)
	}
}

// onGrid reports whether t comes from a quantizer with one scale.
func (n *Network) onGrid(t string) bool {
	p := n.Producer(t)
	if p == nil {
		return false
	}
	f, ok := p.Op.(FakeQuant)
	return ok && !f.Q.PerChannel
}

// scalesChannels reports whether l is a Conv that gives every channel a weight of its own and a bias, as FoldBatchNorm makes
// it of a BatchNorm.
func (n *Network) scalesChannels(l *Layer) bool {
	c, ok := l.Op.(Conv)
	if !ok || c.Kernel != [2]int{1, 1} || c.Stride != [2]int{1, 1} || c.Pads != [4]int{} {
		return false
	}
	w := n.Input(l, 1)
	return w != nil && w.Data != nil && len(w.Data) == c.Groups && w.Shape[0] == c.Groups
}
