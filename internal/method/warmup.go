package method

import (
	"context"
	"fmt"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
)

// warmup teaches the generator images whose statistics inside P are those that its batch normalizations remember:
// ranges taken from the images of an untrained generator would be useless.
type warmup struct {
	t     *twins
	adam  *engine.Adam
	steps int // done

	// objective adds the losses to the graph; match is that of the statistics.
	objective func() (terms []engine.Term, match *engine.BNMatch)
}

// newWarmup learns statistics alone.
func newWarmup(t *twins) *warmup {
	w := &warmup{t: t, adam: engine.NewAdam(t.gen.Params, t.o.Generator.LR, 0.9, 0.999)}
	w.objective = func() ([]engine.Term, *engine.BNMatch) {
		match := t.g.BNMatch("BN statistics", t.p.PreNorm)
		return []engine.Term{{Loss: match.Loss, Coef: 1}}, match
	}
	return w
}

// run takes the remaining steps; after is called behind each.
func (w *warmup) run(ctx context.Context, after func() error) error {
	t, o := w.t, w.t.o
	if w.steps >= o.Generator.Warmup {
		return nil
	}
	if !t.hasStats() {
		return ErrNoBatchNorm
	}
	terms, match := w.objective()
	prog, err := t.g.Compile(engine.Spec{
		Batch: o.Generator.Batch, Objective: terms, WRT: t.gen.Params, Threads: o.Threads,
		Profile: o.Profile.Of("warm up"),
	})
	if err != nil {
		return err
	}
	for w.steps < o.Generator.Warmup {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.accumulate(prog, t.gen.Params, w.steps, "warm up", nil)
		w.adam.LR = o.Generator.LR * engine.Cosine(w.steps, o.Generator.Warmup)
		w.adam.Step()
		w.steps++
		if w.steps == 1 {
			w.checkAssumed(match.Gain[0])
		}
		var m []Metric
		for _, term := range terms {
			m = append(m, Metric{term.Loss.Name, term.Loss.Value})
		}
		if err := finite("warm up", w.steps, m...); err != nil {
			return err
		}
		o.report("warm up", w.steps, o.Generator.Warmup, m...)
		if err := after(); err != nil {
			return err
		}
	}
	return nil
}

// checkAssumed compares the network's first batch normalization with what images under an assumed preprocessing
// make of it: a generator cannot paint outside its range, so a wrong scale shows there.
func (w *warmup) checkAssumed(gain float64) {
	const plausible = 4
	if o := w.t.o; o.Pixels.Assumed && (gain > plausible || gain < 1.0/plausible) {
		o.warn(fmt.Sprintf("the input that was assumed does not fit the first BatchNormalization: its channels' deviation is %.2g times "+
			"what the network was trained with", gain))
	}
}

func (w *warmup) save(s *checkpoint.State) {
	checkpoint.Put(s, "warm up steps", w.steps)
	putParams(s, "generator", w.t.gen.Params)
	putAdam(s, "generator", w.adam)
}

func (w *warmup) load(s *checkpoint.State) (err error) {
	if w.steps, err = checkpoint.Get[int](s, "warm up steps"); err != nil {
		return err
	}
	if err := fillParams(s, "generator", w.t.gen.Params); err != nil {
		return err
	}
	return fillAdam(s, "generator", w.adam)
}
