package method

import (
	"math"
	"testing"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
	"zaq/internal/quant"
)

// sites returns one activation site for each quantizer.
func sites(quantizers ...*quant.Quantizer) (s []*engine.Site) {
	for _, q := range quantizers {
		s = append(s, &engine.Site{ActQuant: &engine.ActQuant{QMin: q.QMin, QMax: q.QMax}, Quantizer: q})
	}
	return s
}

// see sets what the sites saw of a batch.
func see(s []*engine.Site, ranges ...[2]float32) {
	for i, r := range ranges {
		s[i].Lo, s[i].Hi = r[0], r[1]
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*math.Max(1, math.Abs(want)) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

func TestRangesMovingAverage(t *testing.T) {
	q := quant.New(quant.Scheme{Bits: 8})
	s := sites(q)
	r := newRanges(s)
	// The first batch is taken as it is; each later one moves the average by a tenth of the distance.
	for _, step := range []struct {
		saw            [2]float32
		wantLo, wantHi float64
	}{
		{[2]float32{-1, 10}, -1, 10},
		{[2]float32{-2, 20}, -1.1, 11},
		{[2]float32{0, 1}, -0.99, 10},
		{[2]float32{2, 3}, -0.891, 9.3}, // zero always belongs to a range
	} {
		see(s, step.saw)
		r.update()
		near(t, "low", r.lo[0], step.wantLo)
		near(t, "high", r.hi[0], step.wantHi)
	}
	if r.seen != 4 || q.Calibrated() || s[0].On {
		t.Errorf("%d batches seen, calibrated %v, rounding %v: want 4 and nothing set", r.seen, q.Calibrated(), s[0].On)
	}
	r.apply()
	scale, zero := q.Params(-0.891, 9.3)
	near(t, "scale", float64(q.Scale[0]), float64(scale))
	if q.Zero[0] != zero || s[0].Scale != q.Scale[0] || s[0].Zero != q.Zero[0] || !s[0].On {
		t.Errorf("site has scale %g, zero %d, on %v; quantizer %g, %d, want zero %d", s[0].Scale, s[0].Zero, s[0].On, q.Scale[0], q.Zero[0], zero)
	}
	if got := q.FakeQuantize(0, 0); got != 0 {
		t.Errorf("zero becomes %g", got)
	}
}

func TestRangesAreShared(t *testing.T) {
	tied, alone := quant.New(quant.Scheme{Bits: 4}), quant.New(quant.Scheme{Bits: 4})
	s := sites(tied, alone, tied)
	r := newRanges(s)
	if len(r.quants) != 2 {
		t.Fatalf("%d ranges for 2 quantizers", len(r.quants))
	}
	see(s, [2]float32{-1, 2}, [2]float32{-9, 9}, [2]float32{-0.5, 5})
	r.update()
	r.apply()
	near(t, "tied scale", float64(tied.Scale[0]), 6.0/15) // -1 to 5
	near(t, "scale", float64(alone.Scale[0]), 18.0/15)
	if s[0].Scale != s[2].Scale || s[0].Zero != s[2].Zero || s[0].Scale != tied.Scale[0] {
		t.Errorf("tied sites have scales %g and %g, zeros %d and %d", s[0].Scale, s[2].Scale, s[0].Zero, s[2].Zero)
	}
}

func TestRangesFixed(t *testing.T) {
	image, other := quant.New(quant.Scheme{Bits: 8}), quant.New(quant.Scheme{Bits: 8})
	s := sites(other, image)
	r := newRanges(s)
	r.fix(image, -2, 3.1)
	see(s, [2]float32{-0.1, 0.1}, [2]float32{-50, 50})
	r.update()
	r.apply()
	near(t, "fixed scale", float64(image.Scale[0]), 5.1/255)
	near(t, "scale", float64(other.Scale[0]), 0.2/255)
}

func TestRangesSwitches(t *testing.T) {
	s := sites(quant.New(quant.Scheme{Bits: 8}), quant.New(quant.Scheme{Bits: 8}))
	r := newRanges(s)
	for _, on := range []bool{true, false} {
		r.watch(on)
		r.round(!on)
		for i := range s {
			if s[i].Observe != on || s[i].On == on {
				t.Errorf("site %d observes %v and rounds %v, want %v and %v", i, s[i].Observe, s[i].On, on, !on)
			}
		}
	}
}

func TestRangesState(t *testing.T) {
	q := quant.New(quant.Scheme{Bits: 8})
	s := sites(q)
	r := newRanges(s)
	see(s, [2]float32{-1, 3})
	r.update()
	state := &checkpoint.State{}
	r.save(state)

	loaded := quant.New(quant.Scheme{Bits: 8})
	to := newRanges(sites(loaded))
	if err := to.load(state); err != nil {
		t.Fatal(err)
	}
	r.apply()
	if to.seen != 1 || !loaded.Calibrated() || loaded.Scale[0] != q.Scale[0] || loaded.Zero[0] != q.Zero[0] || !to.sites[0].On {
		t.Errorf("loaded %+v, want %+v", loaded, q)
	}
	// What was saved before a calibration sets nothing.
	state = &checkpoint.State{}
	newRanges(sites(q)).save(state)
	fresh := quant.New(quant.Scheme{Bits: 8})
	if err := newRanges(sites(fresh)).load(state); err != nil || fresh.Calibrated() {
		t.Errorf("calibrated %v, %v", fresh.Calibrated(), err)
	}
	if err := newRanges(sites(fresh, q)).load(state); err == nil {
		t.Error("ranges of another network: no error")
	}
}
