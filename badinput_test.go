//go:build !noasm && !race

package zaq_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zaq"
	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// What cannot be done ends in one line that says why, with the right exit status and without an output file.
func TestBadInput(t *testing.T) {
	program := build(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	float := realdata.Path(t, "models", "cifar10", "resnet20_akamaster_cifar10.onnx")
	put := func(name string, b []byte) string {
		if err := os.WriteFile(path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	whole := read(t, float)
	good := put("good.onnx", whole)
	put("contradiction.json", []byte(`{"preprocess": {"mean": [0.5], "std": [0.5], "color": "gray", "size": [32, 32]}}`))
	put("nonsense.json", []byte(`{"preprocess": {"mean": "gray"}}`))

	tests := []struct {
		name   string
		args   []string
		status int
		want   string // in the error
	}{
		{"truncated", []string{"quantize", put("half.onnx", whole[:len(whole)/2])}, 1, "half.onnx: truncated"},
		{"truncated at its end", []string{"quantize", put("almost.onnx", whole[:len(whole)-1])}, 1, "almost.onnx: truncated"},
		{"text", []string{"quantize", put("text.onnx", []byte("not a model\n"))}, 1, "it is text"},
		{"empty", []string{"quantize", put("empty.onnx", nil)}, 1, "it is empty"},
		{"missing", []string{"quantize", path("missing.onnx")}, 1, "missing.onnx"},
		{"unsupported operator", []string{"quantize", put("operator.onnx", spoilt(t, whole))}, 1, `(Swirl): operator not supported`},
		{"NaN weights", []string{"quantize", put("nan.onnx", withNaN(t, whole, 0))}, 1, "is NaN"},
		{"one bit", []string{"quantize", good, "--precision", "w1a9"}, 2, `precision "w1a9"`},
		{"contradicting JSON", []string{"quantize", put("contradiction.onnx", whole)}, 1, "contradiction.json: "},
		{"broken JSON", []string{"quantize", put("nonsense.onnx", whole)}, 1, "nonsense.json: "},
		{"contradicting flags", []string{"quantize", good, "--mean", "1,2"}, 1, "mean has 2 values"},
		{"output to nowhere", []string{"quantize", good, "-o", path("nowhere/out.onnx")}, 1, "nowhere/out.onnx"},
		{"output to a folder", []string{"quantize", good, "-o", dir}, 1, "is a directory"},
		{"full disk", []string{"quantize", good, "--method", "rtn", "--warmup", "1", "--batch", "8", "-o", "/dev/full"}, 1, "no space left"},
		{"checkpoint to a file", []string{"quantize", good, "--checkpoint", good}, 1, "checkpoint: "},
		{"resume from nowhere", []string{"quantize", good, "--resume"}, 2, "resume: "},
		{"unknown data", []string{"eval", good, "--data", "imagenet:" + dir}, 2, "no such format"},
		{"data without a format", []string{"eval", good, "--data", dir}, 2, "no such format"},
		{"missing data", []string{"eval", good, "--data", "cifar10:" + dir}, 1, "test_batch.bin"},
		{"data that is a model", []string{"eval", good, "--data", "cifar10:" + good}, 1, "not CIFAR-10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.args[len(tt.args)-1], "/dev/") {
				if _, err := os.Stat(tt.args[len(tt.args)-1]); err != nil {
					t.Skip("a disk that is full is a device of Linux: ", err)
				}
			}
			args := tt.args
			if args[0] == "quantize" && !strings.Contains(strings.Join(args, " "), " -o ") {
				args = append(args[:len(args):len(args)], "-o", path("out.onnx"))
			}
			cmd := exec.Command(program, args...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			var line string
			for l := range strings.Lines(stderr.String()) {
				if strings.HasPrefix(l, "error: ") {
					line += l
				}
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.status || strings.Count(line, "\n") != 1 || !strings.Contains(line, tt.want) {
				t.Errorf("exit status %d, want %d, with one error of %q:\n%s", got, tt.status, tt.want, &stderr)
			}
			left, err := filepath.Glob(path("*out*"))
			if hidden, _ := filepath.Glob(path(".*")); err != nil || len(left)+len(hidden) > 0 {
				t.Errorf("left behind: %v %v", left, hidden)
			}
		})
	}
}

// A constant that is no number is named, whichever it is.
func TestConstantsThatAreNone(t *testing.T) {
	for _, path := range []string{
		realdata.Path(t, "models", "cifar10", "resnet20_akamaster_cifar10.onnx"),
		drawn(t, func(b *drawing) {
			x := b.convolution(b.input("image", 3, 8, 8), "conv1", 3, 4)
			for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Max", "Min"} {
				x = b.node(op, []string{x, b.constant(op, []float32{1, 2, 3, 4}, 4, 1, 1)})
				x = b.node(op, []string{x, b.constant(op+" all", []float32{1.5})})
			}
			b.classify(b.convolution(x, "conv2", 4, 4), 4)
		}),
	} {
		whole := read(t, path)
		m, err := onnx.Decode(whole)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range m.Graph.Initializers {
			if w.Type != onnx.Float {
				continue
			}
			spoilt := filepath.Join(t.TempDir(), "nan.onnx")
			if err := os.WriteFile(spoilt, withNaN(t, whole, i), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := zaq.Load(spoilt); err == nil || !strings.Contains(err.Error(), "is NaN") || !strings.Contains(err.Error(), "node ") {
				t.Errorf("%s of %s: error %v", w.Name, filepath.Base(path), err)
			}
		}
	}
}

// spoilt returns a model with an operator that nobody knows.
func spoilt(t *testing.T, model []byte) []byte {
	t.Helper()
	m, err := onnx.Decode(model)
	if err != nil {
		t.Fatal(err)
	}
	m.Graph.Nodes[len(m.Graph.Nodes)/2].OpType = "Swirl"
	return encoded(t, m)
}

// withNaN returns a model whose i-th constant has an element that is no number.
func withNaN(t *testing.T, model []byte, i int) []byte {
	t.Helper()
	m, err := onnx.Decode(model)
	if err != nil {
		t.Fatal(err)
	}
	w := m.Graph.Initializers[i]
	b, err := w.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b = append([]byte(nil), b...)
	copy(b[len(b)/2&^3:], "\x00\x00\xc0\x7f")
	m.Graph.Initializers[i] = onnx.NewBytes(w.Name, w.Type, w.Dims, b)
	return encoded(t, m)
}

func encoded(t *testing.T, m *onnx.Model) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
