//go:build !noasm && !race

package zaq_test

import (
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"zaq"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/realdata"
)

// Files of scheme deploy run in ONNX Runtime at every level of optimization, every convolution as an integer
// kernel, and say there what Evaluate says of them. Evaluate computes in integers. The lower levels compute on real
// values, so some of their roundings fall to the other side, and of 10,000 images a few get another class.
func TestONNXRuntime(t *testing.T) {
	data := cifar1000(t)
	m := loadCIFAR(t, "resnet20_akamaster_cifar10")
	for _, tt := range []struct {
		precision string
		floor     int // right of 1,000; the float network has 915
	}{{"w8a8", 908}, {"w4a8", 885}, {"w4a4", 840}} {
		t.Run(tt.precision, func(t *testing.T) {
			q := write(t, quantize(t, m, zaq.Options{
				Method: "rtn", Precision: tt.precision, ZAQ: zaq.ZAQOptions{Warmup: 20, Batch: 16},
			}))
			e := evaluate(t, q, data)
			t.Logf("%d of %d right", e.Top1, e.N)
			if e.Top1 < tt.floor {
				t.Errorf("%d of %d right, want %d", e.Top1, e.N, tt.floor)
			}
			optimized, extended := filepath.Join(t.TempDir(), "optimized.onnx"), filepath.Join(t.TempDir(), "extended.onnx")
			for _, at := range []struct {
				oracle.ORTOptions
				same int
			}{
				{oracle.ORTOptions{Level: oracle.Disabled}, 997},
				{oracle.ORTOptions{Level: oracle.Basic}, 997},
				{oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: extended}, 999},
				{oracle.ORTOptions{Level: oracle.All, SaveOptimized: optimized}, 999},
			} {
				if same := agreement(e.Classes, ortClasses(t, q, data, at.ORTOptions)); same < at.same {
					t.Errorf("optimization %s: ONNX Runtime gives %d of %d images the same class", at.Level, same, e.N)
				}
			}
			written, run := operators(t, q.Path()), operators(t, optimized)
			if written["Conv"] != 19 || run["QLinearConv"] != written["Conv"] || run["Conv"] != 0 {
				t.Errorf("of %d convolutions ONNX Runtime runs %d in integers and %d in float", written["Conv"], run["QLinearConv"], run["Conv"])
			}
			run = operators(t, extended)
			for name, n := range zaq.Inspect(q).Kernels {
				if run[name] != n {
					t.Errorf("Inspect predicts %d %s, ONNX Runtime runs %d", n, name, run[name])
				}
			}
		})
	}
}

// What Inspect predicts of a detector's file, with its concatenations, pools and resizing, is what ONNX Runtime runs.
func TestInspectPredictsONNXRuntime(t *testing.T) {
	m := load(t, realdata.Path(t, "models", "detection", "mobilenetv2_yolov3_nano_voc.onnx"))
	dir := t.TempDir()
	img := image.NewRGBA(image.Rect(0, 0, 320, 320))
	for i := range img.Pix {
		img.Pix[i] = uint8(i*i>>7) | uint8(255*(i%4/3))
	}
	f, err := os.Create(filepath.Join(dir, "0.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
		t.Fatal(err)
	}
	q := write(t, quantize(t, m, zaq.Options{Method: "rtn", Precision: "w8a8", CalibrationDir: dir}))
	optimized := filepath.Join(t.TempDir(), "optimized.onnx")
	x := onnx.NewFloats("input", []int64{1, 3, 320, 320}, make([]float32, 3*320*320))
	oracle.RunORT(t, q.Path(), []*onnx.Tensor{x}, oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: optimized})
	s, run := zaq.Inspect(q), operators(t, optimized)
	if s.Kernels["QLinearConv"] != 59 || s.Kernels["QLinearConcat"] != 2 {
		t.Errorf("predicted %v", s.Kernels)
	}
	for name, n := range s.Kernels {
		if run[name] != n {
			t.Errorf("Inspect predicts %d %s, ONNX Runtime runs %d", n, name, run[name])
		}
	}
	for _, l := range s.Layers {
		if l.Float != "" {
			t.Errorf("%s is predicted to stay float: %s", l.Name, l.Float)
		}
	}
}

// operators counts the nodes of a model file by operator.
func operators(t *testing.T, path string) map[string]int {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range m.Graph.Nodes {
		count[n.OpType]++
	}
	return count
}
