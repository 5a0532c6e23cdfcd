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
func (r *zaq) checkpoint() error {
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
func (r *zaq) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if saveErr := r.save(); saveErr != nil {
		return fmt.Errorf("interrupted, and the state of the run is lost: %w", saveErr)
	}
	return err
}

func (r *zaq) save() error {
	r.saved = time.Now()
	if r.o.Checkpoint == "" {
		return nil
	}
	s := &checkpoint.State{Fingerprint: r.o.Fingerprint}
	r.warm.save(s)
	r.ranges.save(s)
	checkpoint.Put(s, "step", r.step)
	putParams(s, "Q", r.q.Params)
	putArrays(s, "Q velocity", r.sgd.Velocity)
	checkpoint.Put(s, "epochs", r.epochs)
	checkpoint.Put(s, "distances", r.distances)
	checkpoint.Put(s, "average", r.average)
	checkpoint.Put(s, "layer weights", r.df.Weights)
	pool := &images{}
	if r.pool != nil {
		pool = r.pool
	}
	checkpoint.Put(s, "pool", pool.x)
	checkpoint.Put(s, "pool logits", pool.logits)
	checkpoint.Put(s, "best step", r.best.step)
	checkpoint.Put(s, "best agreement", r.best.agreement)
	if r.best.params != nil {
		putArrays(s, "best", r.best.params)
	}
	return checkpoint.Save(r.o.Checkpoint, s)
}

func (r *zaq) resume() error {
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
	if err := r.warm.load(s); err != nil {
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
	if r.epochs, err = checkpoint.Get[int](s, "epochs"); err != nil {
		return err
	}
	for name, dst := range map[string][]float64{"distances": r.distances, "average": r.average, "layer weights": r.df.Weights} {
		if err := checkpoint.Fill(s, name, dst); err != nil {
			return err
		}
	}
	return r.resumeImages(s)
}

// resumeImages restores the held-back images and the best weights so far.
func (r *zaq) resumeImages(s *checkpoint.State) error {
	x, err := checkpoint.Get[[]float32](s, "pool")
	if err != nil {
		return err
	}
	logits, err := checkpoint.Get[[]float32](s, "pool logits")
	if err != nil {
		return err
	}
	if len(x) > 0 {
		r.pool = &images{n: len(x) / r.gen.Image.Len(), x: x, logits: logits}
	}
	if r.best.step, err = checkpoint.Get[int](s, "best step"); err != nil {
		return err
	}
	if r.best.agreement, err = checkpoint.Get[float64](s, "best agreement"); err != nil {
		return err
	}
	if r.best.step == 0 {
		return nil
	}
	for _, p := range r.q.Params {
		r.best.params = append(r.best.params, make([]float32, len(p.Data)))
	}
	return fillArrays(s, "best", r.best.params)
}
