package oracle

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// cast is a model that makes int32 and int8 of a float input.
func cast(t *testing.T) string {
	t.Helper()
	dims := []onnx.Dim{{Size: -1, Param: "N"}}
	m := &onnx.Model{
		IRVersion: 7,
		Opsets:    []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{
			Name:    "cast",
			Inputs:  []*onnx.ValueInfo{{Name: "x", Type: onnx.Float, Shape: dims}},
			Outputs: []*onnx.ValueInfo{{Name: "wide", Type: onnx.Int32, Shape: dims}, {Name: "narrow", Type: onnx.Int8, Shape: dims}},
			Nodes: []*onnx.Node{
				{Name: "a", OpType: "Cast", Inputs: []string{"x"}, Outputs: []string{"wide"}, Attributes: []*onnx.Attribute{onnx.AttrI("to", int64(onnx.Int32))}},
				{Name: "b", OpType: "Cast", Inputs: []string{"x"}, Outputs: []string{"narrow"}, Attributes: []*onnx.Attribute{onnx.AttrI("to", int64(onnx.Int8))}},
			},
		},
	}
	path := filepath.Join(t.TempDir(), "cast.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunORT(t *testing.T) {
	path := cast(t)
	optimized := filepath.Join(t.TempDir(), "optimized.onnx")
	x := onnx.NewFloats("x", []int64{3}, []float32{1, -2, 100})
	outputs := RunORT(t, path, []*onnx.Tensor{x}, ORTOptions{Level: Basic, SaveOptimized: optimized})
	for i, want := range []struct {
		name string
		typ  onnx.DataType
	}{{"wide", onnx.Int32}, {"narrow", onnx.Int8}} {
		y := outputs[i]
		v, err := y.Int64s()
		if err != nil || y.Name != want.name || y.Type != want.typ || !slices.Equal(v, []int64{1, -2, 100}) {
			t.Errorf("output %d: %q, %v, %v, %v", i, y.Name, y.Type, v, err)
		}
	}
	if _, err := onnx.ReadFile(optimized); err != nil {
		t.Errorf("the optimized graph: %v", err)
	}

	if _, err := TryORT(t, path, []*onnx.Tensor{onnx.NewFloats("z", []int64{1}, []float32{1})}, ORTOptions{}); err == nil {
		t.Error("an input of another name was accepted")
	}
	_, err := TryORT(t, filepath.Join(t.TempDir(), "none.onnx"), nil, ORTOptions{})
	if err == nil || !strings.Contains(err.Error(), "ONNX Runtime: none.onnx: ") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Tests that run at once, and one after another, get their own answers.
func TestRunORTAtOnce(t *testing.T) {
	path := cast(t)
	for i := range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for j := range 4 {
				want := float32(10*i + j)
				outputs := RunORT(t, path, []*onnx.Tensor{onnx.NewFloats("x", []int64{1}, []float32{want})}, ORTOptions{})
				if v, err := outputs[0].Int64s(); err != nil || len(v) != 1 || float32(v[0]) != want {
					t.Errorf("%v, %v, want %v", v, err, want)
				}
			}
		})
	}
}
