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
and compare. Takes about two minutes on two cores and needs nothing from outside.

Usage:
    zaq demo [FLAGS]

    -o, --output DIR        where its files go (default zaq-demo)
        --precision P       bits of weights and activations (default w3a3)
        --seed N            of everything random (default 0)
        --steps N           of training; as many as fit two minutes otherwise, up to the default of quantize

Example:
    zaq demo --precision w2a4
`

// demoFiles are a network trained by "zaq train" and 1,000 test images that it has not seen.
//
//go:embed demo
var demoFiles embed.FS

// demoBudget is the time that training may take in a demo.
const demoBudget = 2 * time.Minute

type demoOptions struct {
	dir       string
	precision string
	seed      uint64
	steps     int
}

func (o *demoOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.dir, "output", "o", "zaq-demo", "")
	flags.StringVar(&o.precision, "precision", "w3a3", "")
	flags.Uint64Var(&o.seed, "seed", 0, "")
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
		if err := above0(cmd.Flags(), "steps"); err != nil {
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
	if err := unpackDemo(o.dir); err != nil {
		return err
	}
	floatPath := filepath.Join(o.dir, "fashion.onnx")
	m, err := a.load(floatPath, &preprocessFlags{})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "A float network for Fashion-MNIST, quantized to %s without a single image of it.\n\n", o.precision)

	t := report.NewTable("", ">top-1 %", ">size", "file")
	if err := a.demoRow(ctx, t, "float", floatPath, o.dir); err != nil {
		return err
	}
	for _, method := range []string{"rtn", "zaq"} {
		options := zaq.Options{Method: method, Precision: o.precision, Seed: o.seed, Log: a.log}
		options.ZAQ.Steps = o.steps
		options.ZAQ.Warmup = min(o.steps, zaq.DefaultZAQOptions().Warmup) // a hurried user is in a hurry here too
		if method == "zaq" && o.steps == 0 {
			if options.ZAQ.Steps, err = a.demoSteps(ctx, m, options); err != nil {
				return err
			}
		}
		path := outputPath(filepath.Join(o.dir, "fashion."+method+".onnx"), o.precision)
		if err := a.demoQuantize(ctx, m, options, path); err != nil {
			return err
		}
		if err := a.demoRow(ctx, t, method, path, o.dir); err != nil {
			return err
		}
	}
	if _, err := t.WriteTo(a.stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\nOn 1,000 test images, which no method saw. Try: zaq inspect %s\n",
		outputPath(filepath.Join(o.dir, "fashion.zaq.onnx"), o.precision))
	return err
}

func (a *app) demoQuantize(ctx context.Context, m *zaq.Model, o zaq.Options, path string) error {
	p := a.progress()
	defer p.Done()
	o.Progress = p.Update
	r, err := zaq.Quantize(ctx, m, o)
	if err != nil {
		return err
	}
	return r.Write(path)
}

// demoRow reads the file at path back and evaluates what it says.
func (a *app) demoRow(ctx context.Context, t *report.Table, name, path, images string) error {
	m, err := a.load(path, &preprocessFlags{})
	if err != nil {
		return err
	}
	e, err := zaq.Evaluate(ctx, m, "fashion-mnist:"+images, zaq.EvalOptions{Log: a.log})
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

// demoSteps measures how fast this machine trains and returns how many steps fit demoBudget: the default,
// or fewer on a slow one, which it says.
func (a *app) demoSteps(ctx context.Context, m *zaq.Model, o zaq.Options) (int, error) {
	const first, last = 2, 8 // the first steps pay for planning and for cold caches
	o.ZAQ.Steps, o.ZAQ.Warmup = last, 2
	var begin, end time.Time
	o.Progress = func(p zaq.Progress) {
		switch {
		case p.Phase == zaq.PhaseTrain && p.Step == first:
			begin = time.Now()
		case p.Phase == zaq.PhaseTrain && p.Step == last:
			end = time.Now()
		}
	}
	if _, err := zaq.Quantize(ctx, m, o); err != nil {
		return 0, err
	}
	step := end.Sub(begin) / (last - first)
	steps := zaq.DefaultZAQOptions().Steps
	if fit := int(demoBudget / max(step, 1)); fit < steps {
		a.log.Warn("this machine is slow: fewer training steps, so a lower accuracy than it could be",
			"steps", fit, "default", steps, "per_step", step.Round(time.Millisecond))
		steps = max(fit, 1)
	}
	return steps, nil
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
