// Package npy reads and writes arrays in NumPy's file format (NEP 1), version 1.0, of float32 in C order; that is what
// numpy.save makes of such an array.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const magic = "\x93NUMPY\x01\x00"

// maxElements bounds the size that a header may claim.
const maxElements = 1 << 30

var header = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), *\} *\n$`)

// Decode returns the shape and the elements of a file.
func Decode(b []byte) (shape []int, data []float32, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) < 2 {
		return nil, nil, errors.New("not a .npy file of version 1.0")
	}
	n := int(binary.LittleEndian.Uint16(rest))
	if len(rest) < 2+n {
		return nil, nil, errors.New("file ends within its header")
	}
	m := header.FindStringSubmatch(string(rest[2 : 2+n]))
	switch {
	case m == nil:
		return nil, nil, errors.New("header is not understood")
	case m[1] != "<f4":
		return nil, nil, fmt.Errorf("elements are %q, want float32, %q", m[1], "<f4")
	case m[2] != "False":
		return nil, nil, errors.New("array is in Fortran order, want C order")
	}
	size := 1
	for _, d := range strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' }) {
		v, err := strconv.Atoi(d)
		if err != nil || v < 0 || v > maxElements || v > 0 && size > maxElements/v {
			return nil, nil, fmt.Errorf("shape (%s) is too large", m[3])
		}
		shape, size = append(shape, v), size*v
	}
	body := rest[2+n:]
	if len(body) != 4*size {
		return nil, nil, fmt.Errorf("shape (%s) needs %d bytes, file has %d", m[3], 4*size, len(body))
	}
	data = make([]float32, size)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
	}
	return shape, data, nil
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
	pad := 64 - (len(magic)+2+len(h)+1)%64
	h += strings.Repeat(" ", pad%64) + "\n"
	return append(append([]byte(magic), byte(len(h)), byte(len(h)>>8)), h...)
}
