// Package nn is the network as data: a list of typed layers over named tensors.
//
// Layers are values, not objects with behaviour: passes are functions from network to network, and what
// computes (package engine, package infer) compiles the list. Tensors keep ONNX's logical NCHW order,
// axes, shapes and names; a physical layout is the business of whoever compiles.
package nn

import (
	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// Batch stands in a Value's shape for the batch axis, whose size is given when the network is compiled.
const Batch = -1

// Network is a directed acyclic graph in topological order.
type Network struct {
	Name    string
	Inputs  []string // names of Values without a producer
	Outputs []string
	Layers  []*Layer
	Values  map[string]*Value // every tensor, by name

	Ports map[string]Port // inputs that files have in another form

	Opset    int64             // of the default domain, as the file had it
	Domains  map[string]int64  // the other operator sets of the file
	Metadata map[string]string // free metadata of the file
	Integers bool              // tensors hold integers (InIntegers): sums must be exact
	BatchDim string            // the file's name for the batch axis, such as "N"; "" where it was baked in as 1
}

// Layer applies Op to the Values named In and makes those named Out. An empty name in In is an optional
// input left out.
type Layer struct {
	Name string
	Op   Op
	In   []string
	Out  []string
}

// Value is a tensor: a constant (Data or Ints set) or the result of a layer.
type Value struct {
	Name  string
	Shape []int     // Batch marks the batch axis; nil where it is not known
	Data  []float32 // elements of a float constant, row-major; for a quantized one the dequantized values
	Ints  []int64   // elements of an integer constant

	// Type is that of the elements, Undefined where it is not known.
	Type onnx.DataType

	// Quant is set on a constant that is stored in low bits: Data then lies on its grid. The channel axis of
	// a per-channel quantizer is axis 0.
	Quant *quant.Quantizer

	// Sums are the integers of a bias that is stored as int32; Data has the real values, rounded to float32.
	Sums []int32

	// Stats is what BatchNormalization knew of the distribution of this tensor's channels. It survives
	// folding.
	Stats *Stats
}

// Stats are the mean and standard deviation of each channel over the training data, as the
// BatchNormalization that made the tensor declares them: mean = beta, deviation = |gamma|.
type Stats struct {
	Mean, Std []float32
}

// Const reports whether the value is a constant.
func (v *Value) Const() bool { return v.Data != nil || v.Ints != nil }
