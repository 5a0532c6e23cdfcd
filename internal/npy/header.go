package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

const magic = "\x93NUMPY"

// Header says what is in a file.
type Header struct {
	Kind   byte // 'f': real numbers; 'u' or 'i': whole numbers without or with a sign; other letters are NumPy's
	Size   int  // bytes of an element
	Order  binary.ByteOrder
	Shape  []int
	Offset int64 // where elements begin
}

var (
	types  = regexp.MustCompile(`'descr':\s*'([<>|=])([a-zA-Z])(\d+)'`)
	orders = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapes = regexp.MustCompile(`'shape':\s*\(([\d\s,]*)\)`)
)

// ReadHeader reads the beginning of a file: magic, version, the length of a Python dictionary and that.
func ReadHeader(r io.Reader) (*Header, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:10]); err != nil || string(head[:6]) != magic {
		return nil, errors.New("not a NumPy file")
	}
	length, offset := int(binary.LittleEndian.Uint16(head[8:])), int64(10)
	if version := head[6]; version > 1 {
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return nil, errors.New("truncated in its header")
		}
		length, offset = int(binary.LittleEndian.Uint32(head[8:])), 12
	}
	if length > 1<<16 {
		return nil, fmt.Errorf("header of %d bytes: not a NumPy file of one array", length)
	}
	dictionary := make([]byte, length)
	if _, err := io.ReadFull(r, dictionary); err != nil {
		return nil, errors.New("truncated in its header")
	}
	typ, order, shape := types.FindSubmatch(dictionary), orders.FindSubmatch(dictionary), shapes.FindSubmatch(dictionary)
	if typ == nil || order == nil || shape == nil {
		return nil, fmt.Errorf("header %q is not that of a plain array", strings.TrimSpace(string(dictionary)))
	}
	if string(order[1]) == "True" {
		return nil, errors.New("the array is in Fortran's order: numpy.ascontiguousarray changes that")
	}
	a := &Header{Kind: typ[2][0], Order: binary.LittleEndian, Offset: offset + int64(length)}
	if typ[1][0] == '>' {
		a.Order = binary.BigEndian
	}
	a.Size, _ = strconv.Atoi(string(typ[3]))
	elements := 1
	for _, axis := range strings.FieldsFunc(string(shape[1]), func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(axis)
		if err != nil || n < 0 || n > 1<<40/max(1, elements) {
			return nil, fmt.Errorf("shape (%s) is too large", shape[1])
		}
		elements *= n
		a.Shape = append(a.Shape, n)
	}
	return a, nil
}

// CheckSize returns an error unless a file of so many bytes has all elements and nothing else.
func (a *Header) CheckSize(bytes int64) error {
	want := int64(a.Size)
	for _, n := range a.Shape {
		want *= int64(n)
	}
	if want += a.Offset; bytes != want {
		return fmt.Errorf("%d bytes, and an array of shape %v takes %d", bytes, a.Shape, want)
	}
	return nil
}

// Integer reads a whole number of 1, 2, 4 or 8 bytes; it is -1 where there are others.
func (a *Header) Integer(b []byte) int64 {
	signed := a.Kind == 'i'
	switch a.Size {
	case 1:
		if signed {
			return int64(int8(b[0]))
		}
		return int64(b[0])
	case 2:
		if v := a.Order.Uint16(b); signed {
			return int64(int16(v))
		} else {
			return int64(v)
		}
	case 4:
		if v := a.Order.Uint32(b); signed {
			return int64(int32(v))
		} else {
			return int64(v)
		}
	case 8:
		return int64(a.Order.Uint64(b))
	}
	return -1
}
