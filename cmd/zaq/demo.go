package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const demoUsage = `Quantize a small network that comes with zaq, by rounding and by zero-shot adversarial quantization,
and compare. Takes two to three minutes at most and needs nothing from outside; a slow machine does less in that time.

Usage:
    zaq demo [FLAGS]

    -o, --output DIR        where its files go (default zaq-demo)
        --precision P       bits of weights and activations (default w3a3)
        --seed N            of everything random (default 0)
        --time D            about how long it may take in all (default 2m30s)
        --steps N           of training; as many as fit otherwise, up to the default of quantize

Example:
    zaq demo --precision w2a4
`

// demoFiles are a network trained by "zaq train" and 1,000 test images that it has not seen.
//
//go:embed demo
var demoFiles embed.FS

type demoOptions struct {
	dir       string
	precision string
	seed      uint64
	time      time.Duration
	steps     int
}

func (o *demoOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.dir, "output", "o", "zaq-demo", "")
	flags.StringVar(&o.precision, "precision", "w3a3", "")
	flags.Uint64Var(&o.seed, "seed", 0, "")
	flags.DurationVar(&o.time, "time", demoTime, "")
	flags.IntVar(&o.steps, "steps", 0, "")
}

func newDemoCommand(a *app) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:  "demo",
		Long: demoUsage,
		Args: noArguments,
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := above0(cmd.Flags(), "time", "steps"); err != nil {
			return err
		}
		check := zaq.Options{Precision: o.precision, ZAQ: zaq.ZAQOptions{Steps: o.steps}}
		if err := check.Check(); err != nil {
			return err
		}
		return a.demo(cmd.Context(), &o)
	}
	return cmd
}

// demo does what a user would do with the other verbs, on files that he can go on using.
func (a *app) demo(ctx context.Context, o *demoOptions) error {
	begin := time.Now()
	if err := unpackDemo(o.dir); err != nil {
		return err
	}
	floatPath := filepath.Join(o.dir, "fashion.onnx")
	m, err := a.load(floatPath, &preprocessFlags{})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "A float network for Fashion-MNIST, quantized to %s without a single image of it.\n\n", o.precision)

	// The machine is measured on what has to be done anyway: first some images, then rounding.
	probe, err := zaq.Evaluate(ctx, m, "fashion-mnist:"+o.dir, zaq.EvalOptions{Limit: 100, Log: a.log})
	if err != nil {
		return err
	}
	does := paceOfRounding(probe.Elapsed/100, o.time)

	t := report.NewTable("", ">top-1 %", ">size", "file")
	if err := a.demoRow(ctx, t, "float", floatPath, o.dir, does.images); err != nil {
		return err
	}
	rounding := time.Now()
	var watch warmupWatch
	for _, method := range []string{"rtn", "zaq"} {
		options := zaq.Options{Method: method, Precision: o.precision, Seed: o.seed, Log: a.log}
		options.ZAQ.Batch, options.ZAQ.Warmup = does.batch, does.warmup
		if method == "zaq" {
			does.steps = o.steps
			if o.steps == 0 {
				does.steps = stepsIn(time.Until(begin.Add(o.time)), time.Since(rounding), watch.perStep())
			}
			options.ZAQ.Steps = does.steps
			a.sayPace(does)
		}
		path := outputPath(filepath.Join(o.dir, "fashion."+method+".onnx"), o.precision)
		if err := a.demoQuantize(ctx, m, options, path, watch.update); err != nil {
			return err
		}
		if err := a.demoRow(ctx, t, method, path, o.dir, does.images); err != nil {
			return err
		}
	}
	if _, err := t.WriteTo(a.stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\nOn %s test images, which no method saw. Try: zaq inspect %s\n",
		report.Count(does.images), outputPath(filepath.Join(o.dir, "fashion.zaq.onnx"), o.precision))
	return err
}

// sayPace warns where less is done than by default.
func (a *app) sayPace(does pace) {
	d := zaq.DefaultZAQOptions()
	if does.batch < d.Batch || does.warmup < d.Warmup || does.steps < d.Steps {
		a.log.Warn("less is done than by default, to be through in time: accuracies are lower than they could be",
			"batch", does.batch, "warmup", does.warmup, "steps", does.steps)
	}
}

func (a *app) demoQuantize(ctx context.Context, m *zaq.Model, o zaq.Options, path string, watch func(zaq.Progress)) error {
	p := a.progress()
	defer p.Done()
	o.Progress = func(now zaq.Progress) {
		p.Update(now)
		watch(now)
	}
	r, err := zaq.Quantize(ctx, m, o)
	if err != nil {
		return err
	}
	return writeUnlessInterrupted(ctx, r, path)
}

// demoRow reads the file at path back and evaluates what it says.
func (a *app) demoRow(ctx context.Context, t *report.Table, name, path, images string, limit int) error {
	m, err := a.load(path, &preprocessFlags{})
	if err != nil {
		return err
	}
	e, err := zaq.Evaluate(ctx, m, "fashion-mnist:"+images, zaq.EvalOptions{Limit: limit, Log: a.log})
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	top1, _ := e.Accuracy()
	t.Row(name, fmt.Sprintf("%.1f", top1), report.Size(info.Size()), path)
	return nil
}

// unpackDemo writes the embedded network and images to dir.
func unpackDemo(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for _, name := range []string{"fashion.onnx", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"} {
		data, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			return fmt.Errorf("demo: this build lacks %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}
