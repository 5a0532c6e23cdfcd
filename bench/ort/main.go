// Command ort measures integer programs of package infer against ONNX Runtime's kernels on the same quantized files, in one
// process and in turns: a slice of calls of one side, then of the other.
//
//	make bench-ort MODELS="resnet20.w8a8.onnx ..."
//
// ONNX Runtime is called through its C API, which needs cgo; hence this module of its own. Both sides read the same input from and
// write outputs to memory that is allocated beforehand. Every turn of ONNX Runtime has a session of its own: the threads of one
// that is idle go on looking for work, and would take the processor from the other side.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"zaq/infer"
)

func main() {
	log.SetFlags(0)
	library := flag.String("library", "", "libonnxruntime.so")
	batches := flag.String("batch", "1,32", "images a call")
	threads := flag.String("threads", "1,2", "goroutines, and threads of ONNX Runtime")
	rounds := flag.Int("n", 15, "turns of each side")
	flag.Parse()
	ort.SetSharedLibraryPath(*library)
	if err := ort.InitializeEnvironment(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ONNX Runtime %s; milliseconds a call, best and median\n\n", ort.GetVersion())
	fmt.Printf("%-36s %5s %7s  %17s  %17s  %6s %6s\n", "model", "batch", "threads", "infer", "onnxruntime", "best", "median")
	for _, path := range flag.Args() {
		for _, batch := range numbers(*batches) {
			for _, n := range numbers(*threads) {
				if err := measure(path, batch, n, *rounds); err != nil {
					log.Fatalf("%s: %v", path, err)
				}
			}
		}
	}
}

func numbers(list string) (n []int) {
	for len(list) > 0 {
		var first int
		if _, err := fmt.Sscanf(list, "%d", &first); err != nil || first < 1 {
			log.Fatalf("%q is no list of numbers", list)
		}
		n = append(n, first)
		_, list, _ = cut(list)
	}
	return n
}

func cut(s string) (before, after string, found bool) {
	for i := range s {
		if s[i] == ',' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// side is one of the two.
type side struct {
	open  func() (call func() error, free func(), err error)
	times []float64 // milliseconds
}

func measure(path string, batch, threads, rounds int) error {
	p, err := infer.Load(path, infer.WithThreads(threads))
	if err != nil {
		return err
	}
	in := make([]infer.Tensor, len(p.Inputs()))
	r := rand.New(rand.NewPCG(1, 2))
	for i, info := range p.Inputs() {
		shape := slices.Clone(info.Shape)
		shape[0] = batch
		size := 1
		for _, d := range shape {
			size *= d
		}
		in[i] = infer.Tensor{Name: info.Name, Shape: shape, Data: make([]float32, size)}
		for k := range in[i].Data {
			in[i].Data[k] = float32(r.NormFloat64())
		}
	}
	out, theirOut := p.NewOutputs(batch), p.NewOutputs(batch)
	ours := &side{open: func() (func() error, func(), error) {
		return func() error { return p.RunInto(context.Background(), out, in) }, func() {}, nil
	}}
	theirs := &side{open: func() (func() error, func(), error) { return openORT(path, in, theirOut, threads) }}
	for range rounds {
		for _, s := range []*side{ours, theirs} {
			if err := s.turn(); err != nil {
				return err
			}
		}
	}
	for i, y := range out {
		worst := 0.0
		for k, v := range theirOut[i].Data {
			worst = max(worst, math.Abs(float64(v-y.Data[k])))
		}
		if worst > 1e-3 {
			fmt.Printf("output %q differs by up to %g\n", y.Name, worst)
		}
	}
	best := func(s *side) float64 { return slices.Min(s.times) }
	median := func(s *side) float64 { return slices.Sorted(slices.Values(s.times))[len(s.times)/2] }
	fmt.Printf("%-36s %5d %7d  %8.3f %8.3f  %8.3f %8.3f  %5.2fx %5.2fx\n", filepath.Base(path), batch, threads,
		best(ours), median(ours), best(theirs), median(theirs), best(theirs)/best(ours), median(theirs)/median(ours))
	return nil
}

// slice is how long a turn takes, at least.
const slice = 60 * time.Millisecond

// turn measures calls for a slice of time, after some that are not.
func (s *side) turn() error {
	call, free, err := s.open()
	if err != nil {
		return err
	}
	defer free()
	for begin := time.Now(); time.Since(begin) < slice/4; {
		if err := call(); err != nil {
			return err
		}
	}
	for begin := time.Now(); time.Since(begin) < slice; {
		start := time.Now()
		if err := call(); err != nil {
			return err
		}
		s.times = append(s.times, time.Since(start).Seconds()*1e3)
	}
	return nil
}

// openORT returns a session of ONNX Runtime with all optimizations as a function.
func openORT(path string, in, out []infer.Tensor, threads int) (call func() error, free func(), err error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = options.Destroy() }()
	for _, set := range []func() error{
		func() error { return options.SetIntraOpNumThreads(threads) },
		func() error { return options.SetInterOpNumThreads(1) },
		func() error { return options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll) },
	} {
		if err := set(); err != nil {
			return nil, nil, err
		}
	}
	tensor := func(t infer.Tensor) (ort.Value, error) {
		dims := make([]int64, len(t.Shape))
		for i, d := range t.Shape {
			dims[i] = int64(d)
		}
		return ort.NewTensor(ort.NewShape(dims...), t.Data)
	}
	var inNames, outNames []string
	var inValues, outValues []ort.Value
	for _, t := range in {
		v, err := tensor(t)
		if err != nil {
			return nil, nil, err
		}
		inNames, inValues = append(inNames, t.Name), append(inValues, v)
	}
	for _, t := range out {
		v, err := tensor(t)
		if err != nil {
			return nil, nil, err
		}
		outNames, outValues = append(outNames, t.Name), append(outValues, v)
	}
	session, err := ort.NewAdvancedSession(path, inNames, outNames, inValues, outValues, options)
	if err != nil {
		return nil, nil, err
	}
	return session.Run, func() {
		_ = session.Destroy()
		for _, v := range append(inValues, outValues...) {
			_ = v.Destroy()
		}
	}, nil
}
