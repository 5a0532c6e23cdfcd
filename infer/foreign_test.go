//go:build !noasm && !race

package infer_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/infer"
	"zaq/internal/oracle"
)

// Files that others write are run in integers as well, and give the bits of ONNX Runtime.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	oracle.RunPython(t, "onnx", "testdata/foreign.py", dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	x := infer.Tensor{Shape: []int{3, 3, 14, 18}, Data: make([]float32, 3*3*14*18)}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			path := filepath.Join(dir, e.Name())
			for _, requant := range []string{infer.ORT, infer.Fixed} {
				p := load(t, path, infer.WithThreads(1), infer.WithRequant(requant))
				for _, s := range p.Steps() {
					if s.DType == "float32" && s.Op != "DequantizeLinear" && s.Op != "Softmax" {
						t.Errorf("step %s (%s) is not in integers", s.Name, s.Op)
					}
				}
			}
			p := load(t, path, infer.WithThreads(1))
			unsigned, signed := strings.CutPrefix(e.Name(), "s8")
			if !signed {
				if tensors, _, _ := compareORT(t, p, path, x); tensors < 13 {
					t.Errorf("%d tensors compared", tensors)
				}
				return
			}
			// ONNX Runtime makes uint8 of int8, under other names, and leaves some layers in float on the way. But the file says what
			// its twin with uint8 says.
			if got, want := first(t, p, x), first(t, load(t, filepath.Join(dir, "u8"+unsigned)), x); !slices.Equal(got, want) {
				t.Errorf("%v, with uint8 %v", got, want)
			}
		})
	}
}

// first returns the first output of a batch.
func first(t *testing.T, p *infer.Program, x infer.Tensor) []float32 {
	t.Helper()
	out, err := p.Run(context.Background(), []infer.Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Data
}
