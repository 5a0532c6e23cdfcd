// Package npy reads and writes arrays in NumPy's file format (NEP 1), in C order, as numpy.save writes them.
package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"zaq/internal/onnx"
)

// Decode returns the shape and the elements of a file whose elements are of a type: "uint8", or "float32" or "float16",
// where either will do, as will "float64" where it is asked for.
func Decode(b []byte, typ string) (shape []int, data []float32, err error) {
	h, err := ReadHeader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	float := h.Kind == 'f' && (h.Size == 4 || h.Size == 2 || h.Size == 8 && typ == "float64")
	if integer := h.Kind == 'u' && h.Size == 1; typ == "uint8" && !integer || typ != "uint8" && !float {
		return nil, nil, fmt.Errorf("elements of %d bytes, type %q: want %s", h.Size, h.Kind, typ)
	}
	if err := h.CheckSize(int64(len(b))); err != nil {
		return nil, nil, err
	}
	body := b[h.Offset:]
	data = make([]float32, len(body)/h.Size)
	for i := range data {
		switch h.Size {
		case 1:
			data[i] = float32(body[i])
		case 8:
			data[i] = float32(math.Float64frombits(h.Order.Uint64(body[8*i:])))
		case 2:
			data[i] = onnx.Float16Value(h.Order.Uint16(body[2*i:]))
		default:
			data[i] = math.Float32frombits(h.Order.Uint32(body[4*i:]))
		}
	}
	return h.Shape, data, nil
}

// Encode returns the file of an array.
func Encode(shape []int, data []float32) []byte {
	b := slices.Grow(head("<f4", shape), 4*len(data))
	for _, v := range data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// EncodeBytes returns the file of an array of bytes.
func EncodeBytes(shape []int, data []uint8) []byte { return append(head("|u1", shape), data...) }

// EncodeInts returns the file of an array of 64-bit integers.
func EncodeInts(shape []int, data []int) []byte {
	b := head("<i8", shape)
	for _, v := range data {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// head returns what comes before the elements.
func head(descr string, shape []int) []byte {
	var dims strings.Builder
	for _, d := range shape {
		fmt.Fprintf(&dims, "%d,", d)
	}
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims.String())
	pad := 64 - (len(magic)+4+len(h)+1)%64
	h += strings.Repeat(" ", pad%64) + "\n"
	return append(append([]byte(magic+"\x01\x00"), byte(len(h)), byte(len(h)>>8)), h...)
}
