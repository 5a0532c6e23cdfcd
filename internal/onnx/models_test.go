package onnx

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"zaq/internal/realdata"
)

// skipOrFail skips a test whose data or oracle is absent; where CI promises them, it fails.
func skipOrFail(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// What the package writes is a fixed point of reading and writing, passes the checker, and tensors refer
// to the bytes that were read.
func TestSharedModels(t *testing.T) {
	for _, path := range realdata.Glob(t, "models", "*", "*.onnx") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, err := ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := Check(m); err != nil {
				t.Error(err)
			}
			if m.Opset() < 7 || len(m.Graph.Nodes) < 10 || len(m.Graph.Outputs) == 0 {
				t.Errorf("opset %d, %d nodes, %d outputs", m.Opset(), len(m.Graph.Nodes), len(m.Graph.Outputs))
			}
			first, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			m2, err := Decode(first)
			if err != nil {
				t.Fatal(err)
			}
			second, err := m2.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, second) {
				t.Error("encoding changes from one round to the next")
			}
		})
	}
}

// pythonWithONNX returns a Python that has the onnx package.
func pythonWithONNX(t *testing.T) string {
	t.Helper()
	for _, python := range []string{os.Getenv("ZAQ_PYTHON"), "python3", "/usr/bin/python3"} {
		if python != "" && exec.Command(python, "-c", "import onnx").Run() == nil {
			return python
		}
	}
	skipOrFail(t, "no python3 with onnx (ZAQ_PYTHON names one): make oracles installs it")
	return ""
}

// compare.py says what of a file is missing in another.
func TestLosesNothing(t *testing.T) {
	python := pythonWithONNX(t)
	dir := t.TempDir()
	args := []string{filepath.Join("testdata", "compare.py")}
	for _, path := range realdata.Glob(t, "models", "*", "*.onnx") {
		m, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inline := filepath.Join(dir, filepath.Base(path))
		external := filepath.Join(dir, "external-"+filepath.Base(path))
		if err := m.WriteFile(inline); err != nil {
			t.Fatal(err)
		}
		if err := m.WriteFileExternal(external); err != nil {
			t.Fatal(err)
		}
		args = append(args, path, inline, path, external)
	}
	out, err := exec.Command(python, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
