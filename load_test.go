package zaq

import (
	"reflect"
	"testing"

	"zaq/internal/preprocess"
)

// TestMetadata pins that a file tells what was written into it.
func TestMetadata(t *testing.T) {
	q := &Quantized{
		Method: "zaq", Precision: "w4a4", Scheme: "deploy", Seed: 1 << 63, Kernels: "avx2", Version: "v1", Source: "ab12",
	}
	p := Preprocessing{Scale: 1. / 255, Mean: []float64{0.5}, Std: []float64{0.25}, Color: "gray", Size: [2]int{28, 28}}
	properties, err := q.metadata(p)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]string{}
	for _, m := range properties {
		read[m.Key] = m.Value
	}
	if got := quantized(read); !reflect.DeepEqual(got, q) {
		t.Errorf("got %+v, want %+v", got, q)
	}
	spec, err := preprocess.Parse([]byte(read[keyPreprocess]))
	if err != nil {
		t.Fatal(err)
	}
	if got := Preprocessing(*spec); !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, want %+v", got, p)
	}
	if quantized(map[string]string{"other": "1"}) != nil {
		t.Error("a float model is taken for a quantized one")
	}
	if _, err := q.metadata(Preprocessing{}); err == nil {
		t.Error("preprocessing that cannot be is written")
	}
}
