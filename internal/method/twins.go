package method

import (
	"slices"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/random"
	"zaq/internal/synth"
)

// twins are the frozen network P and its quantized twin Q behind one source of images.
type twins struct {
	o          *Options
	pNet, qNet *nn.Network
	placement  *nn.Placement
	float      [][]float32 // the placement's weights before anything was rounded or trained

	g      *engine.Graph
	gen    *synth.Generator
	p, q   *engine.Lowered
	ranges *ranges
	fit    *weightFit

	pOut, qOut   []*engine.Tensor // the networks' outputs
	pFeat, qFeat []*engine.Tensor
}

// newTwins prepares net, places quantizers in a copy, and builds the graph generator -> P, Q.
func newTwins(net *nn.Network, o *Options) (*twins, error) {
	t := &twins{o: o, fit: newWeightFit(o.MSE)}
	var err error
	if t.pNet, err = prepare(net); err != nil {
		return nil, err
	}
	if t.qNet, t.placement, err = place(t.pNet, *o); err != nil {
		return nil, err
	}
	for _, w := range t.placement.Weights {
		t.fit.search(w.Quantizer, w.Value.Data, w.Value.Shape[0])
		t.float = append(t.float, slices.Clone(w.Value.Data))
	}
	_, channels, height, width, err := t.pNet.ImageInput()
	if err != nil {
		return nil, err
	}
	t.g = engine.NewTrainingGraph()
	t.gen, err = synth.NewGenerator(t.g, synth.Options{
		Channels: channels, Height: height, Width: width, Latent: o.Generator.Latent, Pixels: o.Pixels, NoClip: o.Generator.NoClip,
	}, random.New(o.Seed, 0, "generator weights"))
	if err != nil {
		return nil, err
	}
	if t.p, t.q, err = t.lower(t.g, t.gen.Image, nil, nil); err != nil {
		return nil, err
	}
	t.ranges = newRanges(t.q.Sites)
	t.fixImageRange()
	if t.pOut, err = tensors(t.p, t.pNet.Outputs); err != nil {
		return nil, err
	}
	if t.qOut, err = tensors(t.q, t.qNet.Outputs); err != nil {
		return nil, err
	}
	features := nn.Features(t.pNet)
	if t.pFeat, err = tensors(t.p, features); err != nil {
		return nil, err
	}
	for i, f := range features {
		features[i] = quantized(t.qNet, f)
	}
	t.qFeat, err = tensors(t.q, features)
	return t, err
}

// fixImageRange gives the quantizer of the image, where there is one, the range from black to white: generated
// images are less bright than real ones, which would be clipped.
func (t *twins) fixImageRange() {
	for _, s := range t.placement.Activations {
		if s.Tensor != t.qNet.Inputs[0] {
			continue
		}
		lo, hi := t.o.Pixels.PixelRange()
		t.ranges.fix(s.Quantizer, slices.Min(lo), slices.Max(hi))
	}
}

// lower adds P and Q to a graph; what is given is shared.
func (t *twins) lower(g *engine.Graph, x *engine.Tensor, p, q *engine.Lowered) (*engine.Lowered, *engine.Lowered, error) {
	p, err := engine.Lower(g, t.pNet, map[string]*engine.Tensor{t.pNet.Inputs[0]: x}, engine.LowerOptions{Share: p, Prefix: "P "})
	if err != nil {
		return nil, nil, err
	}
	q, err = engine.Lower(g, t.qNet, map[string]*engine.Tensor{t.qNet.Inputs[0]: x}, engine.LowerOptions{
		Share: q, RoundWeights: true, Fit: t.fit.fit, PassThrough: t.o.ZAQ.PassGrad, Prefix: "Q ",
	})
	return p, q, err
}

// noise fills z for a step of a purpose, such as "warm up".
func (t *twins) noise(z []float32, step int, purpose string) {
	random.New(t.o.Seed, uint64(step), purpose).Normal(z)
}

// hasStats reports whether there are statistics to guide the generator.
func (t *twins) hasStats() bool {
	return len(t.p.PreNorm) > 0
}
