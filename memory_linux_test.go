//go:build !noasm && !race

package zaq_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zaq"
	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// A network of 224 pixels is trained within the memory that --memory names, by fewer images at a time than a batch has.
func TestMemoryKept(t *testing.T) {
	const limit, kib = 1536 << 20, 1 << 10 // 8 images at a time take 1.9 GiB
	cmd := exec.Command(build(t), "quantize", realdata.Path(t, "models", "imagenet", "mobilenet_v1_0.75_224_imagenet.onnx"),
		"-o", filepath.Join(t.TempDir(), "out.onnx"), "--precision", "w4a4", "--memory", "1.5GiB", "--batch", "8", "--warmup", "1", "--steps", "1")
	mustRun(t, cmd)
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * kib
	t.Logf("%d MiB", peak>>20)
	if peak > limit {
		t.Errorf("%d MiB were resident, of %d that it may take", peak>>20, limit>>20)
	}
}

// Images that no machine has the memory for are refused before anybody asks for it.
func TestMemoryBeyondReason(t *testing.T) {
	const side = 16000
	ones := func(name string, dims ...int64) *onnx.Tensor {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		return onnx.NewFloats(name, dims, slices.Repeat([]float32{1}, int(n)))
	}
	batch := onnx.Dim{Size: -1, Param: "N"}
	m := &onnx.Model{IRVersion: 7, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Name:         "large",
		Inputs:       []*onnx.ValueInfo{{Name: "x", Type: onnx.Float, Shape: []onnx.Dim{batch, {Size: 3}, {Size: side}, {Size: side}}}},
		Outputs:      []*onnx.ValueInfo{{Name: "y", Type: onnx.Float, Shape: []onnx.Dim{batch, {Size: 4}}}},
		Initializers: []*onnx.Tensor{ones("w", 4, 3, 1, 1), ones("one", 4), ones("fc", 4, 4)},
		Nodes: []*onnx.Node{
			{OpType: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"c"}},
			{OpType: "BatchNormalization", Inputs: []string{"c", "one", "one", "one", "one"}, Outputs: []string{"b"}},
			{OpType: "Relu", Inputs: []string{"b"}, Outputs: []string{"r"}},
			{OpType: "GlobalAveragePool", Inputs: []string{"r"}, Outputs: []string{"p"}},
			{OpType: "Flatten", Inputs: []string{"p"}, Outputs: []string{"f"}},
			{OpType: "Gemm", Inputs: []string{"f", "fc"}, Outputs: []string{"y"}},
		},
	}}
	path := filepath.Join(t.TempDir(), "large.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	for memory, want := range map[int64]string{0: "the machine has ", 4 << 30: `memory "4096MiB": `} {
		for _, method := range []string{"rtn", "zaq"} {
			_, err := zaq.Quantize(context.Background(), load(t, path), zaq.Options{Method: method, Memory: memory, ZAQ: zaq.ZAQOptions{Batch: 64}})
			if err == nil || !strings.Contains(err.Error(), want) || zaq.Hint(err) == "" {
				t.Errorf("%s: error %v, want one with %q and a hint", method, err, want)
			}
		}
	}
}
