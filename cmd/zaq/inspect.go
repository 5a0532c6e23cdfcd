package main

import (
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

        --json              as JSON
` + preprocessUsage + `
Example:
    zaq inspect resnet20.w4a4.onnx
`

type inspectOptions struct {
	json       bool
	preprocess preprocessFlags
}

func (o *inspectOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.json, "json", false, "")
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
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := o.preprocess.check(); err != nil {
			return err
		}
		return a.inspect(args[0], &o)
	}
	return cmd
}

func (a *app) inspect(model string, o *inspectOptions) error {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	s := zaq.Inspect(m)
	if o.json {
		return report.JSON(a.stdout, s)
	}
	return report.Summary(a.stdout, s)
}
