package method

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"

	"zaq/internal/checkpoint"
)

// A run that is stopped before and behind the end of an epoch, with ranges that move, ends in the bits of an
// unbroken one and reports the same figures on the way. Its images are not in the checkpoint.
func TestZAQResumeAcrossEpochs(t *testing.T) {
	for _, keep := range []string{KeepLast, KeepBetter, KeepBest} {
		o := tiny(t)
		o.Observer = "ema"
		o.Tune.Steps, o.Tune.RangeSteps, o.Tune.QPerG, o.Tune.Keep = epoch+5, 20, 4, keep
		run := func(stops ...int) (*Result, map[int][]Metric) {
			o, figures := o, map[int][]Metric{}
			o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
			for i := 0; ; i++ {
				ctx, cancel := context.WithCancel(context.Background())
				o.Progress = func(p Progress) {
					if p.Phase == "train" {
						figures[p.Step] = p.Metrics
						if i < len(stops) && p.Step == stops[i] {
							cancel()
						}
					}
				}
				r, err := ZAQ(ctx, tinyNet(t), o)
				cancel()
				if i == len(stops) {
					if err != nil {
						t.Fatal(err)
					}
					return r, figures
				}
				if err != context.Canceled {
					t.Fatalf("stop at step %d: %v", stops[i], err)
				}
				checkSections(t, o.Checkpoint)
				o.Resume = true
			}
		}
		want, wantFigures := run()
		got, figures := run(10, 47, epoch+1, epoch+5)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("keep %s: another result: step %d of %d, agreement %g, %g", keep, got.Kept, want.Kept, got.Agreement, want.Agreement)
		}
		if !reflect.DeepEqual(figures, wantFigures) {
			t.Errorf("keep %s: other figures on the way", keep)
		}
	}
}

// checkSections fails where a checkpoint of tinyNet holds an array as large as the held-back images.
func checkSections(t *testing.T, path string) {
	t.Helper()
	s, err := checkpoint.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.Names() {
		if x, err := checkpoint.Get[[]float32](s, name); err == nil && len(x) >= heldBack*192 {
			t.Errorf("section %q holds %d numbers", name, len(x))
		}
	}
}
