package zaq

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

// Values of options that are words, the default of each first.
var (
	Schemes       = []string{"deploy", "paper"}
	WeightRanges  = []string{"minmax", "mse"}
	Observers     = method.Observers
	Int4Storages  = []string{"packed", "int8"}
	FeatureLosses = method.FeatureLosses
	LayerWeights  = []string{"ema", "uniform"}
	Keeps         = []string{method.KeepBetter, method.KeepBest, method.KeepLast}
	Starts        = []string{method.StartSQuant, method.StartFloat}
)

// int4Opset is the first with 4-bit integers that a Cast understands.
const int4Opset = 21

// movingObserver is the one whose ranges go on moving while Q trains.
const movingObserver = "ema"

// Options say how to quantize. The zero value is the recommended way.
type Options struct {
	Method    string // one of Methods; default "zaq"
	Precision string // "w4a4" (default): bits of weights and of activations, 2 to 8 each; "auto" or "autoa6": weights of bits by layer
	Scheme    string // "deploy" (default) or "paper"
	Seed      uint64 // of everything random

	// MeanBits and Size are the budget of precision "auto", of which one must be given: bits of a weight on average, or the
	// bytes of the file. Each layer gets bits by how much rounding it changes the network's answers on images. Methods that
	// train, aciq, and ranges from statistics, have no such precision.
	MeanBits float64
	Size     int64

	PerTensor     bool   // one scale per weight tensor; per output channel otherwise
	WeightRange   string // what a weight's grid spans: "minmax" (default), all of its values, or "mse" (default at 2 bits), those of least squared error
	Observer      string // what an activation's grid spans: "mse", the range of least squared error; "percentile", all but one in 10,000; "ema", a moving average of batches' extremes; "minmax"; "laplace" (default of aciq) or "gauss", least expected error of such a distribution; "sigma", 6 deviations of the statistics. Default: mse where there are images; of statistics sigma, and below 6 bits percentile; of noise minmax, and below 6 bits mse
	FirstLastBits int    // bits of the first and last layer's weights; 0: those of Precision
	Int4Storage   string // of weights up to 4 bits: "packed" (default, two a byte) or "int8"
	Opset         int    // of the file written; 0: what the model has, or the least that its quantizers need

	// KeepBias leaves biases as they are; otherwise they are corrected for what rounding does to the mean of each channel, by
	// what activations are on average; where Q is trained, before that.
	KeepBias bool

	// Images is where images come from, one of ImageSources; "": the method's own. Any method can have any, but for ft.
	Images string
	Synth  SynthOptions // of images that are optimised

	// Data names labelled images, "cifar10:DIR" for example, whose training part method "ft" learns from. No other method
	// takes any.
	Data string

	// CalibrationDir holds unlabelled images (PNG, JPEG) from which activation ranges are taken in place of
	// generated ones; where nothing trains, images that are optimised leave them no place. "": no image is needed.
	CalibrationDir string

	CheckpointDir string // where a run's state is kept, so that it can be resumed; "": nowhere
	Resume        bool   // go on from the state in CheckpointDir, which must be of the same model and options

	CheckpointEvery time.Duration // how often the state is written; default 30 s

	ZAQ  ZAQOptions  // of methods that generate images or train
	GDFQ GDFQOptions // of method "gdfq"

	// Memory bounds the bytes that a run takes, by a smaller number of images that go through the networks at a time: the
	// largest part of ZAQ.Batch, 4 images or more, with which what is planned fits, whatever the machine. Gradients are the
	// mean over all parts; the generator's own normalizations, and losses that compare statistics over a batch, go by a part,
	// so that the number is a part of the run's configuration, like the seed. 0: no bound, all of a batch at a time.
	Memory int64

	Progress func(Progress) // called between steps, from one goroutine; may be nil
	Log      *slog.Logger   // nil: no log
	Profile  *Profile       // gets the times of layers and kernels; nil: they are not taken
}

