package zaq

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// Architectures that Train knows, the default first, all for images of about 32 x 32: the residual networks of He et
// al. (2016, section 4.2), 6n+2 layers deep, narrow with half the channels; MobileNetV2 (Sandler et al., 2018), half with
// half the channels; VGG-19 with BatchNorm (Simonyan and Zisserman, 2015), quarter with a quarter of the channels.
var Architectures = []string{"resnet20", "resnet8", "resnet14", "resnet20-narrow", "mobilenetv2", "mobilenetv2-half", "vgg19-quarter"}

// TrainOptions say what to train. The zero value of a field stands for its default.
type TrainOptions struct {
	Data string // "cifar10:DIR" or "fashion-mnist:DIR", with the training images; required
	Arch string // one of Architectures
	Init *Model // a float network to go on from, whatever Arch says; may be nil

	Epochs      int     // over the training images; default 40
	Batch       int     // images a step; default 128
	LR          float64 // peak of the one-cycle cosine (SGD, Nesterov momentum 0.9); default 0.1
	WeightDecay float64 // default 5e-4, negative: none
	Seed        uint64  // of weights, order of the images and their augmentation

	CheckpointDir string // as in Options
	Resume        bool

	Progress func(Progress) // may be nil
	Log      *slog.Logger   // may be nil
	Profile  *Profile       // as in Options
}

// TrainResult is a trained float network, ready to be written.
type TrainResult struct {
	Arch       string        `json:"arch"`
	Parameters int           `json:"parameters"`
	Epochs     int           `json:"epochs"`
	Loss       float64       `json:"loss"` // mean cross-entropy of the last epoch, on augmented training images
	Test       Evaluation    `json:"test"` // after the last epoch; nothing was chosen by it
	Elapsed    time.Duration `json:"elapsed_ns"`

	artifact
}

// Check reports the first option that cannot be, as an *OptionError.
func (o TrainOptions) Check() error {
	if o.Data == "" {
		return &OptionError{"data", "", "training needs labelled images, such as cifar10:DIR"}
	}
	for _, f := range []struct {
		name string
		v    int
	}{{"epochs", o.Epochs}, {"batch", o.Batch}} {
		if f.v < 0 {
			return negative(f.name, f.v)
		}
	}
	if !(o.LR >= 0) || math.IsInf(o.LR, 0) {
		return &OptionError{"lr", fmt.Sprint(o.LR), "out of range"}
	}
	if math.IsNaN(o.WeightDecay) || math.IsInf(o.WeightDecay, 0) {
		return &OptionError{"weight-decay", fmt.Sprint(o.WeightDecay), "out of range"}
	}
	if o.Resume && o.CheckpointDir == "" {
		return errResumeFromNowhere
	}
	return oneOf("arch", o.withDefaults().Arch, Architectures...)
}

func (o TrainOptions) withDefaults() TrainOptions {
	if o.Arch == "" {
		o.Arch = Architectures[0]
	}
	if o.Epochs == 0 {
		o.Epochs = 40
	}
	if o.Batch == 0 {
		o.Batch = 128
	}
	if o.LR == 0 {
		o.LR = 0.1
	}
	switch {
	case o.WeightDecay == 0:
		o.WeightDecay = 5e-4
	case o.WeightDecay < 0:
		o.WeightDecay = 0
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// DefaultTrainOptions returns the values that zeros stand for.
func DefaultTrainOptions() TrainOptions { return TrainOptions{}.withDefaults() }

// Train trains a float network from scratch, or goes on with one. It stops when ctx is cancelled as Quantize does. The file of
// the result carries its preprocessing in its metadata, so that it needs no MODEL.json.
func Train(ctx context.Context, o TrainOptions) (*TrainResult, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	start := time.Now()
	r, err := train(ctx, o.withDefaults())
	if err != nil {
		return nil, interrupted(ctx, err, o.CheckpointDir, trainCheckpoint)
	}
	r.Elapsed = time.Since(start)
	return r, nil
}
