package method

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"

	"zaq/internal/nn"
)

// balanced is tinyNet with the classes of generated images in balance, so that a network which sees the same in all
// of them agrees with it on few.
func balanced(t *testing.T, o Options) *nn.Network {
	t.Helper()
	net := tinyNet(t)
	bias := net.Values["fc.bias"].Data // which no batch normalization sees: the images stay the same
	pool := ready(t, net, o, 128).pool
	for i, v := range pool.logits[0] {
		bias[i%len(bias)] -= v / float32(pool.n)
	}
	return net
}

// straying are options for eight steps, of which the last three lead astray.
func straying(t *testing.T) Options {
	o := tiny(t)
	o.Place.WBits = 8
	o.Tune.Steps, o.Tune.LR = 8, 1e-4
	o.Tune.Schedule = func(step, _ int) float64 {
		if step >= 5 {
			return 1e5
		}
		return 1
	}
	return o
}

// The best of the checks is what a run returns: the same as a run that ended there.
func TestZAQKeepsTheBest(t *testing.T) {
	o := straying(t)
	o.Tune.Keep = KeepBest
	net := balanced(t, o)
	best, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if best.Kept < 1 || best.Kept > 5 || best.Steps != 8 {
		t.Fatalf("step %d of %d was kept", best.Kept, best.Steps)
	}
	o.Tune.Keep = KeepBetter
	first, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if first.Kept != 0 || first.Agreement >= best.Agreement || reflect.DeepEqual(first.Net, best.Net) {
		t.Errorf("of the first and the last: step %d, agreement %g, best %g", first.Kept, first.Agreement, best.Agreement)
	}
	o.Tune.Steps = best.Kept
	ended, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if ended.Agreement != best.Agreement || !reflect.DeepEqual(ended.Net, best.Net) {
		t.Errorf("a run of %d steps agrees on %g, the best of 8 steps on %g", best.Kept, ended.Agreement, best.Agreement)
	}
}

// Where no step helps, Q is returned as it began.
func TestZAQKeepsTheStart(t *testing.T) {
	o := straying(t)
	o.Tune.RangeSteps = 0
	net := balanced(t, o)
	o.Tune.Schedule = func(int, int) float64 { return 1e5 }
	got, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Tune.Keep = KeepLast
	last, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if last.Kept != 8 || last.Agreement >= got.Agreement {
		t.Errorf("last: step %d, agreement %g, %g of the start", last.Kept, last.Agreement, got.Agreement)
	}
	o.Tune.Steps = 0
	start, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kept != 0 || got.Steps != 8 || got.Agreement != start.Agreement || !reflect.DeepEqual(got.Net, start.Net) {
		t.Errorf("step %d of %d was kept, agreement %g, %g of the start", got.Kept, got.Steps, got.Agreement, start.Agreement)
	}
}

// The end is looked at where ranges move until then, too, and Q as it began has the ranges that it had then: weights that went
// astray have taken the others with them. So it is where the run is stopped on the way.
func TestZAQKeepsTheStartWhileRangesMove(t *testing.T) {
	for _, keep := range []string{KeepBetter, KeepBest} {
		o := straying(t)
		o.Tune.RangeSteps, o.Tune.Keep = o.Tune.Steps+1, keep
		o.Tune.Schedule = func(int, int) float64 { return 1e5 }
		net := balanced(t, o)
		o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
		ctx, cancel := context.WithCancel(context.Background())
		o.Progress = func(p Progress) {
			if p.Phase == "train" && p.Step == 5 {
				cancel()
			}
		}
		if _, err := ZAQ(ctx, net, o); err != context.Canceled {
			t.Fatal(err)
		}
		o.Progress, o.Resume = nil, true
		got, err := ZAQ(context.Background(), net, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Tune.Steps, o.Checkpoint, o.Resume = 0, "", false
		start, err := ZAQ(context.Background(), net, o)
		if err != nil {
			t.Fatal(err)
		}
		if got.Kept != 0 || got.Steps != 8 || got.Agreement != start.Agreement || !reflect.DeepEqual(got.Net, start.Net) {
			t.Errorf("keep %s: step %d of %d, agreement %g, %g of the start", keep, got.Kept, got.Steps, got.Agreement, start.Agreement)
		}
	}
}
