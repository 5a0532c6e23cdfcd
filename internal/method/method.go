// Package method holds the ways to quantize a network, one file each. A method takes a float network and
// options and returns the network with calibrated quantizers and weights on their grids; none of them is ever
// shown an image of the test set.
package method

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
	"zaq/internal/synth"
)

// Options say how a network is quantized by any method.
type Options struct {
	Place nn.PlaceOptions
	// MSE fits the range of every weight channel by least squared error once, at the start, and keeps its share of
	// the channel's range from then on; otherwise grids span the whole range.
	MSE    bool
	Seed   uint64
	Pixels *preprocess.Spec // of one of the inputs; see PixelsOf for the others
	// Images are unlabelled images of the user's own, as the network takes them [n, H, W, C]; of several inputs see type
	// inputs. Activation ranges are then taken from them; nil: from those of Source.
	Images []float32
	// Source is where images come from that nobody gave: one of the Source constants, "" for the method's own.
	Source string
	// Observer chooses activation ranges: one of Observers, "" for the first.
	Observer string
	// Budget gives each weight bits of its own, so that all together keep it; nil: those that Place says. Methods that train
	// take none.
	Budget *Budget
	// Start is where the weights of a network that is trained begin: StartSQuant, or StartFloat, which "" is, too.
	Start string

	// KeepBias leaves out the analytic correction of biases (see twins.round).
	KeepBias bool

	Generator Generator
	Synth     synth.ImageOptions // of optimised images, but for what the other options say
	Tune      TuneOptions
	ZAQ       ZAQOptions
	GDFQ      GDFQOptions

	// Fingerprint names the run in its checkpoint; see package checkpoint.
	Fingerprint string
	Checkpoint  string // file; "" writes none
	Resume      bool
	Every       time.Duration // between checkpoints; default 30 s

	Progress func(Progress)
	Warn     func(string) // what a user should know; nil drops it
	Threads  int          // 0: GOMAXPROCS
	Profile  *engine.Profiles
}

// Generator are the settings of the source of images that all methods share.
type Generator struct {
	Batch   int     // images at a time, a step where Parts is 1
	Parts   int     // batches a step, over whose gradients the mean is taken; 0: 1
	Warmup  int     // steps on batch-normalization statistics
	LR      float64 // of Adam, at first; it falls along half a cosine
	Latent  int
	NoClip  bool
	Batches int // for the ranges of activations
	// HeldBack is the number of images by which P and Q are compared; default 1024.
	HeldBack int
}

// Progress is what a method reports between two steps.
type Progress struct {
	Phase       string // "warm up", "images", "calibrate", "train"
	Step, Total int
	Metrics     []Metric
}

// Metric is a named figure of a step.
type Metric struct {
	Name  string
	Value float64
}

// Result is a quantized network.
type Result struct {
	Net       *nn.Network // with quantizers; batch normalization still apart from the convolutions
	Placement *nn.Placement
	Costs     []Cost
	Steps     int     // of training done
	Kept      int     // the step whose weights were kept; 0: those of the start
	Agreement float64 // share of the held-back generated images that P and Q label alike
}

// Cost is what quantization did to a layer: signal over noise in decibels, +Inf where nothing was lost.
type Cost struct {
	Layer *nn.Layer
	// WeightSQNR compares the weights in the end, on their grid, with the float ones. What training changed counts
	// as noise, too. Weights with one grid for all channels are compared as they are rounded: with the
	// BatchNormalization folded into them.
	WeightSQNR float64
	// OutputSQNR compares what the layer makes of some of the images by which P and Q are compared, behind its
	// BatchNormalization and before its activation function, all layers before it being quantized as well.
	OutputSQNR float64
}

// ErrNoBatchNorm is returned where images have to be made from batch-normalization statistics and the network
// has none.
var ErrNoBatchNorm = errors.New("the network has no BatchNormalization whose statistics could guide generated images")

// NoClassesError is returned where classes are needed and the network's output is not one number for each.
type NoClassesError struct {
	Output string
	Shape  []int
}

func (e *NoClassesError) Error() string {
	return fmt.Sprintf("output %q of shape %v is not one number for each class", e.Output, e.Shape)
}

// Classes returns the number of classes that a network tells apart by its first output.
func Classes(net *nn.Network) (int, error) {
	name := net.Outputs[0]
	shape := net.Values[name].Shape
	if len(shape) < 2 || slices.ContainsFunc(shape[2:], func(n int) bool { return n != 1 }) {
		return 0, &NoClassesError{name, shape}
	}
	return shape[1], nil
}

// prepare returns a copy of net in the form that methods work on: inputs of fixed sizes, batch normalizations with
// positive gamma that have absorbed the bias in front of them.
func prepare(net *nn.Network) (*nn.Network, error) {
	net = net.Clone()
	if _, err := net.InputSizes(); err != nil {
		return nil, err
	}
	for _, l := range net.Layers {
		if _, ok := l.Op.(nn.FakeQuant); ok {
			return nil, fmt.Errorf("node %q: the network is quantized already", l.Name)
		}
	}
	nn.AbsorbConvBias(net)
	if err := nn.PositiveGamma(net); err != nil {
		return nil, err
	}
	nn.AttachStats(net)
	return net, nil
}

// place returns the twin of the float network p, with quantizers that are not calibrated. Per-tensor weights are
// folded first: one scale cannot absorb a factor per channel later.
func place(p *nn.Network, o Options) (*nn.Network, *nn.Placement, error) {
	q := p.Clone()
	if o.Place.PerTensor {
		if err := nn.FoldBatchNorm(q); err != nil {
			return nil, nil, err
		}
	}
	placement, err := nn.Place(q, o.Place)
	return q, placement, err
}

// quantized returns the name under which q's layers see the tensor t: the output of its quantizer, if it has one.
func quantized(q *nn.Network, t string) string {
	for _, l := range q.Layers {
		if _, ok := l.Op.(nn.FakeQuant); ok && l.In[0] == t {
			return l.Out[0]
		}
	}
	return t
}

// tensors looks up the tensors of a lowered network.
func tensors(l *engine.Lowered, names []string) ([]*engine.Tensor, error) {
	var t []*engine.Tensor
	for _, n := range names {
		if l.Tensors[n] == nil {
			return nil, fmt.Errorf("tensor %q is not computed by the engine", n)
		}
		t = append(t, l.Tensors[n])
	}
	return t, nil
}

func (o *Options) report(phase string, step, total int, m ...Metric) {
	if o.Progress != nil {
		o.Progress(Progress{phase, step, total, m})
	}
}

func (o *Options) warn(text string) {
	if o.Warn != nil {
		o.Warn(text)
	}
}

// DivergedError says that a run left the numbers.
type DivergedError struct {
	Phase string // as in Progress
	Step  int
	Name  string // of the loss, or of the array of the network
	Value float64
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("%s step %d: %s is %v: training diverged", e.Phase, e.Step, e.Name, e.Value)
}

// Hint says what to do about it.
func (e *DivergedError) Hint() string { return "a lower learning rate diverges later, or not at all" }

// finite refuses figures that are not numbers: a run that has diverged must not go on.
func finite(phase string, step int, m ...Metric) error {
	for _, v := range m {
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			return &DivergedError{phase, step, v.Name, v.Value}
		}
	}
	return nil
}

// finiteArray refuses an array with elements that are not numbers.
func finiteArray(phase string, step int, name string, data []float32) error {
	for _, v := range data {
		if err := finite(phase, step, Metric{name, float64(v)}); err != nil {
			return err
		}
	}
	return nil
}
