package onnx

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// listing returns the names in dir.
func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// wantFile reports an error unless path holds b.
func wantFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%s: %q, error %v", path, got, err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	want, err := small().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a new file, then one that exists
		if err := small().WriteFile(path); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, want)
		if names := listing(t, dir); !slices.Equal(names, []string{"m.onnx"}) {
			t.Errorf("directory has %q", names)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := small().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("permissions were not kept: %v, error %v", info.Mode(), err)
	}
}

// A failure leaves everything as it was, and names the path.
func TestWriteFileFails(t *testing.T) {
	writers := map[string]func(*Model, string) error{
		"one file": (*Model).WriteFile, "external": (*Model).WriteFileExternal,
	}
	for name, writeFile := range writers {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "old.onnx")
			write(t, old, []byte("old"))
			sub := filepath.Join(dir, "sub")
			if err := os.Mkdir(sub, 0o777); err != nil {
				t.Fatal(err)
			}
			before := listing(t, dir)
			cases := []struct {
				m    *Model
				path string
			}{
				{&Model{}, old},
				{small(), sub},
				{small(), filepath.Join(dir, "absent", "m.onnx")},
				{small(), filepath.Join(old, "m.onnx")},
			}
			if os.Getuid() > 0 { // root may write anywhere
				locked := filepath.Join(dir, "sub", "locked")
				if err := os.Mkdir(locked, 0o555); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if names := listing(t, locked); len(names) > 0 {
						t.Errorf("left %q", names)
					}
				}()
				cases = append(cases, struct {
					m    *Model
					path string
				}{small(), filepath.Join(locked, "m.onnx")})
			}
			for _, c := range cases {
				err := writeFile(c.m, c.path)
				if err == nil || !strings.Contains(err.Error(), c.path) {
					t.Errorf("%s: error is %v", c.path, err)
				}
			}
			wantFile(t, old, []byte("old"))
			if after := listing(t, dir); !slices.Equal(before, after) {
				t.Errorf("directory had %q and has %q", before, after)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	m := small()
	giant := NewBytes("w", Uint8, []int64{1 << 30}, make([]byte, 1<<30)) // never touched, so never in memory
	m.Graph.Initializers = []*Tensor{giant, giant}
	if _, err := m.Encode(); err == nil || !strings.Contains(err.Error(), "2 GiB") {
		t.Errorf("error is %v", err)
	}
}

func TestReadFileErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty.onnx"), nil)
	write(t, filepath.Join(dir, "text.onnx"), []byte("layers: 3\n"))
	tests := []struct{ name, want string }{
		{"empty.onnx", "empty.onnx: not an ONNX file: it is empty"},
		{"text.onnx", "text.onnx: not an ONNX file: it is text"},
		{"absent.onnx", "absent.onnx: "},
		{".", "directory"},
	}
	for _, test := range tests {
		_, err := ReadFile(filepath.Join(dir, test.name))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error is %v, want %q", test.name, err, test.want)
		}
	}
}

// large returns a model with tensors of n and 2n floats, besides the small one.
func large(n int) *Model {
	m := small()
	for i, name := range []string{"a", "b"} {
		v := make([]float32, n*(i+1))
		for j := range v {
			v[j] = float32(i*1000 + j)
		}
		m.Graph.Initializers = append(m.Graph.Initializers, NewFloats(name, []int64{int64(len(v))}, v))
	}
	return m
}

func TestWriteFileExternal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	for _, n := range []int{300, 257, 5000} { // over and over the same files
		m := large(n)
		want, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteFileExternal(path); err != nil {
			t.Fatal(err)
		}
		if names := listing(t, dir); !slices.Equal(names, []string{"m.onnx", "m.onnx.data"}) {
			t.Errorf("directory has %q", names)
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) > 1000 {
			t.Errorf("model file has %d bytes, error %v", len(b), err)
		}
		back, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := back.Encode(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("n = %d: not the same model after reading it back (error %v)", n, err)
		}
		if got, err := m.Encode(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("writing changed the model (error %v)", err)
		}
	}
}

// With nothing large there is no second file.
func TestWriteFileExternalSmall(t *testing.T) {
	dir := t.TempDir()
	if err := small().WriteFileExternal(filepath.Join(dir, "m.onnx")); err != nil {
		t.Fatal(err)
	}
	if names := listing(t, dir); !slices.Equal(names, []string{"m.onnx"}) {
		t.Errorf("directory has %q", names)
	}
}

// When the second rename fails, the first is undone.
func TestCommitBothRollsBack(t *testing.T) {
	for _, exists := range []bool{true, false} {
		dir := t.TempDir()
		path := filepath.Join(dir, "m.onnx")
		if exists {
			write(t, path+".data", []byte("old"))
		}
		before := listing(t, dir)
		data, err := stage(path+".data", []byte("new"))
		if err != nil {
			t.Fatal(err)
		}
		model, err := stage(path, []byte("new"))
		if err != nil {
			t.Fatal(err)
		}
		model.discard() // so that it cannot be renamed
		if err := commitBoth(data, model); err == nil {
			t.Error("committed a file that is gone")
		}
		if after := listing(t, dir); !slices.Equal(before, after) {
			t.Errorf("directory had %q and has %q", before, after)
		}
		if exists {
			wantFile(t, path+".data", []byte("old"))
		}
	}
}

