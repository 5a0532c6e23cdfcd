package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zaq"
	"zaq/internal/checkpoint"
	"zaq/internal/sweep"
)

// cellError is what a method, or an evaluation, says of a model: other cells may fare better.
type cellError struct{ err error }

func (e *cellError) Error() string { return e.err.Error() }
func (e *cellError) Unwrap() error { return e.err }

// ofCell makes an error one of the cell alone, unless it is about the folder that all cells go to.
func ofCell(err error, folder string) error {
	if err == nil || ofFolder(err, folder) {
		return err
	}
	return &cellError{err}
}

// ofFolder reports whether an error is about writing below a folder, or about a full disk: no other cell fares better.
func ofFolder(err error, folder string) bool {
	var p *fs.PathError
	return errors.Is(err, syscall.ENOSPC) || errors.As(err, &p) && strings.HasPrefix(filepath.Clean(p.Path), filepath.Clean(folder)+string(filepath.Separator))
}

// inputs finds out which images of the user's own the methods look at, reading each set once.
type inputs map[string]inputsResult

type inputsResult struct {
	own zaq.OwnImages
	err error
}

func (in inputs) of(m *zaq.Model, o zaq.Options, test *zaq.TestImages) (zaq.OwnImages, error) {
	key := strings.Join([]string{m.Path(), o.CalibrationDir, o.Data}, "\x00")
	r, ok := in[key]
	if !ok {
		r.own, r.err = m.OwnImages(o, test)
		in[key] = r
	}
	return r.own, r.err
}

// floatCell evaluates a model as it is.
func (a *app) floatCell(ctx context.Context, m *zaq.Model, o *sweepOptions) (*sweep.Cell, error) {
	c := &sweep.Cell{Model: stem(m.Path()), SHA256: m.SHA256(), Method: sweep.Float, Data: o.data, Pixels: pixelsOf(m), Images: o.images.Digest, Folder: o.folder}
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
		return ofCell(err, o.output)
	}
	c.N, c.Top1, c.Version = e.N, e.Top1, zaq.Version()
	return nil
}

// sweepCell quantizes, writes, reads back and evaluates. What trains keeps its state, so that a run which was stopped goes
// on.
func (a *app) sweepCell(ctx context.Context, m *zaq.Model, o *sweepOptions, t *task, c *sweep.Cell, path string) error {
	state := filepath.Join(o.output, "state", c.Name())
	if t.Trains() {
		t.CheckpointDir = state
		kept, err := filepath.Glob(filepath.Join(state, "*.ckpt"))
		t.Resume = err == nil && len(kept) > 0
	}
	begin := time.Now()
	r, err := a.runQuantize(ctx, m, &t.quantizeOptions)
	switch {
	case err != nil && t.Resume && errors.As(err, new(*checkpoint.Error)):
		a.log.Warn("the state of an earlier run cannot be taken up, the cell begins anew", "name", c.Name(), "error", err)
		if err := os.RemoveAll(state); err != nil {
			return err
		}
		t.given = nil // what was said of them
		return a.sweepCell(ctx, m, o, t, c, path)
	case err != nil:
		return ofCell(err, o.output)
	}
	c.Start, c.Resumed = r.Steps > 0 && r.Kept == 0, t.Resume
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
