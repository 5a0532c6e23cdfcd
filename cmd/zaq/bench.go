package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const benchUsage = `Measure the training steps of a model on this machine, or a quantized model's inference in integers: time, memory,
and the share of each layer.

Usage:
    zaq bench engine MODEL.onnx [FLAGS]     training steps
    zaq bench infer  MODEL.onnx [FLAGS]     inference

        --json              the result as JSON

Of engine:
        --precision P       bits of weights and activations, 2 to 8 each (default w4a4)
        --scheme S          deploy (default) or paper
        --batch N           images a step (default 64)
        --steps N           measured of each kind, after some to warm up (default 10)

Of infer:
        --requant R         ort (default; bit for bit as ONNX Runtime) or fixed (integers only)
` + preprocessUsage + `
A Q step teaches the quantized network, a G step the generator of images. Operations count two for a multiply-add,
executed and by definition; memory is that of buffers, and the most that the process held beyond what it had before.
Inference is measured with 1 and 32 images a call, on 1, 2 and all processors.

Example:
    zaq bench engine resnet20.onnx --batch 256
`

type benchOptions struct {
	zaq.BenchOptions
	requant    string
	json       bool
	preprocess preprocessFlags
}

func (o *benchOptions) addFlags(flags *pflag.FlagSet) {
	d := zaq.DefaultBenchOptions()
	flags.StringVar(&o.Precision, "precision", d.Precision, "")
	flags.StringVar(&o.Scheme, "scheme", d.Scheme, "")
	flags.IntVar(&o.Batch, "batch", d.Batch, "")
	flags.IntVar(&o.Steps, "steps", d.Steps, "")
	flags.StringVar(&o.requant, "requant", zaq.Requants[0], "")
	flags.BoolVar(&o.json, "json", false, "")
	o.preprocess.addFlags(flags)
}

// benchKinds are what can be measured, each with the flags of its own.
var benchKinds = map[string][]string{"engine": {"precision", "scheme", "batch", "steps"}, "infer": {"requant"}}

func newBenchCommand(a *app) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:  "bench",
		Long: benchUsage,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || benchKinds[args[0]] == nil {
				return &usageError{text: "what to measure is missing: engine or infer", hint: seeHelp(cmd)}
			}
			return argument("MODEL.onnx")(cmd, args[1:])
		},
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for kind, names := range benchKinds {
			for _, name := range names {
				if kind != args[0] && cmd.Flags().Changed(name) {
					return usageErrorf("--%s is of bench %s", name, kind)
				}
			}
		}
		if err := above0(cmd.Flags(), "batch", "steps"); err != nil {
			return err
		}
		if err := o.Check(); err != nil {
			return err
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		if args[0] == "infer" {
			return a.benchInfer(cmd.Context(), args[1], &o)
		}
		return a.bench(cmd.Context(), args[1], &o)
	}
	return cmd
}

func (a *app) benchInfer(ctx context.Context, model string, o *benchOptions) error {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	b, err := zaq.BenchInfer(ctx, m, zaq.InferBenchOptions{Requant: o.requant})
	if err != nil {
		return err
	}
	if o.json {
		return report.JSON(a.stdout, b)
	}
	return report.InferBench(a.stdout, b)
}

func (a *app) bench(ctx context.Context, model string, o *benchOptions) error {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	b, err := zaq.Bench(ctx, m, o.BenchOptions)
	if err != nil {
		return err
	}
	if o.json {
		return report.JSON(a.stdout, b)
	}
	return report.Bench(a.stdout, b)
}
