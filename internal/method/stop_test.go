package method

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Work on many images stops between two batches; a calibration that was stopped has not begun.
func TestStopsBetweenBatches(t *testing.T) {
	o := tiny(t)
	ctx, cancel := context.WithCancel(context.Background())
	o.Progress = func(Progress) { cancel() }
	tw, err := newTwins(context.Background(), tinyNet(t), &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := tw.calibrate(ctx); !errors.Is(err, context.Canceled) || tw.ranges.seen != 0 || tw.ranges.hi[0] != 0 {
		t.Errorf("calibration: %v, %d batches seen", err, tw.ranges.seen)
	}
	if _, err := tw.paint(ctx, 3, "held back"); !errors.Is(err, context.Canceled) {
		t.Errorf("paint: %v", err)
	}
	if _, err := tw.look(ctx, noise(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("look: %v", err)
	}
	if _, err := tw.result(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("result: %v", err)
	}
	if err := tw.calibrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	m, err := tw.look(context.Background(), noise(3))
	if err != nil {
		t.Fatal(err)
	}
	v, err := tw.viewer(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.agreement(ctx, m); !errors.Is(err, context.Canceled) {
		t.Errorf("agreement: %v", err)
	}
}

// An error that happens to come with an interruption is not one: it is told, and nothing is saved.
func TestStoppedTellsErrors(t *testing.T) {
	o := tiny(t)
	o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
	r, err := newZAQ(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	broken := errors.New("disk full")
	if err := r.keep.stopped(ctx, broken); err != broken {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(o.Checkpoint); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("saved: %v", err)
	}
	if err := r.keep.stopped(ctx, ctx.Err()); err != context.Canceled {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(o.Checkpoint); err != nil {
		t.Error(err)
	}
}