// externalTensor returns a tensor of four bytes whose data is elsewhere; of pairs, keys come first.
func externalTensor(pairs ...string) []byte {
	b := join(intField(1, 4), intField(2, int64(Uint8)), strField(8, "w"))
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, lenField(13, strField(1, pairs[i]), strField(2, pairs[i+1]))...)
	}
	return append(b, intField(14, locationExternal)...)
}

func TestReadExternal(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "model")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(outer, "secret"), []byte("secret"))
	write(t, filepath.Join(dir, "w.bin"), []byte("01234567"))
	write(t, filepath.Join(dir, "sub", "w.bin"), []byte("abcd"))
	links := map[string]string{"out": "../secret", "in": "sub/w.bin", "absolute": filepath.Join(outer, "secret"), "up": ".."}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	tests := []struct {
		pairs []string
		want  string // the data
		err   string
	}{
		{[]string{"location", "w.bin", "offset", "2", "length", "4"}, "2345", ""},
		{[]string{"location", "w.bin", "offset", "4"}, "4567", ""},
		{[]string{"location", "w.bin", "checksum", "0"}, "0123", ""},
		{[]string{"location", "sub/w.bin", "length", "4"}, "abcd", ""},
		{[]string{"location", "./sub/../w.bin"}, "0123", ""},
		{[]string{"location", "in"}, "abcd", ""},
		{[]string{"location", "../secret"}, "", "outside the model's directory"},
		{[]string{"location", "sub/../../secret"}, "", "outside the model's directory"},
		{[]string{"location", filepath.Join(outer, "secret")}, "", "outside the model's directory"},
		{[]string{"location", "out"}, "", "escapes"},
		{[]string{"location", "absolute"}, "", "escapes"},
		{[]string{"location", "up/secret"}, "", "escapes"},
		{[]string{"location", "absent"}, "", `the file "absent", which belongs beside the model and has its weights, is missing`},
		{[]string{"location", "sub"}, "", "not a regular file"},
		{[]string{"location", ""}, "", "no location"},
		{[]string{"offset", "0"}, "", "no location"},
		{[]string{"location", "w.bin", "offset", "5"}, "", "8 bytes, but 4 are wanted from byte 5"},
		{[]string{"location", "w.bin", "offset", "9", "length", "0"}, "", "8 bytes"},
		{[]string{"location", "w.bin", "length", "9223372036854775807"}, "", "8 bytes"},
		{[]string{"location", "w.bin", "offset", "9223372036854775807", "length", "9223372036854775807"}, "", "8 bytes"},
		{[]string{"location", "w.bin", "offset", "-1"}, "", "offset"},
		{[]string{"location", "w.bin", "length", "four"}, "", "length"},
	}
	path := filepath.Join(dir, "m.onnx")
	for _, test := range tests {
		for place, graph := range map[string][]byte{
			"initializer": lenField(5, externalTensor(test.pairs...)),
			"attribute":   lenField(1, strField(3, "n"), lenField(5, strField(1, "value"), lenField(5, externalTensor(test.pairs...)))),
		} {
			write(t, path, modelBytes(graph))
			m, err := ReadFile(path)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), `tensor "w"`) ||
					!strings.Contains(err.Error(), path) {
					t.Errorf("%s, %q: error is %v, want %q", place, test.pairs, err, test.err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %q: %v", place, test.pairs, err)
				continue
			}
			m.tensors(func(w *Tensor) error {
				if b, err := w.Bytes(); err != nil || string(b) != test.want {
					t.Errorf("%s, %q: %q, error %v, want %q", place, test.pairs, b, err, test.want)
				}
				return nil
			})
		}
	}
}

// Decode knows no directory: it keeps the reference.
func TestDecodeKeepsExternal(t *testing.T) {
	file := modelBytes(lenField(5, externalTensor("location", "w.bin", "offset", "2")))
	m, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Encode(); err != nil || !bytes.Equal(got, file) {
		t.Errorf("%q became %q, error %v", file, got, err)
	}
}

// Subgraphs pass through as bytes, so what they refer to would be lost.
func TestReadFileRefusesNestedExternal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	graph := lenField(5, externalTensor("location", "w.bin"))
	for depth := range 70 {
		if depth > 0 {
			graph = lenField(1, strField(3, fmt.Sprint("if", depth)), lenField(5, strField(1, "then_branch"), lenField(6, graph)))
		}
		if depth != 1 && depth != 3 && depth != 69 {
			continue
		}
		write(t, path, modelBytes(graph))
		want := `tensor "w": external data in a subgraph`
		if depth == 69 {
			want = "nested more than 64 deep"
		}
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("depth %d: error is %v, want %q", depth, err, want)
		}
	}
}
