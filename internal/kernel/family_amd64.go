//go:build amd64 && !noasm

package kernel

import (
	"golang.org/x/sys/cpu"
)

//go:generate sh -c "cd _gen/pointwise && go run . ../.."

var familyAVX512 = family{
	name: "avx512", block: 64, lanes: 16,
	forward:      forwardAVX512,
	backward:     backwardAVX512,
	minMax:       minMaxAVX512,
	affine2:      affine2AVX512,
	fakeQuant:    fakeQuantAVX512,
	maskRange:    maskRangeAVX512,
	stream:       streamAVX512,
	add:          addAVX512,
	mul:          mulAVX512,
	addRows:      addRowsAVX512,
	axpy:         axpyAVX512,
	scaleBy:      scaleByAVX512,
	exp:          expAVX512,
	tanh:         tanhAVX512,
	tanhBackward: tanhBackwardAVX512,
	sgd:          sgdAVX512,
	adam:         adamAVX512,
}

var familyAVX2 = family{
	name: "avx2", block: 32, lanes: 8,
	forward:      forwardAVX2,
	backward:     backwardAVX2,
	minMax:       minMaxAVX2,
	affine2:      affine2AVX2,
	fakeQuant:    fakeQuantAVX2,
	maskRange:    maskRangeAVX2,
	stream:       streamAVX2,
	add:          addAVX2,
	mul:          mulAVX2,
	addRows:      addRowsAVX2,
	axpy:         axpyAVX2,
	scaleBy:      scaleByAVX2,
	exp:          expAVX2,
	tanh:         tanhAVX2,
	tanhBackward: tanhBackwardAVX2,
	sgd:          sgdAVX2,
	adam:         adamAVX2,
}

// families lists the implementations that this machine can run, the best last.
func families() []family {
	all := []family{portable}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2 {
		all = append(all, familyAVX2)
		if cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL {
			all = append(all, familyAVX512)
		}
	}
	return all
}

// The loops in assembly equal the portable ones of the same name, with fused multiply-adds. Preconditions: arrays
// that go together have the length of the first, unless flags leave them out; every element is read before it is
// written. Contiguous loops: parameters (scale, shift, ka, lo, ...) have one length, a multiple of block or at
// least that of the arrays. Row loops: 1 <= width <= stride and, for more than one row, width == stride; the block
// has parts*lanes elements for every lanes channels of a row. addRows: rows and width are at least 1.

//go:noescape
func forwardAVX512(y, x, res, scale, shift []float32, k *chain, flags uint64)

//go:noescape
func forwardAVX2(y, x, res, scale, shift []float32, k *chain, flags uint64)

//go:noescape
func backwardAVX512(dx, dres, dy, x, res, block []float32, rows, stride, width int, k *chain, flags uint64)

//go:noescape
func backwardAVX2(dx, dres, dy, x, res, block []float32, rows, stride, width int, k *chain, flags uint64)

//go:noescape
func minMaxAVX512(x, block []float32, rows, stride, width int)

//go:noescape
func minMaxAVX2(x, block []float32, rows, stride, width int)

//go:noescape
func affine2AVX512(y, a, b, ka, kb, k0 []float32, accumulate bool)

//go:noescape
func affine2AVX2(y, a, b, ka, kb, k0 []float32, accumulate bool)

//go:noescape
func fakeQuantAVX512(y, x, scale, lo, hi []float32)

//go:noescape
func fakeQuantAVX2(y, x, scale, lo, hi []float32)

//go:noescape
func maskRangeAVX512(dx, dy, x, lo, hi []float32)

//go:noescape
func maskRangeAVX2(dx, dy, x, lo, hi []float32)

//go:noescape
func streamAVX512(y, x []float32)

//go:noescape
func streamAVX2(y, x []float32)

//go:noescape
func addAVX512(y, a, b []float32)

//go:noescape
func addAVX2(y, a, b []float32)

//go:noescape
func mulAVX512(y, a, b []float32)

//go:noescape
func addRowsAVX512(y, a, b []float32, k float32, rows, width, yStep, aStep, bStep int)

//go:noescape
func axpyAVX512(y, x []float32, a float32)

//go:noescape
func mulAVX2(y, a, b []float32)

//go:noescape
func addRowsAVX2(y, a, b []float32, k float32, rows, width, yStep, aStep, bStep int)

//go:noescape
func axpyAVX2(y, x []float32, a float32)

//go:noescape
func scaleByAVX512(y []float32, a float32)

//go:noescape
func scaleByAVX2(y []float32, a float32)

//go:noescape
func expAVX512(y, x []float32)

//go:noescape
func tanhAVX512(y, x []float32)

//go:noescape
func expAVX2(y, x []float32)

//go:noescape
func tanhAVX2(y, x []float32)

//go:noescape
func tanhBackwardAVX512(dx, dy, y []float32, accumulate bool)

//go:noescape
func tanhBackwardAVX2(dx, dy, y []float32, accumulate bool)

//go:noescape
func sgdAVX512(w, dw, v []float32, k sgdParams)

//go:noescape
func sgdAVX2(w, dw, v []float32, k sgdParams)

//go:noescape
func adamAVX512(w, dw, m, v []float32, k adamParams)

//go:noescape
func adamAVX2(w, dw, m, v []float32, k adamParams)
