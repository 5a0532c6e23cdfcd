package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const quantizeUsage = `Quantize a float ONNX model. No image is needed.

Usage:
    zaq quantize MODEL.onnx [FLAGS]

    -o, --output FILE       where to write; MODEL.w4a4.onnx beside the model by default
        --method M          zaq (default; learns from images that a generator makes, minutes), others see below
        --precision P       bits of weights and activations, 2 to 8 each (default w4a4)
                            auto, or autoa6: 8 or 6 bits of activations, and bits of weights by layer within a budget:
        --mean-bits X       of --precision auto: bits of a weight on average
        --size S            of --precision auto: of the file, such as 500kB or 0.5MB
        --wbits N           bits of weights, in place of --precision
        --abits N           bits of activations, in place of --precision
        --scheme S          deploy (default; integer kernels everywhere) or paper (the protocol of published tables)
        --seed N            of everything random (default 0)
        --per-tensor        one scale per weight tensor, not per output channel
        --weight-range R    what a weight's grid spans: minmax, all of it, or mse, where rounding costs least; mse at
                            2 bits unless told
        --observer O        what an activation's grid spans: mse, where rounding costs least; percentile, 99.99; ema,
                            the average of batches' extremes; minmax; laplace or gauss, least expected error of such
                            values; sigma, 6 deviations of BatchNormalization's. Unless told, mse of images, sigma of
                            statistics and percentile of these below 6 bits, minmax of noise and mse below 6
        --bias-correction   biases make good for what rounding weights does to means, before any training (default true)
        --first-last-bits N weights of the first and the last layer; as --precision says otherwise
        --int4-storage S    weights of up to 4 bits: packed (default), two a byte, or int8
        --opset N           of the file written, 13 and up; what is needed otherwise
        --images S          where images come from: generator, zeroq or deepinversion (optimised to statistics), or
                            statistics (no images: ranges follow from these); the method's own unless told
        --calib DIR         activation ranges from your own images (PNG, JPEG, no labels), with methods that need no
                            others or train on them; without BatchNormalization means, too, and what zaq learns on
        --data SPEC         labelled images, such as cifar10:DIR, whose training part method ft learns from
        --checkpoint DIR    keep the run's state here, every now and then and on an interrupt (methods that
                            train or make images); the state of an earlier run is removed
        --checkpoint-every D how often, such as 10s or 5m (default 30s)
        --resume            go on from there; anew where there is nothing yet
        --json              the result as JSON
        --profile           at the end, the time of each layer and kernel on stderr

        --batch N           images a step (default 64)
        --memory SIZE       keep within so much memory, such as 4GiB, by fewer images at a time: the largest part of
                            a batch with which what is planned fits. It follows from the model and the flags, not from
                            the machine, and is recorded. Gradients are the mean over all parts; the generator's
                            normalizations, and losses that compare statistics over a batch, go by a part

Methods, from the cheapest:
    squant         rounds so that errors cancel within kernels and channels, milliseconds
    dfq            equalizes channels across layers first; for --per-tensor
    aciq           clips where Laplace-distributed values would cost least, weights of different bits by channel
    rtn            rounds to nearest, ranges from the images of a generator, a minute
    zeroq          the same, ranges from images optimised to BatchNormalization's statistics
    deepinversion  the same, images optimised to classes too
    gdfq           learns labels and answers of the float network on images of a generator that knows classes
    zaq            learns where a generator finds the float and the quantized network to differ
    ft             learns from real labelled images: what the others are measured against

Images of a generator:
        --warmup N          steps of the generator G before all others (default 400)
        --no-clip           let G paint pixels outside 0..255

Optimised images:
        --image-count N     how many; 64 unless told, 256 of deepinversion
        --image-steps N     for each batch; 500 unless told
        --image-lr X        of the pixels; 0.5 unless told, 0.05 of deepinversion

Of deepinversion alone, weights and more:
        --class-weight X    of the image's class (default 1)
        --tv X              of total variation (default 2.5e-05)
        --l2 X              of the images' norm (default 0)
        --bn-weight X       of BatchNormalization's statistics (default 10)
        --compete X         of disagreement between the float and the rounded network (default 0)
        --shift N           largest shift in pixels before the network sees them (default 2)

Training, of zaq, gdfq and ft:
        --steps N           of the quantized network Q (default 800)
        --start S           where weights begin: squant, as that method rounds them, or float, as published; squant
                            unless told, float at 2 bits
        --q-per-g N         steps of Q for each of G; 5 unless told, 1 of gdfq
        --range-steps N     steps of Q until ranges of --observer ema freeze; a third of --steps otherwise
        --schedule S        of learning rates: cosine (default) or step
        --lr X              of Q; 0.01 unless told, 0.03 at 2 bits of weights, 0.001 without BatchNormalization
        --g-lr X            of G, after its warm-up; 0.0001 unless told, 0.001 of gdfq
        --weight-decay X    of Q (default 0.0005)
        --grad-clip X       largest norm of a gradient, 0 for none (default 1)
        --pass-grad         gradients pass a quantizer outside its range too
        --keep WHICH        weights to end with: better (default), of the last and those of the start, or best, of some
                            on the way, too, by agreement with P on held-back images; or last

Parts of zaq, each of which can be left out:
        --alpha X           weight of the feature discrepancy (default 0.1)
        --feature-loss F    how features are compared: crm (default), scrm, gram or none
        --layer-weights W   of layers in the feature discrepancy: ema (default), by their distances, or uniform
        --tau X             temperature of these weights (default 1)
        --feature-ema X     decay of their moving average, 0 to below 1 (default 0.9)
        --beta X            weight of G's activation regulariser (default 0.05)
        --regularizer R     on (default) or off, which is --beta 0

Parts of gdfq:
        --g-statistics X    weight of BatchNormalization's statistics in G's objective (default 0.1)
        --distill X         weight of the float network's answers in Q's (default 1)
        --temperature X     of these (default 20)
` + preprocessUsage + `
Example:
    zaq quantize resnet20.onnx -o resnet20.w4a4.onnx --precision w4a4 --checkpoint run1
`

