package method

import "zaq/internal/checkpoint"

// put is the state of the run.
func (r *tuning) put(s *checkpoint.State) {
	if r.prep != nil {
		r.prep.save(s)
	}
	if r.gen != nil && r.step > 0 { // before, the generator itself is the warmed one
		putArrays(s, "warmed generator", r.warmed)
	}
	r.ranges.save(s)
	checkpoint.Put(s, "step", r.step)
	if r.rangesMoved() {
		checkpoint.Put(s, "ranges low at the start", r.began.lo)
		checkpoint.Put(s, "ranges high at the start", r.began.hi)
	}
	putParams(s, "Q", r.q.Params)
	putArrays(s, "Q velocity", r.sgd.Velocity)
	r.crit.save(s)
	checkpoint.Put(s, "best step", r.best.step)
	checkpoint.Put(s, "best agreement", r.best.agreement)
	if r.best.params != nil {
		putArrays(s, "best", r.best.params)
	}
}

// rangesMoved reports whether ranges need not be those of the start any more.
func (r *tuning) rangesMoved() bool { return r.step > 0 && r.tune.RangeSteps > 0 }

func (r *tuning) resume() error {
	s, err := r.o.earlier()
	if err != nil || s == nil {
		return err
	}
	if err := r.ranges.load(s); err != nil {
		return err
	}
	r.calibrated = r.ranges.seen > 0
	if err := fillParams(s, "Q", r.q.Params); err != nil {
		return err
	}
	if err := fillArrays(s, "Q velocity", r.sgd.Velocity); err != nil {
		return err
	}
	if r.step, err = checkpoint.Get[int](s, "step"); err != nil {
		return err
	}
	r.began = r.ranges.bounds()
	if r.rangesMoved() {
		if err := checkpoint.Fill(s, "ranges low at the start", r.began.lo); err != nil {
			return err
		}
		if err := checkpoint.Fill(s, "ranges high at the start", r.began.hi); err != nil {
			return err
		}
	}
	if err := r.crit.load(s); err != nil {
		return err
	}
	if err := r.resumeImages(s); err != nil {
		return err
	}
	return r.resumeBest(s)
}

// resumeImages restores where images come from.
func (r *tuning) resumeImages(s *checkpoint.State) error {
	if r.prep != nil {
		if err := r.prep.load(s); err != nil {
			return err
		}
	}
	if r.gen == nil || r.step == 0 {
		return nil
	}
	r.warmed = valuesOf(r.gen.Params) // of their size
	return fillArrays(s, "warmed generator", r.warmed)
}

// resumeBest restores the best weights so far.
func (r *tuning) resumeBest(s *checkpoint.State) (err error) {
	if r.best.step, err = checkpoint.Get[int](s, "best step"); err != nil {
		return err
	}
	if r.best.agreement, err = checkpoint.Get[float64](s, "best agreement"); err != nil {
		return err
	}
	if r.best.step == 0 {
		return nil
	}
	r.best.params = valuesOf(r.q.Params) // of their size
	return fillArrays(s, "best", r.best.params)
}
