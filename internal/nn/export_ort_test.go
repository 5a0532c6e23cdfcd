package nn

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
	"zaq/internal/realdata"
)

// cifarImages returns the first test images as the input of a model, prepared as the file beside it says.
func cifarImages(t *testing.T, model string, images int) []float32 {
	t.Helper()
	var about struct {
		Preprocess struct {
			Scale     float32
			Mean, Std []float32
		}
	}
	b, err := os.ReadFile(realdata.Path(t, "models", "cifar10", model+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &about); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(realdata.Path(t, "cifar10", "test_first1000.bin")); err != nil {
		t.Fatal(err)
	}
	p := about.Preprocess
	var x []float32
	for i := range images {
		for j, pixel := range b[i*3073+1 : (i+1)*3073] {
			c := j / 1024
			x = append(x, (float32(pixel)*p.Scale-p.Mean[c])/p.Std[c])
		}
	}
	return x
}

// write exports n to a file.
func write(t *testing.T, n *Network, o ExportOptions) (path string, back *Network) {
	t.Helper()
	m := export(t, n, o)
	path = filepath.Join(t.TempDir(), "model.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path, reimport(t, m)
}

// input makes ONNX Runtime's input of a batch of images.
func input(n *Network, x []float32) []*onnx.Tensor {
	v := n.Values[n.Inputs[0]]
	d := dims(v.Shape)
	d[0] = int64(len(x) / size(v.Shape))
	return []*onnx.Tensor{onnx.NewFloats(v.Name, d, x)}
}

func floats(t *testing.T, x *onnx.Tensor) []float32 {
	t.Helper()
	v, err := x.Floats()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// operators counts the nodes of a model file by operator.
func operators(t *testing.T, path string) map[string]int {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, n := range m.Graph.Nodes {
		count[n.OpType]++
	}
	return count
}

// top returns the index of the largest of each row of ten.
func top(logits []float32) (best []int) {
	for row := range slices.Chunk(logits, 10) {
		best = append(best, slices.Index(row, slices.Max(row)))
	}
	return best
}

// Quantized files load in ONNX Runtime at every level of optimization and compute what their import
// computes. Of deploy files nothing stays float between the image and the logits.
//
// Integers leave no room: deploy files agree to a rare rounding of a sum, one step of one element. A paper
// file adds floats, in an order that the runtime chooses, and at 4 bits one element that rounds the other way
// early in the network moves many later.
func TestORT(t *testing.T) {
	tests := []struct {
		scheme, precision, storage string
		levels                     []string
		db                         float64
	}{
		{Deploy, "w8a8", "", []string{oracle.Disabled}, 40},
		{Deploy, "w4a8", Int4Wide, nil, 40},
		{Deploy, "w4a4", Int4Packed, []string{oracle.Disabled, oracle.Basic, oracle.All}, 40},
		{Deploy, "w2a3", "", nil, 40},
		{Paper, "w4a4", "", []string{oracle.Disabled}, 12},
		{Paper, "w8a8", Int4Wide, nil, 35},
	}
	for _, model := range cifarModels {
		float := importFile(t, "cifar10", model+".onnx")
		if err := FoldBatchNorm(float); err != nil {
			t.Fatal(err)
		}
		const batch = 2
		x := cifarImages(t, model, batch)
		values := evaluate(t, float, x, batch)
		out := float.Outputs[0]
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s/%s/%s", model, tt.scheme, tt.precision), func(t *testing.T) {
				p, err := quant.ParsePrecision(tt.precision)
				if err != nil {
					t.Fatal(err)
				}
				n := float.Clone()
				sites, err := Place(n, PlaceOptions{Scheme: tt.scheme, WBits: p.W, ABits: p.A})
				if err != nil {
					t.Fatal(err)
				}
				calibrate(t, sites, values)
				path, back := write(t, n, ExportOptions{Int4Storage: tt.storage})
				want := evaluate(t, back, x, batch)[out]
				check := func(o oracle.ORTOptions) {
					y := oracle.RunORT(t, path, input(n, x), o)
					got := floats(t, y[0])
					if db := quant.SQNR(want, got); y[0].Name != out || db < tt.db || !slices.Equal(top(got), top(want)) {
						t.Errorf("level %s: %q has %.1f dB, classes %v, want %v", o.Level, y[0].Name, db, top(got), top(want))
					}
				}
				optimized := filepath.Join(t.TempDir(), "optimized.onnx")
				check(oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: optimized})
				for _, level := range tt.levels {
					check(oracle.ORTOptions{Level: level})
				}
				if tt.scheme == Deploy {
					expectInteger(t, path, optimized)
				}
			})
		}
	}
}

