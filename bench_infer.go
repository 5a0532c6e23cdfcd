package zaq

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"zaq/infer"
	"zaq/internal/memory"
)

// InferBenchOptions say what BenchInfer measures. The zero value of a field stands for its default.
type InferBenchOptions struct {
	Batches []int  // images a call; default 1 and 32
	Threads []int  // goroutines a call; default 1, 2 and as many as there are processors
	Requant string // "ort" (default) or "fixed"
	Runs    int    // calls of each kind at least; default 10
}

// InferBenchResult is how fast the machine runs a model in integers.
type InferBenchResult struct {
	Kernels string       `json:"kernels"`
	Requant string       `json:"requant"`
	Weights int          `json:"weight_bytes"` // packed for the kernels
	Arena   int          `json:"arena_bytes"`  // of an image that is being computed
	Ops     float64      `json:"ops"`          // of an image, two for a multiply-add
	Calls   []CallBench  `json:"calls"`
	Profile []infer.Step `json:"profile"` // of one image on one goroutine
}

// CallBench are calls of one kind.
type CallBench struct {
	Batch   int           `json:"batch"`
	Threads int           `json:"threads"`
	Best    time.Duration `json:"best_ns"`
	Median  time.Duration `json:"median_ns"`
	Memory  int64         `json:"memory_bytes"` // most that the process held beyond what it had before the first call; 0 where the system does not say
	Allocs  float64       `json:"allocs"`       // objects that a call leaves to the garbage collector
}

// benchTime is how long calls of one kind are repeated.
const benchTime = 400 * time.Millisecond

// BenchInfer measures package infer on the quantized model, on noise.
func BenchInfer(ctx context.Context, m *Model, o InferBenchOptions) (*InferBenchResult, error) {
	if o.Batches == nil {
		o.Batches = []int{1, 32}
	}
	if o.Threads == nil {
		o.Threads = []int{1, 2, runtime.GOMAXPROCS(0)}
		slices.Sort(o.Threads)
		o.Threads = slices.Compact(o.Threads)
	}
	if o.Requant == "" {
		o.Requant = infer.ORT
	}
	if err := oneOf("requant", o.Requant, Requants...); err != nil {
		return nil, err
	}
	o.Runs = max(o.Runs, 10)
	b := &InferBenchResult{Kernels: infer.Kernels(), Requant: o.Requant}
	for _, threads := range o.Threads {
		p, err := infer.Load(m.path, infer.WithThreads(threads), infer.WithRequant(o.Requant))
		if err != nil {
			return nil, err
		}
		for _, batch := range o.Batches {
			c, err := benchCalls(ctx, p, batch, o.Runs)
			if err != nil {
				return nil, interruptedBriefly(ctx, err)
			}
			c.Threads = threads
			b.Calls = append(b.Calls, *c)
		}
		if b.Profile != nil {
			continue
		}
		b.Weights, b.Arena = p.WeightBytes(), p.Arena()
		if b.Profile, err = p.Profile(ctx, noiseInputs(p, 1), 3*o.Runs); err != nil {
			return nil, interruptedBriefly(ctx, err)
		}
		for _, s := range b.Profile {
			b.Ops += s.Ops
		}
	}
	return b, nil
}

func benchCalls(ctx context.Context, p *infer.Program, batch, runs int) (*CallBench, error) {
	in, out := noiseInputs(p, batch), p.NewOutputs(batch)
	var failed error
	call := func() {
		if err := p.RunInto(ctx, out, in); err != nil {
			failed = err
		}
	}
	u := memory.Of(3, call)
	c := &CallBench{Batch: batch, Memory: u.Peak, Allocs: u.Allocs}
	var times []time.Duration
	for begin := time.Now(); failed == nil && (len(times) < runs || time.Since(begin) < benchTime); {
		times = append(times, timed(ctx, 1, call)...)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if failed != nil {
		return nil, failed
	}
	slices.Sort(times)
	c.Best, c.Median = times[0], times[len(times)/2]
	return c, nil
}

// noiseInputs makes inputs of a batch of images.
func noiseInputs(p *infer.Program, batch int) []infer.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	var in []infer.Tensor
	for _, info := range p.Inputs() {
		shape := slices.Clone(info.Shape)
		shape[0] = batch
		x := infer.Tensor{Name: info.Name, Shape: shape, Data: make([]float32, size(shape))}
		for i := range x.Data {
			if x.Data[i] = float32(r.NormFloat64()); info.DType == "uint8" {
				x.Data[i] = float32(r.IntN(256))
			}
		}
		in = append(in, x)
	}
	return in
}
