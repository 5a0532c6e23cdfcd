package method

import (
	"context"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/synth"
)

// twins are the frozen network P and its quantized twin Q behind one source of images.
type twins struct {
	o          *Options
	pNet, qNet *nn.Network
	placement  *nn.Placement
	float      [][]float32 // the placement's weights before anything was rounded or trained

	g      *engine.Graph
	image  inputs            // what P and Q see
	gen    *synth.Generators // make them; nil where they come from stock
	stock  *stock
	real   *batches // labelled images that Q is trained on, in place of the stock; nil: none
	labels []int    // of the images of a step; nil where they have none

	p, q   *engine.Lowered
	ranges *ranges
	fit    *weightFit // of weights that are rounded anew at every step; nil where they lie on their grids for good

	pOut, qOut   []*engine.Tensor // the networks' outputs
	pFeat, qFeat []*engine.Tensor
}

// newTwins prepares net, places quantizers in a copy, and builds the graph generator -> P, Q, in which Q's weights are
// rounded anew whenever they change.
func newTwins(ctx context.Context, net *nn.Network, o *Options) (*twins, error) {
	return newTwinsBehind(ctx, net, o, o.generator())
}

// newTwinsBehind is newTwins behind a generator of the given options or, where there are none, behind images.
func newTwinsBehind(ctx context.Context, net *nn.Network, o *Options, generator *synth.Options) (*twins, error) {
	t := &twins{o: o, fit: newWeightFit(o.MSE)}
	var err error
	if t.pNet, err = prepare(net); err != nil {
		return nil, err
	}
	if !declaresStats(t.pNet) && o.Images != nil {
		if err := measureStats(ctx, t.pNet, o.Images, o.Threads); err != nil {
			return nil, err
		}
	}
	twin := t.pNet.Clone()
	nn.Unfold(twin)
	if t.qNet, t.placement, err = place(twin, *o); err != nil {
		return nil, err
	}
	for _, w := range t.placement.Weights {
		t.fit.search(w.Quantizer, w.Value.Data, w.Value.Shape[0])
	}
	t.begin()
	return t, t.connect(generator)
}

// Where the weights of a network that is trained begin.
const (
	StartSQuant = "squant" // as SQuant rounds them
	StartFloat  = "float"  // as they are in the float network
)

// begin moves Q's weights to where they start, and corrects its biases for what rounding them does. Steps that come from
// images that are not real find neither as well.
func (t *twins) begin() {
	settle := settling(nearest)
	if t.o.Start == StartSQuant {
		settle = flip
	}
	t.round(settle, t.fit, nn.Distributions(t.qNet, t.o.inputDistributions(t.qNet)))
	if t.o.Start == StartSQuant {
		return
	}
	for i, w := range t.placement.Weights {
		copy(w.Value.Data, t.float[i])
	}
}

// keepFloat remembers the weights as they are.
func (t *twins) keepFloat() {
	for _, w := range t.placement.Weights {
		t.float = append(t.float, slices.Clone(w.Value.Data))
	}
}

// fixImageRange gives the quantizers of the images, where there are any, ranges that do not depend on what is generated.
func (t *twins) fixImageRange() {
	inputs := t.o.inputRanges(t.qNet)
	for _, s := range t.placement.Activations {
		if r, ok := inputs[s.Tensor]; ok {
			t.ranges.fix(s.Quantizer, r[0], r[1])
		}
	}
}

// lower adds P and Q to a graph; what is given is shared.
func (t *twins) lower(g *engine.Graph, x inputs, p, q *engine.Lowered) (*engine.Lowered, *engine.Lowered, error) {
	in, err := x.of(t.pNet)
	if err != nil {
		return nil, nil, err
	}
	p, err = engine.Lower(g, t.pNet, in, engine.LowerOptions{Share: p, Prefix: "P "})
	if err != nil {
		return nil, nil, err
	}
	o := engine.LowerOptions{Share: q, PassThrough: t.o.Tune.PassGrad, Prefix: "Q "}
	if t.fit != nil {
		o.RoundWeights, o.Fit = true, t.fit.fit
	}
	q, err = engine.Lower(g, t.qNet, in, o)
	return p, q, err
}

// hasStats reports whether there are statistics to guide the images.
func (t *twins) hasStats() bool {
	return len(t.p.PreNorm) > 0
}
