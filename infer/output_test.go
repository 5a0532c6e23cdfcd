//go:build !noasm && !race

package infer

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// withClasses is the network with the class of each image as a second output.
func withClasses(n *nn.Network) *nn.Network {
	logits := n.Outputs[0]
	n.Values["class"] = &nn.Value{Name: "class", Shape: []int{nn.Batch}, Type: onnx.Int64}
	n.Layers = append(n.Layers, &nn.Layer{
		Name: "classify", Op: nn.Operator{Type: "ArgMax", Opset: 13, Attributes: []*onnx.Attribute{onnx.AttrI("axis", 1), onnx.AttrI("keepdims", 0)}},
		In: []string{logits}, Out: []string{"class"},
	})
	n.Outputs = append(n.Outputs, "class")
	return n
}

// Outputs of integers are the numbers that ONNX Runtime has, as floats.
func TestIntegerOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.onnx")
	if err := deploy(t, withClasses(smallResNet(t)), 8, 8).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if out := p.Outputs(); len(out) != 2 || out[1].DType != "int64" || !slices.Equal(out[1].Shape, []int{-1}) {
		t.Errorf("declares %+v", out)
	}
	in := inputOf(p, 9, 7)
	given := onnx.NewFloatsOf(p.Inputs()[0].Name, onnx.Float, widened(in[0].Shape), in[0].Data)
	want := oracle.RunORT(t, path, []*onnx.Tensor{given}, oracle.ORTOptions{Level: oracle.Extended})
	got, err := p.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := want[0].Floats()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0].Data, logits) {
		t.Errorf("logits %v, ONNX Runtime has %v", got[0].Data, logits)
	}
	classes, err := want[1].Int64s()
	if err != nil {
		t.Fatal(err)
	}
	if len(got[1].Data) != 9 || !slices.Equal(got[1].Shape, []int{9}) {
		t.Fatalf("classes %+v", got[1])
	}
	for i, c := range classes {
		if got[1].Data[i] != float32(c) {
			t.Errorf("image %d: class %v, ONNX Runtime has %d", i, got[1].Data[i], c)
		}
	}
}

// What has no batch axis is refused by name.
func TestOutputWithoutBatch(t *testing.T) {
	n := withClasses(smallResNet(t))
	classify := n.Layers[len(n.Layers)-1]
	classify.Op = nn.Operator{Type: "ArgMax", Opset: 13, Attributes: []*onnx.Attribute{onnx.AttrI("axis", 0), onnx.AttrI("keepdims", 0)}}
	n.Values["class"].Shape = []int{7}
	if _, err := load(deploy(t, n, 8, 8), options{threads: 1}); err == nil || !strings.Contains(err.Error(), `"classify" (ArgMax): mixes the images of a batch`) {
		t.Errorf("error %v", err)
	}
}
