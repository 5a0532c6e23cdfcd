package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// NewFloatsOf returns a tensor of Float, Double, Float16 or BFloat16; elements are rounded to nearest even where the type
// is narrower. It panics if typ is none of them.
func NewFloatsOf(name string, typ DataType, dims []int64, v []float32) *Tensor {
	var raw []byte
	for _, x := range v {
		switch typ {
		case Float:
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		case Double:
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(float64(x)))
		case Float16:
			raw = binary.LittleEndian.AppendUint16(raw, toFloat16(x))
		case BFloat16:
			raw = binary.LittleEndian.AppendUint16(raw, toBFloat16(x))
		default:
			panic(fmt.Sprintf("onnx: tensor %q: %v is no type of floats", name, typ))
		}
	}
	return NewBytes(name, typ, dims, raw)
}

// RoundFloat returns x as a type of floats holds it.
func RoundFloat(x float32, typ DataType) float32 {
	switch typ {
	case Float16:
		return float16(toFloat16(x))
	case BFloat16:
		return math.Float32frombits(uint32(toBFloat16(x)) << 16)
	}
	return x
}

// Float16Value returns the value of an IEEE 754 binary16 number.
func Float16Value(bits uint16) float32 { return float16(bits) }

// toFloat16 returns the nearest IEEE 754 binary16 number: infinity from 65520 on.
func toFloat16(x float32) uint16 {
	sign := uint16(math.Float32bits(x) >> 16 & 0x8000)
	a := math.Abs(float64(x))
	switch {
	case x != x:
		return sign | 0x7e00
	case a >= 65520:
		return sign | 0x7c00
	case a < 0x1p-14: // subnormal, in steps of 2^-24; the largest may round up to the least normal number
		return sign | uint16(math.RoundToEven(a*0x1p24))
	}
	frac, exp := math.Frexp(a) // a = frac * 2^exp, frac in [0.5, 1)
	return sign | uint16(int(math.RoundToEven(frac*0x1p11))-0x400+(exp+14)<<10)
}

// toBFloat16 returns the upper half of the nearest float32 that has no other.
func toBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
