package onnx

import (
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a protobuf message as it stood in the file.
type field struct {
	num  protowire.Number
	typ  protowire.Type
	full []byte // tag and value
	val  []byte // contents of a length-delimited field
	n    uint64 // value of a varint or fixed-size field
	off  int    // position of val, or of the value, in the file
}

// message is the contents of a protobuf message and its position in the file.
type message struct {
	b   []byte
	off int
}

// wireError is a violation of the protobuf wire format at a position of the file.
type wireError struct {
	off int
	err error
}

func (e *wireError) Error() string {
	if errors.Is(e.err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("truncated at byte %d", e.off)
	}
	return fmt.Sprintf("byte %d: %v", e.off, e.err)
}

func (e *wireError) Unwrap() error { return e.err }

// fields calls fn for each field of m, in the order of the file.
func (m message) fields(fn func(field) error) error {
	for pos := 0; pos < len(m.b); {
		f, err := consume(m.b[pos:], m.off+pos)
		if err != nil {
			return err
		}
		if err := fn(f); err != nil {
			return err
		}
		pos += len(f.full)
	}
	return nil
}

// consume reads the field at the start of b, which lies at off in the file. A value that ends after b
// does is reported at the end of b: that is where the file was cut.
func consume(b []byte, off int) (field, error) {
	num, typ, t := protowire.ConsumeTag(b)
	if t < 0 {
		return field{}, parseError(b, off, t, "no field starts here")
	}
	f := field{num: num, typ: typ, off: off + t}
	v := b[t:]
	var n int
	switch typ {
	case protowire.VarintType:
		f.n, n = protowire.ConsumeVarint(v)
	case protowire.Fixed32Type:
		var x uint32
		x, n = protowire.ConsumeFixed32(v)
		f.n = uint64(x)
	case protowire.Fixed64Type:
		f.n, n = protowire.ConsumeFixed64(v)
	case protowire.BytesType:
		f.val, n = protowire.ConsumeBytes(v)
		f.off += n - len(f.val)
	default: // groups, which the schema does not use, and types that do not exist
		n = protowire.ConsumeFieldValue(num, typ, v)
	}
	if n < 0 {
		return field{}, parseError(v, off+t, n, "malformed value")
	}
	f.full = b[: t+n : t+n]
	f.val = f.val[:len(f.val):len(f.val)]
	return f, nil
}

// parseError explains why what starts b, at off in the file, could not be read.
func parseError(b []byte, off, code int, malformed string) error {
	if errors.Is(protowire.ParseError(code), io.ErrUnexpectedEOF) {
		return &wireError{off + len(b), io.ErrUnexpectedEOF}
	}
	return &wireError{off, errors.New(malformed)}
}

// want reports an error unless the field has wire type t.
func (f field) want(t protowire.Type) error {
	if f.typ != t {
		return &wireError{f.off, fmt.Errorf("field %d has wire type %d, not %d", f.num, f.typ, t)}
	}
	return nil
}

func (f field) string(dst *string) error {
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	*dst = string(f.val)
	return nil
}

func (f field) strings(dst *[]string) error {
	var s string
	if err := f.string(&s); err != nil {
		return err
	}
	*dst = append(*dst, s)
	return nil
}

// bytes sets dst to the field's contents without copying them.
func (f field) bytes(dst *[]byte) error {
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	*dst = f.val
	return nil
}

func (f field) int64(dst *int64) error {
	if err := f.want(protowire.VarintType); err != nil {
		return err
	}
	*dst = int64(f.n)
	return nil
}

func (f field) float(dst *float32) error {
	if err := f.want(protowire.Fixed32Type); err != nil {
		return err
	}
	*dst = math.Float32frombits(uint32(f.n))
	return nil
}

func (f field) message(decode func(message) error) error {
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	return decode(message{f.val, f.off})
}

// scalars calls fn for each element of a repeated scalar field of wire type t, packed or not.
func (f field) scalars(t protowire.Type, fn func(uint64)) error {
	if f.typ == t {
		fn(f.n)
		return nil
	}
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	for b := f.val; len(b) > 0; {
		var x uint64
		var n int
		switch t {
		case protowire.VarintType:
			x, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var y uint32
			y, n = protowire.ConsumeFixed32(b)
			x = uint64(y)
		default:
			x, n = protowire.ConsumeFixed64(b)
		}
		if n < 0 {
			return parseError(b, f.off+len(f.val)-len(b), n, "malformed value")
		}
		fn(x)
		b = b[n:]
	}
	return nil
}

func (f field) int64s(dst *[]int64) error {
	return f.scalars(protowire.VarintType, func(x uint64) { *dst = append(*dst, int64(x)) })
}

func (f field) floats(dst *[]float32) error {
	return f.scalars(protowire.Fixed32Type, func(x uint64) {
		*dst = append(*dst, math.Float32frombits(uint32(x)))
	})
}

// keep adds a field that has no place of its own to dst, as it stood in the file.
func (f field) keep(dst *[]byte) error {
	if *dst == nil {
		*dst = f.full // the common case needs no copy
	} else {
		*dst = append(*dst, f.full...)
	}
	return nil
}

// writer writes protobuf messages. One without a buffer counts the bytes that it would write, which is
// how the length that precedes every nested message is known without writing that message elsewhere
// first.
type writer struct {
	buf   []byte
	n     int // bytes written or counted
	write bool
}

// size returns the length of what encode writes.
func size(encode func(*writer)) int {
	var w writer
	encode(&w)
	return w.n
}

func (w *writer) varint(x uint64) {
	w.n += protowire.SizeVarint(x)
	if w.write {
		w.buf = protowire.AppendVarint(w.buf, x)
	}
}

func (w *writer) tag(num protowire.Number, t protowire.Type) {
	w.varint(protowire.EncodeTag(num, t))
}

// raw writes fields that are encoded already.
func (w *writer) raw(b []byte) {
	w.n += len(b)
	if w.write {
		w.buf = append(w.buf, b...)
	}
}

func (w *writer) bytes(num protowire.Number, b []byte) {
	w.tag(num, protowire.BytesType)
	w.varint(uint64(len(b)))
	w.raw(b)
}

func (w *writer) string(num protowire.Number, s string) {
	w.tag(num, protowire.BytesType)
	w.varint(uint64(len(s)))
	w.n += len(s)
	if w.write {
		w.buf = append(w.buf, s...)
	}
}

// text writes a string that is not empty.
func (w *writer) text(num protowire.Number, s string) {
	if s != "" {
		w.string(num, s)
	}
}

func (w *writer) int(num protowire.Number, x int64) {
	w.tag(num, protowire.VarintType)
	w.varint(uint64(x))
}

func (w *writer) float(num protowire.Number, x float32) {
	w.tag(num, protowire.Fixed32Type)
	w.n += 4
	if w.write {
		w.buf = protowire.AppendFixed32(w.buf, math.Float32bits(x))
	}
}

func (w *writer) message(num protowire.Number, encode func(*writer)) {
	n := size(encode)
	w.tag(num, protowire.BytesType)
	w.varint(uint64(n))
	if w.write {
		encode(w)
	} else {
		w.n += n
	}
}
