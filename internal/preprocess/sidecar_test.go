package preprocess

import (
	"encoding/binary"
	"encoding/json"
	"image"
	_ "image/jpeg"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zaq/internal/realdata"
)

const detector = `{
 "task": "detection",
 "preprocess": {"input": "input.1", "mean": [1, 2, 3], "color": "bgr", "size": [4, 6], "resize": "stretch"},
 "classes": "names/classes.txt", "num_classes": 3,
 "decoder": {"type": "nanodet", "bins": 8},
 "licence": "MIT", "version": 1.50
}`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadSidecar(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "net.onnx")
	if s, err := LoadSidecar(model); s != nil || err != nil {
		t.Fatalf("without a sidecar: %+v, %v", s, err)
	}
	write(t, filepath.Join(dir, "net.json"), detector)
	s, err := LoadSidecar(model)
	if err != nil {
		t.Fatal(err)
	}
	want := &Sidecar{Task: "detection", Classes: "names/classes.txt", NumClasses: 3,
		Preprocess: Spec{Input: "input.1", Scale: 1, Mean: []float64{1, 2, 3}, Std: []float64{1, 1, 1},
			Color: "bgr", Size: [2]int{4, 6}, Resize: "stretch"},
		Decoder: json.RawMessage(`{"type": "nanodet", "bins": 8}`),
		Extra:   map[string]json.RawMessage{"licence": json.RawMessage(`"MIT"`), "version": json.RawMessage("1.50")},
		Path:    filepath.Join(dir, "net.json"),
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestSidecarRefused(t *testing.T) {
	tests := []struct{ json, want string }{
		{`{`, "unexpected end"},
		{`null`, `no "preprocess"`},
		{`{"architectures": ["ResNet"]}`, `no "preprocess"`},
		{`{"preprocess": null}`, "null"},
		{`{"preprocess": {"std": [0, 1, 1]}}`, "std of channel 0 is 0"},
		{`{"preprocess": {"stdev": [1, 1, 1]}}`, "stdev"},
		{`{"preprocess": {}, "num_classes": -1}`, "num_classes is -1"},
		{`{"preprocess": {}, "num_classes": 1.5}`, "1.5"},
	}
	model := filepath.Join(t.TempDir(), "net.onnx")
	path := SidecarPath(model)
	for _, test := range tests {
		write(t, path, test.json)
		s, err := LoadSidecar(model)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v, error %v, want %q and the path in it", test.json, s, err, test.want)
		}
	}
}

func TestSidecarEncode(t *testing.T) {
	s, err := ParseSidecar([]byte(detector))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(string(b), " \n") || !json.Valid(b) {
		t.Errorf("not compact JSON: %s", b)
	}
	back, err := ParseSidecar(b)
	if err != nil {
		t.Fatal(err)
	}
	s.Decoder = json.RawMessage(`{"type":"nanodet","bins":8}`)
	if !reflect.DeepEqual(back, s) {
		t.Errorf("got  %+v\nwant %+v", back, s)
	}
	s.Preprocess.Scale = 0
	if b, err := s.Encode(); err == nil {
		t.Errorf("an invalid description encodes to %s", b)
	}
}

func TestClassNames(t *testing.T) {
	dir := t.TempDir()
	s := &Sidecar{Path: filepath.Join(dir, "models", "net.json"), NumClasses: 2}
	if names, err := s.ClassNames(); names != nil || err != nil {
		t.Errorf("without a file: %v, %v", names, err)
	}
	tests := []struct {
		file, text string
		want       []string
		err        string
	}{
		{"a.txt", "cat\ndog\n\n", []string{"cat", "dog"}, ""},
		{"b.txt", "cat\r\nhot dog", []string{"cat", "hot dog"}, ""},
		{"c.csv", "class_index,name\n0,cat\n1,\"dog, hot\"\n", []string{"cat", "dog, hot"}, ""},
		{"d.txt", "cat\n", nil, "d.txt: 1 names, and the model has 2 classes"},
		{"e.csv", "index,label\n0,cat\n1,dog\n", nil, `e.csv: no column "name"`},
		{"f.csv", "", nil, "no header"},
		{"g.csv", "index,name\n0\n", nil, "wrong number of fields"},
	}
	for _, test := range tests {
		write(t, filepath.Join(dir, "data", test.file), test.text)
		s.Classes = "../data/" + test.file
		names, err := s.ClassNames()
		if !reflect.DeepEqual(names, test.want) || (err == nil) != (test.err == "") ||
			err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v, want %q, %q", test.file, names, err, test.want, test.err)
		}
	}
	s.Classes = "none.txt"
	if _, err := s.ClassNames(); err == nil || !strings.Contains(err.Error(), "none.txt") {
		t.Errorf("missing file: %v", err)
	}
}

