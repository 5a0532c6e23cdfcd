package method

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"zaq/internal/checkpoint"
)

// checkpoint saves the run if the last time is long enough ago.
func (r *tuning) checkpoint() error {
	every := r.o.Every
	if every == 0 {
		every = 30 * time.Second
	}
	if time.Since(r.saved) < every {
		return nil
	}
	return r.save()
}

// stopped saves the run when err says that it was interrupted; any other error is not worth a checkpoint.
func (r *tuning) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if saveErr := r.save(); saveErr != nil {
		return fmt.Errorf("interrupted, and the state of the run is lost: %w", saveErr)
	}
	return err
}

func (r *tuning) save() error {
	r.saved = time.Now()
	if r.o.Checkpoint == "" {
		return nil
	}
	s := &checkpoint.State{Fingerprint: r.o.Fingerprint}
	if r.prep != nil {
		r.prep.save(s)
	}
	if r.gen != nil && r.step > 0 { // before, the generator itself is the warmed one
		putArrays(s, "warmed generator", r.warmed)
	}
	r.ranges.save(s)
	checkpoint.Put(s, "step", r.step)
	putParams(s, "Q", r.q.Params)
	putArrays(s, "Q velocity", r.sgd.Velocity)
	r.crit.save(s)
	checkpoint.Put(s, "best step", r.best.step)
	checkpoint.Put(s, "best agreement", r.best.agreement)
	if r.best.params != nil {
		putArrays(s, "best", r.best.params)
	}
	return checkpoint.Save(r.o.Checkpoint, s)
}

func (r *tuning) resume() error {
	if !r.o.Resume {
		return nil
	}
	s, err := checkpoint.LoadMatching(r.o.Checkpoint, r.o.Fingerprint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // stopped before its first checkpoint: nothing was lost but time
	}
	if err != nil {
		return err
	}
	if err := r.ranges.load(s); err != nil {
		return err
	}
	r.calibrated = r.ranges.seen > 0
	if err := fillParams(s, "Q", r.q.Params); err != nil {
		return err
	}
	if err := fillArrays(s, "Q velocity", r.sgd.Velocity); err != nil {
		return err
	}
	if r.step, err = checkpoint.Get[int](s, "step"); err != nil {
		return err
	}
	if err := r.crit.load(s); err != nil {
		return err
	}
	if err := r.resumeImages(s); err != nil {
		return err
	}
	return r.resumeBest(s)
}

// resumeImages restores where images come from.
func (r *tuning) resumeImages(s *checkpoint.State) error {
	if r.prep != nil {
		if err := r.prep.load(s); err != nil {
			return err
		}
	}
	if r.gen == nil || r.step == 0 {
		return nil
	}
	r.warmed = valuesOf(r.gen.Params) // of their size
	return fillArrays(s, "warmed generator", r.warmed)
}

// resumeBest restores the best weights so far.
func (r *tuning) resumeBest(s *checkpoint.State) (err error) {
	if r.best.step, err = checkpoint.Get[int](s, "best step"); err != nil {
		return err
	}
	if r.best.agreement, err = checkpoint.Get[float64](s, "best agreement"); err != nil {
		return err
	}
	if r.best.step == 0 {
		return nil
	}
	r.best.params = valuesOf(r.q.Params) // of their size
	return fillArrays(s, "best", r.best.params)
}
