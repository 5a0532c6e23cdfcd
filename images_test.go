package zaq

import (
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/dataset"
	"zaq/internal/nn"
	"zaq/internal/npy"
	"zaq/internal/onnx"
)

// Images for an input of float16 are what the file can be given: rounded.
func TestImagesOfFloat16(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images.npy")
	pixels := []uint8{0, 1, 2, 100, 200, 255}
	if err := os.WriteFile(path, npy.EncodeBytes([]int{1, 1, 2, 3}, pixels), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := dataset.OpenSource("npy:"+path, dataset.Train)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []onnx.DataType{onnx.Float, onnx.Float16} {
		net := &nn.Network{
			Inputs: []string{"x"}, Values: map[string]*nn.Value{"x": {Name: "x", Shape: []int{nn.Batch, 3, 1, 2}}},
			Ports: map[string]nn.Port{"x": {Type: typ, ChannelsLast: true}},
		}
		mean, std := []float64{0, 0, 0}, []float64{1, 1, 1}
		m := &Model{pre: Preprocessing{Scale: 1. / 255, Mean: mean, Std: std, Color: "rgb"}, loaded: loaded{net: net, input: "x"}}
		got := make([]float32, len(pixels))
		if err := m.readInputs(got, set, 0, 1, nil); err != nil {
			t.Fatal(err)
		}
		for i, p := range pixels {
			want := float32(p) * float32(1./255)
			if typ == onnx.Float16 {
				want = onnx.RoundFloat(want, onnx.Float16)
			}
			if got[i] != want {
				t.Errorf("%v: pixel %d is %v, want %v", typ, p, got[i], want)
			}
		}
	}
}