// The descriptions beside the real models load, and their class files have as many names as they say.
func TestSharedSidecars(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(realdata.Path(t), "models", "*", "*.onnx"))
	if err != nil || len(models) == 0 {
		t.Fatalf("models: %v, %v", models, err)
	}
	for _, model := range models {
		s, err := LoadSidecar(model)
		if err != nil || s == nil {
			t.Errorf("%s: %v, %v", model, s, err)
			continue
		}
		if s.Task == "" || s.Preprocess.Size[0] == 0 || len(s.Extra) > 0 {
			t.Errorf("%s: %+v", model, s)
		}
		if names, err := s.ClassNames(); err != nil || s.Classes != "" && len(names) != s.NumClasses {
			t.Errorf("%s: %d class names, %v", model, len(names), err)
		}
	}
}

// The inputs that other software made of the same images agree: exactly but for arithmetic on CIFAR-10, whose
// pixels need no decoder, and within what JPEG decoders differ by on the photographs.
func TestSharedInputs(t *testing.T) {
	data := realdata.Path(t)
	t.Run("cifar10", func(t *testing.T) {
		for _, name := range []string{"resnet20_akamaster_cifar10", "resnet20_ehanw_cifar10", "resnet8_mlperftiny_cifar10"} {
			s, err := LoadSidecar(filepath.Join(data, "models", "cifar10", name+".onnx"))
			if err != nil {
				t.Fatal(err)
			}
			records, err := os.ReadFile(filepath.Join(data, "cifar10", "test_first1000.bin"))
			if err != nil {
				t.Fatal(err)
			}
			pixels := make([]uint8, 3072)
			for i := range pixels {
				pixels[i] = records[1+i%3*1024+i/3]
			}
			got := make([]float32, len(pixels))
			s.Preprocess.ApplyNCHW(got, pixels, 1)
			want := readFloats(t, filepath.Join(data, "expected", name, "input.f32"))[:len(got)]
			for i := range got {
				if math.Abs(float64(got[i]-want[i])) > 1e-6 {
					t.Fatalf("%s: value %d is %v, want %v", name, i, got[i], want[i])
				}
			}
		}
	})
	t.Run("imagenet", func(t *testing.T) {
		s, err := LoadSidecar(filepath.Join(data, "models", "imagenet", "mobilenet_v1_0.75_224_imagenet.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(data, "imagenet", "sample500", "0000_n01440764.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		photo, _, err := image.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		var pixels []uint8
		for y := range 224 {
			for x := range 224 {
				r, g, b, _ := photo.At(x, y).RGBA()
				pixels = append(pixels, uint8(r>>8), uint8(g>>8), uint8(b>>8))
			}
		}
		got := make([]float32, len(pixels))
		s.Preprocess.ApplyNCHW(got, pixels, 1)
		want := readFloats(t, filepath.Join(data, "expected", "mobilenet_v1_0.75_224_imagenet", "input.f32"))
		var sum float64
		for i := range got {
			sum += math.Abs(float64(got[i] - want[i]))
		}
		if mean := sum / float64(len(got)); mean > 3./127.5 {
			t.Errorf("values differ by %v on average", mean)
		}
	})
}

func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, len(b)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return values
}
