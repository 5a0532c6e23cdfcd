package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// NewFloats returns a Float tensor. Check reports dims that do not agree with the number of values.
func NewFloats(name string, dims []int64, v []float32) *Tensor {
	raw := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(x))
	}
	return NewBytes(name, Float, dims, raw)
}

// NewInts returns a tensor of any integer type, or Bool. Types below 8 bits are packed, the first element
// into the low bits of a byte; bits left over are zero. It panics if typ is no integer type or a value
// does not fit it.
func NewInts(name string, typ DataType, dims []int64, v []int64) *Tensor {
	lo, hi, ok := typ.bounds()
	if !ok {
		panic(fmt.Sprintf("onnx: tensor %q: %v is no integer type", name, typ))
	}
	bits := typ.Bits()
	raw := make([]byte, (len(v)*bits+7)/8)
	for i, x := range v {
		if x < lo || x > hi {
			panic(fmt.Sprintf("onnx: tensor %q: %d does not fit %v", name, x, typ))
		}
		switch bits {
		case 64:
			binary.LittleEndian.PutUint64(raw[8*i:], uint64(x))
		case 32:
			binary.LittleEndian.PutUint32(raw[4*i:], uint32(x))
		case 16:
			binary.LittleEndian.PutUint16(raw[2*i:], uint16(x))
		default:
			at := i * bits
			raw[at/8] |= byte(x) & (1<<bits - 1) << (at % 8)
		}
	}
	return NewBytes(name, typ, dims, raw)
}

// NewBytes returns a tensor of any type of fixed size whose elements are given as in raw_data: little
// endian, types below 8 bits packed from the low bits of each byte on. The tensor refers to data.
func NewBytes(name string, typ DataType, dims []int64, data []byte) *Tensor {
	return &Tensor{Name: name, Type: typ, Dims: dims, raw: data}
}

// bounds returns the least and greatest value of an integer type that fit an int64.
func (t DataType) bounds() (lo, hi int64, ok bool) {
	bits := t.Bits()
	switch t {
	case Bool:
		return 0, 1, true
	case Int64, Int32, Int16, Int8, Int4, Int2:
		return -1 << (bits - 1), 1<<(bits-1) - 1, true
	case Uint64:
		return 0, math.MaxInt64, true
	case Uint32, Uint16, Uint8, Uint4, Uint2:
		return 0, 1<<bits - 1, true
	}
	return 0, 0, false
}

// Len returns the number of elements: the product of Dims, 1 for a scalar. It fails on a negative
// dimension and on a product that does not fit an int.
func (t *Tensor) Len() (int, error) {
	n, empty := 1, false
	overflow := false
	for _, d := range t.Dims {
		switch {
		case d < 0:
			return 0, fmt.Errorf("tensor %q: negative dimension in %v", t.Name, shorten(t.Dims))
		case d == 0:
			empty = true
		case d > int64(math.MaxInt/n):
			overflow, n = true, 1
		default:
			n *= int(d)
		}
	}
	switch {
	case empty:
		return 0, nil
	case overflow:
		return 0, fmt.Errorf("tensor %q: dimensions %v are too large", t.Name, shorten(t.Dims))
	}
	return n, nil
}

// shorten cuts a list to what fits an error message.
func shorten(dims []int64) []int64 { return dims[:min(len(dims), 8)] }

// size returns the number of bytes that the elements take, for a type of fixed size.
func (t *Tensor) size() (int, error) {
	n, err := t.Len()
	if err != nil {
		return 0, err
	}
	bits := t.Type.Bits()
	if bits == 0 {
		return 0, fmt.Errorf("tensor %q: elements of %v have no fixed size", t.Name, t.Type)
	}
	if n > (math.MaxInt-7)/bits {
		return 0, fmt.Errorf("tensor %q: dimensions %v are too large", t.Name, shorten(t.Dims))
	}
	return (n*bits + 7) / 8, nil
}

// Bytes returns the elements of a tensor of fixed-size type as they are in raw_data (see NewBytes), not
// copied. It fails where their number does not agree with Dims, or where they are in another file and
// were not loaded.
func (t *Tensor) Bytes() ([]byte, error) {
	want, err := t.size()
	if err != nil {
		return nil, err
	}
	if t.external != nil {
		return nil, fmt.Errorf("tensor %q: data is in another file and was not loaded", t.Name)
	}
	if len(t.raw) != want {
		return nil, fmt.Errorf("tensor %q: %d bytes of data, but %v of %v takes %d", t.Name, len(t.raw), t.Type,
			shorten(t.Dims), want)
	}
	return t.raw, nil
}

