package zaq

import (
	"fmt"
	"math"

	"zaq/internal/method"
	"zaq/internal/synth"
)

// SynthOptions say how images are optimised, where they are: the pixels themselves are trained until BatchNormalization
// sees what it remembers. A zero means the default, and for weights of terms a negative number "leave it out".
type SynthOptions struct {
	Count int     // images; default 64, of deepinversion 256
	Steps int     // for each batch; default 500
	LR    float64 // of Adam, at first; default 0.5, of deepinversion 0.05

	// Weights of deepinversion's terms.
	Class   float64 // cross-entropy of the image's class; default 1
	TV      float64 // total variation; default 2.5e-5
	L2      float64 // norm of images; default none
	BN      float64 // statistics of BatchNormalization; default 10
	Compete float64 // disagreement of the float and the rounded network; default none
	Shift   int     // largest shift of the images before the network sees them, in pixels; default 2, negative: none
}

func (s SynthOptions) withDefaults(source string) SynthOptions {
	d := SynthOptions{Count: 64, Steps: 500, LR: 0.5, Class: 1, TV: 2.5e-5, BN: 10, Shift: 2}
	if source == method.SourceDeepInversion {
		d.Count, d.LR = 256, 0.05
	}
	for _, f := range []struct {
		v   *int
		def int
	}{{&s.Count, d.Count}, {&s.Steps, d.Steps}, {&s.Shift, d.Shift}} {
		switch {
		case *f.v == 0:
			*f.v = f.def
		case *f.v < 0:
			*f.v = 0
		}
	}
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&s.LR, d.LR}, {&s.Class, d.Class}, {&s.TV, d.TV}, {&s.L2, d.L2}, {&s.BN, d.BN}, {&s.Compete, d.Compete}} {
		switch {
		case *f.v == 0:
			*f.v = f.def
		case *f.v < 0:
			*f.v = 0
		}
	}
	return s
}

func (s SynthOptions) check() error {
	for _, f := range []struct {
		name string
		v    int
	}{{"image-count", s.Count}, {"image-steps", s.Steps}} {
		if f.v < 0 {
			return negative(f.name, f.v)
		}
	}
	return inRange([]ranged{
		{"image-lr", s.LR, 0}, {"class-weight", s.Class, -math.MaxFloat64}, {"tv", s.TV, -math.MaxFloat64},
		{"l2", s.L2, -math.MaxFloat64}, {"bn-weight", s.BN, -math.MaxFloat64}, {"compete", s.Compete, -math.MaxFloat64},
	})
}

// checkTerms refuses terms about classes that somebody asked for where the model has none. o is without its defaults: that of
// Class is left out there, with a warning.
func (m *Model) checkTerms(o Options) error {
	if o.withDefaults().Images != method.SourceDeepInversion {
		return nil
	}
	trunk, _ := m.parts()
	if k, err := method.Classes(trunk); err == nil && k > 1 {
		return nil
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"class-weight", o.Synth.Class}, {"compete", o.Synth.Compete}} {
		if f.v > 0 {
			return &HintError{
				Err:    &OptionError{f.name, fmt.Sprint(f.v), "the output of " + m.path + " is not one number for each class"},
				Advice: "without it images are optimised to statistics and to smoothness",
			}
		}
	}
	return nil
}

// images are the options in the words of package synth.
func (s SynthOptions) images(batch int) synth.ImageOptions {
	return synth.ImageOptions{
		Count: s.Count, Batch: min(batch, s.Count), Steps: s.Steps, LR: s.LR,
		Class: s.Class, TV: s.TV, L2: s.L2, BN: s.BN, Compete: s.Compete, Shift: s.Shift,
	}
}

// GDFQOptions tune method "gdfq". A zero means the default, a negative weight none.
type GDFQOptions struct {
	Statistics  float64 // weight of BatchNormalization statistics in the generator's objective; default 0.1
	Distill     float64 // weight of distillation in the quantized network's; default 1
	Temperature float64 // of distillation; default 20
}

func (g GDFQOptions) withDefaults() GDFQOptions {
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&g.Statistics, 0.1}, {&g.Distill, 1}, {&g.Temperature, 20}} {
		switch {
		case *f.v == 0:
			*f.v = f.def
		case *f.v < 0:
			*f.v = 0
		}
	}
	return g
}

func (g GDFQOptions) check() error {
	return inRange([]ranged{
		{"g-statistics", g.Statistics, -math.MaxFloat64}, {"distill", g.Distill, -math.MaxFloat64}, {"temperature", g.Temperature, 0},
	})
}

// ranged is an option with the least that it can be.
type ranged struct {
	name  string
	v     float64
	least float64
}

func inRange(list []ranged) error {
	for _, f := range list {
		if !(f.v >= f.least && f.v < math.Inf(1)) {
			return &OptionError{f.name, fmt.Sprint(f.v), "out of range"}
		}
	}
	return nil
}
