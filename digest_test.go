package zaq

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// records are CIFAR-10 images of one colour each, from first to below end.
func records(first, end int) []byte {
	var b []byte
	for i := first; i < end; i++ {
		b = append(b, byte(i%10))
		b = append(b, bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 3*32*32/2)...)
	}
	return b
}

// Images to learn from are refused where they are those of the test, under whatever name and label; one in a hundred is counted.
func TestOwnImages(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return "cifar10:" + path
	}
	relabelled := records(0, 200)
	relabelled[0] = 9
	test, err := SumTestImages(write("t.bin", records(0, 200)), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		images []byte
		seen   int
		fails  bool
	}{
		{"others", records(200, 400), 0, false},
		{"a stray one", records(199, 399), 1, false},
		{"more than one in a hundred", records(197, 397), 0, true},
		{"few, all of them", records(10, 15), 0, true},
		{"all, one with another label", relabelled, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			own, err := new(Model).OwnImages(Options{Method: "ft", Data: write("own.bin", tt.images)}, test)
			var option *OptionError
			switch {
			case tt.fails:
				if !errors.As(err, &option) || option.Option != "data" || Hint(err) == "" {
					t.Errorf("error %v", err)
				}
			case err != nil || own.Seen != tt.seen || own.Digest == "":
				t.Errorf("%+v, %v", own, err)
			}
		})
	}
}

// Cells that were made keep their digests.
func TestSumTestImages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.bin")
	if err := os.WriteFile(path, records(0, 3), 0o644); err != nil {
		t.Fatal(err)
	}
	sum, err := SumTestImages("cifar10:"+path, 2)
	if want := "289d3d9c2333cfb9cf41cdfdb0582c476464fa19480ef0dcf2cd0d5a33dceddb"; err != nil || sum.Digest != want {
		t.Errorf("digest %s, %v, want %s", sum.Digest, err, want)
	}
}