// expectInteger checks that ONNX Runtime made an integer kernel of every node that computes, with what
// follows it.
func expectInteger(t *testing.T, path, optimized string) {
	t.Helper()
	before, after := operators(t, path), operators(t, optimized)
	for op, kernel := range map[string]string{
		"Conv": "QLinearConv", "Gemm": "QGemm", "Add": "QLinearAdd", "GlobalAveragePool": "QLinearGlobalAveragePool",
		"AveragePool": "QLinearAveragePool", "LeakyRelu": "QLinearLeakyRelu",
	} {
		if after[kernel] != before[op] {
			t.Errorf("%d %s became %d %s", before[op], op, after[kernel], kernel)
		}
	}
	for _, op := range []string{"Conv", "FusedConv", "Relu", "Gemm"} {
		if after[op] > 0 {
			t.Errorf("%d %s left in float", after[op], op)
		}
	}
}

// Other arrangements of layers than those of the shared models.
func TestORTLayers(t *testing.T) {
	tests := []struct {
		name    string
		outputs []string
		lines   []string
		storage string
	}{
		{"relu6, depthwise, pooling", []string{"y"}, []string{
			"conv x > c1", "relu6 c1 > r1", "depthwise r1 > c2", "bn c2 > b2", "relu6 b2 > r2", "maxpool r2 > m",
			"conv m > c3", "avgpool c3 > a", "flatten a > f", "gemm f > y"}, ""},
		{"leaky", []string{"y"}, []string{
			"conv x > c1", "leaky c1 > r1", "conv r1 > c2", "add c2 r1 > s", "leaky s > r2", "flatten r2 > f", "gemm f > y"}, ""},
		{"relu6 after a sum", []string{"c3"}, []string{
			"conv x > c1", "relu6 c1 > r1", "conv r1 > c2", "add c2 r1 > s", "relu6 s > r2", "conv r2 > c3"}, Int4Wide},
		{"heads", []string{"r2", "c3"}, []string{
			"conv x > c1", "relu c1 > r1", "conv r1 > c2", "relu c2 > r2", "conv r2 > c3"}, ""},
	}
	for _, tt := range tests {
		for _, precision := range []quant.Precision{{W: 8, A: 8}, {W: 4, A: 4}} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, precision), func(t *testing.T) {
				n := sketch(t, tt.outputs, tt.lines...)
				if err := FoldBatchNorm(n); err != nil {
					t.Fatal(err)
				}
				x := noise(n, 3)
				for i := range x {
					x[i] *= 8 // beyond 6
				}
				quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: precision.W, ABits: precision.A}, x, 3)
				path, back := write(t, n, ExportOptions{Int4Storage: tt.storage})
				want := evaluate(t, back, x, 3)
				optimized := filepath.Join(t.TempDir(), "optimized.onnx")
				for _, o := range []oracle.ORTOptions{{Level: oracle.Extended, SaveOptimized: optimized}, {Level: oracle.Disabled}} {
					for _, y := range oracle.RunORT(t, path, input(n, x), o) {
						if db := quant.SQNR(want[y.Name], floats(t, y)); db < 35 {
							t.Errorf("level %s: output %q has %.1f dB", o.Level, y.Name, db)
						}
					}
				}
				expectInteger(t, path, optimized)
				if left := operators(t, optimized)["Clip"]; precision.A == 8 && left > 0 {
					t.Errorf("%d Clips left", left)
				}
			})
		}
	}
}

