package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

func floatsFile(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// TestSharedModels runs every real model and compares all outputs with those of ONNX Runtime.
func TestSharedModels(t *testing.T) {
	for _, meta := range realdata.Glob(t, "expected", "*", "meta.json") {
		name := filepath.Base(filepath.Dir(meta))
		t.Run(name, func(t *testing.T) {
			file, err := onnx.ReadFile(realdata.Glob(t, "models", "*", name+".onnx")[0])
			if err != nil {
				t.Fatal(err)
			}
			net, err := nn.Import(file)
			if err != nil {
				t.Fatal(err)
			}
			x := floatsFile(t, filepath.Join(filepath.Dir(meta), "input.f32"))
			p, err := NewPredictor(net, 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			copy(p.Input(), nhwc(x, net.Values[net.Inputs[0]].Shape[1:]))
			if err := p.Run(); err != nil {
				t.Fatal(err)
			}
			for i, out := range net.Outputs {
				want := floatsFile(t, filepath.Join(filepath.Dir(meta), fmt.Sprintf("output%d.f32", i)))
				got := p.Output(i)
				if len(got) != len(want) {
					t.Fatalf("output %q has %d elements, want %d", out, len(got), len(want))
				}
				var off, largest float64
				for j, w := range want {
					off = max(off, math.Abs(float64(got[j]-w)))
					largest = max(largest, math.Abs(float64(w)))
				}
				t.Logf("output %q: off by %.1e of the largest", out, off/largest)
				if !(off <= 1e-3*largest) {
					t.Errorf("output %q: off by %g, the largest is %g", out, off, largest)
				}
			}
		})
	}
}

// nhwc reorders an image of shape [C, H, W].
func nhwc(x []float32, shape []int) []float32 {
	y := make([]float32, len(x))
	c, plane := shape[0], shape[1]*shape[2]
	for i, v := range x {
		y[i%plane*c+i/plane] = v
	}
	return y
}
