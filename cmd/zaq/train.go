package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const trainUsage = `Train a float network from scratch, to have one to quantize, or go on training one.

Usage:
    zaq train --data SPEC -o OUT.onnx [FLAGS]

        --data SPEC         cifar10:DIR or fashion-mnist:DIR, with training and test images
    -o, --output FILE       where to write
        --arch A            resnet20 (default), resnet8, resnet14, resnet20-narrow, mobilenetv2, mobilenetv2-half or
                            vgg19-quarter
        --init FILE         go on from the weights of this float ONNX model, in its preprocessing; in place of --arch
        --epochs N          (default 40)
        --batch N           images a step (default 128)
        --lr X              peak of the learning rate (default 0.1)
        --weight-decay X    (default 0.0005)
        --seed N            of weights, order and augmentation (default 0)
        --checkpoint DIR    keep the run's state here, every now and then and on an interrupt; the state of an
                            earlier run is removed
        --resume            go on from there; anew where there is nothing yet
        --json              the result as JSON
        --profile           at the end, the time of each layer and kernel on stderr

Example:
    zaq train --data fashion-mnist:/usr/share/datasets/fashion-mnist --arch resnet20 -o fashion.onnx --epochs 10
`

type trainOptions struct {
	zaq.TrainOptions
	output  string
	init    string
	json    bool
	profile bool
}

func (o *trainOptions) addFlags(flags *pflag.FlagSet) {
	d := zaq.DefaultTrainOptions()
	flags.StringVar(&o.Data, "data", "", "")
	flags.StringVarP(&o.output, "output", "o", "", "")
	flags.StringVar(&o.Arch, "arch", d.Arch, "")
	flags.StringVar(&o.init, "init", "", "")
	flags.IntVar(&o.Epochs, "epochs", d.Epochs, "")
	flags.IntVar(&o.Batch, "batch", d.Batch, "")
	flags.Float64Var(&o.LR, "lr", d.LR, "")
	flags.Float64Var(&o.WeightDecay, "weight-decay", d.WeightDecay, "")
	flags.Uint64Var(&o.Seed, "seed", 0, "")
	flags.StringVar(&o.CheckpointDir, "checkpoint", "", "")
	flags.BoolVar(&o.Resume, "resume", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.profile, "profile", false, "")
}

func newTrainCommand(a *app) *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:  "train",
		Long: trainUsage,
		Args: noArguments,
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, required := range []struct{ flag, value string }{{"--data", o.Data}, {"--output", o.output}} {
			if required.value == "" {
				return &usageError{text: required.flag + " is missing", hint: seeHelp(cmd)}
			}
		}
		if err := above0(cmd.Flags(), "epochs", "batch", "lr"); err != nil {
			return err
		}
		if err := notNegative(cmd.Flags(), "weight-decay"); err != nil {
			return err
		}
		if o.WeightDecay == 0 {
			o.WeightDecay = -1 // 0 is 0 here, and the default in the library
		}
		if o.init != "" && cmd.Flags().Changed("arch") {
			return &usageError{text: "--arch and --init: one of them says what the network is", hint: seeHelp(cmd)}
		}
		if err := o.Check(); err != nil {
			return err
		}
		if o.init != "" {
			var err error
			if o.Init, err = a.load(o.init, &preprocessFlags{}); err != nil {
				return err
			}
		}
		return a.train(cmd.Context(), &o)
	}
	return cmd
}

func (a *app) train(ctx context.Context, o *trainOptions) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	p := a.progress()
	o.Progress, o.Log = p.Update, a.log
	if o.profile {
		o.Profile = &zaq.Profile{}
		defer a.printProfile(o.Profile)
	}
	r, err := zaq.Train(ctx, o.TrainOptions)
	p.Done()
	if err != nil {
		return err
	}
	if err := writeUnlessInterrupted(ctx, r, o.output); err != nil {
		return err
	}
	if o.json {
		r.Test.Classes = nil
		return report.JSON(a.stdout, r)
	}
	if err := report.Training(a.stdout, r); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %s, %s\n", o.output, report.Size(int64(r.Len())))
	return err
}
