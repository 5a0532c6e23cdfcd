package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{
		"Cast":                  func(c *call) []*Tensor { return one(cast(c.arg(0), onnx.DataType(c.int("to", 0)))) },
		"CastLike":              func(c *call) []*Tensor { return one(cast(c.arg(0), c.arg(1).Type)) },
		"QuantizeLinear":        quantize,
		"DequantizeLinear":      dequantize,
		"DynamicQuantizeLinear": dynamicQuantize,
		"MatMulInteger":         matMulInteger,
		"ConvInteger":           convInteger,
		"QLinearMatMul":         qLinearMatMul,
		"QLinearConv":           qLinearConv,
	})
}

// cast converts elements: floats to integers towards zero, anything but zero to true. Double is held as float32.
func cast(x *Tensor, t onnx.DataType) *Tensor {
	y := New(t, x.Shape...)
	for i := range x.Len() {
		switch {
		case t == onnx.Bool:
			if x.at(i) != 0 {
				y.Ints[i] = 1
			}
		case y.Data != nil && x.Type == onnx.Uint64:
			y.Data[i] = float32(uint64(x.Ints[i]))
		case y.Data != nil:
			y.Data[i] = onnx.RoundFloat(float32(x.at(i)), t)
		case x.Data != nil:
			y.Ints[i] = wrap(t, int64(x.Data[i]))
		default:
			y.Ints[i] = wrap(t, x.Ints[i])
		}
	}
	return y
}

// limits returns the least and greatest value of a type that tensors are quantized to.
func limits(t onnx.DataType) (lo, hi int64) {
	bits := t.Bits()
	switch t {
	case onnx.Int16, onnx.Int8, onnx.Int4, onnx.Int2:
		return -1 << (bits - 1), 1<<(bits-1) - 1
	case onnx.Uint16, onnx.Uint8, onnx.Uint4, onnx.Uint2:
		return 0, 1<<bits - 1
	}
	fail("to %v", t)
	return 0, 0
}

// grid relates elements to the scale and zero point of their block, channel or tensor.
type grid struct {
	scale, zero *Tensor // zero may be nil
	at          func(i int) int
}

// grid reads scale and zero point from inputs i and i+1 of a node.
func (c *call) grid(shape []int, i int) grid {
	g := grid{scale: c.floats(i), zero: bias(c, i+1), at: func(int) int { return 0 }}
	if g.zero != nil && g.zero.Len() != g.scale.Len() {
		fail("%d scales and %d zero points", g.scale.Len(), g.zero.Len())
	}
	if len(g.scale.Shape) == 0 || g.scale.Len() == 1 && c.int("block_size", 0) == 0 {
		return g
	}
	a := axis(c.int("axis", 1), len(shape))
	if block := c.int("block_size", 0); block > 0 {
		_, n, inner := around(&Tensor{Shape: shape}, a)
		blocks := g.scale.Shape[a]
		g.at = func(i int) int { return (i/(n*inner)*blocks+i/inner%n/block)*inner + i%inner }
		return g
	}
	if g.scale.Len() != shape[a] {
		fail("%d scales for axis %d of %v", g.scale.Len(), a, shape)
	}
	inner := count(shape[a+1:])
	g.at = func(i int) int { return i / inner % shape[a] }
	return g
}

func (g grid) zeroAt(k int) float64 {
	if g.zero == nil {
		return 0
	}
	return g.zero.at(k)
}

func quantize(c *call) []*Tensor {
	x, t := c.arg(0), onnx.Uint8
	if c.has(2) {
		t = c.in[2].Type
	} else if out := c.int("output_dtype", 0); out != 0 {
		t = onnx.DataType(out)
	}
	lo, hi := limits(t)
	g := c.grid(x.Shape, 1)
	y := New(t, x.Shape...)
	for i := range x.Len() {
		k := g.at(i)
		q := math.RoundToEven(float64(float32(x.at(i))/g.scale.Data[k])) + g.zeroAt(k)
		y.Ints[i] = int64(min(max(q, float64(lo)), float64(hi)))
	}
	return one(y)
}

