package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"zaq"
	"zaq/internal/report"
)

const rootUsage = `zaq quantizes trained convolutional networks to 2 to 8 bits without any data.

Usage:
    zaq VERB [FLAGS] [ARGUMENTS]

Verbs:
    quantize    an ONNX model in, a quantized ONNX model out
    eval        accuracy of a model, float or quantized, on labelled images
    run         a quantized model in integers
    inspect     what a model file holds
    synth       the images that a method makes, to look at
    sweep       a grid of models, methods and precisions, with a table of what they keep
    train       a float network, from scratch or on
    demo        all of it on a small network that comes with zaq
    bench       how fast this machine trains or runs a model, and where the time goes
    version     the version of this program
    help VERB   a verb's flags, with an example

Flags of every verb:
    -q, --quiet          no progress, only warnings and errors
    -v, --verbose        say more
        --log-format F   text (default) or json, for progress and warnings on stderr

Results go to stdout, everything else to stderr. The exit status is 0; 1 after an error; 2 where the command
line is wrong; 130 after an interrupt.

Example:
    zaq quantize resnet20.onnx -o resnet20.w4a4.onnx --precision w4a4
`

// app is what all verbs share: where to write, and the flags of every verb.
type app struct {
	stdout, stderr io.Writer
	quiet, verbose bool
	logFormat      string
	log            *slog.Logger
}

// run is the program: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := interruptible(context.Background(), stderr)
	defer stop()
	a := &app{stdout: stdout, stderr: stderr}
	root := newRootCommand(a)
	root.SetArgs(args)
	return exitStatus(stderr, root.ExecuteContext(ctx))
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "zaq",
		Long:          rootUsage,
		SilenceErrors: true, // exitStatus reports them
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd.Root(), args[0])
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.startLog() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(a.stdout, cmd.Long) })

	flags := root.PersistentFlags()
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "")
	flags.StringVar(&a.logFormat, "log-format", "text", "")

	root.SetHelpCommand(newHelpCommand(a))
	root.AddCommand(
		newQuantizeCommand(a),
		newEvalCommand(a),
		newRunCommand(a),
		newInspectCommand(a),
		newSynthCommand(a),
		newSweepCommand(a),
		newTrainCommand(a),
		newDemoCommand(a),
		newBenchCommand(a),
		newVersionCommand(a),
	)
	return root
}

func (a *app) startLog() error {
	if a.logFormat != "text" && a.logFormat != "json" {
		return usageErrorf("--log-format %q: text or json", a.logFormat)
	}
	if a.quiet && a.verbose {
		return usageErrorf("--quiet and --verbose contradict each other")
	}
	level := slog.LevelInfo
	switch {
	case a.quiet:
		level = slog.LevelWarn
	case a.verbose:
		level = slog.LevelDebug
	}
	a.log = report.NewLogger(a.stderr, a.logFormat, level)
	return nil
}

// progress returns a display for one run.
func (a *app) progress() report.Progress {
	return report.NewProgress(a.stderr, a.log, !a.quiet && a.logFormat == "text")
}

// printProfile writes where the time of a run went, behind everything else.
func (a *app) printProfile(p *zaq.Profile) {
	_ = report.Profile(a.stderr, p) // stderr is where a failure would be reported
}

// load reads a model with the preprocessing flags of the command line.
func (a *app) load(path string, p *preprocessFlags) (*zaq.Model, error) {
	return zaq.Load(path, zaq.WithLog(a.log), zaq.WithDescription(p.describe), zaq.WithInputSize(p.size[0], p.size[1]), zaq.WithPreprocessing(p.apply))
}
