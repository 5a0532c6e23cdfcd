//go:build arm64 && !noasm

package kernel

var familyNEON = family{
	name: "neon", block: 16, lanes: 4,
	forward:      forwardNEON,
	backward:     backwardNEON,
	minMax:       minMaxNEON,
	affine2:      affine2NEON,
	fakeQuant:    fakeQuantNEON,
	maskRange:    maskRangeNEON,
	stream:       streamGo,
	add:          addNEON,
	mul:          mulNEON,
	addRows:      addRowsNEON,
	axpy:         axpyNEON,
	scaleBy:      scaleByNEON,
	exp:          expNEON,
	tanh:         tanhNEON,
	tanhBackward: tanhBackwardNEON,
	sgd:          sgdNEON,
	adam:         adamNEON,
}

// families lists the implementations that this machine can run, the best last.
func families() []family { return []family{portable, familyNEON} }

// The loops in assembly equal the portable ones of the same name, with fused multiply-adds. Their preconditions are
// those of the loops for amd64: arrays that go together have the length of the first, unless flags leave them out;
// every element is read before it is written. Contiguous loops: parameters (scale, shift, ka, lo, ...) have one
// length, a multiple of block or at least that of the arrays. Row loops: 1 <= width <= stride and, for more than one
// row, width == stride; the block has parts*lanes elements for every lanes channels of a row. addRows: rows and width are at least 1.

//go:noescape
func forwardNEON(y, x, res, scale, shift []float32, k *chain, flags uint64)

//go:noescape
func backwardNEON(dx, dres, dy, x, res, block []float32, rows, stride, width int, k *chain, flags uint64)

//go:noescape
func minMaxNEON(x, block []float32, rows, stride, width int)

//go:noescape
func affine2NEON(y, a, b, ka, kb, k0 []float32, accumulate bool)

//go:noescape
func fakeQuantNEON(y, x, scale, lo, hi []float32)

//go:noescape
func maskRangeNEON(dx, dy, x, lo, hi []float32)

//go:noescape
func addNEON(y, a, b []float32)

//go:noescape
func mulNEON(y, a, b []float32)

//go:noescape
func addRowsNEON(y, a, b []float32, k float32, rows, width, yStep, aStep, bStep int)

//go:noescape
func axpyNEON(y, x []float32, a float32)

//go:noescape
func scaleByNEON(y []float32, a float32)

//go:noescape
func expNEON(y, x []float32)

//go:noescape
func tanhNEON(y, x []float32)

//go:noescape
func tanhBackwardNEON(dx, dy, y []float32, accumulate bool)

//go:noescape
func sgdNEON(w, dw, v []float32, k sgdParams)

//go:noescape
func adamNEON(w, dw, m, v []float32, k adamParams)
