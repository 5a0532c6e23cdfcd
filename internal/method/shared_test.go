//go:build !noasm && !race

package method

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/preprocess"
	"zaq/internal/quant"
	"zaq/internal/realdata"
)

// sharedModel is a real network with an image for it.
type sharedModel struct {
	net   *nn.Network
	image []float32 // NCHW
}

// sharedModels returns all of them by name; it skips the test where there are none.
func sharedModels(t *testing.T) map[string]sharedModel {
	t.Helper()
	files := realdata.Glob(t, "models", "*", "*.onnx")
	models := make(map[string]sharedModel)
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".onnx")])
		m, err := onnx.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		net, err := nn.Import(m)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(realdata.Path(t, "expected", name, "input.f32"))
		if err != nil {
			t.Fatal(err)
		}
		image := make([]float32, len(b)/4)
		for i := range image {
			image[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		models[name] = sharedModel{net, image}
	}
	return models
}

// Every real network, rounded with the ranges of one image, loads in ONNX Runtime at every level of optimization, and
// at the two that turn it into integer kernels its outputs are there what they are here: of the elements of each at most
// 2 % are off by more than a quantization step, of an 8-bit grid over its range. The other levels compute on real values,
// where a rounding in ten thousand falls to the other side and moves much of what a deep network makes.
func TestSharedModelsInORT(t *testing.T) {
	for name, m := range sharedModels(t) {
		for _, p := range []struct {
			w, a   int
			levels []string
		}{
			{8, 8, []string{oracle.Disabled, oracle.Basic, oracle.Extended, oracle.All}},
			{4, 8, []string{oracle.All}},
			{4, 4, []string{oracle.Disabled, oracle.All}},
		} {
			t.Run(fmt.Sprintf("%s/w%da%d", name, p.w, p.a), func(t *testing.T) {
				path, back := m.quantized(t, p.w, p.a)
				want := m.outputs(t, back)
				for _, level := range p.levels {
					in := onnx.NewFloats(back.Inputs[0], []int64{1, int64(back.Values[back.Inputs[0]].Shape[1]), int64(back.Values[back.Inputs[0]].Shape[2]), int64(back.Values[back.Inputs[0]].Shape[3])}, m.image)
					got := oracle.RunORT(t, path, []*onnx.Tensor{in}, oracle.ORTOptions{Level: level})
					for i, o := range got {
						v, err := o.Floats()
						if err != nil {
							t.Fatal(err)
						}
						off, db := compare(v, want[i])
						t.Logf("%s: output %q: %.2f %% beyond a step, %.1f dB", level, o.Name, 100*off, db)
						integers := level == oracle.Extended || level == oracle.All
						if len(v) != len(want[i]) || integers && off > 0.02 || db < 10 {
							t.Errorf("%s: output %q: %.2f %% of the elements are off by more than a step", level, o.Name, 100*off)
						}
					}
				}
			})
		}
	}
}

// compare returns the share of elements that differ by more than a 255th of the range of want, and the signal to noise.
func compare(got, want []float32) (off, db float64) {
	lo, hi := want[0], want[0]
	for _, v := range want {
		lo, hi = min(lo, v), max(hi, v)
	}
	step := float64(hi-lo) / 255
	for i, v := range want {
		if !(math.Abs(float64(got[i]-v)) <= 1.001*step) {
			off++
		}
	}
	return off / float64(len(want)), quant.SQNR(want, got)
}

// quantized writes the network, rounded with the ranges of its image, and reads it back.
func (m sharedModel) quantized(t *testing.T, wbits, abits int) (path string, back *nn.Network) {
	t.Helper()
	trunk, tail := nn.Cut(m.net)
	o := tiny(t)
	o.Place = nn.PlaceOptions{Scheme: nn.Deploy, WBits: wbits, ABits: abits}
	o.Pixels = pixelsOf(m.image)
	o.Observer = "minmax"
	o.Images = nhwcOf(m.image, m.net.Values[m.net.Inputs[0]].Shape[1:])
	o.Generator.Batch = 1
	r, err := RTN(context.Background(), trunk, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("agreement %.3f", r.Agreement)
	if err := nn.FoldBatchNorm(r.Net); err != nil {
		t.Fatal(err)
	}
	whole, err := nn.Join(r.Net, tail)
	if err != nil {
		t.Fatal(err)
	}
	file, err := nn.Export(whole, nn.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "model.onnx")
	if err := file.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if file, err = onnx.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if back, err = nn.Import(file); err != nil {
		t.Fatal(err)
	}
	return path, back
}

// outputs returns what the file says, computed in integers.
func (m sharedModel) outputs(t *testing.T, net *nn.Network) (out [][]float32) {
	t.Helper()
	net = net.Clone()
	nn.InIntegers(net)
	p, err := engine.NewPredictor(net, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Input(), nhwcOf(m.image, net.Values[net.Inputs[0]].Shape[1:]))
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	for i := range net.Outputs {
		out = append(out, p.Output(i))
	}
	return out
}

// pixelsOf returns a preprocessing whose pixels span the values of an image.
func pixelsOf(image []float32) *preprocess.Spec {
	lo, hi := image[0], image[0]
	for _, v := range image {
		lo, hi = min(lo, v), max(hi, v)
	}
	scale := float64(hi-lo) / 255
	mean := -float64(lo)
	return &preprocess.Spec{Scale: scale, Mean: []float64{mean, mean, mean}, Std: []float64{1, 1, 1}, Color: "rgb"}
}

func nhwcOf(x []float32, shape []int) []float32 {
	y := make([]float32, len(x))
	c, plane := shape[0], shape[1]*shape[2]
	for i, v := range x {
		y[i%plane*c+i/plane] = v
	}
	return y
}
