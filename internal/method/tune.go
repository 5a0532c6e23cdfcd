package method

import (
	"context"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
)

// TuneOptions are those of all methods that fine-tune Q.
type TuneOptions struct {
	Steps    int             // of Q
	Schedule engine.Schedule // of both learning rates
	LR       float64         // of Q
	Momentum float64         // of Q's SGD, Nesterov's
	Decay    float64         // of Q's weights
	GradClip float64         // largest norm of a gradient; 0: no limit

	QPerG int     // steps of Q for each of G, where G goes on learning
	GLR   float64 // of G then

	RangeSteps int    // steps of Q during which activation ranges move
	PassGrad   bool   // gradients pass outside of quantizers' ranges
	Keep       string // one of the Keep constants; "": KeepBetter
}

// Which weights a run ends with. What is better and best, agreement with P on the held-back images decides.
const (
	KeepLast   = "last"
	KeepBetter = "better" // of the last and those of the start
	KeepBest   = "best"   // of these and some on the way
)

// checks is how often agreement on the held-back images is measured once ranges are frozen.
const checks = 8

// criterion is what Q is trained on and what a generator, where there is one, does meanwhile. It is the part in which
// methods that fine-tune differ.
type criterion interface {
	objective() []engine.Term  // of Q
	opposition() []engine.Term // of G; asked for only where there is one
	figures() []Metric         // of the last step
	after(step int)            // is called behind every step of Q, which count from 1

	save(s *checkpoint.State)
	load(s *checkpoint.State) error
}

// tuning is the run of a method that fine-tunes Q: a generator is warmed up, where images are generated, ranges are
// found, and steps of Q follow, with one of G before each few of them.
type tuning struct {
	*twins
	tune TuneOptions
	crit criterion
	prep preparation // nil where images are there from the beginning

	calibrated   bool
	warmed       [][]float32 // parameters of the generator before it went on learning
	pool         *images     // held back, of the warmed generator or of the stock
	poolSeen     *viewer
	qProg, gProg *engine.Program
	sgd          *engine.SGD
	adam         *engine.Adam
	step         int // of Q, done

	start [][]float32 // Q's parameters before its first step; nil where it follows labels, not P
	began bounds      // Q's ranges then
	best  snapshot
	keep  *keeper
}

// snapshot is what Q was at its best.
type snapshot struct {
	step      int // 0: the start
	agreement float64
	params    [][]float32
}

// newTuning compiles the steps for twins behind a generator, whose optimizer is adam, or behind a stock.
func newTuning(t *twins, prep preparation, adam *engine.Adam, newCriterion func() (criterion, error)) (r *tuning, err error) {
	r = &tuning{twins: t, tune: t.o.Tune, prep: prep, adam: adam}
	r.keep = newKeeper(t.o, r.put)
	if t.gen != nil && t.o.Generator.Warmup > 0 && !t.hasStats() {
		return nil, ErrNoBatchNorm
	}
	if r.crit, err = newCriterion(); err != nil {
		return nil, err
	}
	if t.real == nil {
		r.start = valuesOf(r.q.Params)
	}
	r.sgd = engine.NewSGD(r.q.Params, r.tune.Momentum, r.tune.Decay, true)
	spec := engine.Spec{Batch: t.o.Generator.Batch, Threads: t.o.Threads}
	spec.Objective, spec.WRT, spec.Profile = r.crit.objective(), r.q.Params, t.o.Profile.Of("Q step")
	if r.qProg, err = r.g.Compile(spec); err != nil || t.gen == nil {
		return r, err
	}
	spec.Objective, spec.WRT, spec.Profile = r.crit.opposition(), r.gen.Params, t.o.Profile.Of("G step")
	r.gProg, err = r.g.Compile(spec)
	return r, err
}

// run does all of it, or what is left of it where it goes on from a checkpoint.
func (r *tuning) run(ctx context.Context) (*Result, error) {
	if err := r.resume(); err != nil {
		return nil, err
	}
	r.keep.saved = time.Now()
	if r.prep != nil {
		if err := r.prep.run(ctx, r.keep.due); err != nil {
			return nil, r.keep.stopped(ctx, err)
		}
	}
	if r.gen != nil && r.warmed == nil {
		r.warmed = valuesOf(r.gen.Params)
	}
	if !r.calibrated {
		if err := r.calibrate(ctx); err != nil {
			return nil, r.keep.stopped(ctx, err)
		}
		r.calibrated = true
	}
	if r.step == 0 {
		r.began = r.ranges.bounds()
	}
	if err := r.train(ctx); err != nil {
		return nil, r.keep.stopped(ctx, err)
	}
	// What comes now changes Q; a run that is stopped there goes on from here.
	if err := r.keep.save(); err != nil {
		return nil, err
	}
	if err := r.checkParams(); err != nil {
		return nil, err
	}
	kept := r.step
	if r.best.params != nil {
		setValues(r.q.Params, r.best.params)
		if kept = r.best.step; kept == 0 {
			r.ranges.set(r.began)
		}
	}
	result, err := r.result(ctx, r.pool)
	if err != nil {
		return nil, err
	}
	result.Steps, result.Kept = r.step, kept
	return result, nil
}

