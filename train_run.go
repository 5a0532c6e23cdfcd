package zaq

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/kernel"
	"zaq/internal/method"
	"zaq/internal/metric"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
)

// architectures are the settings of Architectures.
var architectures = map[string]struct{ depth, width int }{
	"resnet8":         {8, 16},
	"resnet14":        {14, 16},
	"resnet20":        {20, 16},
	"resnet20-narrow": {20, 8},
}

// trainSize is the least height and width of the images that networks are trained for.
var trainSize = [2]int{32, 32}

// trainCheckpoint is the file in a checkpoint directory that keeps a training run.
const trainCheckpoint = "train.ckpt"

// keyTraining is the metadata that says how a float network was trained. It survives quantization.
const keyTraining = "dev.zaq.training"

func train(ctx context.Context, o TrainOptions) (*TrainResult, error) {
	set, err := openImages(o.Data, dataset.Train, trainSize)
	if err != nil {
		return nil, err
	}
	if len(set.Classes) == 0 {
		return nil, &OptionError{"data", o.Data, "its classes have no names, so their number is not known"}
	}
	// Opened now, so that a missing file is found before the work, not after.
	test, err := openImages(o.Data, dataset.Test, trainSize)
	if err != nil {
		return nil, err
	}
	pixels := standardize(set)
	arch := architectures[o.Arch]
	net, err := nn.ResNet(nn.ResNetConfig{
		Depth: arch.depth, Width: arch.width, Image: [3]int{set.C, set.H, set.W}, Classes: len(set.Classes),
	}, o.Seed)
	if err != nil {
		return nil, err
	}
	pixels.Input = net.Inputs[0]

	m := method.TrainOptions{
		Epochs: o.Epochs, Batch: o.Batch, LR: o.LR, WeightDecay: o.WeightDecay, Seed: o.Seed,
		Fingerprint: o.fingerprint(set), Resume: o.Resume,
		Epoch: func(number int, loss float64) {
			o.Log.Info("epoch done", "number", number, "of", o.Epochs, "loss", loss)
		},
		Progress: func(step, total int, loss, lr float64) {
			o.Progress(Progress{Phase: PhaseTrain, Step: step, Total: total, Metrics: []Metric{{"loss", loss}, {"lr", lr}}})
		},
	}
	if o.CheckpointDir != "" {
		if err := os.MkdirAll(o.CheckpointDir, 0o755); err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		m.Checkpoint = filepath.Join(o.CheckpointDir, trainCheckpoint)
	}
	done, err := method.Train(ctx, net, set, pixels, m)
	if err != nil {
		return nil, err
	}
	r := &TrainResult{Arch: o.Arch, Parameters: done.Parameters, Epochs: o.Epochs, Loss: done.Losses[len(done.Losses)-1]}
	if r.data, err = exportTrained(net, pixels, o); err != nil {
		return nil, err
	}
	r.Test, err = testTrained(ctx, net, test, pixels, o)
	return r, err
}

// fingerprint names the run that a checkpoint belongs to: everything that its result depends on.
func (o TrainOptions) fingerprint(set *dataset.Set) string {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return checkpoint.Fingerprint(
		"verb=train",
		"arch="+o.Arch,
		fmt.Sprintf("data=%s", set.Name),
		fmt.Sprintf("images=%d", set.N),
		fmt.Sprintf("pixels=%x", sha256.Sum256(set.Pixels)),
		fmt.Sprintf("epochs=%d", o.Epochs),
		fmt.Sprintf("batch=%d", o.Batch),
		"lr="+float(o.LR),
		"weight-decay="+float(o.WeightDecay),
		fmt.Sprintf("seed=%d", o.Seed),
		"kernels="+kernel.Path(),
	)
}

// standardize describes inputs with mean 0 and deviation 1 over all pixels of the set, channel by channel.
func standardize(set *dataset.Set) *preprocess.Spec {
	s := &preprocess.Spec{Scale: 1.0 / 255, Color: "rgb", Size: [2]int{set.H, set.W}}
	if set.C == 1 {
		s.Color = "gray"
	}
	for c := range set.C {
		var sum, squares int // of bytes: exact
		for i := c; i < len(set.Pixels); i += set.C {
			v := int(set.Pixels[i])
			sum, squares = sum+v, squares+v*v
		}
		n := float64(len(set.Pixels) / set.C)
		mean := float64(sum) / n
		std := math.Sqrt(max(0, float64(squares)/n-float64(mean*mean)))
		s.Mean, s.Std = append(s.Mean, decimals(mean/255)), append(s.Std, max(decimals(std/255), 1e-4))
	}
	return s
}

// decimals rounds to the four decimals that such figures are usually given with.
func decimals(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// testTrained evaluates the network on the test images, which nothing before has seen.
func testTrained(ctx context.Context, net *nn.Network, set *dataset.Set, pixels *preprocess.Spec, o TrainOptions) (e Evaluation, err error) {
	start := time.Now()
	const batch = 100
	logits, err := method.Predict(ctx, net, set, pixels, batch, func(done int) {
		o.Progress(Progress{Phase: PhaseEvaluate, Step: done, Total: set.N})
	})
	if err != nil {
		return e, err
	}
	classes := len(logits) / set.N
	e = Evaluation{Data: o.Data, N: set.N}
	if e.Top1, err = metric.TopK(logits, classes, set.Labels, 1); err != nil {
		return e, err
	}
	if e.Top5, err = metric.TopK(logits, classes, set.Labels, 5); err != nil {
		return e, err
	}
	for i := range set.N {
		e.Classes = append(e.Classes, metric.Argmax(logits[i*classes:(i+1)*classes]))
	}
	e.Elapsed = time.Since(start)
	return e, nil
}

// exportTrained makes the file, with all that is needed to use it and to train it again.
func exportTrained(net *nn.Network, pixels *preprocess.Spec, o TrainOptions) ([]byte, error) {
	encoded, err := pixels.Encode()
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(o.Data, ":")
	file, err := nn.Export(net, nn.ExportOptions{
		ProducerName: "zaq", ProducerVersion: Version(),
		Metadata: []onnx.Property{
			{Key: keyTraining, Value: fmt.Sprintf("%s on %s, %d epochs, batch %d, lr %g, weight decay %g, seed %d, %s kernels",
				o.Arch, kind, o.Epochs, o.Batch, o.LR, o.WeightDecay, o.Seed, kernel.Path())},
			{Key: keyPreprocess, Value: string(encoded)},
		},
	})
	if err != nil {
		return nil, err
	}
	return file.Encode()
}