// Floats returns the elements of a Float, Double, Float16 or BFloat16 tensor as float32, Doubles rounded to
// nearest.
func (t *Tensor) Floats() ([]float32, error) {
	switch t.Type {
	case Float, Double, Float16, BFloat16:
	default:
		return nil, fmt.Errorf("tensor %q: %v where floats are wanted", t.Name, t.Type)
	}
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	width := t.Type.Bits() / 8
	v := make([]float32, len(raw)/width)
	for i := range v {
		e := raw[i*width:]
		switch t.Type {
		case Float:
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(e))
		case Double:
			v[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(e)))
		case Float16:
			v[i] = float16(binary.LittleEndian.Uint16(e))
		case BFloat16:
			v[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(e)) << 16)
		}
	}
	return v, nil
}

// float16 returns the value of an IEEE 754 binary16 number: 1 sign bit, 5 of exponent (bias 15), 10 of
// fraction.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch exp {
	case 0: // zero and subnormals: frac * 2^-24, which float32 holds exactly
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// Int64s returns the elements of a tensor of any integer type, or Bool (0 and 1). It fails on a Uint64
// element above the range of int64.
func (t *Tensor) Int64s() ([]int64, error) {
	if _, _, ok := t.Type.bounds(); !ok {
		return nil, fmt.Errorf("tensor %q: %v where integers are wanted", t.Name, t.Type)
	}
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	n, err := t.Len()
	if err != nil {
		return nil, err
	}
	v := make([]int64, n)
	for i := range v {
		v[i] = element(raw, t.Type, i)
		if t.Type == Uint64 && v[i] < 0 {
			return nil, fmt.Errorf("tensor %q: element %d, %d, does not fit int64", t.Name, i, uint64(v[i]))
		}
	}
	return v, nil
}

// element returns the i-th integer of type t in raw.
func element(raw []byte, t DataType, i int) int64 {
	switch t {
	case Int64, Uint64:
		return int64(binary.LittleEndian.Uint64(raw[8*i:]))
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(raw[4*i:])))
	case Uint32:
		return int64(binary.LittleEndian.Uint32(raw[4*i:]))
	case Int16:
		return int64(int16(binary.LittleEndian.Uint16(raw[2*i:])))
	case Uint16:
		return int64(binary.LittleEndian.Uint16(raw[2*i:]))
	case Int8:
		return int64(int8(raw[i]))
	case Uint8:
		return int64(raw[i])
	case Bool:
		if raw[i] != 0 {
			return 1
		}
		return 0
	}
	// Below 8 bits: shift the element to the top of a byte, and back down with or without its sign.
	bits := t.Bits()
	at := i * bits
	top := raw[at/8] << (8 - bits - at%8)
	if t == Int4 || t == Int2 {
		return int64(int8(top) >> (8 - bits))
	}
	return int64(top >> (8 - bits))
}

// Strings returns the elements of a String tensor.
func (t *Tensor) Strings() ([]string, error) {
	if t.Type != String {
		return nil, fmt.Errorf("tensor %q: %v where strings are wanted", t.Name, t.Type)
	}
	if err := t.checkData(); err != nil {
		return nil, err
	}
	v := make([]string, len(t.strings))
	for i, s := range t.strings {
		v[i] = string(s)
	}
	return v, nil
}

// checkData reports an error unless the tensor has as many elements as Dims say. Elements that are in
// another file, or of a type that this package does not know, are not looked at.
func (t *Tensor) checkData() error {
	if t.Type == Undefined {
		return fmt.Errorf("tensor %q: no element type", t.Name)
	}
	n, err := t.Len()
	switch {
	case err != nil:
		return err
	case t.external != nil:
		return nil
	case t.Type == String:
		if n != len(t.strings) {
			return fmt.Errorf("tensor %q: %d strings, but dimensions %v", t.Name, len(t.strings), shorten(t.Dims))
		}
		return nil
	case len(t.strings) > 0:
		return fmt.Errorf("tensor %q: strings in a tensor of %v", t.Name, t.Type)
	case t.Type.Bits() == 0:
		return nil
	}
	_, err = t.Bytes()
	return err
}
