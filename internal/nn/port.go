package nn

import (
	"slices"

	"zaq/internal/onnx"
)

// Port is the form in which a file declares an input, where that is not the network's: float32, and of an image
// [N, C, H, W]. Import leaves the layout and the type of such inputs behind, and Export puts them back: the programs that
// run the file give it what they gave the source.
type Port struct {
	Type         onnx.DataType // Float, Float16, Double, or Uint8: values are the integers then
	ChannelsLast bool          // [N, H, W, C]
}

// toChannelsLast and toChannelsFirst are the permutations of axes between [N, C, H, W] and [N, H, W, C], as Transpose
// takes them: axis i of the result is axis perm[i] of what is transposed.
var (
	toChannelsLast  = []int64{0, 2, 3, 1}
	toChannelsFirst = []int64{0, 3, 1, 2}
)

// permuted returns a shape of four axes with its axes in another order.
func permuted(shape []int, perm []int64) []int {
	p := make([]int, len(perm))
	for i, axis := range perm {
		p[i] = shape[axis]
	}
	return p
}

// Port returns the form in which files have the named input.
func (n *Network) Port(input string) Port {
	if p, ok := n.Ports[input]; ok {
		return p
	}
	return Port{Type: onnx.Float}
}

// Declared returns the shape and the type of the named input as files have them.
func (n *Network) Declared(input string) ([]int, onnx.DataType) {
	p, shape := n.Port(input), n.Values[input].Shape
	if p.ChannelsLast {
		return permuted(shape, toChannelsLast), p.Type
	}
	return slices.Clone(shape), p.Type
}

// Rounds reports whether a float32 may have to be rounded to be a value of the input. Those of integers are taken to be
// integers.
func (p Port) Rounds() bool { return p.Type == onnx.Float16 }

// Round rounds values for the input to what its type holds.
func (p Port) Round(values []float32) {
	if !p.Rounds() {
		return
	}
	for i, v := range values {
		values[i] = onnx.RoundFloat(v, onnx.Float16)
	}
}
