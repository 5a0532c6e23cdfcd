package nn

import (
	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Networks that take pixels as bytes, or NumPy's float64, begin with a Cast to float32. The network has the input behind it: its
// values are the integers, or are rounded, and what moves elements before the Cast moves floats as well. All else would compute in
// another way: bytes wrap.

// foreign checks that n reads elements of such an input only to move them or to make them floats.
func (n *node) foreign() error {
	for i, name := range n.Inputs {
		typ := n.im.foreign[name]
		if typ == onnx.Undefined {
			continue
		}
		to := onnx.DataType(n.int("to", 0))
		switch {
		case n.Domain != "" && n.Domain != "ai.onnx":
		case n.OpType == "Shape":
			continue
		case n.OpType == "Cast" && n.im.widened(to) == onnx.Float:
			continue
		case i == 0 && operator.Moves(n.OpType):
			for _, t := range n.Outputs {
				n.im.foreign[t] = typ
			}
			continue
		}
		return n.advised("let the Cast to float32 come first, and the arithmetic behind it",
			"reads the %v input %q: only a Cast to float32 is supported, behind what moves elements", typ, name)
	}
	return nil
}
