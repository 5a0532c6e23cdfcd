package method

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/nn"
)

func TestZAQ(t *testing.T) {
	net := tinyNet(t)
	o := tiny(t)
	var phases []string
	o.Progress = func(p Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
		if p.Phase == "train" && (len(p.Metrics) != 3 || p.Metrics[0].Name != "D_o" || p.Metrics[0].Value <= 0 || p.Metrics[2].Value >= 0) {
			t.Errorf("%+v", p)
		}
	}
	r, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(net, tinyNet(t)) {
		t.Error("the network that was given has changed")
	}
	if !slices.Equal(phases, []string{"warm up", "calibrate", "train"}) {
		t.Errorf("phases %q", phases)
	}
	if r.Steps != 8 || r.Kept < 0 || r.Kept > 8 || r.Agreement <= 0.2 || len(r.Costs) != 10 {
		t.Errorf("%d steps, %d kept, agreement %g, %d costs", r.Steps, r.Kept, r.Agreement, len(r.Costs))
	}
	checkCalibrated(t, r)
}

// ready is a run whose generator is warm and whose ranges are set; it holds back but n images.
func ready(t *testing.T, net *nn.Network, o Options, n int) *tuning {
	t.Helper()
	r, err := newZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.prep.run(context.Background(), nothing); err != nil {
		t.Fatal(err)
	}
	if err := r.calibrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	if r.pool, err = r.paint(context.Background(), n, "held back"); err != nil {
		t.Fatal(err)
	}
	return r
}

// On images that nobody trains on, Q comes closer to P than rounding to nearest.
func TestZAQApproachesP(t *testing.T) {
	o := tiny(t)
	o.Place.WBits = 3
	o.Tune.Steps = 60
	r := ready(t, tinyNet(t), o, 48)
	distance := func() float64 {
		v, err := r.viewer(16, nil)
		if err != nil {
			t.Fatal(err)
		}
		var q []float32
		v.each(context.Background(), r.pool, func(n int) { q = append(q, v.prog.Data(v.qOut[0])[:n*v.qOut[0].Len()]...) })
		return difference(r.pool.logits[0], q)
	}
	before := distance()
	if err := r.train(context.Background()); err != nil {
		t.Fatal(err)
	}
	if after := distance(); after > 0.7*before || before < 0.05 {
		t.Errorf("Q is %g off after training, %g before", after, before)
	}
}

