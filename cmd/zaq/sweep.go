package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
	"zaq/internal/sweep"
)

const sweepUsage = `Quantize models by methods at precisions for seeds, evaluate every file, and write tables of mean and deviation.
Finished cells are kept: the same command goes on where a run was stopped. A cell that fails, or a model that cannot be
evaluated, does not keep others from being made, and is tried again the next time. Where the model, its preprocessing
or images have changed since, a cell is refused. Cells go by the names of models without folders. One sweep at a time
works in a folder.

Usage:
    zaq sweep --models A.onnx,B.onnx --methods rtn,zaq --data SPEC -o DIR [FLAGS]
    zaq sweep merge DIR... -o DIR

    -o, --output DIR        results.md, a row for each method over its seeds; .csv, a line for each cell; .json, both;
                            cells/ with one file each, and the quantized models in files/
        --models LIST       ONNX files
        --methods LIST      of zaq quantize, each with flags of its own: rtn,'zaq --alpha 0','ft --data cifar10:DIR';
                            a word with spaces in single quotes: "ft --data 'csv:my images.csv'"
        --precision LIST    w4a4 unless told
        --scheme LIST       deploy unless told
        --seeds LIST        of methods that draw random numbers; others count once; 1 unless told
        --data SPEC         labelled test images, as for zaq eval; a cell whose method would see them, through --data
                            or --calib of its own, is refused, and the table counts stray ones, up to one in a hundred
        --limit N           only the first N of them
        --shard I/N         only every N-th cell, from the I-th on: parts for several machines, joined by merge
` + preprocessUsage + `
Example:
    zaq sweep --models resnet20.onnx --methods rtn,zaq --precision w4a4,w3a3 --seeds 1,2,3 --data cifar10:DIR -o out
`

type sweepOptions struct {
	output                               string
	models, methods, precisions, schemes []string
	seeds                                []string
	data, shard                          string
	limit                                int
	preprocess                           preprocessFlags

	images *zaq.TestImages // of data
	folder string          // where the command is run
}

func (o *sweepOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.output, "output", "o", "", "")
	flags.StringSliceVar(&o.models, "models", nil, "")
	flags.StringSliceVar(&o.methods, "methods", nil, "")
	flags.StringSliceVar(&o.precisions, "precision", []string{"w4a4"}, "")
	flags.StringSliceVar(&o.schemes, "scheme", []string{"deploy"}, "")
	flags.StringSliceVar(&o.seeds, "seeds", []string{"1"}, "")
	flags.StringVar(&o.data, "data", "", "")
	flags.IntVar(&o.limit, "limit", 0, "")
	flags.StringVar(&o.shard, "shard", "", "")
	o.preprocess.addFlags(flags)
}

func newSweepCommand(a *app) *cobra.Command {
	var o sweepOptions
	cmd := &cobra.Command{
		Use:  "sweep",
		Long: sweepUsage,
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.output == "" {
			return &usageError{text: "--output is missing", hint: seeHelp(cmd)}
		}
		if len(args) > 0 && args[0] == "merge" {
			if err := mergeFlags(cmd); err != nil {
				return err
			}
			return a.mergeSweeps(args[1:], o.output)
		}
		if len(args) > 0 {
			return usageErrorf("sweep takes no argument %q", args[0])
		}
		for _, required := range []struct {
			flag  string
			given bool
		}{{"--models", len(o.models) > 0}, {"--methods", len(o.methods) > 0}, {"--data", o.data != ""}} {
			if !required.given {
				return &usageError{text: required.flag + " is missing", hint: seeHelp(cmd)}
			}
		}
		if err := above0(cmd.Flags(), "limit"); err != nil {
			return err
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		tasks, err := o.tasks()
		if err != nil {
			return err
		}
		if _, err := o.part(tasks); err != nil {
			return err
		}
		err = a.sweep(cmd.Context(), &o, tasks)
		if errors.Is(err, zaq.ErrInterrupted) { // other advice is of zaq quantize
			return &zaq.HintError{Err: err, Advice: "the same command goes on"}
		}
		return err
	}
	return cmd
}

// mergeFlags refuses flags that merging would not look at.
func mergeFlags(cmd *cobra.Command) (err error) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && f.Name != "output" && err == nil {
			err = usageErrorf("--%s: merge joins what is there, and takes --output alone", f.Name)
		}
	})
	return err
}

// mergeSweeps joins parts of a grid.
func (a *app) mergeSweeps(dirs []string, output string) error {
	if len(dirs) == 0 {
		return usageErrorf("sweep merge: which folders?")
	}
	for _, dir := range dirs { // before a folder is made
		if !sweep.Begun(dir) {
			return fmt.Errorf("%s: holds no cells of a sweep", dir)
		}
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return err
	}
	unlock, err := sweep.Lock(output)
	if err != nil {
		return err
	}
	defer unlock()
	if sweep.Begun(output) && !slices.Contains(dirs, output) { // nothing of it is lost
		dirs = append(dirs, output)
	}
	cells, err := sweep.Merge(dirs)
	if err != nil {
		return err
	}
	for _, c := range cells {
		if err := sweep.Save(output, c); err != nil {
			return err
		}
	}
	if err := sweep.Begin(output, cells); err != nil {
		return err
	}
	rows := sweep.Rows(cells)
	if err := sweep.Markdown(a.stdout, rows); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s cells in %s\n", report.Count(len(cells)), output)
	return err
}
