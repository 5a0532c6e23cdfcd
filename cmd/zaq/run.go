package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/infer"
	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/npy"
	"zaq/internal/preprocess"
	"zaq/internal/report"
)

const runUsage = `Run a quantized model in integers and show what it says.

Usage:
    zaq run MODEL.onnx --input FILE [FLAGS]

        --input FILE        a PNG or JPEG of the size that the model takes, or a .npy, as numpy.save writes it, with
                            inputs of the declared type and layout; once for each input of the model, in order
    -o, --output FILE       write the output as .npy; that of several outputs begins with their names: FILE.NAME.npy
        --requant R         ort (default; bit for bit as ONNX Runtime) or fixed (integers only)
        --threads N         goroutines at most; as many as there are processors otherwise
        --top N             how many classes of each image are shown (default 5)
        --json              the shown classes as JSON
` + preprocessUsage + `
Example:
    zaq run resnet20.w4a8.onnx --input cat.png
`

type runOptions struct {
	inputs     []string
	output     string
	requant    string
	threads    int
	top        int
	json       bool
	preprocess preprocessFlags
}

func (o *runOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.inputs, "input", nil, "")
	flags.StringVarP(&o.output, "output", "o", "", "")
	flags.StringVar(&o.requant, "requant", zaq.Requants[0], "")
	flags.IntVar(&o.threads, "threads", 0, "")
	flags.IntVar(&o.top, "top", 5, "")
	flags.BoolVar(&o.json, "json", false, "")
	o.preprocess.addFlags(flags)
}

func newRunCommand(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:  "run",
		Long: runUsage,
		Args: argument("MODEL.onnx"),
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(o.inputs) == 0 {
			return &usageError{text: "--input is missing", hint: "such as --input image.png; " + seeHelp(cmd)}
		}
		if err := above0(cmd.Flags(), "threads", "top"); err != nil {
			return err
		}
		if err := notNegative(cmd.Flags(), "threads", "top"); err != nil {
			return err
		}
		if !slices.Contains(zaq.Requants, o.requant) {
			return usageErrorf("--requant %q: %s", o.requant, strings.Join(zaq.Requants, " or "))
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		return a.run(cmd.Context(), args[0], &o)
	}
	return cmd
}

func (a *app) run(ctx context.Context, model string, o *runOptions) error {
	p, err := infer.Load(model, infer.WithThreads(o.threads), infer.WithRequant(o.requant))
	if err != nil {
		return err
	}
	if len(o.inputs) != len(p.Inputs()) {
		return fmt.Errorf("%s: %d inputs given, the model has %d", model, len(o.inputs), len(p.Inputs()))
	}
	inputs := make([]infer.Tensor, len(o.inputs))
	for i, path := range o.inputs {
		if strings.EqualFold(filepath.Ext(path), ".npy") {
			inputs[i], err = readArray(path, p.Inputs()[i])
		} else {
			inputs[i], err = a.readImage(p, i, path, model, o)
		}
		if err != nil {
			return err
		}
	}
	outputs, err := p.Run(ctx, inputs)
	if err != nil {
		return err
	}
	if o.output != "" {
		return writeArrays(o.output, outputs)
	}
	r := report.Answers(outputs, p.Classes(), o.top)
	if o.json {
		return report.JSON(a.stdout, r)
	}
	return r.Write(a.stdout)
}

// readArray reads the batch for an input, of its type.
func readArray(path string, in infer.Info) (infer.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return infer.Tensor{}, err
	}
	shape, data, err := npy.Decode(b, in.DType)
	if err != nil {
		return infer.Tensor{}, fmt.Errorf("%s: %w", path, err)
	}
	return infer.Tensor{Shape: shape, Data: data}, nil
}

// readImage reads a picture for the i-th input and prepares it as the model, or the command line, says.
func (a *app) readImage(p *infer.Program, i int, path, model string, o *runOptions) (infer.Tensor, error) {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return infer.Tensor{}, err
	}
	img, err := dataset.ReadImage(path)
	if err != nil {
		return infer.Tensor{}, err
	}
	in := p.Inputs()[i]
	known, ok := m.PreprocessingOf(in.Name)
	if !ok {
		return infer.Tensor{}, fmt.Errorf("%s and %s: input %q takes no picture that the model describes: give it a .npy", model, path, in.Name)
	}
	spec := preprocess.Spec(known)
	x, err := spec.Picture(img.Pixels, img.H, img.W, in.ChannelsLast)
	if err != nil {
		return infer.Tensor{}, fmt.Errorf("%s and %s: %w", model, path, err)
	}
	return infer.Tensor{Shape: append([]int{1}, in.Shape[1:]...), Data: x}, nil
}

func writeArrays(path string, outputs []infer.Tensor) error {
	for _, y := range outputs {
		name := path
		if len(outputs) > 1 {
			name = strings.TrimSuffix(path, ".npy") + "." + strings.ReplaceAll(y.Name, string(filepath.Separator), "_") + ".npy"
		}
		write := func(w io.Writer) error {
			_, err := w.Write(npy.Encode(y.Shape, y.Data))
			return err
		}
		if err := checkpoint.WriteFileAtomic(name, 0o666, write); err != nil {
			return err
		}
	}
	return nil
}