type quantizeOptions struct {
	zaq.Options
	output       string
	wbits, abits int
	correctBias  bool
	regularizer  string
	json         bool
	profile      bool
	preprocess   preprocessFlags
	given        []string // the flags on the command line
}

func newQuantizeCommand(a *app) *cobra.Command {
	var o quantizeOptions
	cmd := &cobra.Command{
		Use:  "quantize",
		Long: quantizeUsage,
		Args: argument("MODEL.onnx"),
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.complete(cmd.Flags(), args[0]); err != nil {
			return err
		}
		return a.quantize(cmd.Context(), args[0], &o)
	}
	return cmd
}

// complete works out what one flag means for another, and checks all of them before any file is read.
func (o *quantizeOptions) complete(flags *pflag.FlagSet, model string) error {
	if err := o.completePrecision(flags); err != nil {
		return err
	}
	if err := above0(flags, "steps", "batch", "q-per-g", "warmup", "range-steps", "lr", "g-lr", "tau",
		"first-last-bits", "opset", "checkpoint-every", "image-count", "image-steps", "image-lr", "temperature", "mean-bits"); err != nil {
		return err
	}
	if err := notNegative(flags, "alpha", "beta", "feature-ema", "weight-decay", "grad-clip", "class-weight", "tv", "l2", "bn-weight",
		"compete", "shift", "g-statistics", "distill"); err != nil {
		return err
	}
	switch o.regularizer {
	case "on":
	case "off":
		if flags.Changed("beta") {
			return usageErrorf("--regularizer off and --beta contradict each other")
		}
		o.ZAQ.Beta = 0
	default:
		return usageErrorf("--regularizer %q: on or off", o.regularizer)
	}
	o.zeros(flags)
	o.KeepBias = !o.correctBias
	if err := o.Check(); err != nil {
		return err
	}
	if err := o.refuseUnused(flags); err != nil {
		return err
	}
	if o.output == "" {
		o.output = outputPath(model, o.Precision)
	}
	return o.preprocess.check()
}

func (a *app) quantize(ctx context.Context, model string, o *quantizeOptions) error {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	if err := checkOutput(o.output, m.Files()...); err != nil {
		return err
	}
	if o.profile {
		o.Profile = &zaq.Profile{}
		defer a.printProfile(o.Profile)
	}
	r, err := a.runQuantize(ctx, m, o)
	if err != nil {
		return err
	}
	if err := writeUnlessInterrupted(ctx, r, o.output); err != nil {
		return err
	}
	if o.json {
		return report.JSON(a.stdout, struct {
			Output string `json:"output"`
			Bytes  int    `json:"bytes"`
			*zaq.Result
		}{o.output, r.Len(), r})
	}
	if err := report.Result(a.stdout, r, worstLayers); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\nwrote %s, %s\n", o.output, report.Size(int64(r.Len())))
	return err
}

// runQuantize quantizes as the flags say, of which it names those that the model has no use for: it is no error, as flags may be
// for many models.
func (a *app) runQuantize(ctx context.Context, m *zaq.Model, o *quantizeOptions) (*zaq.Result, error) {
	for _, name := range o.given {
		if reason := m.Unused(o.Options, name); reason != "" {
			a.log.Warn("--" + name + " is not looked at: " + reason)
		}
	}
	if o.Memory > 0 {
		// Without this, garbage may be as much again as what is in use.
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(o.Memory - o.Memory/8))
	}
	p := a.progress()
	defer p.Done()
	o.Progress, o.Log = p.Update, a.log
	return zaq.Quantize(ctx, m, o.Options)
}

// worstLayers is how many layers a table of costs shows; --json has all.
const worstLayers = 10
