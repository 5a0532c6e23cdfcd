//go:build !noasm && !race

package zaq_test

import (
	"flag"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"zaq"
	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/preprocess"
	"zaq/internal/realdata"
)

var (
	images    = flag.Int("images", 0, "pictures on which TestSharedFiles compares each file; 0: two, at w4a4 alone")
	quantized = flag.String("quantized", "", "folder with files MODEL.METHOD.PRECISION.onnx, as docs/results/models.sh leaves them, for TestSharedFiles in place of its own")
)

// sharedFiles are the shared models, and pictures for each. Those that detect are compared element by element, the
// others by the class they give.
var sharedFiles = []struct {
	path, pictures string
	detects        bool
}{
	{"cifar10/resnet20_akamaster_cifar10", "", false},
	{"cifar10/resnet20_ehanw_cifar10", "", false},
	{"cifar10/resnet8_mlperftiny_cifar10", "", false},
	{"imagenet/mobilenet_v1_0.75_224_imagenet", "imagenet/sample500", false},
	{"imagenet/mobilenet_v2_1.0_224_int8grid_bnfolded_imagenet", "imagenet/sample500", false},
	{"detection/mobilenetv2_yolov3_nano_voc", "detection/voc100/images", true},
	{"detection/yolo_fastest_1.1_coco", "detection/voc100/images", true},
	{"wild/nanodet_m", "detection/voc100/images", true},
	{"wild/version-RFB-320", "detection/voc100/images", true},
}

// Every shared model, quantized, loads in ONNX Runtime at every level of optimization, and where that computes in integers says what
// zaq eval computes with: the same class for 99.5 % of the images; of detectors' outputs all but 2 % of the elements within a step
// of an 8-bit grid. The two lower levels compute on real values: one rounding that falls to the other side moves a whole step of 4 bits, and
// what follows from it; there classes are compared, and what becomes of maps is only logged.
func TestSharedFiles(t *testing.T) {
	n, precisions := *images, []string{"w8a8", "w4a8", "w4a4"}
	if n == 0 {
		n, precisions = 2, precisions[2:]
	}
	for _, s := range sharedFiles {
		for _, precision := range precisions {
			t.Run(filepath.Base(s.path)+"/"+precision, func(t *testing.T) {
				files := []string{""}
				if *quantized != "" {
					files, _ = filepath.Glob(filepath.Join(*quantized, filepath.Base(s.path)+".*."+precision+".onnx"))
					if len(files) == 0 {
						t.Skip("no such file in " + *quantized)
					}
				}
				float := load(t, realdata.Path(t, "models", s.path+".onnx"))
				for _, file := range files {
					var q *zaq.Model
					if file == "" {
						q = write(t, quantize(t, float, roundingOptions(float, precision)))
					} else {
						q = load(t, file)
					}
					comparePictures(t, q, pictures(t, float, s.pictures, n), s.detects)
				}
			})
		}
	}
}

// roundingOptions take ranges from statistics where there are any: that is fast.
func roundingOptions(m *zaq.Model, precision string) zaq.Options {
	o := zaq.Options{Method: "rtn", Precision: precision}
	if zaq.Inspect(m).BatchNorms > 0 {
		o.Images = "statistics"
	}
	return o
}

