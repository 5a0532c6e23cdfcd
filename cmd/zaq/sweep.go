package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
	"zaq/internal/sweep"
)

const sweepUsage = `Quantize models by methods at precisions for seeds, evaluate every file, and write tables of mean and deviation.
Finished cells are kept: a run that was stopped goes on where it was, and loses one cell at most.

Usage:
    zaq sweep --models A.onnx,B.onnx --methods rtn,zaq --data SPEC -o DIR [FLAGS]
    zaq sweep merge DIR... -o DIR

    -o, --output DIR        results.md, .csv and .json, cells/ with one file each, and the quantized models in files/
        --models LIST       ONNX files
        --methods LIST      of zaq quantize, each with flags of its own: rtn,'zaq --alpha 0','ft --data cifar10:DIR'
        --precision LIST    w4a4 unless told
        --scheme LIST       deploy unless told
        --seeds LIST        of methods that draw random numbers; of others the first; 1 unless told
        --data SPEC         labelled test images, as for zaq eval; no method sees them
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
		return a.sweep(cmd.Context(), &o, tasks)
	}
	return cmd
}

// task is a cell that is to be made.
type task struct {
	model string
	quantizeOptions
	method string // with its flags
	again  bool   // another seed of the task before it
}

// tasks lists the cells of the grid, after checking the options of all of them.
func (o *sweepOptions) tasks() ([]*task, error) {
	var all []*task
	for _, model := range o.models {
		for _, scheme := range o.schemes {
			for _, precision := range o.precisions {
				for _, method := range o.methods {
					for i, seed := range o.seeds {
						t, err := newTask(model, scheme, precision, method, seed)
						if err != nil {
							return nil, fmt.Errorf("method %q: %w", method, err)
						}
						t.again = i > 0
						if !slices.ContainsFunc(all, t.is) {
							all = append(all, t)
						}
					}
				}
			}
		}
	}
	return all, nil
}

// is reports whether two tasks are the same cell.
func (t *task) is(other *task) bool {
	return t.model == other.model && t.method == other.method && t.Scheme == other.Scheme && t.Precision == other.Precision && t.Seed == other.Seed
}

// part returns those of the tasks that are --shard's, every n-th.
func (o *sweepOptions) part(tasks []*task) ([]*task, error) {
	if o.shard == "" {
		return tasks, nil
	}
	first, of, _ := strings.Cut(o.shard, "/")
	i, err := strconv.Atoi(first)
	n, err2 := strconv.Atoi(of)
	if err != nil || err2 != nil || i < 1 || i > n {
		return nil, usageErrorf("--shard %q: want I/N, such as 1/2", o.shard)
	}
	var part []*task
	for k, t := range tasks {
		if k%n == i-1 {
			part = append(part, t)
		}
	}
	return part, nil
}

// newTask reads a method with its flags as zaq quantize would.
func newTask(model, scheme, precision, method, seed string) (*task, error) {
	words := strings.Fields(method)
	if len(words) == 0 {
		return nil, usageErrorf("--methods: an empty one")
	}
	t := &task{model: model, method: strings.Join(words, " ")}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	t.addFlags(flags)
	if err := refuseGridFlags(words[1:]); err != nil {
		return nil, err
	}
	line := append([]string{"--method", words[0], "--scheme", scheme, "--precision", precision, "--seed", seed}, words[1:]...)
	if err := flags.Parse(line); err != nil {
		return nil, &usageError{text: err.Error()}
	}
	if flags.NArg() > 0 {
		return nil, usageErrorf("%q is no flag", flags.Arg(0))
	}
	return t, t.complete(flags, model)
}

// refuseGridFlags refuses those flags of a method that are the sweep's: of the grid, of all models' preprocessing, or of where
// files go.
func refuseGridFlags(words []string) error {
	var t task
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	t.addFlags(flags)
	if err := flags.Parse(words); err != nil {
		return &usageError{text: err.Error()}
	}
	for _, own := range []string{
		"output", "json", "checkpoint", "resume", "profile", "method", "scheme", "precision", "seed",
		"mean", "std", "scale", "color", "resize", "description",
	} {
		if flags.Changed(own) {
			return usageErrorf("--%s is the sweep's own business", own)
		}
	}
	return nil
}

// cell is what the task will be when it is done, as far as it is known before.
func (t *task) cell(m *zaq.Model, o *sweepOptions) *sweep.Cell {
	c := &sweep.Cell{
		Model: stem(t.model), SHA256: m.SHA256(), Method: t.method, Scheme: t.Scheme, Precision: t.Precision, Seed: t.Seed, Data: o.data,
	}
	pixels := o.preprocess.String()
	c.Pixels = pixelsOf(m)
	c.Command = fmt.Sprintf("zaq quantize %s --method %s --scheme %s --precision %s --seed %d%s -o Q.onnx && zaq eval Q.onnx --data %s%s",
		quoted(t.model), quotedWords(t.method), t.Scheme, t.Precision, t.Seed, pixels, quoted(o.data), pixels)
	if o.limit > 0 {
		c.Command += " --limit " + strconv.Itoa(o.limit)
	}
	return c
}

// pixelsOf is a digest of a model's preprocessing, wherever that comes from.
func pixelsOf(m *zaq.Model) string {
	text, err := json.Marshal(m.Preprocessing())
	if err != nil {
		panic(err) // it holds numbers and words alone
	}
	return fmt.Sprintf("%.16x", sha256.Sum256(text))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,+@%-]+$`)

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func quotedWords(words string) string {
	list := strings.Fields(words)
	for i, w := range list {
		list[i] = quoted(w)
	}
	return strings.Join(list, " ")
}

