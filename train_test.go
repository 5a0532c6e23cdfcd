package zaq

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
)

// writeIDX writes an array of bytes in the form of Fashion-MNIST's files.
func writeIDX(t *testing.T, path string, shape []int, data []byte) {
	t.Helper()
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, n := range shape {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	if err := os.WriteFile(path, append(b, data...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallFashion writes a data set of bars whose height tells their class, 28x28, and returns its folder.
func smallFashion(t *testing.T, train, test int) string {
	t.Helper()
	dir := t.TempDir()
	for prefix, n := range map[string]int{"train": train, "t10k": test} {
		var images, labels []byte
		for i := range n {
			class := i * 7 % 10
			image := make([]byte, 28*28)
			for p := range image {
				image[p] = byte((p*p + i*31) % 40)
				if y := p / 28; y >= 5 && y < 5+2*class {
					image[p] += 200
				}
			}
			images, labels = append(images, image...), append(labels, byte(class))
		}
		writeIDX(t, filepath.Join(dir, prefix+"-images-idx3-ubyte"), []int{n, 28, 28}, images)
		writeIDX(t, filepath.Join(dir, prefix+"-labels-idx1-ubyte"), []int{n}, labels)
	}
	return dir
}

func TestTrain(t *testing.T) {
	var phases []string
	var log bytes.Buffer
	o := TrainOptions{
		Data: "fashion-mnist:" + smallFashion(t, 37, 23), Arch: "resnet8", Epochs: 12, Batch: 12, Seed: 3,
		Progress: func(p Progress) { phases = append(phases, p.Phase) },
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
	}
	r, err := Train(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Arch != "resnet8" || r.Epochs != 12 || r.Parameters != 77754 || !(r.Loss > 0) || r.Test.N != 23 || len(r.Test.Classes) != 23 || r.Elapsed <= 0 {
		t.Errorf("%s, %d epochs, %d parameters, loss %v, test %+v, in %v", r.Arch, r.Epochs, r.Parameters, r.Loss, r.Test, r.Elapsed)
	}
	if last := fmt.Sprintf("number=12 of=12 loss=%v", r.Loss); strings.Count(log.String(), "epoch done") != 12 || !strings.Contains(log.String(), last) {
		t.Errorf("log without %q:\n%s", last, &log)
	}
	if want := append(slices.Repeat([]string{PhaseTrain}, 36), PhaseEvaluate); !slices.Equal(phases, want) {
		t.Errorf("phases %s", phases)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(r.Test.Classes)))) < 3 {
		t.Errorf("the network has not learned to tell classes apart: %v", r.Test.Classes)
	}

	// The file needs nothing beside it, and answers as the test said.
	path := filepath.Join(t.TempDir(), "small.onnx")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Preprocessing()
	if p.Assumed || p.Size != [2]int{32, 32} || p.Color != "gray" || p.Input != "input" || len(p.Mean) != 1 || p.Mean[0] < 0.05 || p.Mean[0] > 0.3 {
		t.Errorf("preprocessing %+v", p)
	}
	if got := m.net.Metadata[keyTraining]; !strings.HasPrefix(got, "resnet8 on fashion-mnist, 12 epochs, batch 12, lr 0.1, weight decay 0.0005, seed 3") {
		t.Errorf("metadata %q", got)
	}
	set, err := openImages(o.Data, dataset.Test, p.Size)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, len(set.Pixels))
	spec := preprocess.Spec(p)
	spec.ApplyNCHW(x, set.Pixels, set.N)
	out, err := nn.Reference(m.net, map[string][]float32{"input": x}, set.N)
	if err != nil {
		t.Fatal(err)
	}
	logits, right := out["logits"], 0
	for i, label := range set.Labels {
		row := logits[10*i : 10*i+10]
		if above(row, label) == 0 {
			right++
		}
		if above(row, r.Test.Classes[i]) != 0 {
			t.Errorf("image %d: the test said class %d, the file's logits are %v", i, r.Test.Classes[i], row)
		}
	}
	if right != r.Test.Top1 || r.Test.Top5 < r.Test.Top1 {
		t.Errorf("the file has %d right, the test said %d and %d among five", right, r.Test.Top1, r.Test.Top5)
	}
}

// above counts the logits that are clearly larger than that of class.
func above(row []float32, class int) (n int) {
	for _, v := range row {
		if v > row[class]+1e-4 {
			n++
		}
	}
	return n
}

// With Init training goes on from where a network is: at next to no learning rate it stays there, but for the running
// statistics, and at a real one it gets better.
func TestTrainGoesOn(t *testing.T) {
	o := TrainOptions{Data: "fashion-mnist:" + smallFashion(t, 256, 32), Arch: "resnet8", Epochs: 2, Batch: 32, LR: 0.05, Seed: 1}
	first, err := Train(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "first.onnx")
	if err := first.Write(path); err != nil {
		t.Fatal(err)
	}
	if o.Init, err = Load(path); err != nil {
		t.Fatal(err)
	}
	on := func(lr float64) (*TrainResult, *Model) {
		o.LR = lr
		r, err := Train(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "on.onnx")
		if err := r.Write(path); err != nil {
			t.Fatal(err)
		}
		m, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return r, m
	}
	_, still := on(1e-12)
	for layer, w := range o.Init.net.Weights() {
		for i, v := range still.net.Input(still.net.Layer(layer.Name), 1).Data {
			if d := v - w.Data[i]; d > 1e-6 || d < -1e-6 {
				t.Fatalf("%s: weight %d is %g, was %g", layer.Name, i, v, w.Data[i])
			}
		}
	}
	better, m := on(0.02)
	if better.Loss > 0.95*first.Loss {
		t.Errorf("loss %.3f, was %.3f", better.Loss, first.Loss)
	}
	if !slices.Equal(m.pre.Mean, o.Init.pre.Mean) || better.Arch != "first" {
		t.Errorf("%+v, %s", m.pre, better.Arch)
	}
}

// Interrupted, a run leaves a checkpoint; resumed, it ends in the bytes of an unbroken one.
func TestTrainInterrupted(t *testing.T) {
	o := TrainOptions{Data: "fashion-mnist:" + smallFashion(t, 20, 4), Arch: "resnet8", Epochs: 2, Batch: 8}
	whole, err := Train(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	interrupt := func() error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := o
		o.Progress = func(p Progress) {
			if p.Step == 3 {
				cancel()
			}
		}
		_, err := Train(ctx, o)
		return err
	}
	err = interrupt()
	if !errors.Is(err, ErrInterrupted) || !strings.Contains(Hint(err), "--checkpoint") {
		t.Errorf("without a checkpoint: %v (%s)", err, Hint(err))
	}

	o.CheckpointDir = filepath.Join(t.TempDir(), "made", "by", "train")
	err = interrupt()
	if !errors.Is(err, ErrInterrupted) || !strings.Contains(Hint(err), "--resume") {
		t.Fatalf("with a checkpoint: %v (%s)", err, Hint(err))
	}
	o.Resume = true
	for name, spoil := range map[string]func(o *TrainOptions){
		"epochs":       func(o *TrainOptions) { o.Epochs = 3 },
		"batch":        func(o *TrainOptions) { o.Batch = 4 },
		"lr":           func(o *TrainOptions) { o.LR = 0.2 },
		"weight-decay": func(o *TrainOptions) { o.WeightDecay = -1 },
		"seed":         func(o *TrainOptions) { o.Seed = 9 },
		"arch":         func(o *TrainOptions) { o.Arch = "resnet14" },
		"images":       func(o *TrainOptions) { o.Data = "fashion-mnist:" + smallFashion(t, 21, 4) },
		"pixels":       func(o *TrainOptions) { o.Data = "fashion-mnist:" + brighter(t, smallFashion(t, 20, 4)) },
	} {
		other := o
		spoil(&other)
		if _, err := Train(context.Background(), other); err == nil || !strings.Contains(err.Error(), name+"=") {
			t.Errorf("resumed with another %s: %v", name, err)
		}
	}
	r, err := Train(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Bytes(), whole.Bytes()) || r.Loss != whole.Loss || r.Test.Top1 != whole.Test.Top1 {
		t.Error("the resumed run ends in another file")
	}
}

// brighter changes a pixel of the training images in dir.
func brighter(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "train-images-idx3-ubyte")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1]++
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func withoutTest(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "t10k-images-idx3-ubyte")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTrainRefused(t *testing.T) {
	dir := smallFashion(t, 20, 4)
	for name, test := range map[string]struct {
		o    TrainOptions
		want string
	}{
		"no data":      {TrainOptions{}, "data: training needs labelled images"},
		"unknown data": {TrainOptions{Data: "coco:x"}, `data "coco:x": no such format`},
		"missing":      {TrainOptions{Data: "fashion-mnist:" + filepath.Join(dir, "none")}, "no such file"},
		"no test set":  {TrainOptions{Data: "fashion-mnist:" + withoutTest(t, smallFashion(t, 20, 4)), Epochs: 1000}, "t10k-images-idx3-ubyte: no such file"},
		"arch":         {TrainOptions{Data: "fashion-mnist:" + dir, Arch: "vgg"}, "no such arch"},
		"batch":        {TrainOptions{Data: "fashion-mnist:" + dir, Batch: 21}, "batches of 21 from 20 images"},
		"diverges":     {TrainOptions{Data: "fashion-mnist:" + dir, Batch: 4, Epochs: 1, Arch: "resnet8", LR: 1e30}, "training diverged"},
	} {
		if r, err := Train(context.Background(), test.o); err == nil || !strings.Contains(err.Error(), test.want) || r != nil {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// Every architecture that has a name can be trained.
func TestArchitectures(t *testing.T) {
	if len(architectures) != len(Architectures) {
		t.Errorf("%d names, %d networks", len(Architectures), len(architectures))
	}
	for _, name := range Architectures {
		net, err := architectures[name]([3]int{3, 32, 32}, 10, 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		g := engine.NewTrainingGraph()
		image := map[string]*engine.Tensor{net.Inputs[0]: g.Input("images", 32, 32, 3)}
		if _, err := engine.Lower(g, net, image, engine.LowerOptions{TrainBN: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
