package zaq

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParsePrecision(t *testing.T) {
	for _, c := range []struct {
		s    string
		w, a int
	}{{"w4a4", 4, 4}, {"w2a8", 2, 8}, {"W8A2", 8, 2}} {
		w, a, err := ParsePrecision(c.s)
		if err != nil || w != c.w || a != c.a {
			t.Errorf("%q: %d, %d, %v", c.s, w, a, err)
		}
	}
	for _, bad := range []string{"", "w4", "a4", "4", "w4a4 ", "w1a4", "w4a1", "w9a4", "w4a9", "w-4a4", "w4.0a4", "w4a4a4", "w9999a4"} {
		var option *OptionError
		if _, _, err := ParsePrecision(bad); !errors.As(err, &option) || option.Value != bad {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestDefaults pins that zeros are defaults and negative weights are "none", and that a default that is given
// is the same as one that is left out.
func TestDefaults(t *testing.T) {
	if got, want := (ZAQOptions{}).withDefaults(), DefaultZAQOptions().withDefaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("zero options are %+v, want %+v", got, want)
	}
	z := ZAQOptions{Steps: 90, Alpha: -1, FeatureEMA: -1, Beta: 0.2}.withDefaults()
	if z.Alpha != 0 || z.FeatureEMA != 0 || z.Beta != 0.2 || z.Steps != 90 || z.LR != DefaultZAQOptions().LR {
		t.Errorf("%+v", z)
	}
	// No default may be zero where zero stands for the default.
	d := reflect.ValueOf(DefaultZAQOptions())
	for _, f := range reflect.VisibleFields(d.Type()) {
		if f.Type.Kind() != reflect.Bool && f.Name != "RangeSteps" && d.FieldByIndex(f.Index).IsZero() {
			t.Errorf("the default of %s is zero", f.Name)
		}
	}
	for _, c := range []struct {
		o        Options
		observer string
		steps    int
	}{
		{Options{ZAQ: ZAQOptions{Steps: 90}}, "mse", 0},
		{Options{ZAQ: ZAQOptions{Steps: 90}, Observer: "ema"}, "ema", 30},
		{Options{ZAQ: ZAQOptions{Steps: 90, RangeSteps: 5}, Observer: "ema"}, "ema", 5},
		{Options{Method: "rtn"}, "mse", 0},
		{Options{Method: "rtn", Images: "statistics"}, "percentile", 0},
		{Options{Method: "squant", Precision: "w4a8"}, "sigma", 0},
		{Options{Method: "dfq", Precision: "w8a6"}, "sigma", 0},
		{Options{Method: "dfq", Precision: "w8a5"}, "percentile", 0},
		{Options{Method: "dfq", CalibrationDir: "images"}, "mse", 0},
		{Options{Method: "aciq"}, "laplace", 0},
	} {
		if o := c.o.withDefaults(); o.Observer != c.observer || o.ZAQ.RangeSteps != c.steps {
			t.Errorf("%+v: observer %q, %d range steps", c.o, o.Observer, o.ZAQ.RangeSteps)
		}
	}
	o := Options{}.withDefaults()
	if o.Method != "zaq" || o.Precision != "w4a4" || o.Scheme != "deploy" || o.Int4Storage != "packed" {
		t.Errorf("%+v", o)
	}
	o.Progress(Progress{}) // must be there to be called
	o.Log.Info("so must this")
}

func TestCheck(t *testing.T) {
	for _, good := range []Options{
		{},
		{Method: "rtn", Precision: "w8a8", Scheme: "paper", FirstLastBits: 8, Opset: 21, Int4Storage: "int8"},
		{Opset: 20, Precision: "w8a8", FirstLastBits: 5},
		{Opset: 20, Int4Storage: "int8"},
		{CheckpointDir: "d", Resume: true},
		{Method: "squant", CalibrationDir: "d"},
		{Method: "squant", CalibrationDir: "d", Precision: "auto", Size: 1000},
		{Images: "zeroq", CalibrationDir: "d"}, // it trains on the ones and has ranges from the others
		{ZAQ: ZAQOptions{Alpha: -1, Beta: -1, FeatureEMA: -1, WeightDecay: -1, GradClip: -1, Schedule: "step"}},
	} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, c := range []struct {
		o      Options
		option string
	}{
		{Options{Method: "ZAQ"}, "method"},
		{Options{Precision: "w1a1"}, "precision"},
		{Options{Scheme: "both"}, "scheme"},
		{Options{FirstLastBits: 1}, "first-last-bits"},
		{Options{Opset: 12}, "opset"},
		{Options{Opset: 20}, "opset"}, // packed w4
		{Options{Opset: 20, Precision: "w8a8", FirstLastBits: 4}, "opset"},
		{Options{Int4Storage: "int4"}, "int4-storage"},
		{Options{Resume: true}, "resume"},
		{Options{ZAQ: ZAQOptions{Steps: -1}}, "steps"},
		{Options{ZAQ: ZAQOptions{LR: -0.1}}, "lr"},
		{Options{ZAQ: ZAQOptions{LR: math.NaN()}}, "lr"},
		{Options{ZAQ: ZAQOptions{Alpha: math.Inf(1)}}, "alpha"},
		{Options{ZAQ: ZAQOptions{FeatureEMA: 1}}, "feature-ema"},
		{Options{ZAQ: ZAQOptions{Schedule: "linear"}}, "schedule"},
		{Options{Method: "zeroq", CalibrationDir: "d"}, "calib"},
		{Options{Method: "aciq", CalibrationDir: "d", Precision: "auto", Size: 1000}, "precision"},
		{Options{Method: "rtn", Precision: "auto", MeanBits: 4, FirstLastBits: 8}, "first-last-bits"},
		{Options{Method: "squant", Images: "deepinversion", CalibrationDir: "d"}, "calib"},
	} {
		var option *OptionError
		if err := c.o.Check(); !errors.As(err, &option) || option.Option != c.option {
			t.Errorf("%+v: %v, want an OptionError for %q", c.o, err, c.option)
		}
		if _, err := Quantize(context.Background(), &Model{}, c.o); !errors.As(err, &option) {
			t.Errorf("Quantize took %+v: %v", c.o, err)
		}
	}
}

// What a run has no use for is named, and only that.
func TestUnused(t *testing.T) {
	all := map[string]bool{}
	for _, p := range partials {
		for _, option := range p.options {
			all[option] = true
		}
	}
	generator, images := "warmup no-clip count checkpoint-every", "image-count image-steps image-lr checkpoint-every"
	training := "checkpoint-every steps start schedule lr weight-decay grad-clip pass-grad keep"
	features := "alpha beta regularizer feature-loss layer-weights tau feature-ema"
	terms := "class-weight tv l2 bn-weight compete shift"
	for _, c := range []struct {
		o    Options
		used string
	}{
		{Options{}, generator + " q-per-g g-lr " + training + " " + features},
		{Options{Observer: "ema"}, "range-steps " + generator + " q-per-g g-lr " + training + " " + features},
		{Options{CalibrationDir: "d", Observer: "ema"}, generator + " q-per-g g-lr " + training + " " + features},
		{Options{Images: "zeroq"}, images + " " + training + " alpha feature-loss layer-weights tau feature-ema"},
		{Options{Images: "deepinversion", ZAQ: ZAQOptions{FeatureLoss: "none"}}, images + " " + terms + " " + training + " feature-loss"},
		{Options{ZAQ: ZAQOptions{LayerWeights: "uniform"}}, generator + " q-per-g g-lr " + training + " alpha beta regularizer feature-loss layer-weights"},
		{Options{ZAQ: ZAQOptions{Alpha: -1}}, generator + " q-per-g g-lr " + training + " alpha beta regularizer"},
		{Options{Method: "gdfq", GDFQ: GDFQOptions{Distill: -1}}, generator + " q-per-g g-lr g-statistics distill " + training},
		{Options{Method: "gdfq"}, generator + " q-per-g g-lr g-statistics distill temperature " + training},
		{Options{Method: "gdfq", Images: "zeroq"}, images + " distill temperature " + training},
		{Options{Method: "ft", Observer: "ema"}, "count range-steps " + training},
		{Options{Method: "rtn"}, generator},
		{Options{Method: "rtn", CalibrationDir: "d"}, "count"},
		{Options{Method: "squant"}, "count"},
		{Options{Method: "squant", Images: "deepinversion"}, images + " " + terms},
		{Options{Method: "zeroq"}, images},
	} {
		used := strings.Fields(c.used)
		for option := range all {
			if reason := c.o.Unused(option); (reason == "") != slices.Contains(used, option) {
				t.Errorf("%+v: %s: %q", c.o, option, reason)
			}
		}
	}
	if reason := (Options{}).Unused("precision"); reason != "" {
		t.Errorf("precision, which is for all: %q", reason)
	}
}

func TestCheckTraining(t *testing.T) {
	if err := (TrainOptions{Data: "cifar10:."}).Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		o      TrainOptions
		option string
	}{
		{TrainOptions{}, "data"},
		{TrainOptions{Data: "x", Arch: "vgg"}, "arch"},
		{TrainOptions{Data: "x", Epochs: -1}, "epochs"},
		{TrainOptions{Data: "x", Batch: -1}, "batch"},
		{TrainOptions{Data: "x", LR: math.NaN()}, "lr"},
		{TrainOptions{Data: "x", WeightDecay: math.Inf(1)}, "weight-decay"},
		{TrainOptions{Data: "x", Resume: true}, "resume"},
	} {
		var option *OptionError
		if err := c.o.Check(); !errors.As(err, &option) || option.Option != c.option {
			t.Errorf("%+v: %v, want an OptionError for %q", c.o, err, c.option)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ckpt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := interrupted(ctx, os.ErrNotExist, dir, "ckpt"); err != os.ErrNotExist {
		t.Errorf("before it is cancelled: %v", err)
	}
	cancel()
	if err := interrupted(ctx, os.ErrNotExist, dir, "ckpt"); err != os.ErrNotExist {
		t.Errorf("another error: %v", err)
	}
	if err := interrupted(ctx, nil, dir, "ckpt"); err != nil {
		t.Errorf("a run that was through: %v", err)
	}
	if err := interruptedBriefly(ctx, ctx.Err()); !errors.Is(err, ErrInterrupted) || Hint(err) != "" {
		t.Errorf("what keeps no checkpoint: %v, hint %q", err, Hint(err))
	}
	if err := interrupted(ctx, ctx.Err(), dir, "none"); !errors.Is(err, ErrInterrupted) || Hint(err) != "" || strings.Contains(err.Error(), "written") {
		t.Errorf("before the first checkpoint: %v, hint %q", err, Hint(err))
	}
	for _, dir := range []string{"", dir} {
		err := interrupted(ctx, ctx.Err(), dir, "ckpt")
		if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) || Hint(err) == "" || !strings.Contains(err.Error(), dir) {
			t.Errorf("checkpoint in %q: %v, hint %q", dir, err, Hint(err))
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	a := artifact{[]byte("model")}
	if err := a.Write(path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "model" {
		t.Errorf("%q, %v", got, err)
	}
	if err := a.Write(filepath.Join(dir, "nowhere", "m.onnx")); err == nil || !strings.Contains(err.Error(), "m.onnx: ") {
		t.Errorf("into a folder that is not there: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}
