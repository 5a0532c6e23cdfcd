package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"zaq"
)

func (o *quantizeOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "")
	flags.StringVar(&o.Method, "method", "zaq", "")
	flags.StringVar(&o.Precision, "precision", "w4a4", "")
	flags.Float64Var(&o.MeanBits, "mean-bits", 0, "")
	flags.Var(byteSize{&o.Size, "500kB or 0.5MB"}, "size", "")
	flags.IntVar(&o.wbits, "wbits", 0, "")
	flags.IntVar(&o.abits, "abits", 0, "")
	flags.StringVar(&o.Scheme, "scheme", "deploy", "")
	flags.Uint64Var(&o.Seed, "seed", 0, "")
	flags.BoolVar(&o.PerTensor, "per-tensor", false, "")
	flags.StringVar(&o.WeightRange, "weight-range", "", "")
	flags.StringVar(&o.Observer, "observer", "", "")
	flags.BoolVar(&o.correctBias, "bias-correction", true, "")
	flags.IntVar(&o.FirstLastBits, "first-last-bits", 0, "")
	flags.StringVar(&o.Int4Storage, "int4-storage", "packed", "")
	flags.IntVar(&o.Opset, "opset", 0, "")
	flags.StringVar(&o.Images, "images", "", "")
	flags.StringVar(&o.CalibrationDir, "calib", "", "")
	flags.StringVar(&o.Data, "data", "", "")
	flags.StringVar(&o.CheckpointDir, "checkpoint", "", "")
	flags.DurationVar(&o.CheckpointEvery, "checkpoint-every", 30*time.Second, "")
	flags.BoolVar(&o.Resume, "resume", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.profile, "profile", false, "")
	flags.IntVar(&o.ZAQ.Batch, "batch", zaq.DefaultZAQOptions().Batch, "")
	flags.Var(byteSize{&o.Memory, "4GiB, 500MB or a number of bytes"}, "memory", "")
	for _, add := range []func(*pflag.FlagSet, *zaq.Options){
		addGeneratorFlags, addImageFlags, addTrainingFlags, addZAQFlags, addGDFQFlags,
	} {
		add(flags, &o.Options)
	}
	flags.StringVar(&o.regularizer, "regularizer", "on", "")
	o.preprocess.addFlags(flags)
}

// completePrecision works out the precision from the flags that say it.
func (o *quantizeOptions) completePrecision(flags *pflag.FlagSet) error {
	if strings.HasPrefix(strings.ToLower(o.Precision), "auto") {
		if flags.Changed("wbits") {
			return usageErrorf("--precision auto and --wbits contradict each other")
		}
		if flags.Changed("abits") {
			o.Precision = fmt.Sprintf("autoa%d", o.abits)
		}
		return nil
	}
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
	return nil
}

func addGeneratorFlags(flags *pflag.FlagSet, o *zaq.Options) {
	flags.IntVar(&o.ZAQ.Warmup, "warmup", zaq.DefaultZAQOptions().Warmup, "")
	flags.BoolVar(&o.ZAQ.NoClip, "no-clip", false, "")
}

func addImageFlags(flags *pflag.FlagSet, o *zaq.Options) {
	s := &o.Synth
	flags.IntVar(&s.Count, "image-count", 0, "")
	flags.IntVar(&s.Steps, "image-steps", 0, "")
	flags.Float64Var(&s.LR, "image-lr", 0, "")
	flags.Float64Var(&s.Class, "class-weight", 1, "")
	flags.Float64Var(&s.TV, "tv", 2.5e-5, "")
	flags.Float64Var(&s.L2, "l2", 0, "")
	flags.Float64Var(&s.BN, "bn-weight", 10, "")
	flags.Float64Var(&s.Compete, "compete", 0, "")
	flags.IntVar(&s.Shift, "shift", 2, "")
}

func addTrainingFlags(flags *pflag.FlagSet, o *zaq.Options) {
	z, d := &o.ZAQ, zaq.DefaultZAQOptions()
	flags.IntVar(&z.Steps, "steps", d.Steps, "")
	flags.StringVar(&z.Start, "start", "", "")
	flags.IntVar(&z.QPerG, "q-per-g", 0, "")
	flags.IntVar(&z.RangeSteps, "range-steps", 0, "")
	flags.StringVar(&z.Schedule, "schedule", d.Schedule, "")
	flags.Float64Var(&z.LR, "lr", 0, "")
	flags.Float64Var(&z.GLR, "g-lr", 0, "")
	flags.Float64Var(&z.WeightDecay, "weight-decay", d.WeightDecay, "")
	flags.Float64Var(&z.GradClip, "grad-clip", d.GradClip, "")
	flags.BoolVar(&z.PassGrad, "pass-grad", false, "")
	flags.StringVar(&z.Keep, "keep", d.Keep, "")
}

func addZAQFlags(flags *pflag.FlagSet, o *zaq.Options) {
	z, d := &o.ZAQ, zaq.DefaultZAQOptions()
	flags.Float64Var(&z.Alpha, "alpha", d.Alpha, "")
	flags.Float64Var(&z.Beta, "beta", d.Beta, "")
	flags.StringVar(&z.FeatureLoss, "feature-loss", d.FeatureLoss, "")
	flags.StringVar(&z.LayerWeights, "layer-weights", d.LayerWeights, "")
	flags.Float64Var(&z.Tau, "tau", d.Tau, "")
	flags.Float64Var(&z.FeatureEMA, "feature-ema", d.FeatureEMA, "")
}

func addGDFQFlags(flags *pflag.FlagSet, o *zaq.Options) {
	flags.Float64Var(&o.GDFQ.Statistics, "g-statistics", 0.1, "")
	flags.Float64Var(&o.GDFQ.Distill, "distill", 1, "")
	flags.Float64Var(&o.GDFQ.Temperature, "temperature", 20, "")
}

// zeros are the flags for which 0 is 0 on the command line; the library takes a negative number for that, and 0 for
// the default. A weight of classes that nobody gave stays a default, which networks without classes do without.
func (o *quantizeOptions) zeros(flags *pflag.FlagSet) {
	z, s := &o.ZAQ, &o.Synth
	for _, v := range []*float64{
		&z.Alpha, &z.Beta, &z.FeatureEMA, &z.WeightDecay, &z.GradClip,
		&s.Class, &s.TV, &s.L2, &s.BN, &s.Compete, &o.GDFQ.Statistics, &o.GDFQ.Distill,
	} {
		if *v == 0 {
			*v = -1
		}
	}
	if s.Shift == 0 {
		s.Shift = -1
	}
	if !flags.Changed("class-weight") {
		s.Class = 0
	}
}

// refuseUnused refuses flags that the run would not look at, and remembers all that were given.
func (o *quantizeOptions) refuseUnused(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		o.given = append(o.given, f.Name)
		if reason := o.Unused(f.Name); reason != "" && err == nil {
			err = &zaq.OptionError{Option: f.Name, Reason: reason}
		}
	})
	return err
}
