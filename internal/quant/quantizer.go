// Package quant is the arithmetic of affine quantization.
//
// A quantizer maps a real value v to an integer and back with a scale S and a zero point Z:
//
//	q  = clamp(round(v/S) + Z, qmin, qmax)        v' = S * (q - Z)
//
// Rounding is to nearest, ties to even, and v/S is a division, not a product with 1/S, as ONNX demands.
// Zero is always exactly representable. The package knows numbers only: no networks, no files.
package quant

// Scheme says what kind of grid a tensor gets, before its range is known.
type Scheme struct {
	Bits       int  // 2 to 8
	Signed     bool // int8 storage, else uint8
	Symmetric  bool // zero point 0 (signed), range [-a, a]
	Narrow     bool // leave out the most negative value, so that -q exists for every q
	PerChannel bool // one scale and zero point per output channel, else one for the tensor
}

// Quantizer is a scheme with its parameters: what FakeQuant layers and quantized constants carry.
// Quantizers are shared by pointer: tensors that must have the same grid (a tie group) have the same
// *Quantizer.
type Quantizer struct {
	Scheme
	Scale []float32 // one, or one per channel; nil until calibrated
	Zero  []int32   // as many as Scale

	// QMin and QMax are the integers in use. They start as the scheme's Bounds and can be tighter, where a
	// clip was folded into them.
	QMin, QMax int32
}
