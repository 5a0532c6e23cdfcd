package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func sample() *State {
	s := &State{Fingerprint: Fingerprint("method=zaq", "bits=W4A4", "seed=1")}
	Put(s, "q/conv1.w", []float32{1, -2.5, float32(math.Copysign(0, -1)), math.MaxFloat32, math.SmallestNonzeroFloat32})
	Put(s, "losses", []float64{math.Pi, math.Inf(-1)})
	Put(s, "best", 0.1)
	Put(s, "counters", []uint64{0, math.MaxUint64})
	Put(s, "seed", uint64(math.MaxUint64))
	Put(s, "order", []int{3, -1, 2})
	Put(s, "step", -7)
	Put(s, "phase", "knowledge transfer\n\x00")
	Put(s, "images", []byte{0, 255, 10})
	Put(s, "", []float32{})
	Put(s, "no bytes", []byte{})
	Put(s, "no text", "")
	return s
}

func TestSaveLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ckpt")
	want := sample()
	if err := Save(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("loaded %v\nsaved  %v", got, want)
	}
	if w, err := Get[[]float32](got, "q/conv1.w"); err != nil || !math.Signbit(float64(w[2])) {
		t.Errorf("q/conv1.w = %v, %v: not of the same bits", w, err)
	}
	if got := strings.Join(got.Names()[:3], " "); got != "q/conv1.w losses best" {
		t.Errorf("sections begin %q", got)
	}

	again := filepath.Join(filepath.Dir(path), "again.ckpt")
	if err := Save(again, got); err != nil {
		t.Fatal(err)
	}
	if a, b := read(t, path), read(t, again); !bytes.Equal(a, b) {
		t.Error("the same state gives different files")
	}
}

func TestNaNKeepsItsBits(t *testing.T) {
	const bits = 0x7fc12345
	s := &State{}
	Put(s, "w", []float32{math.Float32frombits(bits)})
	b, err := encode(s)
	if err != nil {
		t.Fatal(err)
	}
	s, err = decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if w, _ := Get[[]float32](s, "w"); math.Float32bits(w[0]) != bits {
		t.Errorf("NaN came back as %x", math.Float32bits(w[0]))
	}
}

func TestGetAndFill(t *testing.T) {
	s := sample()
	for name, test := range map[string]struct {
		call func() error
		want string
	}{
		"missing":        {func() error { _, err := Get[int](s, "steps"); return err }, `no section "steps"`},
		"other type":     {func() error { _, err := Get[[]float64](s, "q/conv1.w"); return err }, `"q/conv1.w" holds []float32, not []float64`},
		"fill, missing":  {func() error { return Fill(s, "b", make([]float32, 1)) }, `no section "b"`},
		"fill, type":     {func() error { return Fill(s, "losses", make([]float32, 2)) }, "holds []float64, not []float32"},
		"fill, too long": {func() error { return Fill(s, "losses", make([]float64, 3)) }, `"losses" has 2 values, want 3`},
		"fill, short":    {func() error { return Fill(s, "order", make([]int, 2)) }, `"order" has 3 values, want 2`},
	} {
		if err := test.call(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, test.want)
		}
	}
	dst := make([]int, 3)
	if err := Fill(s, "order", dst); err != nil || !reflect.DeepEqual(dst, []int{3, -1, 2}) {
		t.Errorf("Fill gives %v, %v", dst, err)
	}
	if step, err := Get[int](s, "step"); err != nil || step != -7 {
		t.Errorf("step = %v, %v", step, err)
	}
}

func TestSaveRefusesDuplicates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ckpt")
	s := sample()
	Put(s, "best", 0.2)
	if err := Save(path, s); err == nil || !strings.Contains(err.Error(), `"best" was put twice`) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
}

// Whatever byte is lost, added or changed, the file is refused, and the error names it and says what to do.
func TestLoadRefusesDamage(t *testing.T) {
	good, err := encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.ckpt")
	refused := func(what string, b []byte, want string) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Fatalf("%s: error %v, want %q in it", what, err, want)
		}
		if !strings.Contains(e.Hint(), "without --resume") {
			t.Fatalf("%s: hint %q", what, e.Hint())
		}
	}
	refused("empty", nil, "not a checkpoint")
	refused("foreign", []byte("PK\x03\x04 some other file, long enough to have a header of its own"), "not a checkpoint")
	for n := range good {
		want := "truncated"
		if n < len(magic) {
			want = "not a checkpoint"
		}
		if _, err := decode(good[:n]); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("the first %d bytes: error %v, want %q in it", n, err, want)
		}
	}
	refused("cut", good[:len(good)-1], "truncated")
	refused("longer", append(bytes.Clone(good), 0), "damaged: 1 bytes after")
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x40
		if _, err := decode(b); err == nil {
			t.Fatalf("byte %d changed: no error", i)
		}
	}
	b := bytes.Clone(good)
	b[len(b)-1] ^= 1
	refused("changed", b, "SHA-256 does not match")
	b = bytes.Clone(good)
	b[len(magic)] = 2
	refused("of the future", b, "version 2 of the format, this program reads 1")

	_, err = Load(path + ".none")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: error %v", err)
	}
}

// A file with a right digest over wrong contents was made so on purpose: it is refused too, without a
// panic and without memory for what it only claims to hold.
func FuzzDecode(f *testing.F) {
	good, err := encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[headerSize:])
	f.Add([]byte{})
	for _, claim := range []uint64{1, 1 << 20, 1 << 61, math.MaxUint64} {
		f.Add(binary.LittleEndian.AppendUint64(nil, claim))
		count := binary.LittleEndian.AppendUint64(make([]byte, 8), claim)
		f.Add(count)
		for kind := range byte(kindBytes + 2) {
			section := append(append(bytes.Clone(count), make([]byte, 8)...), kind)
			f.Add(section)
			f.Add(binary.LittleEndian.AppendUint64(section, claim))
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := decode(sealed(payload))
		if err != nil {
			return
		}
		again, err := encode(s)
		if err == nil && !bytes.Equal(again[headerSize:], payload) {
			t.Errorf("decoded and encoded again it differs:\n%x\n%x", payload, again[headerSize:])
		}
	})
}

// sealed gives a payload a header with a right digest.
func sealed(payload []byte) []byte {
	b := append([]byte(magic), version, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(payload)))
	b = append(append(b, make([]byte, headerSize-sumOffset)...), payload...)
	copy(b[sumOffset:], sum(b))
	return b
}

func TestLoadMatching(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ckpt")
	if err := Save(path, sample()); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ fingerprint, want string }{
		{"method=zaq\nbits=W4A4\nseed=1", ""},
		{"method=zaq\nbits=W8A8\nseed=2", "made with bits=W4A4, this run has bits=W8A8"},
		{"method=zaq\nbits=W4A4\nseed=1\nclip=off", "made without clip, this run has clip=off"},
		{"method=zaq\nbits=W4A4", "made with seed=1, this run has no seed"},
		{"", "made with method=zaq, this run has no method"},
		{"seed=1\nmethod=zaq\nbits=W4A4", "another order"},
		{"method=zaq\nbits=W4=A4\nseed=1", "this run has bits=W4=A4"},
	}
	for _, test := range tests {
		s, err := LoadMatching(path, test.fingerprint)
		if test.want == "" {
			if err != nil || len(s.Names()) != len(sample().Names()) {
				t.Errorf("%q: %v", test.fingerprint, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || e.Hint() == "" {
			t.Errorf("%q: error %v, want %q in it", test.fingerprint, err, test.want)
		}
	}
	if _, err := LoadMatching(path+".none", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
