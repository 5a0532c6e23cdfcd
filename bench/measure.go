package main

import (
	"math"
	"slices"
	"time"

	"zaq/internal/kernel"
)

// result is a work measured.
type result struct {
	work   string
	group  string
	zaq    series
	torch  series // none without PyTorch
	layout string // the faster one

	executed, nominal float64 // floating-point operations of zaq's step
	peak              float64 // of all threads, a second

	memory [2]int64 // peak bytes of zaq and PyTorch, where measured
}

// ratio is how many times zaq is as fast, by the best steps.
func (r *result) ratio() float64 { return r.torch.best() / r.zaq.best() }

// series are the seconds of steps.
type series []float64

func (s series) best() float64 { return slices.Min(s) }

func (s series) median() float64 {
	v := slices.Sorted(slices.Values(s))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// slice is how long a side works at a time, at least: long enough for what the other left in the caches not to matter.
const slice = 0.2

func measure(w work, peer *torch, o options) (*result, error) {
	s, err := w.zaq(o.threads)
	if err != nil {
		return nil, err
	}
	r := &result{work: w.name, group: w.group, executed: s.executed, nominal: s.nominal}
	zaq := func(steps int) ([]float64, error) { return timed(s.step, steps), nil }
	sides := []struct {
		run   func(steps int) ([]float64, error)
		to    *series
		steps int
	}{{run: zaq, to: &r.zaq}}
	if peer != nil {
		if r.layout, err = fasterLayout(w, peer); err != nil {
			return nil, err
		}
		defer func() { _ = peer.ask(request{"do": "close", "id": r.layout}, nil) }()
		run := func(steps int) ([]float64, error) { return peer.run(r.layout, steps) }
		sides = append(sides, sides[0])
		sides[1].run, sides[1].to = run, &r.torch
	}
	for i := range sides {
		first, err := sides[i].run(3)
		if err != nil {
			return nil, err
		}
		sides[i].steps = max(1, int(math.Ceil(slice/slices.Min(first))))
	}
	for range o.rounds {
		r.peak = max(r.peak, peakFlops(o.threads))
		for _, side := range sides {
			seconds, err := side.run(side.steps)
			if err != nil {
				return nil, err
			}
			*side.to = append(*side.to, seconds...)
		}
	}
	return r, nil
}

// peakFlops is what the multipliers of all threads do at the same time, in operations a second.
func peakFlops(threads int) (sum float64) {
	peaks := make(chan float64, threads)
	for range threads {
		go func() { peaks <- kernel.PeakFlops() }()
	}
	for range threads {
		sum += <-peaks
	}
	return sum
}

// fasterLayout leaves the work opened in the layout that it returns.
func fasterLayout(w work, peer *torch) (string, error) {
	best, fastest := math.Inf(1), ""
	for _, layout := range []string{"channels_last", "nchw"} {
		if err := peer.open(w, layout); err != nil {
			return "", err
		}
		seconds, err := peer.run(layout, 4)
		if err != nil {
			return "", err
		}
		slower := layout
		if s := slices.Min(seconds); s < best {
			best, slower, fastest = s, fastest, layout
		}
		if slower != "" {
			if err := peer.ask(request{"do": "close", "id": slower}, nil); err != nil {
				return "", err
			}
		}
	}
	return fastest, nil
}

func timed(step func(), steps int) []float64 {
	seconds := make([]float64, steps)
	for i := range seconds {
		start := time.Now()
		step()
		seconds[i] = time.Since(start).Seconds()
	}
	return seconds
}