// ZAQOptions tune method "zaq" and what others share with it: the generator and fine-tuning. A zero means the default. The weights of loss terms, where zero is a
// sensible choice too, take a negative number for "leave this term out", and so does FeatureEMA for 0.
type ZAQOptions struct {
	Steps    int     // of the quantized network Q; default 800
	Batch    int     // images a step; default 64
	QPerG    int     // Q steps for each step of the generator G; default 5, of gdfq 1
	Warmup   int     // steps of G on BatchNormalization statistics before anything else; default 400
	Start    string  // where weights begin: "squant", as that method rounds them (default; not at 2 bits), or "float", as published
	Schedule string  // of both learning rates: "cosine" (default) or "step" (x0.1 at 1/3 and 2/3)
	LR       float64 // of Q (SGD, Nesterov momentum 0.9); default 0.01, 0.03 where weights have 2 bits, 0.001 without BatchNormalization
	GLR      float64 // of G (Adam) once it is warmed up, from 3e-3; default 1e-4, of gdfq 1e-3

	Alpha        float64 // weight of the feature discrepancy D_f; default 0.1, negative: none
	Beta         float64 // weight of G's activation regulariser L_a; default 0.05, negative: none
	Tau          float64 // temperature of the layers' weights in D_f; default 1
	FeatureEMA   float64 // decay of the moving average that those weights come from; default 0.9, negative: no average
	FeatureLoss  string  // how features are compared in D_f: one of FeatureLosses; default "crm"
	LayerWeights string  // of layers in D_f: "ema" (default), by their distances, or "uniform"
	WeightDecay  float64 // of Q; default 5e-4, negative: none
	GradClip     float64 // largest norm of a gradient; default 1, negative: no limit

	RangeSteps int    // Q steps during which activation ranges move, with observer "ema" only; default a third of Steps
	NoClip     bool   // let G paint pixels outside 0..255
	PassGrad   bool   // straight-through gradient outside a quantizer's range too; cut there otherwise
	Keep       string // weights to end with, one of Keeps: by agreement with P on held-back images "better" (default), of the last and those of the start, or "best", of some on the way, too; or "last"
}

// DefaultZAQOptions returns the values that zeros stand for, but for the learning rate of 2-bit weights.
func DefaultZAQOptions() ZAQOptions {
	return ZAQOptions{
		Steps: 800, Batch: 64, QPerG: 5, Warmup: 400, Schedule: "cosine", LR: 0.01, GLR: 1e-4,
		Alpha: 0.1, Beta: 0.05, Tau: 1, FeatureEMA: 0.9, FeatureLoss: "crm", LayerWeights: "ema", Start: method.StartSQuant, Keep: method.KeepBetter, WeightDecay: 5e-4, GradClip: 1,
	}
}

// withDefaults replaces zeros by defaults and the negative numbers that mean "none" by zeros.
func (z ZAQOptions) withDefaults() ZAQOptions {
	d := DefaultZAQOptions()
	for _, f := range []struct {
		v   *int
		def int
	}{{&z.Steps, d.Steps}, {&z.Batch, d.Batch}, {&z.QPerG, d.QPerG}, {&z.Warmup, d.Warmup}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	for _, f := range []struct {
		v   *float64
		def float64
	}{
		{&z.LR, d.LR}, {&z.GLR, d.GLR}, {&z.Tau, d.Tau}, {&z.FeatureEMA, d.FeatureEMA},
		{&z.Alpha, d.Alpha}, {&z.Beta, d.Beta}, {&z.WeightDecay, d.WeightDecay}, {&z.GradClip, d.GradClip},
	} {
		switch {
		case *f.v == 0:
			*f.v = f.def
		case *f.v < 0:
			*f.v = 0
		}
	}
	for _, f := range []struct {
		v   *string
		def string
	}{{&z.Schedule, d.Schedule}, {&z.FeatureLoss, d.FeatureLoss}, {&z.LayerWeights, d.LayerWeights}, {&z.Start, d.Start}, {&z.Keep, d.Keep}} {
		if *f.v == "" {
			*f.v = f.def
		}
	}
	return z
}

func (z ZAQOptions) check() error {
	for _, f := range []struct {
		name string
		v    int
	}{
		{"steps", z.Steps}, {"batch", z.Batch}, {"q-per-g", z.QPerG}, {"warmup", z.Warmup}, {"range-steps", z.RangeSteps},
	} {
		if f.v < 0 {
			return negative(f.name, f.v)
		}
	}
	for _, f := range []struct {
		name         string
		v            float64
		least, below float64
	}{
		{"lr", z.LR, 0, math.Inf(1)},
		{"g-lr", z.GLR, 0, math.Inf(1)},
		{"tau", z.Tau, 0, math.Inf(1)},
		{"feature-ema", z.FeatureEMA, -math.MaxFloat64, 1},
		{"alpha", z.Alpha, -math.MaxFloat64, math.Inf(1)},
		{"beta", z.Beta, -math.MaxFloat64, math.Inf(1)},
		{"weight-decay", z.WeightDecay, -math.MaxFloat64, math.Inf(1)},
		{"grad-clip", z.GradClip, -math.MaxFloat64, math.Inf(1)},
	} {
		if !(f.v >= f.least && f.v < f.below) {
			return &OptionError{f.name, fmt.Sprint(f.v), "out of range"}
		}
	}
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"schedule", z.Schedule, []string{"cosine", "step"}}, {"feature-loss", z.FeatureLoss, FeatureLosses},
		{"layer-weights", z.LayerWeights, LayerWeights}, {"start", z.Start, Starts}, {"keep", z.Keep, Keeps},
	} {
		if f.value == "" {
			continue
		}
		if err := oneOf(f.name, f.value, f.known...); err != nil {
			return err
		}
	}
	return nil
}