// pictures returns the first n as [n, C, H, W] for the model; of CIFAR-10 where dir is "".
func pictures(t *testing.T, m *zaq.Model, dir string, n int) *onnx.Tensor {
	t.Helper()
	spec := "imagefolder:" + filepath.Join(realdata.Path(t), dir)
	if dir == "" {
		spec = cifar1000(t)
	}
	set, err := dataset.OpenSource(spec, dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	pre := preprocess.Spec(m.Preprocessing())
	h, w := pre.Size[0], pre.Size[1]
	x := make([]float32, n*3*h*w)
	err = set.Each(0, n, func(i int, img *dataset.Image) error {
		pixels, err := pre.Fit(img.Pixels, img.H, img.W)
		if err == nil {
			pre.ApplyNCHW(x[i*3*h*w:(i+1)*3*h*w], pixels, 1)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return onnx.NewFloats(zaq.Inspect(m).Inputs[0].Name, []int64{int64(n), 3, int64(h), int64(w)}, x)
}

func comparePictures(t *testing.T, q *zaq.Model, x *onnx.Tensor, detects bool) {
	t.Helper()
	want := evaluated(t, q, x)
	name := filepath.Base(q.Path())
	file, err := onnx.ReadFile(q.Path())
	if err != nil {
		t.Fatal(err)
	}
	batch := file.Graph.Inputs[0].Shape[0].Size // some files have one of 1
	if batch < 1 {
		batch = min(50, x.Dims[0])
	}
	for _, level := range []string{oracle.Disabled, oracle.Basic, oracle.Extended, oracle.All} {
		integers := level == oracle.Extended || level == oracle.All
		got := make([][]float32, len(want))
		values, err := x.Floats()
		if err != nil {
			t.Fatal(err)
		}
		for images := range slices.Chunk(values, int(batch)*len(values)/int(x.Dims[0])) {
			dims := slices.Clone(x.Dims)
			dims[0] = int64(len(images)) / (dims[1] * dims[2] * dims[3])
			for i, out := range oracle.RunORT(t, q.Path(), []*onnx.Tensor{onnx.NewFloats(x.Name, dims, images)}, oracle.ORTOptions{Level: level}) {
				v, err := out.Floats()
				if err != nil {
					t.Fatal(err)
				}
				got[i] = append(got[i], v...)
			}
		}
		if !detects {
			n := int(x.Dims[0])
			same := agreement(classesOf(want[0], n), classesOf(got[0], n))
			t.Logf("%s, %s: the same class for %d of %d", name, level, same, n)
			if least := map[bool]float64{true: 0.995, false: 0.9}[integers]; float64(same) < least*float64(n) {
				t.Errorf("%s, %s: ONNX Runtime gives %d of %d the same class", name, level, same, n)
			}
			continue
		}
		for i := range want {
			far, off, top := distances(got[i], want[i])
			t.Logf("%s, %s: output %d: %.3f %% of %d elements off by more than a step, largest difference %.2g of %.3g", name, level, i, 100*far, len(want[i]), off, top)
			if integers && far > 0.02 {
				t.Errorf("%s, %s: output %d: %.2f %% of the elements are off by more than a step", name, level, i, 100*far)
			}
		}
	}
}

// evaluated returns the outputs that zaq eval computes with.
func evaluated(t *testing.T, q *zaq.Model, x *onnx.Tensor) [][]float32 {
	t.Helper()
	file, err := onnx.ReadFile(q.Path())
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.Import(file)
	if err != nil {
		t.Fatal(err)
	}
	nn.InIntegers(net)
	p, err := engine.NewPredictor(net, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	values, err := x.Floats()
	if err != nil {
		t.Fatal(err)
	}
	outputs := make([][]float32, len(net.Outputs))
	plane := int(x.Dims[2] * x.Dims[3])
	for image := range slices.Chunk(values, len(values)/int(x.Dims[0])) {
		in := p.Input()
		for i, v := range image {
			in[i%plane*3+i/plane] = v
		}
		if err := p.Run(); err != nil {
			t.Fatal(err)
		}
		for i := range outputs {
			outputs[i] = append(outputs[i], p.Output(i)...)
		}
	}
	return outputs
}

// distances returns the share of elements of a that are off from b's by more than a 255th of what b spans, the largest
// difference, and b's largest element.
func distances(a, b []float32) (far, off, top float64) {
	if len(a) != len(b) {
		return 1, math.Inf(1), 0
	}
	step := float64(slices.Max(b)-slices.Min(b)) / 255 * 1.001
	n := 0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if !(d <= step) {
			n++
		}
		off, top = max(off, d), max(top, math.Abs(float64(b[i])))
	}
	return float64(n) / float64(len(a)), off, top
}

// classesOf returns the largest of the logits of each of n images.
func classesOf(logits []float32, n int) (classes []int) {
	for row := range slices.Chunk(logits, len(logits)/n) {
		classes = append(classes, slices.Index(row, slices.Max(row)))
	}
	return classes
}
