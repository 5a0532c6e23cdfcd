package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"zaq"
	"zaq/internal/sweep"
)

// grid is a sweep at work.
type grid struct {
	*app
	o       *sweepOptions
	tasks   []*task
	models  map[string]*zaq.Model // by path
	own     inputs
	cells   []*sweep.Cell // done by now, those of earlier runs among them that this one asked for
	earlier []*sweep.Cell // there before, perhaps of another grid: tables are of all that is there

	evaluated map[*zaq.Model]error // of models that were tried as they are; nil where that went well
	failed    []error              // of cells
}

func (a *app) sweep(ctx context.Context, o *sweepOptions, tasks []*task) error {
	models, err := a.sweepModels(o)
	if err != nil {
		return err
	}
	tasks, err = o.part(slices.DeleteFunc(tasks, func(t *task) bool {
		return t.again && !models[t.model].Draws(t.Options)
	}))
	if err != nil {
		return err
	}
	if err := distinct(tasks); err != nil {
		return err
	}
	if o.images, err = zaq.SumTestImages(o.data, o.limit); err != nil {
		return err
	}
	if o.folder, err = os.Getwd(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.output, "files"), 0o755); err != nil {
		return err
	}
	unlock, err := sweep.Lock(o.output)
	if err != nil {
		return err
	}
	defer unlock()
	earlier, err := sweep.Load(o.output)
	if err != nil {
		return err
	}
	if err := sweep.Begin(o.output, earlier); err != nil {
		return err
	}
	if len(tasks) == 0 {
		a.log.Warn("this part of the grid has no cells: there are fewer than parts", "shard", o.shard)
	}
	g := &grid{app: a, o: o, tasks: tasks, models: models, own: inputs{}, earlier: earlier, evaluated: map[*zaq.Model]error{}}
	for i, t := range tasks {
		if err := g.run(ctx, i, t); err != nil {
			return err
		}
	}
	return g.report()
}

// sweepModels loads the models, by path.
func (a *app) sweepModels(o *sweepOptions) (map[string]*zaq.Model, error) {
	models, named := map[string]*zaq.Model{}, map[string]string{}
	for _, path := range o.models {
		if other, ok := named[stem(path)]; ok && other != path {
			return nil, usageErrorf("--models: %s and %s have the same name, by which cells go", other, path)
		}
		named[stem(path)] = path
		m, err := a.load(path, &o.preprocess)
		if err != nil {
			return nil, err
		}
		models[path] = m
	}
	return models, nil
}

// run makes the cell of a task, unless it is there, behind that of its model as it is. What it returns ends the sweep: errors
// of one cell are kept for the report.
func (g *grid) run(ctx context.Context, i int, t *task) error {
	m := g.models[t.model]
	if err := g.evaluate(ctx, m); err != nil {
		return err
	}
	c := t.cell(m, g.o)
	if err := g.evaluated[m]; err != nil { // which was said once
		g.failed = append(g.failed, fmt.Errorf("cell %s: %w", c.Name(), err))
		return nil
	}
	own, err := g.own.of(m, t.Options, g.o.images)
	if err != nil {
		g.fail(i, c, err)
		return nil
	}
	c.Inputs, c.Seen = own.Digest, own.Seen
	done, err := sweep.Find(g.o.output, c)
	if err != nil {
		return err
	}
	if done == nil {
		err := g.sweepCell(ctx, m, g.o, t, c, filepath.Join(g.o.output, "files", c.Name()+".onnx"))
		var own *cellError
		switch {
		case err == nil:
		case ctx.Err() == nil && errors.As(err, &own):
			g.fail(i, c, own.err)
			return nil
		default:
			return fmt.Errorf("cell %s: %w", c.Name(), err)
		}
		done = c
	}
	g.log.Info("cell done", "number", i+1, "of", len(g.tasks), "name", done.Name(), "top1", fmt.Sprintf("%.2f", done.Accuracy()))
	return g.finish(done)
}

// evaluate makes the cell of a model as it is, once. One that cannot be evaluated on these images is left to its tasks.
func (g *grid) evaluate(ctx context.Context, m *zaq.Model) error {
	if _, tried := g.evaluated[m]; tried {
		return nil
	}
	c, err := g.floatCell(ctx, m, g.o)
	var own *cellError
	switch {
	case err == nil:
		g.evaluated[m] = nil
		return g.finish(c)
	case ctx.Err() == nil && errors.As(err, &own):
		g.evaluated[m] = own.err
		g.log.Warn("model cannot be evaluated, none of its cells is made", "model", m.Path(), "error", own.err)
		return nil
	}
	return err
}

// finish takes a cell into the tables.
func (g *grid) finish(c *sweep.Cell) error {
	g.cells = append(g.cells, c)
	return sweep.Write(g.o.output, sweep.With(g.cells, g.earlier))
}

func (g *grid) fail(i int, c *sweep.Cell, err error) {
	g.log.Warn("cell failed", "number", i+1, "of", len(g.tasks), "name", c.Name(), "error", err)
	g.failed = append(g.failed, fmt.Errorf("cell %s: %w", c.Name(), err))
}

// report prints the table of the cells that were asked for; where some failed, that is the error.
func (g *grid) report() error {
	if err := sweep.Markdown(g.stdout, sweep.Rows(g.cells)); err != nil || len(g.failed) == 0 {
		return err
	}
	// In words: an option that one model cannot have is no wrong command line.
	return &zaq.HintError{
		Err:    fmt.Errorf("%d of %d cells failed, first %v", len(g.failed), len(g.tasks), g.failed[0]),
		Advice: zaq.Hint(g.failed[0]),
	}
}
