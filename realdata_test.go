package zaq_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"zaq"
	"zaq/internal/dataset"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/preprocess"
	"zaq/internal/realdata"
)

// The tests of this package's outside run whole networks on real images, so files with them have the build
// constraint !noasm && !race: either would make minutes of them, and every part is tested under both on its own.

// cifar10 returns the specification of CIFAR-10's test images, all of them.
func cifar10(t *testing.T) string {
	t.Helper()
	return "cifar10:" + realdata.CIFAR10(t)
}

// cifar1000 returns the specification of the first 1,000 of them.
func cifar1000(t *testing.T) string {
	t.Helper()
	return "cifar10:" + realdata.Path(t, "cifar10", "test_first1000.bin")
}

func load(t *testing.T, path string) *zaq.Model {
	t.Helper()
	m, err := zaq.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func loadCIFAR(t *testing.T, name string) *zaq.Model {
	t.Helper()
	return load(t, realdata.Path(t, "models", "cifar10", name+".onnx"))
}

func evaluate(t *testing.T, m *zaq.Model, data string) *zaq.Evaluation {
	t.Helper()
	e, err := zaq.Evaluate(context.Background(), m, data, zaq.EvalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func quantize(t *testing.T, m *zaq.Model, o zaq.Options) *zaq.Result {
	t.Helper()
	r, err := zaq.Quantize(context.Background(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// write writes the result to a file and loads it.
func write(t *testing.T, r *zaq.Result) *zaq.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("%s.%s.%s.onnx", r.Method, r.Scheme, r.Precision))
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	return load(t, path)
}

// ortClasses returns the classes that ONNX Runtime gives the test images of data.
func ortClasses(t *testing.T, m *zaq.Model, data string, o oracle.ORTOptions) (classes []int) {
	t.Helper()
	set, err := dataset.Open(data, dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	p := preprocess.Spec(m.Preprocessing())
	in := zaq.Inspect(m).Inputs[0].Name
	const chunk = 1000
	for i := 0; i < set.N; i += chunk {
		n := min(chunk, set.N-i)
		size := set.C * set.H * set.W
		x := make([]float32, n*size)
		p.ApplyNCHW(x, set.Pixels[i*size:(i+n)*size], n)
		shape := []int64{int64(n), int64(set.C), int64(set.H), int64(set.W)}
		logits, err := oracle.RunORT(t, m.Path(), []*onnx.Tensor{onnx.NewFloats(in, shape, x)}, o)[0].Floats()
		if err != nil {
			t.Fatal(err)
		}
		for row := range slices.Chunk(logits, len(logits)/n) {
			classes = append(classes, slices.Index(row, slices.Max(row)))
		}
	}
	return classes
}

// agreement counts the images with the same class in both.
func agreement(a, b []int) (same int) {
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return same
}
