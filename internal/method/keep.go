package method

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"zaq/internal/checkpoint"
)

// keeper writes the state of a run to o's checkpoint, now and then and when the run is interrupted.
type keeper struct {
	o     *Options
	put   func(s *checkpoint.State)
	saved time.Time // when it was written last, or the run began
}

func newKeeper(o *Options, put func(s *checkpoint.State)) *keeper {
	return &keeper{o: o, put: put, saved: time.Now()}
}

// due saves the run if the last time is long enough ago.
func (k *keeper) due() error {
	every := k.o.Every
	if every == 0 {
		every = 30 * time.Second
	}
	if time.Since(k.saved) < every {
		return nil
	}
	return k.save()
}

// stopped saves the run when err says that it was interrupted; any other error is not worth a checkpoint.
func (k *keeper) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if saveErr := k.save(); saveErr != nil {
		return fmt.Errorf("interrupted, and the state of the run is lost: %w", saveErr)
	}
	return err
}

func (k *keeper) save() error {
	k.saved = time.Now()
	if k.o.Checkpoint == "" {
		return nil
	}
	s := &checkpoint.State{Fingerprint: k.o.Fingerprint}
	k.put(s)
	return checkpoint.Save(k.o.Checkpoint, s)
}

// earlier returns the state that the run is to go on from, nil where it begins anew: it was not told to go on, or an earlier one
// was stopped before its first checkpoint, so that nothing was lost but time.
func (o *Options) earlier() (*checkpoint.State, error) {
	if !o.Resume || o.Checkpoint == "" {
		return nil, nil
	}
	s, err := checkpoint.LoadMatching(o.Checkpoint, o.Fingerprint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// prepared does what is to be done first, or what is left of it, and keeps it.
func (t *twins) prepared(ctx context.Context, prep preparation) error {
	s, err := t.o.earlier()
	if err == nil && s != nil {
		err = prep.load(s)
	}
	if err != nil {
		return err
	}
	k := newKeeper(t.o, prep.save)
	if err := prep.run(ctx, k.due); err != nil {
		return k.stopped(ctx, err)
	}
	return k.save()
}
