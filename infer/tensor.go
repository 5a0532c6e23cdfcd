package infer

import (
	"zaq/internal/intkernel"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

// grid is the grid of an integer tensor, stored in bytes without sign: real value = scale * (q - zero).
type grid struct {
	scale            float32
	zero, qmin, qmax int32
}

// gridOf returns the grid of a quantizer of a whole tensor. Signed integers get 128 added.
func gridOf(q *quant.Quantizer) (g grid, ok bool) {
	if len(q.Scale) != 1 {
		return grid{}, false
	}
	shift := int32(0)
	if q.Signed {
		shift = 128
	}
	return grid{q.Scale[0], q.Zero[0] + shift, q.QMin + shift, q.QMax + shift}, true
}

// quantize returns the integer of a real value.
func (g grid) quantize(v float32) int32 {
	q := quant.Quantizer{Scale: []float32{g.scale}, Zero: []int32{g.zero}, QMin: g.qmin, QMax: g.qmax}
	return q.Quantize(v, 0)
}

func (g grid) dequantize(q uint8) float32 { return float32(int32(q)-g.zero) * g.scale }

// clamped returns g with the integers of the real values lo to hi only: a clip before the rounding is one of the integers.
func (g grid) clamped(lo, hi float32) grid {
	g.qmin, g.qmax = g.quantize(lo), g.quantize(hi)
	return g
}

// tensor is an integer tensor of one image, in the arena while steps need it.
type tensor struct {
	name string // of the value in the network
	m    intkernel.Map
	grid grid

	at          int // where it begins in the arena
	first, last int // the steps that write and read it
}

// real is a float32 tensor of one image, in the order of ONNX. An input or output of the program lies in the caller's
// memory.
type real struct {
	name          string
	n             int
	at            int
	first, last   int
	input, output int // index among the program's, or -1
}

// mapOf returns how an image of a shape without batch is stored: [C], [C, W] or [C, H, W], others as one pixel.
func mapOf(shape []int) intkernel.Map {
	m := intkernel.Map{H: 1, W: 1, C: 1}
	switch len(shape) {
	case 1:
		m.C = shape[0]
	case 2:
		m.C, m.W = shape[0], shape[1]
	case 3:
		m.C, m.H, m.W = shape[0], shape[1], shape[2]
	default:
		m.C = elements(shape)
	}
	return m
}

// imageShape is the shape of a value without its batch axis.
func imageShape(v *nn.Value) []int {
	if len(v.Shape) == 0 {
		return nil
	}
	return v.Shape[1:]
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// padded makes room around the image for what windows reach.
func (t *tensor) padded(top, bottom, left, right int) {
	t.m.Top, t.m.Bottom = max(t.m.Top, top), max(t.m.Bottom, bottom)
	t.m.Side = max(t.m.Side, left, right)
}

// bytes are those of the tensor in an arena, with some more to read.
func (t *tensor) bytes(a *arena) []uint8 { return a.bytes[t.at:] }

// values are those of the tensor, in an arena or the caller's memory.
func (r *real) values(a *arena) []float32 {
	switch {
	case r.input >= 0:
		return a.inputs[r.input]
	case r.output >= 0:
		return a.outputs[r.output]
	}
	return a.reals[r.at : r.at+r.n]
}
