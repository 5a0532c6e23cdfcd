package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const benchUsage = `Measure the training steps of a model on this machine: time, memory, and the share of each layer and kernel.

Usage:
    zaq bench engine MODEL.onnx [FLAGS]

        --precision P       bits of weights and activations, 2 to 8 each (default w4a4)
        --scheme S          deploy (default) or paper
        --batch N           images a step (default 64)
        --steps N           measured of each kind, after some to warm up (default 10)
        --json              the result as JSON
` + preprocessUsage + `
A Q step teaches the quantized network, a G step the generator of images. Operations count two for a multiply-add,
executed and by definition; memory is that of buffers, and the most that the process held beyond what it had before.

Example:
    zaq bench engine resnet20.onnx --batch 256
`

type benchOptions struct {
	zaq.BenchOptions
	json       bool
	preprocess preprocessFlags
}

func (o *benchOptions) addFlags(flags *pflag.FlagSet) {
	d := zaq.DefaultBenchOptions()
	flags.StringVar(&o.Precision, "precision", d.Precision, "")
	flags.StringVar(&o.Scheme, "scheme", d.Scheme, "")
	flags.IntVar(&o.Batch, "batch", d.Batch, "")
	flags.IntVar(&o.Steps, "steps", d.Steps, "")
	flags.BoolVar(&o.json, "json", false, "")
	o.preprocess.addFlags(flags)
}

func newBenchCommand(a *app) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:  "bench",
		Long: benchUsage,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] != "engine" {
				return &usageError{text: "what to measure is missing: engine", hint: seeHelp(cmd)}
			}
			return argument("MODEL.onnx")(cmd, args[1:])
		},
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := above0(cmd.Flags(), "batch", "steps"); err != nil {
			return err
		}
		if err := o.Check(); err != nil {
			return err
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		return a.bench(cmd.Context(), args[1], &o)
	}
	return cmd
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
