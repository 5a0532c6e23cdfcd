//go:build !noasm && !race

package infer_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zaq"
	"zaq/infer"
	"zaq/internal/dataset"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/preprocess"
	"zaq/internal/realdata"
)

// cifarPixels returns test images as [H, W, C] bytes.
func cifarPixels(t testing.TB, first, n int) []uint8 {
	t.Helper()
	b, err := os.ReadFile(realdata.Path(t, "cifar10", "test_first1000.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var pixels []uint8
	for i := first; i < first+n; i++ {
		image := b[i*3073+1 : (i+1)*3073]
		for j := range 1024 {
			pixels = append(pixels, image[j], image[1024+j], image[2048+j])
		}
	}
	return pixels
}

// shared is a model of the shared data with pictures for it.
type shared struct {
	name, path string
	pictures   string // directory, "" for CIFAR-10
}

var sharedModels = []shared{
	{"resnet20", "cifar10/resnet20_akamaster_cifar10.onnx", ""},
	{"resnet8", "cifar10/resnet8_mlperftiny_cifar10.onnx", ""},
	{"mobilenet v1", "imagenet/mobilenet_v1_0.75_224_imagenet.onnx", "imagenet/sample500"},
	{"mobilenet v2", "imagenet/mobilenet_v2_1.0_224_int8grid_bnfolded_imagenet.onnx", "imagenet/sample500"},
	{"yolo nano", "detection/mobilenetv2_yolov3_nano_voc.onnx", "detection/voc100/images"},
	{"yolo fastest", "detection/yolo_fastest_1.1_coco.onnx", "detection/voc100/images"},
}

// files returns the model's pictures number first to first+n.
func (s *shared) files(t testing.TB, first, n int) []string {
	t.Helper()
	dir := realdata.Path(t, s.pictures)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries[first : first+n] {
		files = append(files, filepath.Join(dir, e.Name()))
	}
	return files
}

// input returns pictures as the input of the model.
func (s *shared) input(t testing.TB, m *zaq.Model, first, n int) infer.Tensor {
	t.Helper()
	spec := preprocess.Spec(m.Preprocessing())
	h, w := spec.Size[0], spec.Size[1]
	x := infer.Tensor{Shape: []int{n, 3, h, w}, Data: make([]float32, n*3*h*w)}
	if s.pictures == "" {
		spec.ApplyNCHW(x.Data, cifarPixels(t, first, n), n)
		return x
	}
	for i, file := range s.files(t, first, n) {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		size := img.Bounds().Size()
		pixels, err := spec.Fit(dataset.RGB(img), size.Y, size.X)
		if err != nil {
			t.Fatal(err)
		}
		spec.ApplyNCHW(x.Data[i*3*h*w:(i+1)*3*h*w], pixels, 1)
	}
	return x
}

// quantize rounds the model, with ranges from real pictures, and writes it.
func (s *shared) quantize(t testing.TB, precision string) *zaq.Model {
	t.Helper()
	m, err := zaq.Load(realdata.Path(t, "models", s.path))
	if err != nil {
		t.Fatal(err)
	}
	calib := t.TempDir()
	if s.pictures == "" {
		pixels := cifarPixels(t, 900, 16)
		for i := range 16 {
			img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
			for j := range 1024 {
				p := pixels[(i*1024+j)*3:]
				img.Set(j%32, j/32, color.NRGBA{p[0], p[1], p[2], 255})
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(calib, fmt.Sprint(i, ".png")), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		for _, file := range s.files(t, 0, 4) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(calib, filepath.Base(file)), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := zaq.Quantize(context.Background(), m, zaq.Options{Method: "rtn", Precision: precision, CalibrationDir: calib})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model."+precision+".onnx")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if m, err = zaq.Load(path); err != nil {
		t.Fatal(err)
	}
	return m
}

func load(t testing.TB, path string, opts ...infer.Option) *infer.Program {
	t.Helper()
	p, err := infer.Load(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ortIntegers returns every 8-bit tensor that ONNX Runtime computes, by name, and its outputs.
func ortIntegers(t *testing.T, path string, x *onnx.Tensor) map[string]*onnx.Tensor {
	t.Helper()
	optimized := filepath.Join(t.TempDir(), "optimized.onnx")
	one := &onnx.Tensor{}
	*one = *onnx.NewFloats(x.Name, x.Dims, mustFloats(t, x))
	oracle.RunORT(t, path, []*onnx.Tensor{one}, oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: optimized})
	m, err := onnx.ReadFile(optimized)
	if err != nil {
		t.Fatal(err)
	}
	integer := map[string]onnx.DataType{}
	types := map[string]onnx.DataType{}
	for _, c := range m.Graph.Initializers {
		types[c.Name] = c.Type
	}
	zero := map[string]int{ // the input that is the output's zero point
		"QuantizeLinear": 2, "QLinearConv": 7, "QLinearAdd": 7, "QLinearMul": 7, "QLinearGlobalAveragePool": 4, "QLinearAveragePool": 4,
		"QLinearConcat": 1, "QLinearLeakyRelu": 4, "QLinearSigmoid": 4, "QGemm": 8,
	}
	for _, n := range m.Graph.Nodes {
		if at, ok := zero[n.OpType]; ok {
			if at < len(n.Inputs) && n.Inputs[at] != "" {
				integer[n.Outputs[0]] = types[n.Inputs[at]]
			}
		} else if typ, ok := integer[n.Inputs[0]]; ok && n.OpType != "DequantizeLinear" && n.OpType != "QGemm" {
			integer[n.Outputs[0]] = typ
		}
	}
	have := map[string]bool{}
	for _, o := range m.Graph.Outputs {
		have[o.Name] = true
	}
	for name, typ := range integer {
		if !have[name] {
			m.Graph.Outputs = append(m.Graph.Outputs, &onnx.ValueInfo{Name: name, Type: typ})
		}
	}
	if err := m.WriteFile(optimized); err != nil {
		t.Fatal(err)
	}
	out := map[string]*onnx.Tensor{}
	for _, y := range oracle.RunORT(t, optimized, []*onnx.Tensor{x}, oracle.ORTOptions{Level: oracle.Disabled}) {
		out[y.Name] = y
	}
	return out
}

func mustFloats(t testing.TB, x *onnx.Tensor) []float32 {
	t.Helper()
	v, err := x.Floats()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// integerNames maps the real values of a file that are dequantized tensors to the names of those.
func integerNames(t testing.TB, path string) map[string]string {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, n := range m.Graph.Nodes {
		if n.OpType == "DequantizeLinear" {
			names[n.Outputs[0]] = n.Inputs[0]
		}
	}
	return names
}

// compareORT checks a program against ONNX Runtime on a batch of images: every integer tensor that both have, and the
// outputs. It returns how many integer tensors it compared and how many integers they have, and how many elements of the real outputs differ.
func compareORT(t *testing.T, p *infer.Program, path string, x infer.Tensor) (tensors, integers, differ int) {
	t.Helper()
	in := p.Inputs()[0]
	dims := make([]int64, len(x.Shape))
	for i, d := range x.Shape {
		dims[i] = int64(d)
	}
	want := ortIntegers(t, path, onnx.NewFloats(in.Name, dims, x.Data))
	names := integerNames(t, path)
	images := x.Shape[0]
	n := len(x.Data) / images
	out, err := p.Run(context.Background(), []infer.Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	wrong := map[string]int{}
	var order []string
	for i := range images {
		shape := slices.Clone(x.Shape)
		shape[0] = 1
		alone, err := p.Integers([]infer.Tensor{{Shape: shape, Data: x.Data[i*n : (i+1)*n]}}, func(name string, q []uint8) {
			w := want[names[name]]
			if w == nil {
				return
			}
			if i == 0 {
				tensors++
				order = append(order, name)
			}
			b, err := w.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			shift := uint8(0)
			if w.Type == onnx.Int8 {
				shift = 128
			}
			if len(b) != images*len(q) {
				t.Fatalf("%s: %d elements, want %d", name, images*len(q), len(b))
			}
			integers += len(q)
			for k, v := range q {
				if v != b[i*len(q)+k]+shift {
					wrong[name]++
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for k, y := range alone {
			each := len(y.Data)
			if !slices.Equal(y.Data, out[k].Data[i*each:(i+1)*each]) {
				t.Errorf("image %d: output %q is another in a batch: %v, alone %v", i, y.Name, out[k].Data[i*each:(i+1)*each], y.Data)
			}
		}
	}
	for _, name := range order {
		if wrong[name] > 0 {
			t.Errorf("%s: %d elements differ", name, wrong[name])
		}
	}
	for _, y := range out {
		for k, v := range mustFloats(t, want[y.Name]) {
			if v != y.Data[k] {
				differ++
				if math.Abs(float64(v-y.Data[k])) > 1e-5*math.Abs(float64(v))+1e-5 {
					t.Errorf("output %q: element %d is %g, want %g", y.Name, k, y.Data[k], v)
				}
			}
		}
	}
	return tensors, integers, differ
}

// images is how many pictures of each network are compared with ONNX Runtime: 100 for the table in docs/inference.md.
var images = flag.Int("images", 0, "pictures of each network to compare; 0: a few")

// Every integer of every tensor is the one that ONNX Runtime computes.
func TestBitsOfONNXRuntime(t *testing.T) {
	for _, s := range sharedModels {
		n, at := 100, 100
		if s.pictures != "" {
			n, at = 1, 5
		}
		if testing.Short() {
			n = 1
		}
		if *images > 0 {
			n = *images
		}
		precisions := []string{"w8a8", "w4a8", "w4a4"}
		if s.pictures != "" && *images == 0 {
			precisions = precisions[2:]
		}
		for _, precision := range precisions {
			t.Run(s.name+"/"+precision, func(t *testing.T) {
				m := s.quantize(t, precision)
				p := load(t, m.Path(), infer.WithThreads(1))
				tensors, integers, differ := 0, 0, 0
				for first := 0; first < n; first += at {
					k, i, d := compareORT(t, p, m.Path(), s.input(t, m, first, min(at, n-first)))
					tensors, integers, differ = k, integers+i, differ+d
				}
				t.Logf("%d images: %d integers of %d tensors compared, %d elements of the outputs differ in their last bits", n, integers, tensors, differ)
				if tensors < 10 {
					t.Errorf("%d tensors compared", tensors)
				}
			})
		}
	}
}
