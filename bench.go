package zaq

import (
	"context"
	"runtime"
	"slices"
	"time"

	"zaq/internal/engine"
	"zaq/internal/kernel"
	"zaq/internal/memory"
	"zaq/internal/method"
	"zaq/internal/preprocess"
	"zaq/internal/quant"
)

// BenchOptions say what Bench measures. The zero value of a field stands for its default.
type BenchOptions struct {
	Precision string // default "w4a4"
	Scheme    string // "deploy" (default) or "paper"
	Batch     int    // images a step; default 64
	Steps     int    // measured of each kind; default 10
}

// DefaultBenchOptions returns the values that zeros stand for.
func DefaultBenchOptions() BenchOptions { return BenchOptions{}.withDefaults() }

func (o BenchOptions) withDefaults() BenchOptions {
	q := Options{Precision: o.Precision, Scheme: o.Scheme, ZAQ: ZAQOptions{Batch: o.Batch}}.withDefaults()
	o.Precision, o.Scheme, o.Batch = q.Precision, q.Scheme, q.ZAQ.Batch
	if o.Steps == 0 {
		o.Steps = 10
	}
	return o
}

// Check reports the first option that cannot be, as an *OptionError.
func (o BenchOptions) Check() error {
	if o.Steps < 0 {
		return negative("steps", o.Steps)
	}
	return Options{Precision: o.Precision, Scheme: o.Scheme, ZAQ: ZAQOptions{Batch: o.Batch}}.Check()
}

// BenchResult is how fast the machine takes the training steps of a model.
type BenchResult struct {
	Kernels string           `json:"kernels"` // the kernel path
	Threads int              `json:"threads"`
	Batch   int              `json:"batch"`
	Peak    float64          `json:"peak_flops"` // operations a second of all threads' multipliers
	Steps   []StepBench      `json:"steps"`
	Profile []ProgramProfile `json:"profile"` // of other steps than those that were measured
}

// StepBench is a kind of step: "Q step" of the quantized network, or "G step" of the generator.
type StepBench struct {
	Name     string        `json:"name"`
	Best     time.Duration `json:"best_ns"`
	Median   time.Duration `json:"median_ns"`
	Executed float64       `json:"executed_flops"` // operations of a step, two a multiply-add
	Nominal  float64       `json:"nominal_flops"`  // those of its definition, in which a convolution behind an upsampling is one of the large map

	Buffers int     `json:"buffer_bytes"` // planned
	Memory  int64   `json:"memory_bytes"` // most that the process held beyond what it had before the first step; 0 where the system does not say
	Allocs  float64 `json:"allocs"`       // objects that a step leaves to the garbage collector
	Bytes   float64 `json:"alloc_bytes"`  // their size
}

// Bench measures the training steps of method "zaq" on a model, on images of an untrained generator.
func Bench(ctx context.Context, m *Model, o BenchOptions) (*BenchResult, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	p, err := quant.ParsePrecision(o.Precision)
	if err != nil {
		return nil, err
	}
	q := Options{Precision: o.Precision, Scheme: o.Scheme, Observer: "minmax", ZAQ: ZAQOptions{Batch: o.Batch}}.withDefaults()
	mo := methodOptions(q, p)
	mo.Pixels = (*preprocess.Spec)(&m.pre)
	mo.Generator.Batches, mo.Generator.Warmup = 1, 0
	trunk, _ := m.parts()
	steps, err := method.NewSteps(ctx, trunk, mo)
	if err != nil {
		return nil, interruptedBriefly(ctx, m.explain(err, q))
	}
	b := &BenchResult{Kernels: kernel.Path(), Threads: runtime.GOMAXPROCS(0), Batch: o.Batch}
	b.Peak = float64(b.Threads) * kernel.PeakFlops()
	profile := &Profile{}
	for _, k := range []struct {
		name    string
		step    func()
		program *engine.Program
	}{{"Q step", steps.StepQ, steps.Q}, {"G step", steps.StepG, steps.G}} {
		s := StepBench{Name: k.name, Buffers: k.program.Memory()}
		s.Executed, s.Nominal = k.program.Flops()
		var times []time.Duration
		for _, pass := range []func(){
			func() {
				u := memory.Of(3, k.step)
				s.Memory, s.Allocs, s.Bytes = u.Peak, u.Allocs, u.Bytes
			},
			func() { times = timed(ctx, o.Steps, k.step) },
			func() { k.program.SetProfile(profile.programs.Of(k.name)); timed(ctx, o.Steps, k.step) },
		} {
			if err := ctx.Err(); err != nil {
				return nil, interruptedBriefly(ctx, err)
			}
			pass()
		}
		if err := ctx.Err(); err != nil {
			return nil, interruptedBriefly(ctx, err)
		}
		slices.Sort(times)
		s.Best, s.Median = times[0], times[len(times)/2]
		b.Steps = append(b.Steps, s)
	}
	b.Profile = profile.Programs()
	return b, nil
}

// timed takes up to n steps, and fewer once ctx is cancelled.
func timed(ctx context.Context, n int, step func()) (times []time.Duration) {
	for range n {
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		step()
		times = append(times, time.Since(start))
	}
	return times
}
