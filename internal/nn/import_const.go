package nn

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
)

// symbolicBatch stands for the batch size among the integers that a graph computes from shapes, such as the
// target of a Reshape.
const symbolicBatch int64 = math.MinInt64

// importCast drops the Cast of a computed tensor to the type it has, where that is known, and in front of weights one to float16 that is
// taken back at once: quantization rounds by far more.
func importCast(n *node) error {
	to := onnx.DataType(n.int("to", 0))
	v := n.im.net.Values[n.in(0)]
	switch {
	case v == nil || v.Shape == nil && v.Type == onnx.Undefined:
	case v.elementType() == to, v.elementType() == onnx.Float && to == onnx.Float16 && n.takenBack():
		return n.forward(n.in(0))
	}
	return n.unsupported("to %v", to)
}

// takenBack reports whether the output of n goes into weights, and that only by way of a Cast to float32.
func (n *node) takenBack() bool {
	if n.handedOut() || !n.im.feedsWeights(n.Outputs[0]) {
		return false
	}
	for _, r := range n.im.graph.Nodes {
		reader := node{Node: r, im: n.im}
		if slices.Contains(r.Inputs, n.Outputs[0]) && (r.OpType != "Cast" || reader.int("to", 0) != int(onnx.Float)) {
			return false
		}
	}
	return true
}

// integerRange returns the least and greatest value of an integer type.
func integerRange(t onnx.DataType) (lo, hi int64, ok bool) {
	bits := t.Bits()
	switch t {
	case onnx.Int64, onnx.Int32, onnx.Int16, onnx.Int8, onnx.Int4, onnx.Int2:
		return -1 << (bits - 1), 1<<(bits-1) - 1, true
	case onnx.Uint32, onnx.Uint16, onnx.Uint8, onnx.Uint4, onnx.Uint2:
		return 0, 1<<bits - 1, true
	}
	return 0, 0, false
}

// integers returns the i-th input, which must be a constant integer or list of them.
func (n *node) integers(i int) (*Value, error) {
	if n.in(i) == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	v, err := n.constant(i)
	if err != nil {
		return nil, err
	}
	if v == nil || v.Ints == nil || len(v.Shape) > 1 {
		return nil, n.unsupported("input %q is not a constant of integers", n.Inputs[i])
	}
	return v, nil
}
