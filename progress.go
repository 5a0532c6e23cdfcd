package zaq

// Progress is the state of a run between two steps.
type Progress struct {
	Phase   string   // what is being done: one of the constants below
	Step    int      // steps done in this phase
	Total   int      // steps this phase has
	Metrics []Metric // figures of the last step, in a fixed order; nil where the phase has none
}

// Metric is a figure that training reports, such as "D_o" or "alpha*D_f".
type Metric struct {
	Name  string
	Value float64
}

// Phases of the functions of this package.
const (
	PhaseWarmUp   = "warm up"  // the generator learns BatchNormalization statistics
	PhaseImages   = "images"   // images are optimised
	PhaseTrain    = "train"    // steps of Q in Quantize, of the float network in Train
	PhaseMeasure  = "measure"  // ranges and per-layer costs
	PhaseEvaluate = "evaluate" // labelled images
)
