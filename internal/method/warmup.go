package method

import (
	"context"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
)

// warmup teaches the generator images whose statistics inside P are those that its batch normalizations remember:
// ranges taken from the images of an untrained generator would be useless.
type warmup struct {
	t     *twins
	adam  *engine.Adam
	steps int // done
}

func newWarmup(t *twins) *warmup {
	return &warmup{t: t, adam: engine.NewAdam(t.gen.Params, t.o.Generator.LR, 0.9, 0.999)}
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
	loss := t.g.BNMatch("BN statistics", t.p.PreNorm)
	prog, err := t.g.Compile(engine.Spec{
		Batch: o.Generator.Batch, Objective: []engine.Term{{Loss: loss, Coef: 1}}, WRT: t.gen.Params, Threads: o.Threads,
	})
	if err != nil {
		return err
	}
	for w.steps < o.Generator.Warmup {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.noise(prog.Data(t.gen.Z), w.steps, "warm up")
		prog.Run()
		w.adam.Step()
		w.steps++
		m := Metric{"BN statistics", loss.Value}
		if err := finite("warm up", w.steps, m); err != nil {
			return err
		}
		o.report("warm up", w.steps, o.Generator.Warmup, m)
		if err := after(); err != nil {
			return err
		}
	}
	return nil
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
