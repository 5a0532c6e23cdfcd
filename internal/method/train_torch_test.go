package method

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/oracle"
)

// The losses of a run, and the weights and running statistics that it ends with, are those of PyTorch on
// the same batches.
func TestTrainTorch(t *testing.T) {
	oracle.Python(t, "torch")
	dir := t.TempDir()
	dump := func(name string, v any) {
		t.Helper()
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(name string) []float32 {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float32, len(b)/4)
		if _, err := binary.Decode(b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
		return v
	}

	o := twenty
	o.Epochs, o.WeightDecay = 2, 0.01 // enough decay to be seen in ten steps
	net, set, pixels := stripesNet(t), stripes(47, 1), stripesPixels()
	shapes := map[string][]int{}
	for name, v := range net.Values {
		if v.Const() {
			shapes[name] = v.Shape
			dump(name, v.Data)
		}
	}
	b, err := newBatches(set, pixels, o.Batch, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	var images []float32
	var labels []int32
	for step := range 2 * b.perEpoch {
		x := make([]float32, o.Batch*set.H*set.W)
		b.fill(x, step)
		images = append(images, x...)
		for _, l := range b.labels {
			labels = append(labels, int32(l))
		}
	}
	dump("images", images)
	dump("labels", labels)

	var losses, rates []float64
	o.Progress = func(_, _ int, loss, lr float64) { losses, rates = append(losses, loss), append(rates, lr) }
	if _, err := Train(context.Background(), net, set, pixels, o); err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(map[string]any{
		"shapes": shapes, "rates": rates, "batch": o.Batch, "image": []int{set.H, set.W, set.C},
		"decay": o.WeightDecay, "smoothing": o.Smoothing,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run.json"), request, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.RunPython(t, "torch", filepath.Join("testdata", "train.py"), dir)

	want := load("losses")
	if len(want) != len(losses) {
		t.Fatalf("%d losses, PyTorch has %d", len(losses), len(want))
	}
	for i, v := range losses {
		if math.Abs(v-float64(want[i])) > 1e-4 {
			t.Errorf("loss %d is %.6f, PyTorch's %.6f", i+1, v, want[i])
		}
	}
	for name := range shapes {
		got, want := net.Values[name].Data, load(name+".after")
		var off, size float64
		for i, v := range got {
			off = max(off, math.Abs(float64(v)-float64(want[i])))
			size = max(size, math.Abs(float64(want[i])))
		}
		if off > 1e-3*size {
			t.Errorf("%s ends %.2g away from PyTorch's, of %.2g", name, off, size)
		}
	}
}
