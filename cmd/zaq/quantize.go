package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const quantizeUsage = `Quantize a float ONNX model. No image is needed.

Usage:
    zaq quantize MODEL.onnx [FLAGS]

    -o, --output FILE       where to write; MODEL.w4a4.onnx beside the model by default
        --method M          zaq (default; learns from images that a generator makes, minutes)
                            or rtn (rounds to nearest, a minute)
        --precision P       bits of weights and activations, 2 to 8 each (default w4a4)
        --wbits N           bits of weights, in place of --precision
        --abits N           bits of activations, in place of --precision
        --scheme S          deploy (default; integer kernels everywhere) or paper (the protocol of published tables)
        --seed N            of everything random (default 0)
        --per-tensor        one scale per weight tensor, not per output channel
        --weight-range R    what a weight's grid spans: minmax, all of it, or mse, where rounding costs least; mse at
                            2 bits unless told
        --observer O        what an activation's grid spans: mse (default of zaq), where rounding costs least;
                            percentile (default of rtn), 99.99; ema, the average of batches' extremes; or minmax
        --first-last-bits N weights of the first and the last layer; as --precision says otherwise
        --int4-storage S    weights of up to 4 bits: packed (default), two a byte, or int8
        --opset N           of the file written, 13 and up; what is needed otherwise
        --calib DIR         activation ranges from your own images (PNG, JPEG, no labels)
        --checkpoint DIR    keep the run's state here, every now and then and on an interrupt (method zaq); the state
                            of an earlier run is removed
        --checkpoint-every D how often, such as 10s or 5m (default 30s)
        --resume            go on from there; anew where there is nothing yet
        --json              the result as JSON
        --profile           at the end, the time of each layer and kernel on stderr

Generated images, of both methods:
        --batch N           images a step (default 64)
        --warmup N          steps of the generator G before all others (default 400)
        --no-clip           let G paint pixels outside 0..255

Training, of method zaq:
        --steps N           of the quantized network Q (default 800)
        --q-per-g N         steps of Q for each of G (default 5)
        --range-steps N     steps of Q until ranges of --observer ema freeze; a third of --steps otherwise
        --schedule S        of learning rates: cosine (default) or step
        --lr X              of Q; 0.01 unless told, 0.03 at 2 bits of weights
        --g-lr X            of G, after its warm-up (default 0.0001)
        --alpha X           weight of the feature discrepancy (default 0.1)
        --beta X            weight of G's activation regulariser (default 0.05)
        --tau X             temperature of layer weights in the feature discrepancy (default 1)
        --feature-ema X     decay of their moving average, 0 to below 1 (default 0.9)
        --weight-decay X    of Q (default 0.0005)
        --grad-clip X       largest norm of a gradient, 0 for none (default 1)
        --pass-grad         gradients pass a quantizer outside its range too
        --keep-best         keep the weights that agree best with P on held-back generated images, not the last
` + preprocessUsage + `
Example:
    zaq quantize resnet20.onnx -o resnet20.w4a4.onnx --precision w4a4 --checkpoint run1
`

type quantizeOptions struct {
	zaq.Options
	output       string
	wbits, abits int
	json         bool
	profile      bool
	preprocess   preprocessFlags
}

func (o *quantizeOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "")
	flags.StringVar(&o.Method, "method", "zaq", "")
	flags.StringVar(&o.Precision, "precision", "w4a4", "")
	flags.IntVar(&o.wbits, "wbits", 0, "")
	flags.IntVar(&o.abits, "abits", 0, "")
	flags.StringVar(&o.Scheme, "scheme", "deploy", "")
	flags.Uint64Var(&o.Seed, "seed", 0, "")
	flags.BoolVar(&o.PerTensor, "per-tensor", false, "")
	flags.StringVar(&o.WeightRange, "weight-range", "", "")
	flags.StringVar(&o.Observer, "observer", "", "")
	flags.IntVar(&o.FirstLastBits, "first-last-bits", 0, "")
	flags.StringVar(&o.Int4Storage, "int4-storage", "packed", "")
	flags.IntVar(&o.Opset, "opset", 0, "")
	flags.StringVar(&o.CalibrationDir, "calib", "", "")
	flags.StringVar(&o.CheckpointDir, "checkpoint", "", "")
	flags.DurationVar(&o.CheckpointEvery, "checkpoint-every", 30*time.Second, "")
	flags.BoolVar(&o.Resume, "resume", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.profile, "profile", false, "")
	addGeneratorFlags(flags, &o.ZAQ)
	addTrainingFlags(flags, &o.ZAQ)
	o.preprocess.addFlags(flags)
}

