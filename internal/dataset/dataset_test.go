package dataset

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/realdata"
)

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fails reports an error unless Open gives one with want in it.
func fails(t *testing.T, spec string, split Split, want string) {
	t.Helper()
	s, err := Open(spec, split)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open(%q, %v) = %v, %v, want an error with %q", spec, split, s, err, want)
	}
}

func TestOpenUnknown(t *testing.T) {
	for _, spec := range []string{"", ":", "cifar:x", "CIFAR10:x", "x/y", "coco:x"} {
		fails(t, spec, Test, "known: boxes:FILE, cifar10:DIR, cifar100:DIR, csv:FILE, fashion-mnist:DIR, imagefolder:DIR, npy:FILE, voc:DIR")
	}
	fails(t, "coco:x", Test, `unknown data set "coco:x"`)
	for _, spec := range []string{"cifar10", "cifar10:", "imagefolder:", "voc"} {
		fails(t, spec, Test, "no folder given")
	}
	fails(t, "csv:", Test, "no file given: want csv:FILE")
	for _, kind := range Kinds() {
		fails(t, kind+":"+filepath.Join(t.TempDir(), "none"), Train, "none: no such file")
	}
}

// small is a set whose pixels tell where they are.
func small(n, h, w, c int) *Set {
	s := &Set{Name: "small", N: n, H: h, W: w, C: c, Classes: []string{"even", "odd"}}
	for i := range n {
		s.Labels = append(s.Labels, i%2)
	}
	for i := range n * h * w * c {
		s.Pixels = append(s.Pixels, uint8(i*7+1))
	}
	return s
}

func TestSubset(t *testing.T) {
	s := small(5, 2, 3, 3)
	for _, test := range []struct{ n, want int }{{-1, 0}, {0, 0}, {1, 1}, {4, 4}, {5, 5}, {6, 5}} {
		sub := s.Subset(test.n)
		if sub.N != test.want || len(sub.Labels) != test.want || len(sub.Pixels) != test.want*18 {
			t.Errorf("Subset(%d): %d images, %d labels, %d values", test.n, sub.N, len(sub.Labels), len(sub.Pixels))
		}
		for i := range sub.N {
			if !bytes.Equal(sub.Image(i), s.Image(i)) {
				t.Errorf("Subset(%d): image %d differs", test.n, i)
			}
		}
	}
	s.Labels = nil
	if sub := s.Subset(2); sub.Labels != nil {
		t.Errorf("an unlabelled set has labels %v", sub.Labels)
	}
}

func TestPad(t *testing.T) {
	s := &Set{N: 2, H: 2, W: 1, C: 2, Pixels: []uint8{1, 2, 3, 4, 5, 6, 7, 8}}
	padded, err := s.Pad(3, 4)
	if err != nil {
		t.Fatal(err)
	}
	want := []uint8{
		0, 0, 1, 2, 0, 0, 0, 0,
		0, 0, 3, 4, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0,

		0, 0, 5, 6, 0, 0, 0, 0,
		0, 0, 7, 8, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0,
	}
	if padded.H != 3 || padded.W != 4 || padded.N != 2 || !bytes.Equal(padded.Pixels, want) {
		t.Errorf("got %+v", padded)
	}
	if same, err := s.Pad(2, 1); err != nil || !bytes.Equal(same.Pixels, s.Pixels) {
		t.Errorf("padded to its own size: %+v, %v", same, err)
	}
	for _, size := range [][2]int{{1, 4}, {3, 0}, {-1, -1}} {
		if _, err := s.Pad(size[0], size[1]); err == nil {
			t.Errorf("padded to %v", size)
		}
	}
}

func cifarRecord(label byte) []byte {
	b := []byte{label}
	for plane := range 3 {
		for p := range 1024 {
			b = append(b, byte(p*(plane+1)+int(label)))
		}
	}
	return b
}