func dequantize(c *call) []*Tensor {
	x := c.arg(0)
	g := c.grid(x.Shape, 1)
	y := New(onnx.Float, x.Shape...)
	for i := range x.Len() {
		k := g.at(i)
		y.Data[i] = float32(x.at(i)-g.zeroAt(k)) * g.scale.Data[k]
	}
	return one(y)
}

// dynamicQuantize spans uint8 over the range of its input, zero included.
func dynamicQuantize(c *call) []*Tensor {
	x := c.floats(0)
	lo, hi := min(0, slices.Min(x.Data)), max(0, slices.Max(x.Data))
	scale := (hi - lo) / 255
	zero := float32(0)
	if scale != 0 {
		zero = float32(math.RoundToEven(float64(min(max(-lo/scale, 0), 255))))
	}
	y := New(onnx.Uint8, x.Shape...)
	for i, v := range x.Data {
		y.Ints[i] = int64(min(max(float32(math.RoundToEven(float64(v/scale)))+zero, 0), 255))
	}
	return []*Tensor{y, Floats([]float32{scale}), {Type: onnx.Uint8, Shape: []int{}, Ints: []int64{int64(zero)}}}
}

// centred returns x without its zero point, which is one number or, for the rows or columns along axis a, one for each.
func centred(x, zero *Tensor, a int) *Tensor {
	y := New(onnx.Int32, x.Shape...)
	copy(y.Ints, x.Ints)
	if zero == nil {
		return y
	}
	inner := count(x.Shape[a+1:])
	for i := range y.Ints {
		k := 0
		if zero.Len() > 1 {
			k = i / inner % x.Shape[a]
		}
		y.Ints[i] -= zero.Ints[k]
	}
	return y
}

func matMulInteger(c *call) []*Tensor {
	a, b := c.arg(0), c.arg(1)
	return one(matMul(centred(a, bias(c, 2), max(0, len(a.Shape)-2)), centred(b, bias(c, 3), len(b.Shape)-1), onnx.Int32))
}

func convInteger(c *call) []*Tensor {
	y := convolve(c, centred(c.arg(0), bias(c, 2), 1), centred(c.arg(1), bias(c, 3), 0), nil)
	return one(whole(y))
}

// whole returns floats that are integers as int32.
func whole(x *Tensor) *Tensor {
	y := New(onnx.Int32, x.Shape...)
	for i, v := range x.Data {
		y.Ints[i] = int64(v)
	}
	return y
}

// requantize brings sums on the scale x*w to the grid of the output, channel by channel along axis a.
func requantize(sums, sx, sw, sy, zy *Tensor, a int) *Tensor {
	y := New(zy.Type, sums.Shape...)
	lo, hi := limits(zy.Type)
	inner := count(sums.Shape[a+1:])
	for i := range sums.Len() {
		k := 0
		if sw.Len() > 1 {
			k = i / inner % sums.Shape[a]
		}
		factor := sx.Data[0] * sw.Data[k] / sy.Data[0]
		q := math.RoundToEven(float64(float32(sums.at(i))*factor)) + zy.at(0)
		y.Ints[i] = int64(min(max(q, float64(lo)), float64(hi)))
	}
	return y
}

func qLinearMatMul(c *call) []*Tensor {
	a, b := c.arg(0), c.arg(3)
	sums := matMul(centred(a, c.arg(2), max(0, len(a.Shape)-2)), centred(b, c.arg(5), len(b.Shape)-1), onnx.Int32)
	return one(requantize(sums, c.floats(1), c.floats(4), c.floats(6), c.arg(7), len(sums.Shape)-1))
}

func qLinearConv(c *call) []*Tensor {
	sums := convolve(c, centred(c.arg(0), c.arg(2), 1), centred(c.arg(3), c.arg(5), 0), bias(c, 8))
	return one(requantize(sums, c.floats(1), c.floats(4), c.floats(6), c.arg(7), 1))
}
