package nn

import "zaq/internal/onnx"

// ofComputed reports whether n multiplies two tensors that are computed, as attention does.
func (n *node) ofComputed() bool {
	if len(n.Inputs) != 2 {
		return false
	}
	for i := range n.Inputs {
		if v := n.im.net.Values[n.in(i)]; v == nil || v.Const() || n.im.batched[n.in(i)] != nil {
			return false
		}
	}
	return true
}

// trains reports whether the engine has the operator of l, for such inputs as it has.
func (n *Network) trains(l *Layer, op Operator) bool { return op.trains() || n.multiplies(l, op) }

// multiplies reports whether l multiplies matrices of one image, or stacks of them, with each other.
func (n *Network) multiplies(l *Layer, op Operator) bool {
	if op.Type != "MatMul" || op.Domain != "" || len(l.In) != 2 {
		return false
	}
	a, b := n.Input(l, 0), n.Input(l, 1)
	for _, v := range []*Value{a, b} {
		if v == nil || v.Const() || len(v.Shape) < 3 || v.Shape[0] != Batch || v.elementType() != onnx.Float {
			return false
		}
	}
	return len(a.Shape) == len(b.Shape)
}
