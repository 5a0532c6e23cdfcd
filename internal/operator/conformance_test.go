package operator

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// The tests that come with ONNX, as Debian's libonnx-testdata installs them.
const testdata = "/usr/share/libonnx-testdata/data"

// run computes the outputs of a whole graph.
func run(m *onnx.Model, inputs map[string]*Tensor) (map[string]*Tensor, error) {
	values := maps.Clone(inputs)
	for _, t := range m.Graph.Initializers {
		v, err := Read(t)
		if err != nil {
			return nil, err
		}
		values[t.Name] = v
	}
	for _, n := range m.Graph.Nodes {
		in := make([]*Tensor, len(n.Inputs))
		for i, name := range n.Inputs {
			in[i] = values[name]
		}
		out, err := Eval(n, m.Opset(), in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.OpType, err)
		}
		for i, name := range n.Outputs {
			if i < len(out) {
				values[name] = out[i]
			}
		}
	}
	return values, nil
}

// tensorFile reads the i-th input or output of a data set.
func tensorFile(dir, kind string, i int) (*Tensor, error) {
	b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s_%d.pb", kind, i)))
	if err != nil {
		return nil, err
	}
	t, err := onnx.DecodeTensor(b)
	if err != nil {
		return nil, err
	}
	return Read(t)
}

// differs says how two tensors differ, by the tolerances of ONNX's own runner.
func differs(got, want *Tensor) error {
	if got == nil {
		return errors.New("missing")
	}
	if got.Type != want.Type || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("%v %v, want %v %v", got.Type, got.Shape, want.Type, want.Shape)
	}
	for i := range want.Len() {
		g, w := got.at(i), want.at(i)
		if g == w || g != g && w != w || math.Abs(g-w) <= 1e-7+1e-3*math.Abs(w) {
			continue
		}
		return fmt.Errorf("element %d is %v, want %v", i, g, w)
	}
	return nil
}

// conform runs one of ONNX's tests.
func conform(dir string) error {
	m, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return err
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return fmt.Errorf("no data: %w", err)
	}
	for _, set := range sets {
		inputs := map[string]*Tensor{}
		i := 0
		for _, v := range m.Graph.Inputs {
			if m.Graph.Initializer(v.Name) != nil {
				continue
			}
			if inputs[v.Name], err = tensorFile(set, "input", i); err != nil {
				return err
			}
			i++
		}
		got, err := run(m, inputs)
		if err != nil {
			return err
		}
		for i, v := range m.Graph.Outputs {
			want, err := tensorFile(set, "output", i)
			if err != nil {
				return err
			}
			if err := differs(got[v.Name], want); err != nil {
				return fmt.Errorf("output %q: %w", v.Name, err)
			}
		}
	}
	return nil
}

func TestConformance(t *testing.T) {
	dirs, _ := filepath.Glob(filepath.Join(testdata, "node", "test_*"))
	passed := 0
	for _, dir := range dirs {
		if err := conform(dir); err != nil {
			t.Log(strings.TrimPrefix(dir, testdata+"/"), err)
			continue
		}
		passed++
	}
	t.Log(passed, "of", len(dirs))
}