// withDefaults replaces zeros by defaults, at every level.
func (o Options) withDefaults() Options {
	for _, f := range []struct {
		v   *string
		def string
	}{
		{&o.Method, Methods[0]}, {&o.Precision, "w4a4"}, {&o.Scheme, Schemes[0]},
		{&o.Int4Storage, Int4Storages[0]},
	} {
		if *f.v == "" {
			*f.v = f.def
		}
	}
	o.byPrecision()
	if o.WeightRange == "" {
		o.WeightRange = WeightRanges[0]
	}
	t := traits[o.Method]
	if o.Images == "" {
		o.Images = t.images
	}
	if o.Observer == "" {
		o.Observer = t.observer
	}
	if o.Observer == "" {
		o.Observer = o.observerFor()
	}
	if o.Method == "gdfq" { // as published
		if o.ZAQ.QPerG == 0 {
			o.ZAQ.QPerG = 1
		}
		if o.ZAQ.GLR == 0 {
			o.ZAQ.GLR = 1e-3
		}
	}
	o.ZAQ = o.ZAQ.withDefaults()
	o.GDFQ = o.GDFQ.withDefaults()
	o.Synth = o.Synth.withDefaults(o.Images)
	switch {
	case o.Observer != movingObserver:
		o.ZAQ.RangeSteps = 0
	case o.ZAQ.RangeSteps == 0:
		o.ZAQ.RangeSteps = (o.ZAQ.Steps + 2) / 3
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Check reports the first option that cannot be, as an *OptionError. It looks at no file; Quantize does the
// same check first.
func (o Options) Check() error {
	for _, check := range []func() error{o.ZAQ.check, o.GDFQ.check, o.Synth.check} {
		if err := check(); err != nil {
			return err
		}
	}
	o = o.withDefaults()
	if err := oneOf("method", o.Method, Methods...); err != nil {
		return err
	}
	p, err := o.precision()
	if err != nil {
		return err
	}
	wbits := p.W
	switch {
	case o.FirstLastBits != 0 && (o.FirstLastBits < 2 || o.FirstLastBits > 8):
		return &OptionError{"first-last-bits", strconv.Itoa(o.FirstLastBits), "must be 2 to 8"}
	case o.Opset != 0 && (o.Opset < 13 || o.Opset > nn.MaxOpset):
		return &OptionError{"opset", strconv.Itoa(o.Opset), fmt.Sprintf("must be 13 to %d: per-channel QuantizeLinear came with 13", nn.MaxOpset)}
	case o.Opset != 0 && o.Opset < int4Opset && o.Int4Storage == Int4Storages[0] && least(wbits, o.FirstLastBits) <= 4:
		return &HintError{
			Err:    &OptionError{"opset", strconv.Itoa(o.Opset), fmt.Sprintf("packed weights of up to 4 bits need %d", int4Opset)},
			Advice: "--int4-storage int8 stores them a byte each, at any opset",
		}
	case o.Memory < 0:
		return &OptionError{"memory", strconv.FormatInt(o.Memory, 10), "must not be negative"}
	case o.CheckpointEvery < 0:
		return &OptionError{"checkpoint-every", o.CheckpointEvery.String(), "must not be negative"}
	case o.Resume && o.CheckpointDir == "":
		return errResumeFromNowhere
	}
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"scheme", o.Scheme, Schemes}, {"weight-range", o.WeightRange, WeightRanges},
		{"observer", o.Observer, Observers}, {"int4-storage", o.Int4Storage, Int4Storages},
	} {
		if err := oneOf(f.name, f.value, f.known...); err != nil {
			return err
		}
	}
	if err := o.checkMethod(); err != nil {
		return err
	}
	return o.checkMixed()
}

// least is the smallest number of bits that weights have.
func least(bits, firstLast int) int {
	if firstLast == 0 {
		return bits
	}
	return min(bits, firstLast)
}

// ParsePrecision reads a precision such as "w4a8": bits of weights, bits of activations, 2 to 8 each. Case
// does not matter.
func ParsePrecision(s string) (weights, activations int, err error) {
	p, err := quant.ParsePrecision(s)
	if err != nil {
		return 0, 0, &HintError{
			Err:    &OptionError{"precision", s, "weights and activations have 2 to 8 bits each"},
			Advice: "w4a8 means 4-bit weights and 8-bit activations",
		}
	}
	return p.W, p.A, nil
}