// A decoder of transposed convolutions runs in integers: as convolutions.
func TestORTTransposed(t *testing.T) {
	b := newGraph(13)
	x := b.input("x", 3, 12, 8)
	wide := b.node("Relu", b.node("Conv", x, b.weights(6, 3, 3, 3), nums("pads", 1, 1, 1, 1)))
	deep := b.node("Relu", b.node("Conv", wide, b.weights(8, 6, 3, 3), nums("pads", 1, 1, 1, 1), nums("strides", 2, 2)))
	up := b.node("Add", b.node("ConvTranspose", deep, b.weights(8, 6, 4, 4), nums("pads", 1, 1, 1, 1), nums("strides", 2, 2)), b.weights(6, 1, 1))
	up = b.node("BatchNormalization", up, b.weights(6), b.weights(6), b.weights(6), b.floats([]int64{6}, 1, 1, 2, 1, 2, 1))
	up = b.node("Relu", up)
	both := b.node("Concat", wide, up, num("axis", 1))
	b.output(b.node("Conv", both, b.weights(2, 12, 1, 1)))
	n := b.mustImport(t)
	images := waves(2*size(n.Values["x"].Shape[1:]), 0.4)
	float := evaluate(t, n, images, 2)[n.Outputs[0]]
	for _, precision := range []quant.Precision{{W: 8, A: 8}, {W: 4, A: 8}} {
		q := n.Clone()
		if err := FoldBatchNorm(q); err != nil {
			t.Fatal(err)
		}
		quantize(t, q, PlaceOptions{Scheme: Deploy, WBits: precision.W, ABits: precision.A}, images, 2)
		path, back := write(t, q, ExportOptions{})
		InIntegers(back)
		want := evaluate(t, back, images, 2)[n.Outputs[0]]
		if db := quant.SQNR(float, want); precision.W == 8 && db < 25 {
			t.Errorf("8 bits have %.1f dB", db)
		}
		optimized := filepath.Join(t.TempDir(), "optimized.onnx")
		y := oracle.RunORT(t, path, input(back, images), oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: optimized})
		if !slices.Equal(floats(t, y[0]), want) {
			t.Errorf("%v: ONNX Runtime computes something else", precision)
		}
		if after := operators(t, optimized); after["QLinearConv"] != 4 || after["ConvTranspose"] > 0 || after["DequantizeLinear"] > 2 {
			t.Errorf("%v: ONNX Runtime runs %v", precision, after)
		}
	}
}

// MobileNet v1 has channels that folding leaves without weights but with a bias.
func TestORTMobileNet(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	n := importFile(t, "imagenet", "mobilenet_v1_0.75_224_imagenet.onnx")
	if err := FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	x := readFloats(t, realdata.Path(t, "expected", "mobilenet_v1_0.75_224_imagenet", "input.f32"))
	quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, x, 1)
	path, back := write(t, n, ExportOptions{})
	want := evaluate(t, back, x, 1)[n.Outputs[0]]
	optimized := filepath.Join(t.TempDir(), "optimized.onnx")
	y := oracle.RunORT(t, path, input(n, x), oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: optimized})
	if db := quant.SQNR(want, floats(t, y[0])); db < 30 {
		t.Errorf("%.1f dB", db)
	}
	float := readFloats(t, realdata.Path(t, "expected", "mobilenet_v1_0.75_224_imagenet", "output0.f32"))
	if db := quant.SQNR(float, want); db < 12 {
		t.Errorf("8 bits have %.1f dB", db)
	}
	expectInteger(t, path, optimized)
}