func TestLayerWeights(t *testing.T) {
	o := tiny(t)
	o.ZAQ.Tau = 0.5
	run, err := newZAQ(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	r, step := run.crit.(*discrepancy), 0
	layers := len(r.df.Weights)
	if layers != 3 {
		t.Fatalf("%d layers", layers)
	}
	average := make([]float64, layers)
	for e, distances := range [][]float64{{0.1, 0.2, 0.6}, {0.4, 0.1, 0.1}, {0, 0, 0}} {
		before := slices.Clone(r.df.Weights)
		for range epoch {
			if !slices.Equal(r.df.Weights, before) {
				t.Fatalf("weights change at step %d, within an epoch", step)
			}
			step++
			for l, d := range distances {
				r.df.Distances[l] = d * (1 + 0.5*float64(step%2*2-1)) // d on average
			}
			r.after(step)
		}
		var mean, sum, total float64
		for l, d := range distances {
			if average[l] = 0.9*average[l] + 0.1*d; e == 0 {
				average[l] = d
			}
			mean += average[l] / float64(layers)
		}
		for _, a := range average {
			sum += math.Exp(a / mean / 0.5)
		}
		for l, w := range r.df.Weights {
			if want := math.Exp(average[l]/mean/0.5) / sum; math.Abs(w-want) > 1e-9 {
				t.Errorf("epoch %d: layer %d weighs %g, want %g", e, l, w, want)
			}
			total += w
		}
		if math.Abs(total-1) > 1e-12 {
			t.Errorf("epoch %d: weights sum to %g", e, total)
		}
	}
	// A small temperature leaves all the weight to the largest, down to where its exponent is infinite.
	copy(r.average, []float64{0.2, 0.3, 0.1})
	for _, tau := range []float64{0.01, 0.003, 1e-5, 1e-310} {
		r.z.Tau = tau
		if r.weigh(0.2); !(r.df.Weights[1] > 1-1e-12) || !(r.df.Weights[0] < 1e-12) || !(r.df.Weights[2] < 1e-12) {
			t.Errorf("tau %g: weights %v", tau, r.df.Weights)
		}
	}
	// Distances that are all zero say nothing.
	before := slices.Clone(r.df.Weights)
	clear(r.average)
	r.weigh(0)
	if !slices.Equal(r.df.Weights, before) {
		t.Errorf("weights %v", r.df.Weights)
	}
}

// Alpha 0 is the same as no comparison of features, which is not worked out then.
func TestZAQOfAlpha0(t *testing.T) {
	o := tiny(t)
	o.Tune.Steps, o.ZAQ.FeatureLoss = 3, "none"
	none, err := ZAQ(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	o.ZAQ.FeatureLoss, o.ZAQ.Alpha = "gram", 0
	o.Progress = func(p Progress) {
		for _, m := range p.Metrics {
			if m.Name == "alpha*D_f" {
				t.Errorf("%s step %d: %+v", p.Phase, p.Step, m)
			}
		}
	}
	zero, err := ZAQ(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(none.Net, zero.Net) || none.Agreement != zero.Agreement {
		t.Error("alpha 0 is not feature loss none")
	}
}

// A run that went on from any checkpoint ends in the bits of an unbroken one, whatever the number of threads.
func TestZAQResume(t *testing.T) {
	o := straying(t)
	o.Tune.RangeSteps, o.Tune.Keep = 4, KeepBest
	net := balanced(t, o)
	o.Threads = 1
	o.Every = time.Nanosecond
	o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
	type moment struct {
		phase string
		step  int
	}
	kept := map[moment][]byte{}
	var last moment
	o.Progress = func(p Progress) { // on the disk is what was before this step
		if last != (moment{}) && last.phase != "calibrate" {
			b, err := os.ReadFile(o.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			kept[last] = b
		}
		last = moment{p.Phase, p.Step}
	}
	want, err := ZAQ(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	if want.Kept > 5 {
		t.Fatalf("step %d was kept, not one before those that lead astray", want.Kept)
	}

	o.Resume, o.Threads = true, 3
	for _, stop := range []moment{
		{"warm up", 1},
		{"warm up", 3}, // the last step of it
		{"train", 3},   // while ranges move
		{"train", 7},   // when they are frozen and the best weights are left behind
	} {
		if kept[stop] == nil {
			t.Fatalf("no checkpoint behind %v", stop)
		}
		if err := os.WriteFile(o.Checkpoint, kept[stop], 0o600); err != nil {
			t.Fatal(err)
		}
		var first moment
		o.Progress = func(p Progress) {
			if first == (moment{}) {
				first = moment{p.Phase, p.Step}
			}
		}
		got, err := ZAQ(context.Background(), net, o)
		if err != nil {
			t.Fatal(err)
		}
		next := moment{stop.phase, stop.step + 1}
		if stop == (moment{"warm up", 3}) {
			next = moment{"calibrate", 1}
		}
		if first != next {
			t.Errorf("stopped behind %v: went on at %v", stop, first)
		}
		if !reflect.DeepEqual(got.Net, want.Net) || got.Agreement != want.Agreement || got.Kept != want.Kept || got.Steps != want.Steps {
			t.Errorf("stopped behind %v: another network, agreement %g of %g, step %d of %d", stop, got.Agreement, want.Agreement, got.Kept, want.Kept)
		}
	}
}

// The weights of D_f are renewed too rarely for a short run to show that they and what they come from are saved.
func TestZAQLayersResume(t *testing.T) {
	o := tiny(t)
	o.Resume = true
	o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
	r, err := newZAQ(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	r.step = 125
	r.warmed = valuesOf(r.gen.Params)
	d := r.crit.(*discrepancy)
	d.epochs = 2
	copy(d.distances, []float64{0.1, 0.2, 0.3})
	copy(d.average, []float64{3, 2, 1})
	copy(d.df.Weights, []float64{0.5, 0.3, 0.2})
	if err := r.keep.save(); err != nil {
		t.Fatal(err)
	}
	got, err := newZAQ(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.resume(); err != nil {
		t.Fatal(err)
	}
	if g := got.crit.(*discrepancy); got.step != 125 || g.epochs != 2 || !slices.Equal(g.distances, d.distances) ||
		!slices.Equal(g.average, d.average) || !slices.Equal(g.df.Weights, d.df.Weights) {
		t.Errorf("step %d, epoch %d, distances %v, average %v, weights %v", got.step, g.epochs, g.distances, g.average, g.df.Weights)
	}
	if got.calibrated || got.pool != nil || got.best.params != nil {
		t.Error("resumed more than was saved")
	}
}

// An interruption saves the run, so that nothing is lost, and is what the caller hears of.
func TestZAQStopped(t *testing.T) {
	o := tiny(t)
	o.Tune.Steps = 6
	o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
	for _, stop := range []struct {
		phase string
		step  int
	}{{"warm up", 2}, {"calibrate", 1}, {"train", 3}} {
		ctx, cancel := context.WithCancel(context.Background())
		o.Progress = func(p Progress) {
			if p.Phase == stop.phase && p.Step == stop.step {
				cancel()
			}
		}
		if r, err := ZAQ(ctx, tinyNet(t), o); err != context.Canceled || r != nil {
			t.Fatalf("%v: %v", stop, err)
		}
		s, err := checkpoint.LoadMatching(o.Checkpoint, o.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		warm, _ := checkpoint.Get[int](s, "warm up steps")
		step, _ := checkpoint.Get[int](s, "step")
		if want := map[string][2]int{"warm up": {2, 0}, "calibrate": {3, 0}, "train": {3, 3}}[stop.phase]; [2]int{warm, step} != want {
			t.Errorf("%v: %d steps of warm up and %d of training saved, want %v", stop, warm, step, want)
		}
		o.Resume = true // the next one goes on from here
	}

	late, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	o.Resume, o.Checkpoint = false, ""
	if _, err := ZAQ(late, tinyNet(t), o); err != context.DeadlineExceeded {
		t.Errorf("%v", err)
	}
	o.Checkpoint = filepath.Join(t.TempDir(), "none", "zaq.ckpt")
	if _, err := ZAQ(late, tinyNet(t), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nowhere to save to: %v", err)
	}
}

func TestZAQResumeRefused(t *testing.T) {
	o := tiny(t)
	o.Resume = true
	o.Checkpoint = filepath.Join(t.TempDir(), "zaq.ckpt")
	for name, state := range map[string]*checkpoint.State{
		"another configuration": {Fingerprint: "test=no"},
		"no sections":           {Fingerprint: o.Fingerprint},
	} {
		if err := checkpoint.Save(o.Checkpoint, state); err != nil {
			t.Fatal(err)
		}
		var refused *checkpoint.Error
		if _, err := ZAQ(context.Background(), tinyNet(t), o); err == nil || name == "another configuration" && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Where none was written yet, the run starts.
	o.Checkpoint = filepath.Join(t.TempDir(), "none.ckpt")
	ctx, cancel := context.WithCancel(context.Background())
	started := 0
	o.Progress = func(p Progress) { started = p.Step; cancel() }
	if _, err := ZAQ(ctx, tinyNet(t), o); err != context.Canceled || started != 1 {
		t.Errorf("step %d, %v", started, err)
	}
}

func TestZAQDiverges(t *testing.T) {
	o := tiny(t)
	o.Tune.Steps, o.Tune.LR, o.Tune.GradClip = 40, 1e6, 0
	r := ready(t, tinyNet(t), o, 8)
	err := r.train(context.Background())
	if err == nil || !strings.Contains(err.Error(), "train step ") || !strings.Contains(err.Error(), ": D_o is ") {
		t.Errorf("learning rate 1e6: %v after step %d", err, r.step)
	}
	// The last step's update is seen by no loss.
	o.Tune.Steps, o.Tune.LR = 1, 1e300
	if _, err := ZAQ(context.Background(), tinyNet(t), o); err == nil || !strings.Contains(err.Error(), "train step 1: conv1.weight is ") {
		t.Errorf("a single step: %v", err)
	}
}

func TestZAQWithoutBatchNorm(t *testing.T) {
	if _, err := ZAQ(context.Background(), unnormalized(t), tiny(t)); !errors.Is(err, ErrNoBatchNorm) {
		t.Errorf("%v", err)
	}
}

// Without a map that an activation made there is nothing to compare P and Q by.
func TestZAQWithoutFeatures(t *testing.T) {
	net := tinyNet(t)
	net.Layers = []*nn.Layer{
		{Name: "flatten", Op: nn.Flatten{}, In: []string{"input"}, Out: []string{"flat"}},
		{Name: "fc", Op: nn.Gemm{}, In: []string{"flat", "w"}, Out: []string{"logits"}},
	}
	net.Values["w"] = &nn.Value{Name: "w", Shape: []int{5, 192}, Data: noise(5)}
	if err := nn.InferShapes(net); err != nil {
		t.Fatal(err)
	}
	o := tiny(t)
	if _, err := ZAQ(context.Background(), net, o); !errors.Is(err, ErrNoBatchNorm) { // which has a remedy
		t.Errorf("%v", err)
	}
	o.Generator.Warmup = 0
	if _, err := ZAQ(context.Background(), net, o); err == nil || errors.Is(err, ErrNoBatchNorm) {
		t.Errorf("no warm-up: %v", err)
	}
}
