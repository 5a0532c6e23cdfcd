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
	Boxes    bool           // of a detector: keep what was found in each image; they are many
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
//	cifar100:DIR        test.bin likewise, its 100 fine classes; or one file
//	fashion-mnist:DIR   t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte in DIR, as they are or with .gz
//	imagefolder:DIR     JPEG and PNG files in a folder for each class (under test or val, where train is there too), or in
//	                    one with labels.csv inside or DIR_labels.csv beside it
//	csv:FILE            a table with the columns file and class_index (or label); files beside it or in the folder of its
//	                    name without .csv and _labels
//	npy:FILE            bytes [N,H,W,3], [N,H,W,1], [N,H,W] or [N,3,H,W]; labels [N] in NAME_labels.npy beside NAME.npy
//
// Images are read a batch at a time, so that a set of any size takes no more memory than a small one. They must have the
// size and the channels of the network's input; where Preprocessing.Resize says how, they are resized, as Pillow's
// antialiased bilinear filter does it. Images of Fashion-MNIST, 28 x 28, get a black border where the network takes
// larger ones, as networks from Train do.
func Evaluate(ctx context.Context, m *Model, spec string, o EvalOptions) (*Evaluation, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	start := time.Now()
	e, err := evaluate(ctx, m, spec, o.withDefaults())
	if err != nil {
		return nil, interruptedBriefly(ctx, err)
	}
	e.Data, e.Elapsed = spec, time.Since(start)
	return e, nil
}
