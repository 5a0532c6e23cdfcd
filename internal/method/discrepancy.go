package method

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
	"zaq/internal/nn"
)

// ZAQOptions are the parts of ZAQ's objectives.
type ZAQOptions struct {
	Alpha, Beta float64 // of D_f and of L_a; 0 leaves them out, D_f as FeatureLoss "none" does
	FeatureLoss string  // of D_f: one of FeatureLosses, "" for the first
	Uniform     bool    // all layers weigh the same in D_f; otherwise as their distances say
	Tau         float64 // temperature of the layers' weights
	FeatureEMA  float64 // decay, per epoch, of the distances behind them
}

// FeatureLosses are the ways to compare feature maps: channel relation maps (engine.CRM), the attention maps of the
// authors' public code (engine.SCRM), Gram matrices (engine.GramMatrices), or not at all.
var FeatureLosses = []string{"crm", "scrm", "gram", "none"}

// epoch is the published number of iterations after which the layer weights of D_f are renewed.
const epoch = 60

// discrepancy is how far Q is from P: D_o, the mean absolute difference of outputs, and alpha times D_f, the weighted
// distance of feature maps. A generator, where there is one, looks for more of both.
type discrepancy struct {
	z  ZAQOptions
	t  *twins
	do []*engine.Loss
	df *engine.FeatureLoss // nil: features are not compared
	la *engine.Loss        // mean activation; nil without a generator

	distances []float64 // sums over the running epoch
	average   []float64 // moving average over epochs
	epochs    int
}

var errNoFeatures = errors.New("the network makes no feature maps by which it could be compared with its quantized twin: it has no convolution")

func newDiscrepancy(t *twins, z ZAQOptions) (*discrepancy, error) {
	if len(t.pFeat) == 0 {
		return nil, errNoFeatures
	}
	if z.Alpha == 0 {
		z.FeatureLoss = "none"
	}
	d := &discrepancy{z: z, t: t}
	for i := range t.pOut {
		d.do = append(d.do, t.g.L1("D_o", t.pOut[i], t.qOut[i]))
	}
	switch z.FeatureLoss {
	case "", "crm":
		d.df = t.g.CRM("D_f", t.pFeat, t.qFeat)
	case "gram":
		d.df = t.g.GramMatrices("D_f", t.pFeat, t.qFeat)
	case "scrm":
		p, q := stages(t.pFeat, t.qFeat)
		d.df = t.g.SCRM("D_f", p, q)
	case "none":
	default:
		return nil, fmt.Errorf("feature loss %q: want one of %v", z.FeatureLoss, FeatureLosses)
	}
	if d.df != nil {
		d.distances, d.average = make([]float64, len(d.df.Weights)), make([]float64, len(d.df.Weights))
	}
	if t.gen != nil {
		h, err := tensors(t.p, []string{nn.LastBlock(t.pNet)})
		if err != nil {
			return nil, err
		}
		d.la = t.g.MeanAbs("mean activation", h[0])
	}
	return d, nil
}

// stages are the last features of each size, which SCRM compares: it is too slow for all of them.
func stages(p, q []*engine.Tensor) (ps, qs []*engine.Tensor) {
	for i := range p {
		if i+1 == len(p) || p[i].H != p[i+1].H || p[i].W != p[i+1].W || p[i].C != p[i+1].C {
			ps, qs = append(ps, p[i]), append(qs, q[i])
		}
	}
	return ps, qs
}

func (d *discrepancy) terms(sign float64) (terms []engine.Term) {
	for _, l := range d.do {
		terms = append(terms, engine.Term{Loss: l, Coef: sign / float64(len(d.do))})
	}
	if d.df != nil {
		terms = append(terms, engine.Term{Loss: d.df.Loss, Coef: sign * d.z.Alpha})
	}
	return terms
}

func (d *discrepancy) objective() []engine.Term { return d.terms(1) }

func (d *discrepancy) opposition() []engine.Term {
	return append(d.terms(-1), engine.Term{Loss: d.la, Coef: -d.z.Beta}) // L_a is minus the mean activation
}

// output is D_o of the last run.
func (d *discrepancy) output() (do float64) {
	for _, l := range d.do {
		do += l.Value / float64(len(d.do))
	}
	return do
}

func (d *discrepancy) figures() []Metric {
	m := []Metric{{"D_o", d.output()}}
	if d.df != nil {
		m = append(m, Metric{"alpha*D_f", d.z.Alpha * d.df.Loss.Value})
	}
	if d.la != nil {
		m = append(m, Metric{"L_a", -d.la.Value})
	}
	return m
}

// after renews the weights of D_f behind every epoch: w = softmax(a/mean(a)/tau), a the moving average of the layers'
// distances. Without the division by the mean the softmax would be uniform to a few percent.
func (d *discrepancy) after(step int) {
	if d.df == nil || d.z.Uniform {
		return
	}
	for l, v := range d.df.Distances {
		d.distances[l] += v
	}
	if step%epoch != 0 {
		return
	}
	decay := d.z.FeatureEMA
	if d.epochs == 0 {
		decay = 0
	}
	d.epochs++
	var mean float64
	for l, v := range d.distances {
		d.average[l] = float64(decay*d.average[l]) + float64((1-decay)*v/epoch)
		mean += d.average[l] / float64(len(d.average))
		d.distances[l] = 0
	}
	d.weigh(mean)
}

func (d *discrepancy) weigh(mean float64) {
	if mean == 0 {
		return
	}
	// Subtracting the largest changes last bits, and so is left to where a small tau would make an exponential infinite.
	const safe = 600
	top := slices.Max(d.average)
	if top/mean/d.z.Tau < safe {
		top = 0
	}
	var sum float64
	for l, a := range d.average {
		d.df.Weights[l] = math.Exp((a - top) / mean / d.z.Tau)
		sum += d.df.Weights[l]
	}
	for l := range d.df.Weights {
		d.df.Weights[l] /= sum
	}
}

func (d *discrepancy) save(s *checkpoint.State) {
	checkpoint.Put(s, "epochs", d.epochs)
	if d.df != nil {
		checkpoint.Put(s, "distances", d.distances)
		checkpoint.Put(s, "average", d.average)
		checkpoint.Put(s, "layer weights", d.df.Weights)
	}
	if d.la != nil {
		checkpoint.Put(s, "mean activation", d.la.Value) // reported between two steps of G
	}
}

func (d *discrepancy) load(s *checkpoint.State) (err error) {
	if d.epochs, err = checkpoint.Get[int](s, "epochs"); err != nil {
		return err
	}
	if d.df != nil {
		for name, dst := range map[string][]float64{"distances": d.distances, "average": d.average, "layer weights": d.df.Weights} {
			if err := checkpoint.Fill(s, name, dst); err != nil {
				return err
			}
		}
	}
	if d.la != nil {
		d.la.Value, err = checkpoint.Get[float64](s, "mean activation")
	}
	return err
}
