package zaq

import (
	"context"
	"log/slog"
	"time"

	"zaq/infer"
)

// EvalOptions say how to evaluate. The zero value takes every test image.
type EvalOptions struct {
	Limit    int            // only the first Limit images; 0: all
	Batch    int            // images at once; 0: what suits the machine. It does not change the result
	Engine   string         // "fake" (default): integers held in floats; "int": package infer, 8-bit integers
	Requant  string         // of engine "int": "ort" (default) or "fixed", see infer.WithRequant
	Progress func(Progress) // may be nil
	Log      *slog.Logger   // may be nil
}

// The values of EvalOptions that are words, the default of each first.
var (
	Engines  = []string{"fake", "int"}
	Requants = []string{infer.ORT, infer.Fixed}
)

func (o *EvalOptions) check() error {
	for _, f := range []struct {
		name string
		v    int
	}{{"limit", o.Limit}, {"batch", o.Batch}} {
		if f.v < 0 {
			return negative(f.name, f.v)
		}
	}
	for _, f := range []struct {
		name  string
		v     *string
		known []string
	}{{"engine", &o.Engine, Engines}, {"requant", &o.Requant, Requants}} {
		if *f.v == "" {
			*f.v = f.known[0]
		}
		if err := oneOf(f.name, *f.v, f.known...); err != nil {
			return err
		}
	}
	return nil
}

// Evaluation is how a classifier did on labelled images.
type Evaluation struct {
	Data string `json:"data"` // the specification that was evaluated
	N    int    `json:"n"`    // images
	Top1 int    `json:"top1"` // of them, with the right class first
	Top5 int    `json:"top5"` // with the right class among the first five

	// Classes are the images' predicted classes in order, for paired comparisons: two models differ by less
	// than their accuracies tell when they are wrong on the same images.
	Classes []int `json:"classes,omitempty"`

	Elapsed time.Duration `json:"elapsed_ns"`
}

// Accuracy returns the shares of N in percent.
func (e *Evaluation) Accuracy() (top1, top5 float64) {
	return 100 * float64(e.Top1) / float64(e.N), 100 * float64(e.Top5) / float64(e.N)
}

// Evaluate runs m, float or quantized, a classifier, over the test images that spec names and counts right
// answers. Spec is a format, of which another is an *OptionError, and a path:
//
//	cifar10:DIR         test_batch.bin of the official binary version in DIR
//	cifar10:FILE.bin    one file of that form
//	fashion-mnist:DIR   t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte in DIR, as they are or with .gz
//	imagefolder:DIR     JPEG and PNG files of one size in a folder for each class, or in one with a labels.csv
//
// Images must have the size and the channels of the network's input. Only those of Fashion-MNIST, 28 x 28, get a
// black border where the network takes larger ones, as networks from Train do.
func Evaluate(ctx context.Context, m *Model, spec string, o EvalOptions) (*Evaluation, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	start := time.Now()
	e, err := evaluate(ctx, m, spec, o)
	if err != nil {
		return nil, interruptedBriefly(ctx, err)
	}
	e.Data, e.Elapsed = spec, time.Since(start)
	return e, nil
}