func addGeneratorFlags(flags *pflag.FlagSet, z *zaq.ZAQOptions) {
	d := zaq.DefaultZAQOptions()
	flags.IntVar(&z.Batch, "batch", d.Batch, "")
	flags.IntVar(&z.Warmup, "warmup", d.Warmup, "")
	flags.BoolVar(&z.NoClip, "no-clip", false, "")
}

func addTrainingFlags(flags *pflag.FlagSet, z *zaq.ZAQOptions) {
	d := zaq.DefaultZAQOptions()
	flags.IntVar(&z.Steps, "steps", d.Steps, "")
	flags.IntVar(&z.QPerG, "q-per-g", d.QPerG, "")
	flags.IntVar(&z.RangeSteps, "range-steps", 0, "")
	flags.StringVar(&z.Schedule, "schedule", d.Schedule, "")
	flags.Float64Var(&z.LR, "lr", 0, "")
	flags.Float64Var(&z.GLR, "g-lr", d.GLR, "")
	flags.Float64Var(&z.Alpha, "alpha", d.Alpha, "")
	flags.Float64Var(&z.Beta, "beta", d.Beta, "")
	flags.Float64Var(&z.Tau, "tau", d.Tau, "")
	flags.Float64Var(&z.FeatureEMA, "feature-ema", d.FeatureEMA, "")
	flags.Float64Var(&z.WeightDecay, "weight-decay", d.WeightDecay, "")
	flags.Float64Var(&z.GradClip, "grad-clip", d.GradClip, "")
	flags.BoolVar(&z.PassGrad, "pass-grad", false, "")
	flags.BoolVar(&z.KeepBest, "keep-best", false, "")
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
	w, a, err := zaq.ParsePrecision(o.Precision)
	if err != nil {
		return err
	}
	if flags.Changed("wbits") || flags.Changed("abits") {
		if flags.Changed("precision") {
			return usageErrorf("--precision and --wbits or --abits say the same: give one")
		}
		if flags.Changed("wbits") {
			w = o.wbits
		}
		if flags.Changed("abits") {
			a = o.abits
		}
	}
	o.Precision = fmt.Sprintf("w%da%d", w, a)
	if err := above0(flags, "steps", "batch", "q-per-g", "warmup", "range-steps", "lr", "g-lr", "tau",
		"first-last-bits", "opset", "checkpoint-every"); err != nil {
		return err
	}
	if err := notNegative(flags, "alpha", "beta", "feature-ema", "weight-decay", "grad-clip"); err != nil {
		return err
	}
	// On the command line 0 is 0; the library takes a negative number for that, and 0 for the default.
	for _, v := range []*float64{&o.ZAQ.Alpha, &o.ZAQ.Beta, &o.ZAQ.FeatureEMA, &o.ZAQ.WeightDecay, &o.ZAQ.GradClip} {
		if *v == 0 {
			*v = -1
		}
	}
	if o.Method == "rtn" {
		if err := refuseTraining(flags, o.Method); err != nil {
			return err
		}
	}
	if err := o.Check(); err != nil {
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
	p := a.progress()
	o.Progress, o.Log = p.Update, a.log
	if o.profile {
		o.Profile = &zaq.Profile{}
		defer a.printProfile(o.Profile)
	}
	r, err := zaq.Quantize(ctx, m, o.Options)
	p.Done()
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

// worstLayers is how many layers a table of costs shows; --json has all.
const worstLayers = 10
