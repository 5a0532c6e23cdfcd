package zaq

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/kernel"
	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
)

// architectures build the networks of Architectures.
var architectures = map[string]func(image [3]int, classes int, seed uint64) (*nn.Network, error){
	"resnet8":          resnet(8, 16),
	"resnet14":         resnet(14, 16),
	"resnet20":         resnet(20, 16),
	"resnet20-narrow":  resnet(20, 8),
	"mobilenetv2":      mobilenet(nn.MobileNetConfig{}),
	"mobilenetv2-half": mobilenet(nn.MobileNetConfig{Stem: 16, Stages: halfStages}),
	"vgg19-quarter": func(image [3]int, classes int, seed uint64) (*nn.Network, error) {
		return nn.VGG19(nn.VGGConfig{Image: image, Classes: classes, Width: 16}, seed)
	},
}

func resnet(depth, width int) func([3]int, int, uint64) (*nn.Network, error) {
	return func(image [3]int, classes int, seed uint64) (*nn.Network, error) {
		return nn.ResNet(nn.ResNetConfig{Depth: depth, Width: width, Image: image, Classes: classes}, seed)
	}
}

func mobilenet(c nn.MobileNetConfig) func([3]int, int, uint64) (*nn.Network, error) {
	return func(image [3]int, classes int, seed uint64) (*nn.Network, error) {
		c.Image, c.Classes = image, classes
		return nn.MobileNet(c, seed)
	}
}

// halfStages are MobileNetV2's at a width multiplier of 0.5: channels are rounded to the nearest multiple of eight, as
// the paper's are.
var halfStages = []nn.MobileNetStage{
	{Expand: 1, Channels: 8, Repeat: 1, Stride: 1}, {Expand: 6, Channels: 16, Repeat: 2, Stride: 1},
	{Expand: 6, Channels: 16, Repeat: 3, Stride: 2}, {Expand: 6, Channels: 32, Repeat: 4, Stride: 2},
	{Expand: 6, Channels: 48, Repeat: 3, Stride: 1}, {Expand: 6, Channels: 80, Repeat: 3, Stride: 2},
	{Expand: 6, Channels: 160, Repeat: 1, Stride: 1},
}

// trainSize is the least height and width of the images that networks are trained for.
var trainSize = [2]int{32, 32}

// keyTraining is the metadata that says how a float network was trained. It survives quantization.
const keyTraining = "dev.zaq.training"

func train(ctx context.Context, o TrainOptions) (*TrainResult, error) {
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	set, err := openImages(o.Data, dataset.Train, trainSize)
	if err != nil {
		return nil, err
	}
	if len(set.Classes) == 0 {
		return nil, &OptionError{"data", o.Data, "its classes have no names, so their number is not known"}
	}
	// A missing file is better found before the work than after.
	test, err := openTestSource(o.Data)
	if err != nil {
		return nil, err
	}
	if test.Whole {
		o.Log.Warn(o.Data + " has no test images apart: what is measured in the end are images that were trained on")
	}
	net, pixels, err := o.begin(set)
	if err != nil {
		return nil, err
	}
	pixels.Input = net.Inputs[0]

	m := method.TrainOptions{
		Epochs: o.Epochs, Batch: o.Batch, LR: o.LR, WeightDecay: o.WeightDecay, Seed: o.Seed,
		Profile: o.Profile.engine(),
		Epoch: func(number int, loss float64) {
			o.Log.Info("epoch done", "number", number, "of", o.Epochs, "loss", loss)
		},
		Progress: func(step, total int, loss, lr float64) {
			o.Progress(Progress{Phase: PhaseTrain, Step: step, Total: total, Metrics: []Metric{{"loss", loss}, {"lr", lr}}})
		},
	}
	if m.Fingerprint, err = o.fingerprint(set); err != nil {
		return nil, err
	}
	if m.Checkpoint, m.Resume, err = openCheckpoint(o.CheckpointDir, trainCheckpoint, o.Resume, o.Log); err != nil {
		return nil, err
	}
	done, err := method.Train(ctx, net, set, pixels, m)
	if err != nil {
		return nil, err
	}
	r := &TrainResult{Arch: o.Arch, Parameters: done.Parameters, Epochs: o.Epochs, Loss: done.Losses[len(done.Losses)-1]}
	if r.data, err = exportTrained(net, pixels, o); err != nil {
		return nil, err
	}
	e, err := testTrained(ctx, r.data, pixels, o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // a result that came too late is none
		return nil, err
	}
	r.Test = *e
	return r, nil
}

