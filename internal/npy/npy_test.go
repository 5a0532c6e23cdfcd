package npy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/oracle"
)

func TestRoundTrip(t *testing.T) {
	for _, shape := range [][]int{{}, {3}, {2, 3}, {1, 3, 4, 5}, {0, 2}} {
		data := make([]float32, 0)
		n := 1
		for _, d := range shape {
			n *= d
		}
		for i := range n {
			data = append(data, float32(i)-1.5)
		}
		s, d, err := Decode(Encode(shape, data), "float32")
		if err != nil || !slices.Equal(s, shape) || !slices.Equal(d, data) {
			t.Errorf("%v: %v %v %v", shape, s, d, err)
		}
	}
}

// Elements are taken as what they are, and whole numbers not for real ones.
func TestTypes(t *testing.T) {
	bytes := EncodeBytes([]int{2}, []uint8{3, 255})
	halves := append(head("<f2", []int{2}), 0x00, 0x3c, 0x00, 0xc1) // 1, -2.5
	big := append(head(">f2", []int{2}), 0x3c, 0x00, 0xc1, 0x00)
	for _, tt := range []struct {
		file []byte
		typ  string
		want []float32 // nil: an error
	}{
		{bytes, "uint8", []float32{3, 255}},
		{bytes, "float32", nil},
		{halves, "float16", []float32{1, -2.5}},
		{halves, "float32", []float32{1, -2.5}},
		{big, "float16", []float32{1, -2.5}},
		{halves, "uint8", nil},
		{Encode([]int{1}, []float32{7}), "float16", []float32{7}},
		{EncodeInts([]int{1}, []int{7}), "float32", nil},
	} {
		if _, data, err := Decode(tt.file, tt.typ); (err == nil) != (tt.want != nil) || !slices.Equal(data, tt.want) {
			t.Errorf("%q as %s: %v, %v", tt.file, tt.typ, data, err)
		}
	}
}

// NumPy reads what is written, and what it writes is read.
func TestNumPy(t *testing.T) {
	dir := t.TempDir()
	in, out, script := filepath.Join(dir, "in.npy"), filepath.Join(dir, "out.npy"), filepath.Join(dir, "double.py")
	const double = "import numpy, sys\nx = numpy.load(sys.argv[1])\nassert x.shape == (2, 3)\nnumpy.save(sys.argv[2], 2 * x)\n"
	for path, b := range map[string][]byte{in: Encode([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}), script: []byte(double)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	oracle.RunPython(t, "numpy", script, in, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	shape, data, err := Decode(b, "float32")
	if err != nil || !slices.Equal(shape, []int{2, 3}) || !slices.Equal(data, []float32{2, 4, 6, 8, 10, 12}) {
		t.Errorf("%v %v %v", shape, data, err)
	}
}

func TestErrors(t *testing.T) {
	good := string(Encode([]int{2, 3}, make([]float32, 6)))
	for _, tt := range []struct{ file, want string }{
		{"", "not a NumPy file"},
		{"PK\x03\x04", "not a NumPy file"},
		{good[:20], "truncated in its header"},
		{good[:len(good)-1], "151 bytes, and an array of shape [2 3] takes 152"},
		{strings.Replace(good, "<f4", "<f8", 1), "elements of 8 bytes"},
		{strings.Replace(good, "False", "True ", 1), "Fortran's order"},
		{strings.Replace(good, "(2,3,)", "(2,x )", 1), "not that of a plain array"},
		{strings.Replace(good, "(2,3,), }", "(99999999999,99999,), }", 1), "too large"},
	} {
		if _, _, err := Decode([]byte(tt.file), "float32"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %q", tt.file, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode([]int{2, 3}, make([]float32, 6)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if shape, data, err := Decode(b, "float32"); err == nil {
			s, d, err := Decode(Encode(shape, data), "float32")
			if err != nil || !slices.Equal(s, shape) || len(d) != len(data) {
				t.Errorf("%v became %v, %v", shape, s, err)
			}
		}
	})
}