func (r *tuning) train(ctx context.Context) (err error) {
	if err := r.holdBack(ctx); err != nil {
		return err
	}
	if r.poolSeen, err = r.viewer(min(r.o.Generator.Batch, r.pool.n), nil); err != nil {
		return err
	}
	for {
		// Checks come first, so that one that was interrupted is made up for when the run goes on.
		if err := r.check(ctx); err != nil {
			return err
		}
		if r.step >= r.tune.Steps {
			return nil
		}
		rate := r.tune.Schedule(r.step, r.tune.Steps)
		if r.gProg != nil && r.step%r.tune.QPerG == 0 {
			r.stepG(rate)
		}
		r.stepQ(rate)
		r.crit.after(r.step)
		m := r.crit.figures()
		if err := finite("train", r.step, m...); err != nil {
			return err
		}
		r.o.report("train", r.step, r.tune.Steps, m...)
		if err := r.keep.due(); err != nil {
			return err
		}
	}
}

// holdBack takes the pool from the generator as it was before training, whatever it is by now: a run that goes on
// needs not keep the images.
func (r *tuning) holdBack(ctx context.Context) (err error) {
	if r.pool != nil {
		return nil
	}
	if r.gen == nil {
		var held *stock
		r.stock, held = r.stock.split()
		r.pool, err = r.look(ctx, held.x)
		return err
	}
	defer setValues(r.gen.Params, valuesOf(r.gen.Params))
	setValues(r.gen.Params, r.warmed)
	r.pool, err = r.paint(ctx, r.o.heldBack(), "held back")
	return err
}

func (r *tuning) stepG(rate float64) {
	r.accumulate(r.gProg, r.gen.Params, r.step, "discrepancy estimation", nil)
	engine.ClipGradNorm(r.gen.Params, r.tune.GradClip)
	r.adam.LR = r.tune.GLR * rate
	r.adam.Step()
}

func (r *tuning) stepQ(rate float64) {
	moving := r.step < r.tune.RangeSteps && r.o.Images == nil && len(r.ranges.sites) > 0
	r.ranges.watch(moving)
	r.accumulate(r.qProg, r.q.Params, r.step, "knowledge transfer", func() {
		if moving {
			r.ranges.update()
		}
	})
	if moving {
		r.ranges.apply()
		r.ranges.watch(false)
	}
	engine.ClipGradNorm(r.q.Params, r.tune.GradClip)
	r.sgd.LR = r.tune.LR * rate
	r.sgd.Step()
	r.step++
}

// checkParams refuses weights that are not numbers. Losses need not show them: on a grid they become zeros.
func (r *tuning) checkParams() error {
	for _, p := range r.q.Params {
		if err := finiteArray("train", r.step, p.Name, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// check compares P and Q on the held-back images at the end, whether or not ranges were frozen before it, and, for KeepBest, a
// few times after they were, and remembers the best. Q as it began, within the ranges that it had then, is the first to be
// beaten: training that does not help is not kept. A second check of the same step changes nothing.
func (r *tuning) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	every := r.tune.Steps
	if r.tune.Keep == KeepBest {
		every = (r.tune.Steps - r.tune.RangeSteps) / checks
	}
	every = max(1, every)
	due := r.step >= r.tune.RangeSteps && (r.tune.Steps-r.step)%every == 0 || r.step >= r.tune.Steps
	if r.tune.Keep == KeepLast || r.step == 0 || !due {
		return nil
	}
	a, err := r.poolSeen.agreement(ctx, r.pool)
	if err != nil {
		return err
	}
	if err := r.checkParams(); err != nil {
		return err
	}
	now := valuesOf(r.q.Params)
	if r.best.params == nil && r.start != nil {
		moved := r.ranges.bounds()
		setValues(r.q.Params, r.start)
		r.ranges.set(r.began)
		began, err := r.poolSeen.agreement(ctx, r.pool)
		setValues(r.q.Params, now) // before anything that saves them
		r.ranges.set(moved)
		if err != nil {
			return err
		}
		r.best = snapshot{0, began, r.start}
	}
	if r.best.params == nil || a >= r.best.agreement {
		r.best = snapshot{r.step, a, now}
	}
	return nil
}