// begin returns the network where it starts, and how it takes the images of the set. o.Arch of a network that is there
// already becomes the name of its file.
func (o *TrainOptions) begin(set *dataset.Set) (*nn.Network, *preprocess.Spec, error) {
	m := o.Init
	if m == nil {
		net, err := architectures[o.Arch]([3]int{set.C, set.H, set.W}, len(set.Classes), o.Seed)
		return net, standardize(set), err
	}
	for _, l := range m.net.Layers {
		if _, ok := l.Op.(nn.FakeQuant); ok {
			return nil, nil, fmt.Errorf("%s: is quantized, only a float network can be trained", m.path)
		}
	}
	_, c, h, w, err := m.net.ImageInput()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.path, err)
	}
	if c != set.C || h != set.H || w != set.W {
		return nil, nil, fmt.Errorf("%s: takes %dx%d of %d channels, images of %s are %dx%d of %d", m.path, w, h, c, o.Data, set.W, set.H, set.C)
	}
	if _, tail := nn.Cut(m.net); len(tail.Layers) > 0 {
		return nil, nil, fmt.Errorf("%s: what follows its last layer with weights, such as a Softmax, is not trained: leave it out of the file", m.path)
	}
	o.Arch = strings.TrimSuffix(filepath.Base(m.path), filepath.Ext(m.path))
	net, pixels := m.net.Clone(), preprocess.Spec(m.pre)
	net.Metadata = nil
	return net, &pixels, nil
}

// fingerprint names the run that a checkpoint belongs to: everything that its result depends on.
func (o TrainOptions) fingerprint(set *dataset.Set) (string, error) {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	facts := []string{
		"verb=train",
		"version=" + Version(),
		"arch=" + o.Arch,
		fmt.Sprintf("data=%s", set.Name),
		fmt.Sprintf("images=%d", set.N),
		fmt.Sprintf("pixels=%x", sha256.Sum256(set.Pixels)),
		fmt.Sprintf("epochs=%d", o.Epochs),
		fmt.Sprintf("batch=%d", o.Batch),
		"lr=" + float(o.LR),
		"weight-decay=" + float(o.WeightDecay),
		fmt.Sprintf("seed=%d", o.Seed),
		"kernels=" + kernel.Path(),
	}
	if o.Init != nil {
		pre, err := (*preprocess.Spec)(&o.Init.pre).Encode()
		if err != nil {
			return "", err
		}
		facts = append(facts, "init="+o.Init.SHA256(), "preprocess="+string(pre))
	}
	return checkpoint.Fingerprint(facts...), nil
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

// testTrained evaluates the file, as it will be read, on the test images, which nothing before has seen.
func testTrained(ctx context.Context, data []byte, pixels *preprocess.Spec, o TrainOptions) (*Evaluation, error) {
	start := time.Now()
	file, err := onnx.Decode(data)
	if err != nil {
		return nil, err
	}
	net, err := nn.Import(file)
	if err != nil {
		return nil, err
	}
	m := &Model{path: o.Arch, pre: Preprocessing(*pixels), loaded: loaded{file: file, net: net, input: pixels.Input}}
	e, err := evaluate(ctx, m, o.Data, EvalOptions{Progress: o.Progress, Log: o.Log})
	if err != nil {
		return nil, err
	}
	e.Data, e.Elapsed = o.Data, time.Since(start)
	return e, nil
}

// exportTrained makes the file, with all that is needed to use it and to train it again.
func exportTrained(net *nn.Network, pixels *preprocess.Spec, o TrainOptions) ([]byte, error) {
	encoded, err := pixels.Encode()
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(o.Data, ":")
	history := fmt.Sprintf("%s on %s, %d epochs, batch %d, lr %g, weight decay %g, seed %d, %s kernels",
		o.Arch, kind, o.Epochs, o.Batch, o.LR, o.WeightDecay, o.Seed, kernel.Path())
	if o.Init != nil && o.Init.net.Metadata[keyTraining] != "" {
		history = o.Init.net.Metadata[keyTraining] + "; then " + history
	}
	file, err := nn.Export(net, nn.ExportOptions{
		ProducerName: "zaq", ProducerVersion: Version(),
		Metadata: []onnx.Property{
			{Key: keyTraining, Value: history},
			{Key: keyPreprocess, Value: string(encoded)},
		},
	})
	if err != nil {
		return nil, err
	}
	return file.Encode()
}
