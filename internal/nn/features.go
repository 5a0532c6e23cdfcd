package nn

// Features returns the names of the tensors by which a network is compared with its quantized twin: the results
// of residual blocks, after their activation, or, where there are no residual sums, every activation of a
// convolution. They are in order; the last is the last convolutional block's.
func Features(n *Network) []string {
	var sums, activations []string
	for _, l := range n.Layers {
		if len(l.Out) == 0 || len(n.Values[l.Out[0]].Shape) != 4 {
			continue
		}
		switch l.Op.(type) {
		case Add:
			sums = append(sums, n.activated(l.Out[0]))
		case Relu, LeakyRelu, Clip:
			activations = append(activations, l.Out[0])
		}
	}
	if len(sums) > 0 {
		return sums
	}
	return activations
}

// activated returns the output of the activation that alone reads t, or t.
func (n *Network) activated(t string) string {
	if l := n.soleConsumer(t); l != nil {
		switch l.Op.(type) {
		case Relu, LeakyRelu, Clip:
			return l.Out[0]
		}
	}
	return t
}
