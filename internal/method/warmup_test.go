package method

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/random"
)

func newTinyWarmup(t *testing.T, net *nn.Network, o Options) *warmup {
	t.Helper()
	tw, err := newTwins(context.Background(), net, &o)
	if err != nil {
		t.Fatal(err)
	}
	return newWarmup(tw)
}

func nothing() error { return nil }

// seen returns tinyNet with the statistics of images that vary slowly: what training would have left.
func seen(t *testing.T) *nn.Network {
	t.Helper()
	const n = 32
	net := tinyNet(t)
	g := engine.NewGraph()
	x := g.Input("input", 8, 8, 3)
	l, err := engine.Lower(g, net, map[string]*engine.Tensor{"input": x}, engine.LowerOptions{TrainBN: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := g.Compile(engine.Spec{Batch: n, Outputs: []*engine.Tensor{l.Tensors["logits"]}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r := random.New(6, uint64(i), "waves")
		for c := range 3 {
			phase, dy, dx := 2*math.Pi*r.Float64(), r.Float64()-0.5, r.Float64()-0.5
			for at := range 64 {
				p.Data(x)[(i*64+at)*3+c] = float32(math.Sqrt2 * math.Cos(phase+dy*float64(at/8)+dx*float64(at%8)))
			}
		}
	}
	for range 50 { // running statistics are averages of decay 0.9
		p.Run()
	}
	l.Store()
	return net
}

func TestWarmUpLearns(t *testing.T) {
	o := tiny(t)
	o.Generator.LR = 5e-3
	o.Generator.Warmup = 25
	var losses []float64
	o.Progress = func(p Progress) {
		if p.Phase != "warm up" || p.Step != len(losses)+1 || p.Total != 25 || len(p.Metrics) != 1 {
			t.Errorf("%+v", p)
		}
		losses = append(losses, p.Metrics[0].Value)
	}
	calls := 0
	w := newTinyWarmup(t, seen(t), o)
	if err := w.run(context.Background(), func() error { calls++; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(losses) != 25 || calls != 25 || w.steps != 25 {
		t.Fatalf("%d steps reported, %d calls, %d steps", len(losses), calls, w.steps)
	}
	if losses[24] > 0.7*losses[0] {
		t.Errorf("losses %.3f", losses)
	}
	// It is done: nothing is left to do.
	if err := w.run(context.Background(), func() error { calls++; return nil }); err != nil || calls != 25 {
		t.Errorf("%d steps, %v", calls, err)
	}
}

// Of images made for a class P says that class, after few steps.
func TestWarmUpLearnsClasses(t *testing.T) {
	o := tiny(t)
	o.Generator.LR, o.Generator.Warmup, o.Generator.Batch = 5e-3, 150, 16
	o.GDFQ.Statistics = 0.1
	var last []Metric
	o.Progress = func(p Progress) { last = p.Metrics }
	generator := o.generator()
	generator.Classes = 5
	tw, err := newTwinsBehind(context.Background(), seen(t), &o, generator)
	if err != nil {
		t.Fatal(err)
	}
	if err := newClassWarmup(tw).run(context.Background(), nothing); err != nil {
		t.Fatal(err)
	}
	if ce := last[1].Value; ce > 1 {
		t.Errorf("%s %.3f", last[1].Name, ce)
	}
}

// What is saved between two steps goes on to the same generator.
func TestWarmUpResumes(t *testing.T) {
	o := tiny(t)
	w := newTinyWarmup(t, tinyNet(t), o)
	state := &checkpoint.State{}
	half := errors.New("stopped")
	err := w.run(context.Background(), func() error {
		if w.steps == 2 {
			return half
		}
		return nil
	})
	if err != half {
		t.Fatal(err)
	}
	w.save(state)
	other := newTinyWarmup(t, tinyNet(t), o)
	if err := other.load(state); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*warmup{other, w} { // the state holds the first one's arrays
		if err := w.run(context.Background(), nothing); err != nil {
			t.Fatal(err)
		}
	}
	if other.steps != 3 || !reflect.DeepEqual(data(other.t.gen.Params), data(w.t.gen.Params)) {
		t.Errorf("%d steps to another generator", other.steps)
	}
	if err := other.load(&checkpoint.State{}); err == nil {
		t.Error("an empty state: no error")
	}
}

// data is what parameters hold.
func data(params []*engine.Param) (d [][]float32) {
	for _, p := range params {
		d = append(d, p.Data)
	}
	return d
}

func TestWarmUpChecksAssumption(t *testing.T) {
	for _, test := range []struct {
		name    string
		assumed bool
		factor  float32 // of the first batch normalization's running variance
		want    bool
	}{
		{"fits", true, 1, false},
		{"trained on larger values", true, 1000, true},
		{"trained on smaller values", true, 1e-3, true},
		{"known", false, 1000, false},
	} {
		net := tinyNet(t)
		for i := range net.Values["bn1.running_var"].Data {
			net.Values["bn1.running_var"].Data[i] *= test.factor
		}
		o := tiny(t)
		o.Pixels.Assumed = test.assumed
		var warnings []string
		o.Warn = func(text string) { warnings = append(warnings, text) }
		if err := newTinyWarmup(t, net, o).run(context.Background(), nothing); err != nil {
			t.Fatal(err)
		}
		if (len(warnings) == 1) != test.want || len(warnings) > 1 {
			t.Errorf("%s: %q", test.name, warnings)
		}
		o.Warn = nil
		if err := newTinyWarmup(t, net, o).run(context.Background(), nothing); err != nil {
			t.Errorf("%s, nobody listens: %v", test.name, err)
		}
	}
}

func TestWarmUpRefused(t *testing.T) {
	o := tiny(t)
	if err := newTinyWarmup(t, unnormalized(t), o).run(context.Background(), nothing); !errors.Is(err, ErrNoBatchNorm) {
		t.Errorf("no batch normalization: %v", err)
	}
	o.Generator.Warmup = 0
	if err := newTinyWarmup(t, unnormalized(t), o).run(context.Background(), nothing); err != nil {
		t.Errorf("no batch normalization and no step: %v", err)
	}
	o = tiny(t)
	o.Generator.LR = 1e38
	err := newTinyWarmup(t, tinyNet(t), o).run(context.Background(), nothing)
	if err == nil || !strings.Contains(err.Error(), "warm up step 2: BN statistics is ") {
		t.Errorf("learning rate 1e38: %v", err)
	}
}