func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

func (a *app) sweep(ctx context.Context, o *sweepOptions, tasks []*task) error {
	files := filepath.Join(o.output, "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	models, named := map[string]*zaq.Model{}, map[string]string{}
	for _, path := range o.models {
		if other, ok := named[stem(path)]; ok && other != path {
			return usageErrorf("--models: %s and %s have the same name, by which cells go", other, path)
		}
		named[stem(path)] = path
		m, err := a.load(path, &o.preprocess)
		if err != nil {
			return err
		}
		models[path] = m
	}
	tasks, err := o.part(slices.DeleteFunc(tasks, func(t *task) bool {
		return t.again && !models[t.model].Draws(t.Options)
	}))
	if err != nil {
		return err
	}
	earlier, err := sweep.Load(o.output) // perhaps of another grid: tables are of all that is there
	if err != nil {
		return err
	}
	var cells []*sweep.Cell
	finish := func(c *sweep.Cell) error {
		cells = append(cells, c)
		return sweep.Write(o.output, sweep.With(cells, earlier))
	}
	var failed []error
	floats := map[*zaq.Model]bool{} // those whose cell is done
	for i, t := range tasks {
		m := models[t.model]
		if !floats[m] {
			floats[m] = true
			c, err := a.floatCell(ctx, m, o)
			if err != nil {
				return err
			}
			if err := finish(c); err != nil {
				return err
			}
		}
		c := t.cell(m, o)
		done, err := sweep.Find(o.output, c)
		if err != nil {
			return err
		}
		if done == nil {
			err := a.sweepCell(ctx, m, o, t, c, filepath.Join(files, c.Name()+".onnx"))
			var q *quantizeError
			switch {
			case err == nil:
			case ctx.Err() == nil && errors.As(err, &q):
				a.log.Warn("cell failed", "number", i+1, "of", len(tasks), "name", c.Name(), "error", q.err)
				failed = append(failed, fmt.Errorf("cell %s: %w", c.Name(), q.err))
				continue
			default:
				return fmt.Errorf("cell %s: %w", c.Name(), err)
			}
			done = c
		}
		a.log.Info("cell done", "number", i+1, "of", len(tasks), "name", done.Name(), "top1", fmt.Sprintf("%.2f", done.Accuracy()))
		if err := finish(done); err != nil {
			return err
		}
	}
	if err := sweep.Markdown(a.stdout, sweep.Rows(cells)); err != nil || len(failed) == 0 {
		return err
	}
	return fmt.Errorf("%d of %d cells failed, first %w", len(failed), len(tasks), failed[0])
}

// quantizeError is what a method says of a model: other cells may fare better.
type quantizeError struct{ err error }

func (e *quantizeError) Error() string { return e.err.Error() }
func (e *quantizeError) Unwrap() error { return e.err }

// floatCell evaluates a model as it is.
func (a *app) floatCell(ctx context.Context, m *zaq.Model, o *sweepOptions) (*sweep.Cell, error) {
	c := &sweep.Cell{Model: stem(m.Path()), SHA256: m.SHA256(), Method: sweep.Float, Data: o.data, Pixels: pixelsOf(m)}
	c.Command = fmt.Sprintf("zaq eval %s --data %s%s", quoted(m.Path()), quoted(o.data), o.preprocess.String())
	if o.limit > 0 {
		c.Command += " --limit " + strconv.Itoa(o.limit)
	}
	if done, err := sweep.Find(o.output, c); err != nil || done != nil {
		return done, err
	}
	info, err := os.Stat(m.Path())
	if err != nil {
		return nil, err
	}
	c.Bytes = info.Size()
	if err := a.evaluateCell(ctx, m, o, c); err != nil {
		return nil, err
	}
	return c, sweep.Save(o.output, c)
}

func (a *app) evaluateCell(ctx context.Context, m *zaq.Model, o *sweepOptions, c *sweep.Cell) error {
	p := a.progress()
	e, err := zaq.Evaluate(ctx, m, o.data, zaq.EvalOptions{Limit: o.limit, Progress: p.Update, Log: a.log})
	p.Done()
	if err != nil {
		return err
	}
	c.N, c.Top1 = e.N, e.Top1
	return nil
}

// sweepCell quantizes, writes, reads back and evaluates. What trains keeps its state, so that a run which was stopped goes
// on.
func (a *app) sweepCell(ctx context.Context, m *zaq.Model, o *sweepOptions, t *task, c *sweep.Cell, path string) error {
	state := filepath.Join(o.output, "state", c.Name())
	if t.Trains() {
		t.CheckpointDir = state
		_, err := os.Stat(state)
		t.Resume = err == nil
	}
	p := a.progress()
	t.Progress, t.Log = p.Update, a.log
	begin := time.Now()
	r, err := zaq.Quantize(ctx, m, t.Options)
	p.Done()
	if err != nil {
		return &quantizeError{err}
	}
	c.Start = r.Steps > 0 && r.Kept == 0
	c.Seconds, c.Bytes, c.Steps, c.Agreement, c.Kernels = time.Since(begin).Seconds(), int64(r.Len()), r.Steps, r.Agreement, r.Kernels
	if err := writeUnlessInterrupted(ctx, r, path); err != nil {
		return err
	}
	q, err := a.load(path, &o.preprocess)
	if err != nil {
		return err
	}
	if err := a.evaluateCell(ctx, q, o, c); err != nil {
		return err
	}
	if err := sweep.Save(o.output, c); err != nil {
		return err
	}
	return os.RemoveAll(state)
}

// mergeSweeps joins parts of a grid.
func (a *app) mergeSweeps(dirs []string, output string) error {
	if len(dirs) == 0 {
		return usageErrorf("sweep merge: which folders?")
	}
	there, err := sweep.Load(output)
	if err != nil {
		return err
	}
	if len(there) > 0 && !slices.Contains(dirs, output) {
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
	if err := sweep.Write(output, cells); err != nil {
		return err
	}
	rows := sweep.Rows(cells)
	if err := sweep.Markdown(a.stdout, rows); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s cells in %s\n", report.Count(len(cells)), output)
	return err
}
