package method

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/metric"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// stripes is a set of three classes that shifts and mirrors do not mix: rows, columns and noise.
func stripes(n int, seed uint64) *dataset.Set {
	s := &dataset.Set{Name: "stripes", N: n, H: 9, W: 8, C: 1, Classes: []string{"rows", "columns", "noise"}}
	r := random.New(seed, 0, "stripes")
	for i := range n {
		class, phase := i%3, r.Intn(4)
		s.Labels = append(s.Labels, class)
		for p := range s.H * s.W {
			v := r.Intn(60)
			if at := [3]int{p / s.W, p % s.W, 2 * r.Intn(2)}[class]; (at+phase)%4 < 2 {
				v += 190
			}
			s.Pixels = append(s.Pixels, uint8(v))
		}
	}
	return s
}

func stripesPixels() *preprocess.Spec {
	return &preprocess.Spec{Scale: 1, Mean: []float64{125}, Std: []float64{95}, Color: "gray", Size: [2]int{9, 8}}
}

func stripesNet(t *testing.T) *nn.Network {
	t.Helper()
	net, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 4, Image: [3]int{1, 9, 8}, Classes: 3}, 2)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// twenty are options for twenty steps on 45 images.
var twenty = TrainOptions{Epochs: 4, Batch: 9, LR: 0.05, WeightDecay: 1e-3, Smoothing: 0.05, Seed: 5, Fingerprint: "test=yes"}

func trained(t *testing.T, ctx context.Context, o TrainOptions) (*nn.Network, *TrainResult, error) {
	t.Helper()
	net := stripesNet(t)
	r, err := Train(ctx, net, stripes(47, 1), stripesPixels(), o)
	return net, r, err
}

func TestTrainLearns(t *testing.T) {
	o := twenty
	o.Epochs = 20
	net, r, err := trained(t, context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Losses) != 20 || r.Parameters != 5023 || r.Losses[0] < 0.5 || r.Losses[19] > 0.4 {
		t.Errorf("%d parameters, losses %.3f", r.Parameters, r.Losses)
	}
	fresh := stripes(30, 9)
	p, err := engine.NewPredictor(net, fresh.N, 0) // with running statistics
	if err != nil {
		t.Fatal(err)
	}
	stripesPixels().Apply(p.Input(), fresh.Pixels, fresh.N)
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if right, err := metric.TopK(p.Output(0), 3, fresh.Labels, 1); err != nil || right < 27 {
		t.Errorf("%d of 30 right, %v", right, err)
	}
}

// The same bits for any number of threads, and another result for another seed.
func TestTrainThreads(t *testing.T) {
	want, result, err := trained(t, context.Background(), twenty)
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2, 3} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		got, r, err := trained(t, context.Background(), twenty)
		if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(r, result) {
			t.Errorf("%d threads: another network (%v)", threads, err)
		}
	}
	o := twenty
	o.Seed++
	if got, _, err := trained(t, context.Background(), o); err != nil || reflect.DeepEqual(got, want) {
		t.Errorf("another seed: the same network, %v", err)
	}
}

// A run that was stopped at any place and resumed ends in the bits of an unbroken one.
func TestTrainResume(t *testing.T) {
	want, result, err := trained(t, context.Background(), twenty)
	if err != nil {
		t.Fatal(err)
	}
	o := twenty
	o.Checkpoint = filepath.Join(t.TempDir(), "train.ckpt")
	for _, stop := range []int{0, 1, 10, 13, 20} {
		ctx, cancel := context.WithCancel(context.Background())
		if stop == 0 {
			cancel()
		}
		last := 0
		o.Progress = func(step, total int, _, _ float64) {
			if step != last+1 || total != 20 {
				t.Fatalf("step %d of %d after %d", step, total, last)
			}
			if last = step; step == stop {
				cancel()
			}
		}
		net, r, err := trained(t, ctx, o)
		if stop == 20 { // the last step: nothing is left to be stopped
			if err != nil || !reflect.DeepEqual(r, result) {
				t.Fatalf("stopped after the last step: %v", err)
			}
		} else if !errors.Is(err, context.Canceled) || last != stop || !reflect.DeepEqual(net, stripesNet(t)) {
			t.Fatalf("stopped at %d: %v after %d steps", stop, err, last)
		}
		o.Resume = true
		got, r, err := trained(t, context.Background(), o)
		if err != nil || last != 20 || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(r, result) {
			t.Errorf("stopped at %d and resumed: another network, %v", stop, err)
		}
		o.Resume = false
	}
}

