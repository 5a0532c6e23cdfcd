package zaq

import (
	"slices"

	"zaq/internal/method"
	"zaq/internal/nn"
)

// partial are options for a part that not every run has.
type partial struct {
	options []string // as on the command line, without dashes
	// missing says why the run that o describes lacks the part; "" where it does not. o has its defaults.
	missing func(o Options) string
}

// partials are looked through in order: the most general reason comes first.
var partials = []partial{
	{
		[]string{"steps", "start", "q-per-g", "range-steps", "schedule", "lr", "g-lr", "weight-decay", "grad-clip", "pass-grad", "keep"},
		func(o Options) string { return unless(o.Trains(), "method "+o.Method+" does not train") },
	},
	{
		[]string{"alpha", "beta", "regularizer", "feature-loss", "layer-weights", "tau", "feature-ema"},
		func(o Options) string { return unless(o.Method == "zaq", "method "+o.Method+" has no such part") },
	},
	{
		[]string{"g-statistics", "distill", "temperature"},
		func(o Options) string { return unless(o.Method == "gdfq", "method "+o.Method+" has no such part") },
	},
	{
		[]string{"checkpoint-every"},
		func(o Options) string { return unless(o.keeps(), keepsNone(o)) },
	},
	{
		[]string{"count"},
		func(o Options) string {
			return unless(!o.optimises(), "images of "+o.Images+" are optimised, and image-count says how many")
		},
	},
	{
		ofGenerator,
		func(o Options) string {
			return unless(o.generates(), "method "+o.Method+" has its images from elsewhere, not from a generator")
		},
	},
	{
		[]string{"image-count", "image-steps", "image-lr", "class-weight", "tv", "l2", "bn-weight", "compete", "shift"},
		func(o Options) string { return unless(o.optimises(), "method "+o.Method+" optimises no images") },
	},
	{
		[]string{"class-weight", "tv", "l2", "bn-weight", "compete", "shift"},
		func(o Options) string {
			return unless(o.Images == method.SourceDeepInversion, "images of "+o.Images+" are optimised to statistics alone")
		},
	},
	{
		[]string{"alpha", "layer-weights", "tau", "feature-ema"},
		func(o Options) string {
			return unless(o.ZAQ.FeatureLoss != "none", "feature-loss none compares no features")
		},
	},
	{
		[]string{"feature-loss", "layer-weights", "tau", "feature-ema"},
		func(o Options) string {
			return unless(o.ZAQ.Alpha != 0, "alpha 0 leaves the comparison of features out")
		},
	},
	{
		[]string{"temperature"},
		func(o Options) string {
			return unless(o.GDFQ.Distill != 0, "distill 0 leaves the float network's answers out")
		},
	},
	{
		[]string{"tau", "feature-ema"},
		func(o Options) string {
			return unless(o.ZAQ.LayerWeights != "uniform", "layer-weights uniform weighs all layers the same")
		},
	},
	{
		[]string{"range-steps"},
		func(o Options) string {
			return unless(o.Observer == movingObserver, "ranges of observer "+o.Observer+" do not move while Q trains")
		},
	},
	{
		[]string{"range-steps"},
		func(o Options) string {
			return unless(o.CalibrationDir == "", "ranges of the images of --calib do not move while Q trains")
		},
	},
}

// ofGenerator are the options of a generator and of what becomes of it.
var ofGenerator = []string{"warmup", "no-clip", "q-per-g", "g-lr", "beta", "regularizer", "g-statistics"}

// keepsNone says why a run keeps no checkpoint.
func keepsNone(o Options) string {
	return "method " + o.Method + " takes no time here and keeps no checkpoint"
}

func unless(there bool, reason string) string {
	if there {
		return ""
	}
	return reason
}

// Unused returns why the run that o describes does not look at an option, which is named as on the command line; "" where
// it does. An option can be without effect in a run that is possible, such as a number of steps where nothing trains. Check
// takes it, as a default cannot be told from the same value that somebody wrote; who knows which it is can ask here.
func (o Options) Unused(option string) string {
	o = o.withDefaults()
	for _, p := range partials {
		if !slices.Contains(p.options, option) {
			continue
		}
		if reason := p.missing(o); reason != "" {
			return reason
		}
	}
	return ""
}

// Unused is Options.Unused with what only the model shows: where it has no BatchNormalization there may be no generator, but
// images that take the place of statistics. It takes o for complete, with the folders that it is to have.
func (m *Model) Unused(o Options, option string) string {
	if reason := o.Unused(option); reason != "" {
		return reason
	}
	o = o.withDefaults()
	unguided := m.unguided(o)
	switch {
	case option == "checkpoint-every" && o.CheckpointDir == "":
		return "no --checkpoint says where"
	case option == "checkpoint-every" && unguided && !o.Trains():
		return keepsNone(o)
	case (option == "batch" || option == "memory") && !unguided && o.Images == method.SourceStatistics && o.CalibrationDir == "":
		return "method " + o.Method + " has ranges from statistics here and looks at no images"
	case !unguided:
	case slices.Contains(ofGenerator, option):
		return m.path + " has no BatchNormalization that a generator could learn from, so that there is none"
	case option == "range-steps":
		return m.path + " has no BatchNormalization, so that ranges are those of images that are there, and do not move"
	}
	return ""
}

// unguided reports whether images that are there take the place of a generator's; see substitute.
func (m *Model) unguided(o Options) bool {
	trunk, _ := nn.Cut(m.net)
	return !normalized(trunk) && withoutStatistics[o.Method] && o.Images == traits[o.Method].images
}

// generates reports whether images come from a generator. o has its defaults.
func (o Options) generates() bool {
	return o.Images == method.SourceGenerator && (o.CalibrationDir == "" || o.Trains())
}

// optimises reports whether images are optimised. o has its defaults.
func (o Options) optimises() bool {
	return o.Images == method.SourceZeroQ || o.Images == method.SourceDeepInversion
}
