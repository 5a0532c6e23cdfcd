package method

import (
	"context"
	"fmt"
	"math"

	"zaq/internal/nn"
	"zaq/internal/preprocess"
	"zaq/internal/quant"
)

// recipe is what methods that do not train differ in. Any of them can have its ranges from any source of images, or from
// statistics alone.
type recipe struct {
	source string // of ranges, unless the options say another

	// change rewrites the float network, as a function the same; nil: nothing.
	change func(n *nn.Network) error
	settle settling
}

// settling chooses the grid of a weight, as fit says, and moves the weight onto it.
type settling func(w *nn.WeightSite, fit *weightFit)

// post quantizes a network without training it: weights come onto their grids, biases take back what that does to means,
// and ranges are found.
func post(ctx context.Context, net *nn.Network, o Options, r recipe) (*Result, error) {
	t := &twins{o: &o}
	var err error
	if t.pNet, err = prepare(net); err != nil {
		return nil, err
	}
	source := o.source(r.source)
	o.Source = source
	if !declaresStats(t.pNet) {
		if o.Images == nil {
			return nil, ErrNoBatchNorm
		}
		if err := measureStats(ctx, t.pNet, o.Images, o.Threads); err != nil {
			return nil, err
		}
	}
	if o.Budget != nil {
		if o.Images == nil {
			made, err := Synthesize(ctx, net, o, o.Generator.Batches*o.Generator.Batch, false)
			if err != nil {
				return nil, err
			}
			o.Images = made.X
		}
		if o.Place.Bits, err = distribute(ctx, t.pNet, o); err != nil {
			return nil, err
		}
	}
	if r.change != nil {
		if o.Images == nil && source != SourceStatistics { // those are made against the network as it was
			made, err := Synthesize(ctx, net, o, o.Generator.Batches*o.Generator.Batch, false)
			if err != nil {
				return nil, err
			}
			o.Images = made.X
		}
		if err := r.change(t.pNet); err != nil {
			return nil, err
		}
	}
	if t.qNet, t.placement, err = place(t.pNet, o); err != nil {
		return nil, err
	}
	known := nn.Distributions(t.qNet, o.inputDistributions(t.qNet))
	t.round(r.settle, newWeightFit(o.MSE), known)
	if o.Images == nil && source == SourceStatistics {
		if err := t.rangesFrom(known); err != nil {
			return nil, err
		}
		return t.unseen(), ctx.Err()
	}
	return t.calibrated(ctx, source)
}

// declaresStats reports whether there are statistics to go by.
func declaresStats(n *nn.Network) bool {
	for _, v := range n.Values {
		if v.Stats != nil {
			return true
		}
	}
	return false
}

// imageDistribution is that of natural images as the network takes them.
func imageDistribution(pixels *preprocess.Spec) *nn.Distribution {
	mul, add := pixels.Affine()
	s := &nn.Stats{}
	for c := range mul {
		s.Mean = append(s.Mean, float32(mul[c]*preprocess.PixelMean)+add[c])
		s.Std = append(s.Std, float32(math.Abs(float64(mul[c])))*preprocess.PixelStd)
	}
	d := nn.NormalDistribution(s)
	lo, hi := pixels.PixelRange()
	for c := range lo {
		d.Lo[c], d.Hi[c] = float64(lo[c]), float64(hi[c])
	}
	return d
}

// round moves all weights onto their grids. Unless told otherwise, biases are corrected for what that does to the mean of
// each output channel,
//
//	b -= sum over inputs and kernel of (w' - w) * E[x],
//
// with the expectations that follow from statistics (Nagel et al. 2019, section 4.2).
func (t *twins) round(settle settling, fit *weightFit, known map[string]*nn.Distribution) {
	t.keepFloat()
	settled := map[*nn.Value]bool{}
	for _, w := range t.placement.Weights {
		if !settled[w.Value] { // layers can share one
			settle(w, fit)
			settled[w.Value] = true
		}
	}
	if t.o.KeepBias {
		return
	}
	for i, w := range t.placement.Weights {
		if x := known[w.Layer.In[0]]; x != nil {
			moved := make([]float32, len(t.float[i]))
			for k, v := range t.float[i] {
				moved[k] = v - w.Value.Data[k]
			}
			t.qNet.Shift(w.Layer, t.qNet.Expected(w.Layer, moved, x))
		}
	}
}

