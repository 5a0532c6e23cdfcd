package nn

import "zaq/internal/onnx"

// normalizesPixels reports whether a node is a LayerNormalization of the last of four axes: of the channels of each pixel, where those
// are last.
func normalizesPixels(n *onnx.Node) bool {
	if n.OpType != "LayerNormalization" || n.Domain != "" && n.Domain != "ai.onnx" {
		return false
	}
	a := n.Attr("axis")
	return a == nil || a.Int == -1 || a.Int == 3
}

// normalizePixels adds n, which normalizes the pixels of a map that the network has with channels first: it stays as it is, between two
// Transposes, and what follows is read with channels first.
func (n *node) normalizePixels() error {
	im, out := n.im, n.Outputs[0]
	in, err := im.asDeclared(n.in(0))
	if err != nil {
		return err
	}
	inner := *n.Node
	inner.Inputs = append([]string{in}, n.Inputs[1:]...)
	inner.Outputs = append([]string{im.uniqueName(out + "_transposed")}, n.Outputs[1:]...)
	if err := (&node{Node: &inner, im: im, name: n.name}).anyOperator(nil); err != nil {
		return err
	}
	im.uses[inner.Outputs[0]] = 2 // or more: it is nobody's own
	im.transposed[out] = inner.Outputs[0]
	im.channelsLast[out] = true
	back := &Layer{
		Name: im.freeNodeName(n.name + "_Transpose"), In: inner.Outputs[:1], Out: []string{out},
		Op: Operator{Type: "Transpose", Opset: im.opset, Attributes: []*onnx.Attribute{onnx.AttrIs("perm", toChannelsFirst...)}},
	}
	im.net.Layers = append(im.net.Layers, back)
	return im.net.inferShape(back)
}

// softmaxOfPixels reports whether a node is a Softmax or LogSoftmax of the last of four axes, which since opset 13 it is without an axis.
func softmaxOfPixels(n *onnx.Node, opset int64) bool {
	if n.OpType != "Softmax" && n.OpType != "LogSoftmax" || n.Domain != "" && n.Domain != "ai.onnx" {
		return false
	}
	a := n.Attr("axis")
	return a == nil && opset >= 13 || a != nil && (a.Int == -1 || a.Int == 3)
}

// importSoftmaxOfPixels adds n, a Softmax of pixels that the network has with channels first, as one over channels. It is that of opset 13,
// since one from before would run over all behind them as well.
func (n *node) importSoftmaxOfPixels() error {
	n.im.channelsLast[n.Outputs[0]] = true
	op := Operator{Type: n.OpType, Opset: max(n.im.opset, 13), Attributes: []*onnx.Attribute{onnx.AttrI("axis", 1)}}
	return n.chain([]Op{op}, []string{n.in(0)})
}
