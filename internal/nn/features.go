package nn

// Features returns the names of the tensors by which a network is compared with its quantized twin: the results
// of residual blocks, after their activation, or, where there are no residual sums, every activation of a
// convolution, or, where there are none either, the output of every Conv and BatchNorm (of both together where one
// follows the other). They are in order; the last is the last convolutional block's. Only a network without maps
// has none.
func Features(n *Network) []string {
	var sums, activations, maps []string
	for _, l := range n.Layers {
		if len(l.Out) == 0 || len(n.Values[l.Out[0]].Shape) != 4 {
			continue
		}
		switch l.Op.(type) {
		case Add:
			sums = append(sums, n.activated(l.Out[0]))
		case Relu, LeakyRelu, Clip, ChannelClip:
			activations = append(activations, l.Out[0])
		case Conv, BatchNorm:
			if n.normalizedOutput(l) == l.Out[0] {
				maps = append(maps, l.Out[0])
			}
		}
	}
	switch {
	case len(sums) > 0:
		return sums
	case len(activations) > 0:
		return activations
	}
	return maps
}

// activated returns the output of the activation that alone reads t, or t.
func (n *Network) activated(t string) string {
	if l := n.soleConsumer(t); l != nil {
		switch l.Op.(type) {
		case Relu, LeakyRelu, Clip, ChannelClip:
			return l.Out[0]
		}
	}
	return t
}
