package main

import (
	"time"

	"zaq"
)

// A demo has so much time in all, whatever the machine: it does less on a slow one.
const demoTime = 150 * time.Second

// pace is how much a demo does.
type pace struct {
	images        int // to evaluate
	batch, warmup int
	steps         int // of training
}

// pacesOfRounding are what rounding may do, from the default to the least that still shows something.
func pacesOfRounding() []pace {
	d := zaq.DefaultZAQOptions()
	return []pace{
		{images: 1000, batch: d.Batch, warmup: d.Warmup},
		{images: 1000, batch: d.Batch, warmup: d.Warmup / 2},
		{images: 1000, batch: d.Batch, warmup: d.Warmup / 5},
		{images: 1000, batch: d.Batch / 2, warmup: d.Warmup / 5},
		{images: 1000, batch: d.Batch / 2, warmup: d.Warmup / 10},
		{images: 1000, batch: d.Batch / 4, warmup: d.Warmup / 20},
		{images: 1000, batch: d.Batch / 8, warmup: d.Warmup / 20},
		{images: 250, batch: d.Batch / 8, warmup: d.Warmup / 20},
		{images: 250, batch: d.Batch / 8, warmup: d.Warmup / 60},
	}
}

// cost is the time that rounding and the evaluation of its result take, where the evaluation of one image takes
// perImage: an image of the warm-up costs up to 11 of those, one of the 32 batches behind the ranges 5, and one of
// the 16 batches held back 7, with AVX-512 as with portable Go.
func (p pace) cost(perImage time.Duration) time.Duration {
	return perImage * time.Duration(p.images+p.batch*(11*p.warmup+5*32+7*16))
}

// paceOfRounding is the most that leaves two thirds of the time for method zaq, which does all of it again and trains.
func paceOfRounding(perImage, budget time.Duration) pace {
	paces := pacesOfRounding()
	for _, p := range paces {
		if p.cost(perImage) <= budget/3 {
			return p
		}
	}
	return paces[len(paces)-1]
}

// leastSteps of training are done however late it is.
const leastSteps = 10

// stepsIn is how many steps of training fit into the time left, where all that zaq does beside them takes as long as
// rounding did, and a step no longer than one of the warm-up.
func stepsIn(left, rounding, perStep time.Duration) int {
	fit := int((left - rounding) / max(perStep, 1))
	return min(max(fit, leastSteps), zaq.DefaultZAQOptions().Steps)
}

// warmupWatch measures what a step of the warm-up takes, from the progress of a run. The first step pays for cold
// caches and is not counted.
type warmupWatch struct {
	begin, end time.Time
	steps      int
}

func (w *warmupWatch) update(p zaq.Progress) {
	if p.Phase != zaq.PhaseWarmUp {
		return
	}
	w.end = time.Now()
	if w.begin.IsZero() {
		w.begin = w.end
		return
	}
	w.steps++
}

func (w *warmupWatch) perStep() time.Duration {
	return w.end.Sub(w.begin) / time.Duration(max(w.steps, 1))
}
