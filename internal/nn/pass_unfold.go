package nn

import "math"

// Unfold takes the length out of the weights of every output channel of a network without BatchNorm, and puts it into a
// BatchNorm behind the layer, which has mean 0 and variance 1, and the layer's bias as its own:
//
//	w' = w/|w|     gamma = |w|     beta = b
//
// FoldBatchNorm undoes it. Every other tensor keeps its values but for rounding. Gradient descent is what it is for: after
// folding, a channel's weights are as large as the statistics that went into them, thousandths where inputs are bytes, and no
// one learning rate suits them all. A network with any BatchNorm is left as it is, and so are weights that layers share.
func Unfold(n *Network) {
	for _, l := range n.Layers {
		if _, ok := l.Op.(BatchNorm); ok {
			return
		}
	}
	var layers []*Layer
	for _, l := range n.Layers {
		layers = append(layers, l)
		if !hasWeights(l) || n.soleConsumer(l.In[1]) != l || n.Input(l, 1).Data == nil {
			continue
		}
		out := n.Output(l)
		length := takeLength(n.Input(l, 1))
		channels := []int{len(length)}
		beta := make([]float32, len(length))
		if b := n.Input(l, 2); b != nil {
			copy(beta, b.Data)
		}
		constant := func(suffix string, data []float32) string {
			return n.addConstant(l.Name+".unfolded."+suffix, channels, data).Name
		}
		raw := n.uniqueName(out.Name + "_unfolded")
		n.Values[raw] = &Value{Name: raw, Shape: out.Shape, Type: out.Type}
		one := make([]float32, len(length))
		for c := range one {
			one[c] = 1
		}
		bn := &Layer{Name: l.Name + ".unfolded", Op: BatchNorm{}, Out: []string{out.Name}, In: []string{
			raw, constant("gamma", length), constant("beta", beta), constant("mean", make([]float32, len(length))), constant("variance", one),
		}}
		l.In, l.Out = l.In[:2:2], []string{raw}
		layers = append(layers, bn)
	}
	n.Layers = layers
	n.prune()
}

// takeLength divides the weights of each output channel by their length, which it returns; 1 where all are 0.
func takeLength(w *Value) []float32 {
	length := make([]float32, w.Shape[0])
	for c := range length {
		channel, sum := w.channel(c), 0.0
		for _, v := range channel {
			sum += float64(v) * float64(v)
		}
		length[c] = float32(math.Sqrt(sum))
		if length[c] == 0 {
			length[c] = 1
		}
		for i, v := range channel {
			channel[i] = v / length[c]
		}
	}
	return length
}
