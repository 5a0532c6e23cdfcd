package nn

import "zaq/internal/quant"

// Op is what a layer does: one of the struct types below, by value.
type Op interface {
	// Kind is the ONNX name of the operator.
	Kind() string
}

// Conv is a 2-D convolution. In: x [N,Cin,H,W], w [Cout,Cin/Groups,KH,KW], optional b [Cout].
type Conv struct {
	Kernel, Stride, Dilation [2]int // height, width
	Pads                     [4]int // top, left, bottom, right
	Groups                   int
}

// BatchNorm normalizes channels with running statistics. In: x, gamma, beta, mean, variance.
type BatchNorm struct{ Epsilon float32 }

// Relu is max(x, 0).
type Relu struct{}

// LeakyRelu is x for x > 0 and Alpha*x below.
type LeakyRelu struct{ Alpha float32 }

// Clip limits x to [Min, Max].
type Clip struct{ Min, Max float32 }

// Add is the elementwise sum of two tensors of the same shape.
type Add struct{}

// AveragePool and MaxPool are sliding windows.
type AveragePool struct {
	Kernel, Stride  [2]int
	Pads            [4]int
	CountIncludePad bool
}

// MaxPool takes the largest value of each window.
type MaxPool struct {
	Kernel, Stride [2]int
	Pads           [4]int
}

// GlobalAveragePool is the mean over height and width: [N,C,H,W] to [N,C,1,1].
type GlobalAveragePool struct{}

// Flatten makes [N, rest] of [N, ...].
type Flatten struct{}

// Gemm is a linear layer. In: x [N,K], w [M,K] (the importer transposes what is not), optional b [M].
type Gemm struct{}

// Slice takes every Steps[i]-th index of Axes[i] from Starts[i] to Ends[i] (exclusive). Indices are resolved:
// not negative, within the axis.
type Slice struct{ Starts, Ends, Axes, Steps []int }

// Pad surrounds x with Value: Pads has the starts of all axes, then the ends.
type Pad struct {
	Pads  []int
	Value float32
}

// Identity passes x on.
type Identity struct{}

// FakeQuant rounds x to the grid of Q and returns real values: QuantizeLinear, a Clip where bits are fewer
// than the storage type's, and DequantizeLinear in a file.
type FakeQuant struct{ Q *quant.Quantizer }

func (Conv) Kind() string              { return "Conv" }
func (BatchNorm) Kind() string         { return "BatchNormalization" }
func (Relu) Kind() string              { return "Relu" }
func (LeakyRelu) Kind() string         { return "LeakyRelu" }
func (Clip) Kind() string              { return "Clip" }
func (Add) Kind() string               { return "Add" }
func (AveragePool) Kind() string       { return "AveragePool" }
func (MaxPool) Kind() string           { return "MaxPool" }
func (GlobalAveragePool) Kind() string { return "GlobalAveragePool" }
func (Flatten) Kind() string           { return "Flatten" }
func (Gemm) Kind() string              { return "Gemm" }
func (Slice) Kind() string             { return "Slice" }
func (Pad) Kind() string               { return "Pad" }
func (Identity) Kind() string          { return "Identity" }
func (FakeQuant) Kind() string         { return "FakeQuant" }