func TestCIFAR10(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "cifar-10-batches-bin")
	write(t, filepath.Join(inner, "test_batch.bin"), slices.Concat(cifarRecord(3), cifarRecord(9)))
	for batch := range 5 {
		write(t, filepath.Join(inner, "data_batch_"+string(rune('1'+batch))+".bin"), cifarRecord(byte(batch)))
	}
	for _, path := range []string{dir, inner} {
		s, err := Open("cifar10:"+path, Test)
		if err != nil {
			t.Fatal(err)
		}
		if s.N != 2 || s.H != 32 || s.W != 32 || s.C != 3 || !slices.Equal(s.Labels, []int{3, 9}) || s.Classes[9] != "truck" {
			t.Errorf("%s: %d images of %dx%dx%d, labels %v", path, s.N, s.H, s.W, s.C, s.Labels)
		}
		for p := range 1024 { // planes become pixels
			got := s.Image(1)[3*p : 3*p+3]
			if want := []byte{byte(p + 9), byte(2*p + 9), byte(3*p + 9)}; !bytes.Equal(got, want) {
				t.Fatalf("pixel %d is %v, want %v", p, got, want)
			}
		}
	}
	s, err := Open("cifar10:"+dir, Train)
	if err != nil || !slices.Equal(s.Labels, []int{0, 1, 2, 3, 4}) || len(s.Pixels) != 5*3072 {
		t.Fatalf("train: %v, %v", s, err)
	}
	file := filepath.Join(inner, "test_batch.bin")
	if s, err := Open("cifar10:"+file, Test); err != nil || s.N != 2 {
		t.Errorf("one file: %v, %v", s, err)
	}
	if whole(t, "cifar10:"+dir, Train) || whole(t, "cifar10:"+file, Test) || whole(t, "cifar10:"+filepath.Join(inner, "data_batch_2.bin"), Train) {
		t.Error("files whose names say what they are for count as a set without parts")
	}
	other := filepath.Join(t.TempDir(), "images.bin")
	write(t, other, cifarRecord(1))
	if !whole(t, "cifar10:"+other, Train) {
		t.Error("a file of any name has no parts")
	}
	if s, err := Open("cifar10:"+filepath.Join(inner, "data_batch_2.bin"), Train); err != nil || s.N != 1 {
		t.Errorf("one file to train on: %v, %v", s, err)
	}
	fails(t, "cifar10:"+file, Train, "has test images")
}

func TestCIFAR10Refused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "test_batch.bin")
	fails(t, "cifar10:"+dir, Test, "test_batch.bin: no such file")
	fails(t, "cifar10:"+dir, Train, "data_batch_1.bin: no such file")
	for name, test := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":     {nil, "0 bytes are not"},
		"truncated": {cifarRecord(1)[:3072], "3072 bytes are not a whole number of 3073-byte records"},
		"cifar-100": {make([]byte, 3074), "3074 bytes are not"},
		"label":     {append(cifarRecord(1), cifarRecord(10)...), "record 1: label 10 is none of the 10 classes"},
	} {
		write(t, file, test.b)
		t.Run(name, func(t *testing.T) {
			fails(t, "cifar10:"+dir, Test, test.want)
			fails(t, "cifar10:"+dir, Test, file)
		})
	}
}

func TestSharedCIFAR10(t *testing.T) {
	s, err := Open("cifar10:"+filepath.Join(realdata.Path(t), "cifar10", "test_first1000.bin"), Test)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, 10)
	for _, label := range s.Labels {
		counts[label]++
	}
	if want := []int{103, 89, 100, 103, 90, 86, 112, 102, 106, 109}; s.N != 1000 || !slices.Equal(counts, want) {
		t.Errorf("%d images, classes %v, want %v", s.N, counts, want)
	}
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > len(s.Pixels)*4/5 {
		t.Errorf("%d bytes of pixels take %d", len(s.Pixels), len(b))
	}
	back, err := Decode(b)
	if err != nil || !bytes.Equal(back.Pixels, s.Pixels) || !slices.Equal(back.Labels, s.Labels) {
		t.Errorf("decoded it differs: %v", err)
	}
}

func TestCIFAR100(t *testing.T) {
	dir := t.TempDir()
	record := append([]byte{19, 99}, bytes.Repeat([]byte{1}, 1024)...)
	record = append(append(record, bytes.Repeat([]byte{2}, 1024)...), bytes.Repeat([]byte{3}, 1024)...)
	write(t, filepath.Join(dir, "cifar-100-binary", "test.bin"), slices.Concat(record, record))
	write(t, filepath.Join(dir, "cifar-100-binary", "train.bin"), record)
	s, err := Open("cifar100:"+dir, Test)
	if err != nil || s.N != 2 || !slices.Equal(s.Labels, []int{99, 99}) || s.Classes[99] != "worm" || len(s.Classes) != 100 ||
		!bytes.Equal(s.Image(1)[3069:], []byte{1, 2, 3}) || !slices.IsSorted(s.Classes) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := Open("cifar100:"+dir, Train); err != nil || s.N != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	write(t, filepath.Join(dir, "cifar-100-binary", "test.bin"), append(record, 1))
	fails(t, "cifar100:"+dir, Test, "test.bin: 3075 bytes are not a whole number of 3074-byte records")
}
