package method

import (
	"cmp"
	"context"

	"zaq/internal/engine"
	"zaq/internal/kernel"
	"zaq/internal/nn"
	"zaq/internal/synth"
)

// parts is how many batches make a step.
func (o *Options) parts() int { return max(1, o.Generator.Parts) }

// accumulate runs a program of the images for every part of a step, and leaves the mean of their gradients; losses are
// those of the last part. Behind each run, each is called, unless it is nil.
//
// P and Q are exactly what they would be on all parts at once, since their normalizations go by statistics that stand
// still. The generator's go by those of the part, and so do losses that compare statistics or relations over the batch:
// how a step is cut is a part of what a run is.
func (t *twins) accumulate(p *engine.Program, params []*engine.Param, step int, purpose string, each func()) {
	n := t.o.parts()
	var sums [][]float32
	for part := range n {
		t.fill(p, step*n+part, purpose)
		p.Run()
		if each != nil {
			each()
		}
		if n == 1 {
			return
		}
		for i, w := range params {
			if part == 0 {
				sums = append(sums, append([]float32(nil), w.Grad...))
			} else {
				kernel.Accumulate(sums[i], w.Grad)
			}
		}
	}
	for i, w := range params {
		copy(w.Grad, sums[i])
		kernel.ScaleBy(w.Grad, 1/float32(n))
	}
}

// mostThreads is the largest number of threads that a program uses: memory is planned for it where nobody says another, so that
// it does not depend on the machine.
const mostThreads = 8

// Footprint returns about how many bytes a method takes at most with o.Generator.Batch images at a time, on any machine, or with
// o.Threads: the programs that it keeps at a time, the images by which P and Q are compared, and the networks. Trains says that the
// method does; the programs of ZAQ then stand for those of all that do. They are planned for that, and take no memory yet.
func Footprint(ctx context.Context, net *nn.Network, o Options, trains bool) (int64, error) {
	o.Threads, o.Profile = cmp.Or(o.Threads, mostThreads), nil
	total := 4 * int64(len(o.Images))
	generated := o.source(SourceGenerator) == SourceGenerator && (trains || o.Images == nil)
	o.Images, o.Start = nil, StartFloat // values do not matter here: nothing is to be measured or rounded well
	var t *twins
	switch {
	case trains && generated:
		r, err := newZAQ(ctx, net, o)
		if err != nil {
			return 0, err
		}
		t = r.twins
		total += bytesOf(r.qProg, r.q.Params) + bytesOf(r.gProg, r.gen.Params)
	default:
		var generator *synth.Options
		if generated {
			generator = o.generator()
		}
		var err error
		if t, err = newTwinsBehind(ctx, net, &o, generator); err != nil {
			return 0, err
		}
		if !trains {
			break
		}
		r, err := newTuning(t, nil, nil, func() (criterion, error) { return newDiscrepancy(t, o.ZAQ) })
		if err != nil {
			return 0, err
		}
		total += bytesOf(r.qProg, r.q.Params)
	}
	most := int64(0)
	if t.gen != nil && t.hasStats() {
		terms, _ := newWarmup(t).objective()
		p, err := t.g.Compile(engine.Spec{Batch: o.Generator.Batch, Objective: terms, WRT: t.gen.Params, Threads: o.Threads})
		if err != nil {
			return 0, err
		}
		most = bytesOf(p, t.gen.Params)
	}
	c, err := t.newCalibration(o.Generator.Batch)
	if err != nil {
		return 0, err
	}
	v, err := t.viewer(costBatch(&o, o.heldBack()), t.placement.Weights)
	if err != nil {
		return 0, err
	}
	most = max(most, bytesOf(c.prog, nil), bytesOf(v.prog, nil))

	// Of every parameter there are the float and the rounded value, gradient, momentum and its sum over parts, of P's twice, and
	// those of the start, of the end and the best.
	const copies = 13
	for _, params := range [][]*engine.Param{t.p.Params, t.q.Params} {
		for _, p := range params {
			total += copies * 4 * int64(len(p.Data))
		}
	}
	pool := int64(o.heldBack()) * int64(t.image.Len()+2*t.pOut[0].Len()) * 4
	return total + most + pool, ctx.Err()
}

// bytesOf is what a program and the sums of its gradients take.
func bytesOf(p *engine.Program, params []*engine.Param) int64 {
	const lanes = 8 // each of which sums on its own
	n := int64(p.Memory())
	for _, w := range params {
		n += lanes * 4 * int64(len(w.Data))
	}
	return n
}
