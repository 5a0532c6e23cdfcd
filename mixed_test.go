package zaq

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zaq/internal/nn"
)

// A size that is too small is answered with the smallest that is not, which is kept.
func TestSmallestSize(t *testing.T) {
	net, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 8, 8}, Classes: 10}, 1)
	if err != nil {
		t.Fatal(err)
	}
	file, err := nn.Export(net, nn.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := file.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, storage := range Int4Storages {
		o := Options{Method: "zeroq", Precision: "auto", Int4Storage: storage, Synth: SynthOptions{Count: 4, Steps: 2}}
		size := func(n int64) (*Result, error) {
			o.Size = n
			return Quantize(context.Background(), m, o)
		}
		_, err := size(100)
		if err == nil || !strings.HasPrefix(err.Error(), `size "100B": weights take `) {
			t.Fatalf("%s: %v", storage, err)
		}
		flag, _, _ := strings.Cut(strings.TrimPrefix(Hint(err), "--size "), " ")
		kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(flag, "kB"), 64)
		if err != nil {
			t.Fatal(err)
		}
		smallest := int64(1000*kilobytes + 0.5)
		if _, err := size(smallest - 100); err == nil || !strings.Contains(Hint(err), flag) {
			t.Errorf("%s: a tenth of a kB less than %s: %v, hint %q", storage, flag, err, Hint(err))
		}
		r, err := size(smallest)
		if err != nil || int64(r.Len()) > smallest {
			t.Errorf("%s: --size %s: %v", storage, flag, err)
		}
	}
}

func TestSizeFlag(t *testing.T) {
	for n, want := range map[int64]string{100: "100B", 60000: "60kB", 64800: "64.8kB", 999999: "999.999kB", 1000000: "1MB", 1234500: "1.2345MB"} {
		if got := sizeFlag(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