// Checkpoints come at intervals, and a run killed between two goes on from the last.
func TestTrainIntervals(t *testing.T) {
	want, _, err := trained(t, context.Background(), twenty)
	if err != nil {
		t.Fatal(err)
	}
	o := twenty
	o.Every = time.Nanosecond
	o.Checkpoint = filepath.Join(t.TempDir(), "train.ckpt")
	var kept []byte
	o.Progress = func(step, _ int, _, _ float64) {
		if step == 8 { // on the disk: the state after 7
			kept, _ = os.ReadFile(o.Checkpoint)
		}
	}
	if _, _, err := trained(t, context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Checkpoint, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Resume = true
	first := 0
	o.Progress = func(step, _ int, _, _ float64) {
		if first == 0 {
			first = step
		}
	}
	got, _, err := trained(t, context.Background(), o)
	if err != nil || first != 8 || !reflect.DeepEqual(got, want) {
		t.Errorf("went on at step %d to another network, %v", first, err)
	}
}

func TestTrainResumeRefused(t *testing.T) {
	o := twenty
	o.Resume = true
	o.Checkpoint = filepath.Join(t.TempDir(), "train.ckpt")
	if _, _, err := trained(t, context.Background(), o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no checkpoint: %v", err)
	}
	for name, state := range map[string]func() *checkpoint.State{
		"other configuration": func() *checkpoint.State { return &checkpoint.State{Fingerprint: "test=no"} },
		"no sections":         func() *checkpoint.State { return &checkpoint.State{Fingerprint: "test=yes"} },
		"step too high": func() *checkpoint.State {
			s := &checkpoint.State{Fingerprint: "test=yes"}
			checkpoint.Put(s, "step", 21)
			return s
		},
	} {
		if err := checkpoint.Save(o.Checkpoint, state()); err != nil {
			t.Fatal(err)
		}
		var refused *checkpoint.Error
		if _, _, err := trained(t, context.Background(), o); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTrainDiverges(t *testing.T) {
	for _, lr := range []float64{1e20, math.MaxFloat32} {
		o := twenty
		o.LR = lr
		var diverged *DivergedError
		net, r, err := trained(t, context.Background(), o)
		if !errors.As(err, &diverged) || r != nil || !reflect.DeepEqual(net, stripesNet(t)) {
			t.Errorf("learning rate %g: %v", lr, err)
		}
	}
	// The last step's update is seen by no loss.
	o := twenty
	o.Epochs, o.Batch, o.LR = 1, 47, math.MaxFloat64
	var diverged *DivergedError
	if _, _, err := trained(t, context.Background(), o); !errors.As(err, &diverged) || diverged.Step != 1 {
		t.Errorf("a single step: %v", err)
	}
}

func TestTrainRefused(t *testing.T) {
	net := stripesNet(t)
	for name, spoil := range map[string]func(s *dataset.Set, p *preprocess.Spec, o *TrainOptions){
		"size":     func(_ *dataset.Set, p *preprocess.Spec, _ *TrainOptions) { p.Size = [2]int{8, 9} },
		"color":    func(_ *dataset.Set, p *preprocess.Spec, _ *TrainOptions) { p.Mean = []float64{1, 1, 1} },
		"label":    func(s *dataset.Set, _ *preprocess.Spec, _ *TrainOptions) { s.Labels[46] = 3 },
		"no label": func(s *dataset.Set, _ *preprocess.Spec, _ *TrainOptions) { s.Labels = nil },
		"batch":    func(_ *dataset.Set, _ *preprocess.Spec, o *TrainOptions) { o.Batch = 48 },
		"no batch": func(_ *dataset.Set, _ *preprocess.Spec, o *TrainOptions) { o.Batch = 0 },
	} {
		set, pixels, o := stripes(47, 1), stripesPixels(), twenty
		spoil(set, pixels, &o)
		if _, err := Train(context.Background(), net, set, pixels, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOneCycle(t *testing.T) {
	for _, test := range []struct {
		step, total int
		want        float64
	}{
		{0, 100, 0.05}, {9, 100, 0.5}, {19, 100, 1}, {20, 100, 1}, {60, 100, 0.5}, {100, 100, 0},
		{0, 1, 1}, {0, 4, 1}, {1, 4, 1},
	} {
		if got := oneCycle(test.step, test.total); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("step %d of %d: %v, want %v", test.step, test.total, got, test.want)
		}
	}
}
