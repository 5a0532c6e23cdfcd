package nn

import "slices"

// Features returns the names of the tensors by which a network is compared with its quantized twin: the results
// of residual blocks, after their activation, or, where there are no residual sums, every activation of a
// convolution, or, where there are none either, the output of every Conv and BatchNorm (of both together where one
// follows the other). They are in order. Only a network without maps has none.
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

// LastBlock returns the name of what the last convolutional block hands on: the last of the Features and of the activations
// of maps of more than a pixel. (MobileNetV2 has a convolution behind its last residual sum.) It is "" where there is none.
func LastBlock(n *Network) string {
	last := ""
	features := Features(n)
	for _, l := range n.Layers {
		switch l.Op.(type) {
		case Relu, LeakyRelu, Clip, ChannelClip:
			if s := n.Values[l.Out[0]].Shape; len(s) == 4 && s[2]*s[3] > 1 {
				last = l.Out[0]
				continue
			}
		}
		if len(l.Out) > 0 && slices.Contains(features, l.Out[0]) {
			last = l.Out[0]
		}
	}
	return last
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
