package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const inspectUsage = `Show what a model file holds: inputs, outputs, preprocessing, how it was quantized, and for each layer its shape,
parameters, multiplications, BatchNormalization, bits, and, of a quantized file, the integer kernel that ONNX Runtime is
expected to run (a prediction by the rules of 1.30), or why it stays float.

Usage:
    zaq inspect MODEL.onnx [FLAGS]

        --precision P       of a float model: what it would be and run as in wXaY (quantized by squant for that, and not
                            written)
        --scheme S          with --precision: deploy (default) or paper
        --json              as JSON
` + preprocessUsage + `
Example:
    zaq inspect resnet20.w4a4.onnx
    zaq inspect resnet20.onnx --precision w8a8
`

type inspectOptions struct {
	json       bool
	precision  string
	scheme     string
	preprocess preprocessFlags
}

func (o *inspectOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.json, "json", false, "")
	flags.StringVar(&o.precision, "precision", "", "")
	flags.StringVar(&o.scheme, "scheme", "deploy", "")
	o.preprocess.addFlags(flags)
}

func newInspectCommand(a *app) *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use:  "inspect",
		Long: inspectUsage,
		Args: argument("MODEL.onnx"),
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("scheme") && o.precision == "" {
			return &usageError{text: "--scheme says how to quantize: --precision is missing", hint: seeHelp(cmd)}
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		return a.inspect(cmd.Context(), args[0], &o)
	}
	return cmd
}

func (a *app) inspect(ctx context.Context, model string, o *inspectOptions) error {
	if o.precision != "" {
		if err := zaq.InspectOptions(o.precision, o.scheme).Check(); err != nil {
			return err
		}
	}
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	s := zaq.Inspect(m)
	if o.precision != "" {
		if s, err = zaq.InspectAs(ctx, m, o.precision, o.scheme); err != nil {
			return err
		}
	}
	if o.json {
		return report.JSON(a.stdout, s)
	}
	return report.Summary(a.stdout, s)
}
