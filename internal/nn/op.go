package nn

import (
	"math"

	"zaq/internal/onnx"
	"zaq/internal/operator"
	"zaq/internal/quant"
)

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
	Kernel, Stride, Dilation [2]int
	Pads                     [4]int
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

// Pad surrounds x with Value or, where there is a Mode, with elements of x: Pads has the starts of all axes, then the ends.
type Pad struct {
	Pads  []int
	Value float32 // 0 where there is a Mode
	Mode  string  // "" for the constant Value; or reflect, edge or wrap, as ONNX calls them
}

// Reshape gives x another shape, of as many elements and with the batch axis in its place.
type Reshape struct{ Shape []int }

// Concat joins its inputs along an axis.
type Concat struct{ Axis int }

// Scale is Factor*x. No file has it: InIntegers makes it.
type Scale struct{ Factor float32 }

// IntegerAdd is the sum of two tensors of integers as ONNX Runtime's QLinearAdd computes it. In and out are q - zero
// point, each with its own; the zero points are added before the one rounding, and the products are fused:
//
//	round(a*A + (b*B + fix)) - zero       fix = zero - (A*ZeroA + (B*ZeroB))
//
// No file has it: InIntegers makes it.
type IntegerAdd struct {
	A, B                float32 // scales of the terms over that of the sum
	ZeroA, ZeroB, ZeroY int32
}

// Sum returns the sum of a and b.
func (o IntegerAdd) Sum(a, b float32) float32 {
	// Products of a float32 and an integer of 8 bits are exact in float64: each of these sums is rounded once.
	fix := float32(o.ZeroY) - float32(float64(o.A)*float64(o.ZeroA)+float64(o.B*float32(o.ZeroB)))
	inner := float32(float64(b+float32(o.ZeroB))*float64(o.B) + float64(fix))
	sum := float32(float64(a+float32(o.ZeroA))*float64(o.A) + float64(inner))
	return float32(math.RoundToEven(float64(sum))) - float32(o.ZeroY)
}

// Operator is any other operator of ONNX, in the form of the operator set that the file had. Its inputs may be
// constants, its outputs more than one and of any type.
type Operator struct {
	Type, Domain string
	Opset        int64 // of the domain
	Attributes   []*onnx.Attribute

	// Captures are the names by which bodies among the attributes read the last inputs of the layer.
	Captures []string
}

// Node returns the operator as package operator takes it, with the layer's inputs and outputs.
func (o Operator) Node(l *Layer) *onnx.Node {
	in := l.In[:len(l.In)-len(o.Captures)]
	return &onnx.Node{Name: l.Name, OpType: o.Type, Domain: o.Domain, Inputs: in, Outputs: l.Out, Attributes: o.Attributes}
}

// Moves reports whether the operator only moves, repeats or drops elements of its first input. (The others must be
// constants for that.)
func (o Operator) Moves() bool {
	if !operator.Known(o.Domain, o.Type) {
		return false
	}
	if o.Type == "Resize" || o.Type == "Upsample" {
		mode := (&onnx.Node{Attributes: o.Attributes}).Attr("mode")
		return mode == nil || string(mode.String) == "nearest"
	}
	return operator.Moves(o.Type)
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
func (Reshape) Kind() string           { return "Reshape" }
func (Concat) Kind() string            { return "Concat" }
func (Scale) Kind() string             { return "Scale" }
func (IntegerAdd) Kind() string        { return "Add" }
func (o Operator) Kind() string        { return o.Type }
func (Identity) Kind() string          { return "Identity" }
func (FakeQuant) Kind() string         { return "FakeQuant" }
