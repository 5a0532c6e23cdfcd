package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func idx(shape []uint32, data []byte) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, n := range shape {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(b, data...)
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFashionMNIST(t *testing.T) {
	dir := t.TempDir()
	pixels := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	write(t, filepath.Join(dir, "t10k-images-idx3-ubyte"), idx([]uint32{2, 3, 2}, pixels))
	write(t, filepath.Join(dir, "t10k-labels-idx1-ubyte.gz"), zipped(t, idx([]uint32{2}, []byte{9, 0})))
	s, err := Open("fashion-mnist:"+dir, Test)
	if err != nil {
		t.Fatal(err)
	}
	if s.N != 2 || s.H != 3 || s.W != 2 || s.C != 1 || !bytes.Equal(s.Pixels, pixels) || !slices.Equal(s.Labels, []int{9, 0}) {
		t.Errorf("got %+v", s)
	}
	fails(t, "fashion-mnist:"+dir, Train, "train-images-idx3-ubyte: no such file")
}

func TestFashionMNISTRefused(t *testing.T) {
	dir := t.TempDir()
	images, labels := filepath.Join(dir, "t10k-images-idx3-ubyte.gz"), filepath.Join(dir, "t10k-labels-idx1-ubyte.gz")
	good := zipped(t, idx([]uint32{2, 1, 1}, []byte{1, 2}))
	goodLabels := zipped(t, idx([]uint32{2}, []byte{1, 2}))
	for name, test := range map[string]struct {
		images, labels []byte
		want           string
	}{
		"no gzip":        {[]byte("plain text, no gzip"), goodLabels, "images-idx3-ubyte.gz: gzip: invalid header"},
		"cut gzip":       {good[:len(good)-9], goodLabels, "unexpected EOF"},
		"changed gzip":   {slices.Concat(good[:len(good)-8], make([]byte, 8)), goodLabels, "checksum"},
		"no header":      {zipped(t, []byte{0, 0, 8, 3, 0}), goodLabels, "header: unexpected EOF"},
		"rank":           {zipped(t, idx([]uint32{2, 1}, []byte{1, 2, 3, 4, 5, 6})), goodLabels, "not an IDX file of bytes with 3 axes"},
		"floats":         {zipped(t, append([]byte{0, 0, 13, 3}, make([]byte, 20)...)), goodLabels, "begins 00000d03"},
		"truncated":      {zipped(t, idx([]uint32{2, 1, 2}, []byte{1, 2, 3})), goodLabels, "truncated: 3 of 4 bytes"},
		"longer":         {zipped(t, idx([]uint32{2, 1, 1}, []byte{1, 2, 3})), goodLabels, "goes on after its 2 bytes"},
		"empty axis":     {zipped(t, idx([]uint32{2, 0, 1}, nil)), goodLabels, "axis 1 has size 0"},
		"huge":           {zipped(t, idx([]uint32{1 << 31, 1 << 31, 1 << 31}, nil)), goodLabels, "axis 1 has size 2147483648"},
		"large claim":    {zipped(t, idx([]uint32{1 << 16, 1 << 8, 1 << 7}, nil)), goodLabels, "truncated: 0 of 2147483648"},
		"label":          {good, zipped(t, idx([]uint32{2}, []byte{1, 10})), "record 1: label 10 is none"},
		"fewer labels":   {good, zipped(t, idx([]uint32{1}, []byte{1})), "1 labels, and 2 images"},
		"labels, images": {good, good, "with 1 axes"},
	} {
		write(t, images, test.images)
		write(t, labels, test.labels)
		t.Run(name, func(t *testing.T) { fails(t, "fashion-mnist:"+dir, Test, test.want) })
	}
}

// A file that claims 2 GB and holds nothing costs no such memory.
func TestIDXClaimIsNotAllocated(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := decodeIDX(bytes.NewReader(idx([]uint32{1 << 16, 1 << 15}, nil)), 2)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("error %v", err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
}

func TestInstalledFashionMNIST(t *testing.T) {
	if _, err := os.Stat(fashionMNISTFolder); err != nil {
		t.Skip("Debian's dataset-fashion-mnist is not installed: ", err)
	}
	s, err := Open("fashion-mnist:", Test)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, 10)
	for _, label := range s.Labels {
		counts[label]++
	}
	if s.N != 10000 || s.H != 28 || s.W != 28 || s.C != 1 || slices.Min(counts) != 1000 || slices.Max(counts) != 1000 {
		t.Errorf("%d images of %dx%dx%d, classes %v", s.N, s.H, s.W, s.C, counts)
	}
	padded, err := s.Subset(3).Pad(32, 32)
	if err != nil || len(padded.Pixels) != 3*32*32 || !bytes.Equal(padded.Image(2)[2*32+2:2*32+30], s.Image(2)[:28]) {
		t.Errorf("padded to 32x32: %v", err)
	}
}
