package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/sweep"
)

// task is a cell that is to be made.
type task struct {
	model string
	quantizeOptions
	method string // with its flags, as a shell takes them
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

// distinct refuses tasks that would write one file: names leave out what files cannot be called.
func distinct(tasks []*task) error {
	known := map[string]*task{}
	for _, t := range tasks {
		c := sweep.Cell{Model: stem(t.model), Method: t.method, Scheme: t.Scheme, Precision: t.Precision, Seed: t.Seed}
		if other := known[c.Name()]; other != nil {
			return usageErrorf("%q for %s and %q for %s make cells of one name, %s", other.method, other.model, t.method, t.model, c.Name())
		}
		known[c.Name()] = t
	}
	return nil
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
	words, err := splitWords(method)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, usageErrorf("--methods: an empty one")
	}
	t := &task{model: model, method: quotedWords(words)}
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
	c.Fixed = !m.Draws(t.Options)
	pixels := o.preprocess.String()
	c.Pixels, c.Images, c.Folder = pixelsOf(m), o.images.Digest, o.folder
	c.Command = fmt.Sprintf("zaq quantize %s --method %s --scheme %s --precision %s --seed %d%s -o Q.onnx && zaq eval Q.onnx --data %s%s",
		quoted(t.model), t.method, t.Scheme, t.Precision, t.Seed, pixels, quoted(o.data), pixels)
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

func stem(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }
