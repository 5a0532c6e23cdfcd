package zaq

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zaq/internal/nn"
	"zaq/internal/onnx"
)

// TestFingerprint pins that every option changes the name of a run, but for those that cannot change its result.
func TestFingerprint(t *testing.T) {
	harmless := []string{"CalibrationDir", "CheckpointDir", "CheckpointEvery", "Resume", "Progress", "Log", "Profile"}
	m := &Model{pre: Preprocessing{Scale: 1, Mean: []float64{0}, Std: []float64{1}, Color: "gray"}}
	plain := fingerprint(m, Options{}, nil)
	var o Options
	var check func(v reflect.Value)
	check = func(v reflect.Value) {
		for i := range v.NumField() {
			f, name := v.Field(i), v.Type().Field(i).Name
			if slices.Contains(harmless, name) {
				continue
			}
			switch f.Kind() {
			case reflect.Struct:
				check(f)
				continue
			case reflect.String:
				f.SetString("other")
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int, reflect.Int64:
				f.SetInt(77)
			case reflect.Uint64:
				f.SetUint(77)
			case reflect.Float64:
				f.SetFloat(0.77)
			default:
				t.Fatalf("%s is of a kind that this test does not know", name)
			}
			if fingerprint(m, o, nil) == plain {
				t.Errorf("%s is not in the fingerprint", name)
			}
			f.SetZero()
		}
	}
	check(reflect.ValueOf(&o).Elem())
	if got := fingerprint(m, o, nil); got != plain {
		t.Errorf("the same options have another fingerprint:\n%s\n\n%s", plain, got)
	}
	o = Options{CheckpointDir: "d", CheckpointEvery: time.Second, Resume: true}
	if fingerprint(m, o, nil) != plain {
		t.Error("where checkpoints go is in the fingerprint")
	}
	for what, other := range map[string]string{
		"calibration images": fingerprint(m, Options{}, []float32{1}),
		"their values":       fingerprint(m, Options{}, []float32{2}),
		"the model":          fingerprint(&Model{sum: [32]byte{1}, pre: m.pre}, Options{}, nil),
		"preprocessing":      fingerprint(&Model{pre: Preprocessing{Scale: 2, Mean: m.pre.Mean, Std: m.pre.Std, Color: "gray"}}, Options{}, nil),
	} {
		if other == plain || what == "their values" && other == fingerprint(m, Options{}, []float32{1}) {
			t.Errorf("%s: not in the fingerprint", what)
		}
	}
}

// classifier is a model of which only the border matters.
func classifier(input, output []int, pre Preprocessing) *Model {
	return &Model{path: "m.onnx", pre: pre, loaded: loaded{input: "x", net: &nn.Network{
		Inputs: []string{"x"}, Outputs: []string{"y"},
		Values: map[string]*nn.Value{"x": {Name: "x", Shape: input}, "y": {Name: "y", Shape: output}},
	}}}
}

// TestFit pins which images a network is evaluated on, and that others are refused in words.
func TestFit(t *testing.T) {
	gray := Preprocessing{Scale: 1, Mean: []float64{0}, Std: []float64{1}, Color: "gray"}
	color := Preprocessing{Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Color: "rgb"}
	set, err := openTestSource("fashion-mnist:" + smallFashion(t, 1, 3))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		m    *Model
		want string
	}{
		{"as they are", classifier([]int{-1, 1, 28, 28}, []int{-1, 10}, gray), ""},
		{"with a border", classifier([]int{-1, 1, 32, 32}, []int{-1, 10}, gray), ""},
		{"one position", classifier([]int{-1, 1, 28, 28}, []int{-1, 10, 1, 1}, gray), ""},
		{"smaller", classifier([]int{-1, 1, 24, 24}, []int{-1, 10}, gray), "m.onnx and fashion-mnist: images are 28x28, input \"x\" is 24x24"},
		{"colors", classifier([]int{-1, 3, 32, 32}, []int{-1, 10}, color), "images have 1 channels"},
		{"classes", classifier([]int{-1, 1, 28, 28}, []int{-1, 100}, gray), `output "y" has 100 classes, fashion-mnist has 10`},
		{"a map", classifier([]int{-1, 1, 28, 28}, []int{-1, 10, 7, 7}, gray), "is not one number for each class"},
	} {
		got, err := tt.m.fit(set)
		if err == nil {
			err = tt.m.readInputs(make([]float32, 3*size(tt.m.net.Values["x"].Shape[1:])), got, 0, 3, nil)
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A network without layers that have weights is told that, and not what it lacks besides.
func TestNothingToQuantize(t *testing.T) {
	x := &onnx.ValueInfo{Name: "x", Type: onnx.Float, Shape: []onnx.Dim{{Size: -1}, {Size: 3}, {Size: 8}, {Size: 8}}}
	file := &onnx.Model{IRVersion: 7, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Name: "g", Inputs: []*onnx.ValueInfo{x}, Outputs: []*onnx.ValueInfo{{Name: "y", Type: onnx.Float}},
		Nodes: []*onnx.Node{{OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}},
	}}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := file.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Quantize(context.Background(), m, Options{}); err == nil || !strings.Contains(err.Error(), "has no Conv, Gemm or MatMul") {
		t.Errorf("error %v", err)
	}
}
