package dataset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// npyOf writes a NumPy file of the first version.
func npyOf(descr, shape string, data []byte) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
	head += string(bytes.Repeat([]byte{' '}, (118-len(head))%64)) + "\n"
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(head)))
	return append(append(b, head...), data...)
}

func upTo(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestNPY(t *testing.T) {
	for _, test := range []struct {
		shape         string
		n, h, w, c    int
		second, third uint8 // values 0 and 1 of the last image
	}{
		{"(2, 3, 4, 3)", 2, 3, 4, 3, 36, 37},
		{"(2, 3, 4, 1)", 2, 3, 4, 1, 12, 13},
		{"(2, 3, 4)", 2, 3, 4, 1, 12, 13},
		{"(2, 3, 4, 5)", 2, 4, 5, 3, 60, 80},
		{"(3,1,2,3)", 3, 1, 2, 3, 12, 13},
	} {
		path := filepath.Join(t.TempDir(), "x.npy")
		write(t, path, npyOf("|u1", test.shape, upTo(test.n*test.h*test.w*test.c)))
		s, err := Open("npy:"+path, Test)
		if err != nil {
			t.Errorf("%s: %v", test.shape, err)
			continue
		}
		if last := s.Image(s.N - 1); s.N != test.n || s.H != test.h || s.W != test.w || s.C != test.c ||
			last[0] != test.second || last[1] != test.third || s.Labels != nil {
			t.Errorf("%s: %+v", test.shape, s)
		}
	}
}

func TestNPYLabels(t *testing.T) {
	dir := t.TempDir()
	path, labels := filepath.Join(dir, "x.npy"), filepath.Join(dir, "x_labels.npy")
	write(t, path, npyOf("|u1", "(2, 1, 1, 3)", upTo(6)))
	for descr, data := range map[string][]byte{
		"|u1": {1, 200}, "<i2": {1, 0, 200, 0}, ">i4": {0, 0, 0, 1, 0, 0, 0, 200}, "<u4": {1, 0, 0, 0, 200, 0, 0, 0},
		"<i8": {1, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0},
	} {
		write(t, labels, npyOf(descr, "(2,)", data))
		if s, err := Open("npy:"+path, Test); err != nil || !slices.Equal(s.Labels, []int{1, 200}) {
			t.Errorf("%s: %+v, %v", descr, s, err)
		}
	}
	for want, b := range map[string][]byte{
		"label 1 is -56":                npyOf("|i1", "(2,)", []byte{1, 200}),
		"whole numbers of shape [2]":    npyOf("|u1", "(3,)", []byte{1, 2, 3}),
		"type 'f': want whole numbers":  npyOf("<f4", "(2,)", make([]byte, 8)),
		"bytes, and an array of shape ": npyOf("<i8", "(2,)", make([]byte, 15)),
		"not a NumPy file":              []byte("label\n1\n2\n"),
	} {
		write(t, labels, b)
		fails(t, "npy:"+path, Test, want)
		fails(t, "npy:"+path, Test, "x_labels.npy: ")
	}
}

func TestNPYRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	good := npyOf("|u1", "(2, 1, 1, 3)", upTo(6))
	for want, b := range map[string][]byte{
		"not a NumPy file":                 {},
		"truncated in its header":          good[:40],
		"bytes, and an array of shape [2 ": good[:len(good)-1],
		"takes ":                           append(slices.Clone(good), 0),
		"want pixels as bytes (uint8)":     npyOf("<f4", "(2, 1, 1, 3)", make([]byte, 24)),
		"shape [2 3]: want":                npyOf("|u1", "(2, 3)", upTo(6)),
		"shape [2 4 5 6]: want":            npyOf("|u1", "(2, 4, 5, 6)", upTo(240)),
		"shape [2 0 1 3] is empty":         npyOf("|u1", "(2, 0, 1, 3)", nil),
		"(99999999, 99999999, 99999999) i": npyOf("|u1", "(99999999, 99999999, 99999999)", nil),
		"not that of a plain array":        npyOf("[('a', '<f4')]", "(2,)", nil),
		"Fortran's order":                  bytes.Replace(good, []byte("False"), []byte("True "), 1),
	} {
		write(t, path, b)
		fails(t, "npy:"+path, Test, want)
	}
}
