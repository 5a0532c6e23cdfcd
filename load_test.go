package zaq

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
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

// A file that brings its own description does not look at what lies beside it; any other does.
func TestDescriptionBeside(t *testing.T) {
	net, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 8, 8}, Classes: 10}, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		metadata string
		refused  bool
	}{"own": {`{"scale": 0.5}`, false}, "none": {"", true}} {
		o := nn.ExportOptions{}
		if c.metadata != "" {
			o.Metadata = []onnx.Property{{Key: keyPreprocess, Value: c.metadata}}
		}
		file, err := nn.Export(net, o)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".onnx")
		if err := errors.Join(file.WriteFile(path), os.WriteFile(filepath.Join(dir, name+".json"), []byte("12 % right"), 0o600)); err != nil {
			t.Fatal(err)
		}
		m, err := Load(path)
		if (err != nil) != c.refused {
			t.Errorf("%s: error %v", name, err)
		}
		if err == nil && m.Preprocessing().Scale != 0.5 {
			t.Errorf("%s: %+v", name, m.Preprocessing())
		}
	}
}

// TestSource pins that the name of a model covers the weights that lie beside its file, and that it is the file's own
// digest where none do.
func TestSource(t *testing.T) {
	net, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 8, 8}, Classes: 10}, 1)
	if err != nil {
		t.Fatal(err)
	}
	file, err := nn.Export(net, nn.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	inline, external := filepath.Join(dir, "inline.onnx"), filepath.Join(dir, "external.onnx")
	if err := file.WriteFile(inline); err != nil {
		t.Fatal(err)
	}
	if err := file.WriteFileExternal(external); err != nil {
		t.Fatal(err)
	}
	name := func(path string) string {
		m, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return m.SHA256()
	}
	b, err := os.ReadFile(inline)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); name(inline) != hex.EncodeToString(sum[:]) {
		t.Error("a model in one file is not named by its digest")
	}
	before := name(external)
	data, err := filepath.Glob(filepath.Join(dir, "external.onnx?*"))
	if err != nil || len(data) != 1 {
		t.Fatal(data, err)
	}
	if b, err = os.ReadFile(data[0]); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := os.WriteFile(data[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if name(external) == before {
		t.Error("a model has the name of one with other weights")
	}
}

// Images whose height and width a file leaves open get those of its description, or those that are given.
func TestOpenInputSize(t *testing.T) {
	net, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 8, 8}, Classes: 10}, 1)
	if err != nil {
		t.Fatal(err)
	}
	file, err := nn.Export(net, nn.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for axis := 2; axis < 4; axis++ {
		file.Graph.Inputs[0].Shape[axis] = onnx.Dim{Size: -1, Param: "side"}
	}
	path := filepath.Join(t.TempDir(), "open.onnx")
	if err := file.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path)
	if err == nil || !strings.Contains(err.Error(), "size of axis 2 must be known") || !strings.Contains(Hint(err), "--input-size") || !strings.Contains(Hint(err), "MODEL.json") {
		t.Errorf("without a size: %v, hint %q", err, Hint(err))
	}
	expect := func(height, width int, o ...LoadOption) {
		t.Helper()
		m, err := Load(path, o...)
		if err != nil {
			t.Error(err)
			return
		}
		if shape, size := m.net.Values[m.input].Shape, [2]int{height, width}; [2]int(shape[2:]) != size || m.pre.Size != size {
			t.Errorf("the input has shape %v, images %v, want %v", shape, m.pre.Size, size)
		}
	}
	expect(16, 24, WithInputSize(16, 24))
	if err := os.WriteFile(preprocess.SidecarPath(path), []byte(`{"preprocess": {"scale": 1, "size": [8, 16]}}`), 0o666); err != nil {
		t.Fatal(err)
	}
	expect(8, 16)
	expect(16, 24, WithInputSize(16, 24))
}
