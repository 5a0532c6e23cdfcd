package method

import (
	"math"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/metric"
	"zaq/internal/nn"
	"zaq/internal/quant"
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
	shape := t.pNet.Values[t.pNet.Inputs[0]].Shape
	t.g = engine.NewGraph()
	t.gen, err = synth.NewGenerator(t.g, synth.Options{
		Channels: shape[1], Height: shape[2], Width: shape[3], Latent: o.Generator.Latent, Pixels: o.Pixels, NoClip: o.Generator.NoClip,
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
	p, err := engine.Lower(g, t.pNet, map[string]*engine.Tensor{t.pNet.Inputs[0]: x}, engine.LowerOptions{Share: p})
	if err != nil {
		return nil, nil, err
	}
	q, err = engine.Lower(g, t.qNet, map[string]*engine.Tensor{t.qNet.Inputs[0]: x}, engine.LowerOptions{
		Share: q, RoundWeights: true, Fit: t.fit.fit, PassThrough: t.o.ZAQ.PassGrad,
	})
	return p, q, err
}

// noise fills z for a step of a purpose, such as "warm up".
func (t *twins) noise(z []float32, step int, purpose string) {
	random.New(t.o.Seed, uint64(step), purpose).Normal(z)
}

// images are a batch, or several, in the form that the network takes, with what P says of them.
type images struct {
	n      int
	x      []float32 // [n, H, W, C]
	logits []float32 // P's first output
}

// paint makes n images with the generator as it is.
func (t *twins) paint(n int, purpose string) (*images, error) {
	batch := t.o.Generator.Batch
	p, err := t.g.Compile(engine.Spec{Batch: batch, Outputs: []*engine.Tensor{t.gen.Image, t.pOut[0]}, Threads: t.o.Threads})
	if err != nil {
		return nil, err
	}
	m := &images{n: n}
	for i := 0; len(m.x) < n*t.gen.Image.Len(); i++ {
		t.noise(p.Data(t.gen.Z), i, purpose)
		p.Run()
		m.x = append(m.x, p.Data(t.gen.Image)...)
		m.logits = append(m.logits, p.Data(t.pOut[0])...)
	}
	m.x, m.logits = m.x[:n*t.gen.Image.Len()], m.logits[:n*t.pOut[0].Len()]
	return m, nil
}

// look takes the first of given images, with what P says of them.
func (t *twins) look(x []float32) (*images, error) {
	size := t.gen.Image.Len()
	m := &images{n: min(len(x)/size, heldBack)}
	m.x = x[:m.n*size]
	v, err := t.viewer(min(t.o.Generator.Batch, m.n), nil)
	if err != nil {
		return nil, err
	}
	v.each(m, func(n int) { m.logits = append(m.logits, v.prog.Data(v.pOut)[:n*v.pOut.Len()]...) })
	return m, nil
}

// viewer shows given images to P and Q.
type viewer struct {
	prog *engine.Program
	in   *engine.Tensor
	p, q *engine.Lowered
	pOut *engine.Tensor
	qOut *engine.Tensor
}

// viewer compiles one; it keeps the tensors that Q names as in keep, of both networks, as well as the outputs.
func (t *twins) viewer(batch int, keep []string) (*viewer, error) {
	v := &viewer{}
	g := engine.NewGraph()
	im := t.gen.Image
	v.in = g.Input("images", im.H, im.W, im.C)
	var err error
	if v.p, v.q, err = t.lower(g, v.in, t.p, t.q); err != nil {
		return nil, err
	}
	v.pOut, v.qOut = v.p.Tensors[t.pNet.Outputs[0]], v.q.Tensors[t.qNet.Outputs[0]]
	outputs := []*engine.Tensor{v.pOut, v.qOut}
	for _, k := range keep {
		outputs = append(outputs, v.p.Tensors[t.original(k)], v.q.Tensors[k])
	}
	v.prog, err = g.Compile(engine.Spec{Batch: batch, Outputs: outputs, Threads: t.o.Threads})
	return v, err
}

// original returns P's name of Q's tensor: where an output of the network is quantized, the quantizer took over
// its name.
func (t *twins) original(name string) string {
	if t.pNet.Values[name] == nil {
		return quantized(t.qNet, name)
	}
	return name
}

// agreement returns the share of images that P and Q put into the same class; for outputs that are maps, the share
// of positions with the same strongest channel.
func (v *viewer) agreement(m *images) float64 {
	var got []float32
	v.each(m, func(n int) { got = append(got, v.prog.Data(v.qOut)[:n*v.qOut.Len()]...) })
	return metric.Agreement(m.logits, got, v.qOut.C)
}

// each shows the images, a batch at a time; f is called behind each with the number of images that count.
func (v *viewer) each(m *images, f func(n int)) {
	size, batch := v.in.Len(), v.prog.Batch()
	for i := 0; i < m.n; i += batch {
		n := min(batch, m.n-i)
		copy(v.prog.Data(v.in), m.x[i*size:(i+n)*size])
		v.prog.Run()
		f(n)
	}
}

// costs measures the output of every layer with weights on generated images.
func (t *twins) costs(m *images) ([]Cost, error) {
	var keep []string
	for _, w := range t.placement.Weights {
		keep = append(keep, w.Layer.Out[0])
	}
	batch := min(32, m.n)
	v, err := t.viewer(batch, keep)
	if err != nil {
		return nil, err
	}
	copy(v.prog.Data(v.in), m.x[:batch*v.in.Len()])
	v.prog.Run()
	var costs []Cost
	for _, w := range t.placement.Weights {
		name := w.Layer.Out[0]
		costs = append(costs, Cost{
			Layer:      w.Layer,
			OutputSQNR: quant.SQNR(v.prog.Data(v.p.Tensors[t.original(name)]), v.prog.Data(v.q.Tensors[name])),
		})
	}
	return costs, nil
}

// result stores what was trained into Q's network.
func (t *twins) result(m *images) (*Result, error) {
	costs, err := t.costs(m)
	if err != nil {
		return nil, err
	}
	v, err := t.viewer(t.o.Generator.Batch, nil)
	if err != nil {
		return nil, err
	}
	t.q.Store()
	for i, w := range t.placement.Weights {
		w.Round() // so that folding a factor into weight and scale cannot move an integer
		costs[i].WeightSQNR = quant.SQNR(t.float[i], w.Value.Data)
	}
	return &Result{Net: t.qNet, Placement: t.placement, Costs: costs, Agreement: v.agreement(m)}, nil
}

// hasStats reports whether there are statistics to guide the generator.
func (t *twins) hasStats() bool {
	return len(t.p.PreNorm) > 0 && !math.IsNaN(float64(t.p.PreNorm[0].Stats.Var[0]))
}
