// Package oracle lets tests ask other implementations for the right answer.
//
// Oracles are not part of the program and need not be installed: a test whose oracle is missing is skipped,
// or fails where CI=true says that everything must be there. `make oracles` installs them.
package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// The graph optimization levels of ONNX Runtime. The two higher ones turn QuantizeLinear and
// DequantizeLinear around an operator into integer kernels.
const (
	Disabled = "disabled"
	Basic    = "basic"
	Extended = "extended"
	All      = "all"
)

// ORTOptions are options of an ONNX Runtime session.
type ORTOptions struct {
	Level         string // All where empty
	SaveOptimized string // file for the graph that is really run; "" for none
}

// RunORT runs a model file once in ONNX Runtime, on one thread, and returns all its outputs in order. It
// skips the test where ONNX Runtime is not installed, and ends it where the model does not load or run.
func RunORT(t testing.TB, model string, inputs []*onnx.Tensor, o ORTOptions) []*onnx.Tensor {
	t.Helper()
	outputs, err := TryORT(t, model, inputs, o)
	if err != nil {
		t.Fatal(err)
	}
	return outputs
}

// TryORT is RunORT for a test that expects an error.
func TryORT(t testing.TB, model string, inputs []*onnx.Tensor, o ORTOptions) ([]*onnx.Tensor, error) {
	t.Helper()
	modules := ortModules(t)
	dir := t.TempDir()
	outputs, err := runORT(modules, dir, model, inputs, o)
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %s: %w", filepath.Base(model), err)
	}
	return outputs, nil
}

// tensorFile is a tensor in a file beside the request.
type tensorFile struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"`
	File  string  `json:"file"`
}

func runORT(modules, dir, model string, inputs []*onnx.Tensor, o ORTOptions) ([]*onnx.Tensor, error) {
	model, err := filepath.Abs(model)
	if err != nil {
		return nil, err
	}
	files := make([]tensorFile, len(inputs))
	for i, x := range inputs {
		data, err := x.Bytes()
		if err != nil {
			return nil, err
		}
		files[i] = tensorFile{x.Name, x.Type.String(), x.Dims, fmt.Sprint("input", i)}
		if err := os.WriteFile(filepath.Join(dir, files[i].File), data, 0o600); err != nil {
			return nil, err
		}
	}
	if o.Level == "" {
		o.Level = All
	}
	request, err := json.Marshal(map[string]any{
		"model": model, "inputs": files, "level": o.Level, "saveOptimized": o.SaveOptimized,
	})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "request.json"), request, 0o600); err != nil {
		return nil, err
	}
	if err := answer(modules, dir); err != nil {
		return nil, err
	}
	return readResponse(dir)
}

func readResponse(dir string) ([]*onnx.Tensor, error) {
	b, err := os.ReadFile(filepath.Join(dir, "response.json"))
	if err != nil {
		return nil, err
	}
	var response struct {
		Outputs []tensorFile
		Error   string
	}
	if err := json.Unmarshal(b, &response); err != nil {
		return nil, err
	}
	if response.Error != "" {
		return nil, errors.New(response.Error)
	}
	types := map[string]onnx.DataType{}
	for _, t := range []onnx.DataType{onnx.Float, onnx.Float16, onnx.Double, onnx.Int8, onnx.Uint8, onnx.Int32, onnx.Int64, onnx.Bool} {
		types[t.String()] = t
	}
	outputs := make([]*onnx.Tensor, len(response.Outputs))
	for i, f := range response.Outputs {
		data, err := os.ReadFile(filepath.Join(dir, f.File))
		if err != nil {
			return nil, err
		}
		outputs[i] = onnx.NewBytes(f.Name, types[f.Type], f.Shape, data)
	}
	return outputs, nil
}

// ortModules returns the node_modules directory with onnxruntime-node in it: $ZAQ_ORT, or .oracle/node_modules
// at the root of the repository.
func ortModules(t testing.TB) string {
	t.Helper()
	modules := os.Getenv("ZAQ_ORT")
	if modules == "" {
		modules = filepath.Join(realdata.Root(t), ".oracle", "node_modules")
	}
	if _, err := os.Stat(filepath.Join(modules, "onnxruntime-node")); err != nil {
		missing(t, "ONNX Runtime")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node")
	}
	return modules
}

// missing skips the test, or fails it where every oracle must be there.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, see `make oracles`", what)
	}
	t.Skipf("%s is not installed: `make oracles` does that", what)
}
