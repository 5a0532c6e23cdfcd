package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A checkpoint file is, little endian:
//
//	magic     8 bytes
//	version   uint32
//	length    uint64, of the payload in bytes
//	sum       32 bytes, SHA-256 of all that comes before and after it
//	payload   fingerprint, count, then that many sections: name, kind byte, value
//
// where texts and byte values are length and bytes, lists are length and elements of 8 bytes (4 for
// float32), and lengths and counts are uint64.
const (
	magic      = "zaq\x00ckpt"
	version    = 1
	sumOffset  = len(magic) + 4 + 8
	headerSize = sumOffset + sha256.Size
)

// Kinds of section values, as stored.
const (
	kindFloat32s = iota + 1
	kindFloat64s
	kindFloat64
	kindUint64s
	kindUint64
	kindInts
	kindInt
	kindString
	kindBytes
)

var errForeign = errors.New("not a checkpoint of zaq")

func encode(s *State) ([]byte, error) {
	b := append(make([]byte, 0, headerSize+payloadBound(s)), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = b[:headerSize]
	b = appendText(b, s.Fingerprint)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s.sections)))
	seen := make(map[string]bool, len(s.sections))
	for _, section := range s.sections {
		if seen[section.name] {
			return nil, fmt.Errorf("section %q was put twice", section.name)
		}
		seen[section.name] = true
		b = appendValue(appendText(b, section.name), section.value)
	}
	binary.LittleEndian.PutUint64(b[sumOffset-8:], uint64(len(b)-headerSize))
	copy(b[sumOffset:], sum(b))
	return b, nil
}

// sum is the digest of a file but for the place of the digest itself.
func sum(b []byte) []byte {
	h := sha256.New()
	h.Write(b[:sumOffset])
	h.Write(b[headerSize:])
	return h.Sum(nil)
}

// payloadBound is no less than the size of the payload, so that encoding allocates once.
func payloadBound(s *State) int {
	size := len(s.Fingerprint) + 16
	for _, section := range s.sections {
		size += len(section.name) + 32
		switch v := section.value.(type) {
		case []float32:
			size += 4 * len(v)
		case []float64:
			size += 8 * len(v)
		case []uint64:
			size += 8 * len(v)
		case []int:
			size += 8 * len(v)
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	return size
}

func appendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(text))), text...)
}

func appendValue(b []byte, value any) []byte {
	le := binary.LittleEndian
	switch v := value.(type) {
	case []float32:
		b = le.AppendUint64(append(b, kindFloat32s), uint64(len(v)))
		for _, x := range v {
			b = le.AppendUint32(b, math.Float32bits(x))
		}
	case []float64:
		b = le.AppendUint64(append(b, kindFloat64s), uint64(len(v)))
		for _, x := range v {
			b = le.AppendUint64(b, math.Float64bits(x))
		}
	case float64:
		b = le.AppendUint64(append(b, kindFloat64), math.Float64bits(v))
	case []uint64:
		b = le.AppendUint64(append(b, kindUint64s), uint64(len(v)))
		for _, x := range v {
			b = le.AppendUint64(b, x)
		}
	case uint64:
		b = le.AppendUint64(append(b, kindUint64), v)
	case []int:
		b = le.AppendUint64(append(b, kindInts), uint64(len(v)))
		for _, x := range v {
			b = le.AppendUint64(b, uint64(x))
		}
	case int:
		b = le.AppendUint64(append(b, kindInt), uint64(v))
	case string:
		b = appendText(append(b, kindString), v)
	case []byte:
		b = append(le.AppendUint64(append(b, kindBytes), uint64(len(v))), v...)
	}
	return b
}

func decode(b []byte) (*State, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil, errForeign
	}
	if len(b) < headerSize {
		return nil, fmt.Errorf("truncated: %d bytes, less than its header", len(b))
	}
	if v := binary.LittleEndian.Uint32(b[len(magic):]); v != version {
		return nil, fmt.Errorf("version %d of the format, this program reads %d", v, version)
	}
	length := binary.LittleEndian.Uint64(b[sumOffset-8:])
	if have := uint64(len(b) - headerSize); have < length {
		return nil, fmt.Errorf("truncated: %d of %d payload bytes", have, length)
	} else if have > length {
		return nil, fmt.Errorf("damaged: %d bytes after its end", have-length)
	}
	if !bytes.Equal(b[sumOffset:headerSize], sum(b)) {
		return nil, errors.New("damaged: its SHA-256 does not match")
	}

	r := reader{rest: b[headerSize:]}
	s := &State{Fingerprint: string(r.bytes(1))}
	for count := r.uint64(); count > 0 && !r.bad; count-- {
		s.sections = append(s.sections, section{string(r.bytes(1)), r.value()})
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errors.New("damaged: its sections make no sense")
	}
	return s, nil
}

// reader takes values off the front of rest. After a read past the end it is bad and gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return make([]byte, min(n, 8))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// bytes takes a length and that many elements of the given size.
func (r *reader) bytes(size int) []byte {
	n := r.uint64()
	if r.bad || n > uint64(len(r.rest)/size) {
		r.bad, r.rest = true, nil
		return nil
	}
	return r.take(int(n) * size)
}

func (r *reader) value() any {
	le := binary.LittleEndian
	switch kind := r.take(1)[0]; kind {
	case kindFloat32s:
		return list(r.bytes(4), 4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case kindFloat64s:
		return list(r.bytes(8), 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) })
	case kindFloat64:
		return math.Float64frombits(r.uint64())
	case kindUint64s:
		return list(r.bytes(8), 8, le.Uint64)
	case kindUint64:
		return r.uint64()
	case kindInts:
		return list(r.bytes(8), 8, func(b []byte) int { return int(le.Uint64(b)) })
	case kindInt:
		return int(r.uint64())
	case kindString:
		return string(r.bytes(1))
	case kindBytes:
		return bytes.Clone(r.bytes(1))
	}
	r.bad = true
	return nil
}

func list[E any](b []byte, size int, element func([]byte) E) []E {
	values := make([]E, len(b)/size)
	for i := range values {
		values[i] = element(b[i*size:])
	}
	return values
}