// calibrated finds ranges on images of the source, or on the user's own, and measures what it all costs.
func (t *twins) calibrated(ctx context.Context, source string) (*Result, error) {
	o := t.o
	prep, err := t.behind(source)
	if err != nil {
		return nil, err
	}
	if prep != nil {
		if err := t.prepared(ctx, prep); err != nil {
			return nil, err
		}
	}
	if err := t.calibrate(ctx); err != nil {
		return nil, err
	}
	var m *images
	switch {
	case o.Images != nil:
		m, err = t.look(ctx, o.Images)
	case t.gen != nil:
		m, err = t.paint(ctx, o.heldBack(), "held back")
	default:
		m, err = t.look(ctx, t.stock.x)
	}
	if err != nil {
		return nil, err
	}
	return t.result(ctx, m)
}

// behind connects P and Q with a source of images, and returns what has to be done before there are any.
func (t *twins) behind(source string) (preparation, error) {
	switch {
	case t.o.Images != nil:
		return nil, t.connect(nil)
	case source == SourceGenerator:
		if err := t.connect(t.o.generator()); err != nil {
			return nil, err
		}
		return newWarmup(t), nil
	case source == SourceZeroQ, source == SourceDeepInversion:
		if err := t.connect(nil); err != nil {
			return nil, err
		}
		return newMaking(t, source)
	}
	return nil, fmt.Errorf("no ranges from %s without training", source)
}

// unseen is the result where there is no image on which outputs could be compared.
func (t *twins) unseen() *Result {
	r := &Result{Net: t.qNet, Placement: t.placement}
	for i, w := range t.placement.Weights {
		r.Costs = append(r.Costs, Cost{Layer: w.Layer, WeightSQNR: quant.SQNR(t.float[i], w.Value.Data)})
	}
	return r
}

// rangesFrom sets activation ranges from what is known of the tensors without images. Observers see quantiles of each
// channel's distribution, as many of each; "sigma" takes the smallest and the largest of mean -+ 6 deviations of all
// channels, within their limits (DFQ: Nagel et al. 2019).
func (t *twins) rangesFrom(known map[string]*nn.Distribution) error {
	inputs := t.o.inputRanges(t.qNet)
	for _, s := range t.placement.Activations {
		if r, ok := inputs[s.Tensor]; ok {
			s.Quantizer.SetRange(0, r[0], r[1])
			continue
		}
		if s.Tied {
			continue
		}
		d := known[s.Tensor]
		if d == nil {
			return &UnknownRangeError{s.Tensor}
		}
		if t.o.Observer == "sigma" {
			lo, hi := widest(d)
			s.Quantizer.SetRange(0, lo, hi)
			continue
		}
		observer, err := newObserver(t.o.Observer, s.Quantizer.Scheme)
		if err != nil {
			return err
		}
		observer.Observe(quantiles(d))
		lo, hi := observer.Range()
		s.Quantizer.SetRange(0, lo, hi)
	}
	return nil
}

// UnknownRangeError names a tensor about whose values statistics say nothing.
type UnknownRangeError struct{ Tensor string }

func (e *UnknownRangeError) Error() string {
	return fmt.Sprintf("statistics say nothing about the range of tensor %q", e.Tensor)
}

func widest(d *nn.Distribution) (lo, hi float32) {
	for c, m := range d.Mean {
		lo = min(lo, float32(max(d.Lo[c], m-nn.Sigmas*d.Std[c])))
		hi = max(hi, float32(min(d.Hi[c], m+nn.Sigmas*d.Std[c])))
	}
	return lo, hi
}

// quantiles returns values that are distributed as the channels of d are together.
func quantiles(d *nn.Distribution) []float32 {
	const all, least, most = 1 << 18, 1 << 8, 1 << 12
	n := min(max(all/len(d.Mean), least), most)
	x := make([]float32, 0, n*len(d.Mean))
	z := make([]float64, n)
	for i := range z {
		z[i] = math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(n)-1)
	}
	for c, m := range d.Mean {
		for _, v := range z {
			x = append(x, float32(min(max(m+float64(d.Std[c]*v), d.Lo[c]), d.Hi[c])))
		}
	}
	return x
}
