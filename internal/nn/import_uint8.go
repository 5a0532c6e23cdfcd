package nn

import (
	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Networks that take pixels as bytes begin with a Cast to float32. The network has the input behind it: its values are
// the integers, and what moves bytes before the Cast moves floats as well. All else would compute in bytes, which wrap.

// bytes checks that n reads bytes of an input only to move them or to make them floats.
func (n *node) bytes() error {
	for i, name := range n.Inputs {
		if !n.im.bytes[name] {
			continue
		}
		to := onnx.DataType(n.int("to", 0))
		switch {
		case n.Domain != "" && n.Domain != "ai.onnx":
		case n.OpType == "Shape":
			continue
		case n.OpType == "Cast" && to == onnx.Float:
			continue
		case i == 0 && operator.Moves(n.OpType):
			for _, t := range n.Outputs {
				n.im.bytes[t] = true
			}
			continue
		}
		return n.unsupported("reads the uint8 input %q: only a Cast to float32 is supported, behind what moves elements", name)
	}
	return nil
}
