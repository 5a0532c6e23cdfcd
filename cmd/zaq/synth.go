package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const synthUsage = `Make the images that a method learns from, or takes its ranges from, for a person to look at.

Usage:
    zaq synth MODEL.onnx -o DIR [FLAGS]

    -o, --output DIR        where they go: grid.png, the first hundred; png/, each by itself, as --calib takes them;
                            images.npy, all as bytes, with images_labels.npy where they have classes. What an earlier
                            run left there is replaced, all else stays
        --method M          whose images: zaq (default), gdfq, whose generator knows classes, zeroq or deepinversion
        --images S          generator, zeroq or deepinversion; the method's own unless told
        --count N           how many of a generator (default 100)
        --seed N            of everything random (default 0)
        --batch N           images a step (default 64)
        --json              what was made, as JSON

Images of a generator:
        --warmup N          steps of the generator (default 400)
        --no-clip           let it paint pixels outside 0..255

Optimised images:
        --image-count N     how many; 64 unless told, 256 of deepinversion
        --image-steps N     for each batch; 500 unless told
        --image-lr X        of the pixels; 0.5 unless told, 0.05 of deepinversion

Of deepinversion alone, weights and more:
        --class-weight X    of the image's class (default 1)
        --tv X              of total variation (default 2.5e-05)
        --l2 X              of the images' norm (default 0)
        --bn-weight X       of BatchNormalization's statistics (default 10)
        --compete X         of disagreement between the float and the rounded network (default 0)
        --shift N           largest shift in pixels before the network sees them (default 2)
` + preprocessUsage + `
Example:
    zaq synth resnet20.onnx -o images --method gdfq --count 1024
`

type synthOptions struct {
	quantizeOptions
	count int
}

func (o *synthOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "")
	flags.StringVar(&o.Method, "method", "zaq", "")
	flags.StringVar(&o.Images, "images", "", "")
	flags.IntVar(&o.count, "count", 100, "")
	flags.Uint64Var(&o.Seed, "seed", 0, "")
	flags.IntVar(&o.ZAQ.Batch, "batch", zaq.DefaultZAQOptions().Batch, "")
	flags.BoolVar(&o.json, "json", false, "")
	addGeneratorFlags(flags, &o.Options)
	addImageFlags(flags, &o.Options)
	o.preprocess.addFlags(flags)
}

func newSynthCommand(a *app) *cobra.Command {
	var o synthOptions
	cmd := &cobra.Command{
		Use:  "synth",
		Long: synthUsage,
		Args: argument("MODEL.onnx"),
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.output == "" {
			return &usageError{text: "--output is missing", hint: seeHelp(cmd)}
		}
		if err := above0(cmd.Flags(), "count", "batch", "warmup", "image-count", "image-steps", "image-lr"); err != nil {
			return err
		}
		if err := notNegative(cmd.Flags(), "class-weight", "tv", "l2", "bn-weight", "compete", "shift"); err != nil {
			return err
		}
		o.zeros(cmd.Flags())
		if err := o.CheckImages(o.count); err != nil {
			return err
		}
		if err := o.refuseUnused(cmd.Flags()); err != nil {
			return err
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		return a.synth(cmd.Context(), args[0], &o)
	}
	return cmd
}

func (a *app) synth(ctx context.Context, model string, o *synthOptions) error {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	if err := zaq.CheckImagesFolder(o.output); err != nil {
		return err
	}
	p := a.progress()
	o.Progress, o.Log = p.Update, a.log
	s, err := zaq.Synthesize(ctx, m, o.Options, o.count)
	p.Done()
	if err != nil {
		return err
	}
	if err := writeUnlessInterrupted(ctx, s, o.output); err != nil {
		return err
	}
	if o.json {
		return report.JSON(a.stdout, s)
	}
	_, err = fmt.Fprintf(a.stdout, "%s images of %d x %d from %s, %s\nlook at %s\n",
		report.Count(s.N), s.Height, s.Width, s.Images, s.Elapsed.Round(time.Second/10), filepath.Join(o.output, "grid.png"))
	return err
}
