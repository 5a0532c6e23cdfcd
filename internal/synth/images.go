package synth

import (
	"context"
	"fmt"
	"math"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// The ways to optimise images.
const (
	ZeroQ         = "zeroq"         // each image by itself: Cai et al. (2020)
	DeepInversion = "deepinversion" // batches, with classes: Yin et al. (2020)
)

// ImageOptions say how images are optimised against a network.
type ImageOptions struct {
	Kind  string // ZeroQ or DeepInversion
	Count int    // images, made in batches of Batch
	Batch int
	Steps int     // of Adam, for each batch
	LR    float64 // at first; it falls along half a cosine

	// Factors of DeepInversion's terms.
	Class   float64 // cross-entropy of a class drawn for each image
	TV, L2  float64 // total variation and norm of the images
	BN      float64 // statistics, the first layer ten times
	Compete float64 // 1 less the divergence of what the network and its quantized twin answer
	Shift   int     // largest shift of an image, in pixels, before the network sees it

	Seed    uint64
	Threads int
	Profile *engine.Profile
}

// Seen is what a network makes of images in a graph.
type Seen struct {
	PreNorm []engine.PreNorm // statistics to be matched
	Logits  *engine.Tensor   // nil where it has no classes
	Student *engine.Tensor   // the logits of its quantized twin; nil where there is none
}

// Images are optimised, batch by batch: the pixels themselves are trained until the statistics that they cause inside a
// network are those that its batch normalizations remember.
//
// They are kept as standardised pixels, (pixel - 120)/64, and moved back into the valid range behind every step. An image of a
// network with several inputs is what all of them take at once; vectors stay the noise that they are drawn as.
type Images struct {
	o       ImageOptions
	inputs  []Input
	size    int // numbers of an image, those of all inputs
	prog    *engine.Program
	pixels  []*engine.Param // of the batch, for each input
	adam    *engine.Adam    // of those of maps
	terms   []engine.Term
	jitter  *engine.Jitter
	labels  []int
	classes int

	step int // done, of all batches
	// Done are finished images as the network takes them: of each the numbers [H, W, C] of all inputs, one input behind the
	// other.
	Done []float32
	// Labels are the classes of finished images; nil where they were not made of any, as those of ZeroQ.
	Labels []int
}

// NewImages prepares the optimisation of images for a network with the given inputs; see adds it to a graph.
func NewImages(o ImageOptions, inputs []Input, see func(g *engine.Graph, images []*engine.Tensor) (Seen, error)) (*Images, error) {
	if o.Count < 1 || o.Batch < 1 || o.Steps < 1 {
		return nil, fmt.Errorf("%d images in batches of %d, %d steps", o.Count, o.Batch, o.Steps)
	}
	m := &Images{o: o, inputs: inputs, labels: make([]int, o.Batch)}
	if o.Kind == DeepInversion {
		m.jitter = &engine.Jitter{}
	}
	g := engine.NewTrainingGraph()
	var all, maps []*engine.Tensor // what the network sees, and of maps the standardised pixels
	var trained []*engine.Param
	for i, in := range inputs {
		n := in.H * in.W * in.C
		pixels := engine.NewParam(nth("images", i), make([]float32, o.Batch*n), false)
		m.pixels, m.size = append(m.pixels, pixels), m.size+n
		v := g.Variable(pixels, in.H, in.W, in.C)
		if in.Vector {
			all = append(all, v)
			continue
		}
		trained = append(trained, pixels)
		if m.jitter != nil {
			v = g.Jitter("jitter", v, m.jitter)
		}
		maps, all = append(maps, v), append(all, paint(g, v, in.Pixels, false))
	}
	s, err := see(g, all)
	if err != nil {
		return nil, err
	}
	if len(s.PreNorm) == 0 {
		return nil, fmt.Errorf("no statistics to optimise images by")
	}
	if o.Kind == ZeroQ {
		m.zeroQ(g, maps, s)
	} else if err := m.deepInversion(g, maps, s); err != nil {
		return nil, err
	}
	m.adam = engine.NewAdam(trained, o.LR, m.beta1(), 0.999)
	m.prog, err = g.Compile(engine.Spec{
		Batch: o.Batch, Objective: m.terms, WRT: trained, Threads: o.Threads, Profile: o.Profile,
	})
	return m, err
}

// beta1 is Adam's: DeepInversion's images change faster.
func (m *Images) beta1() float64 {
	if m.o.Kind == DeepInversion {
		return 0.5
	}
	return 0.9
}

// zeroQ adds ZeroQ's objective: the statistics of each image, those of its own pixels among them.
func (m *Images) zeroQ(g *engine.Graph, maps []*engine.Tensor, s Seen) {
	var at []engine.PreNorm
	for _, x := range maps {
		own := &engine.Stats{Mean: make([]float32, x.C), Var: make([]float32, x.C), Epsilon: 1e-6}
		for c := range own.Var {
			own.Var[c] = 1
		}
		at = append(at, engine.PreNorm{Tensor: x, Stats: own})
	}
	at = append(at, s.PreNorm...)
	m.terms = []engine.Term{{Loss: g.BNMatchImages("BN statistics", at), Coef: 1}}
}

// deepInversion adds DeepInversion's, without the terms whose factor is 0. maps are the images of each input as they were
// shifted.
//
// Factors were published for networks of standardised pixels. So that they mean the same to one that takes 0..255, whose first
// layer is as much larger, statistics are in units of their layer's deviation, and smoothness and norm those of standardised
// pixels: all else would drown the classes.
func (m *Images) deepInversion(g *engine.Graph, maps []*engine.Tensor, s Seen) error {
	bn := g.BNMatchBy(engine.BNNorms, "BN statistics", s.PreNorm)
	bn.Weights[0] = 10
	for l, at := range s.PreNorm {
		bn.Scales[l] = deviation(at.Stats)
	}
	add := func(coef float64, loss func() *engine.Loss) {
		if coef != 0 {
			m.terms = append(m.terms, engine.Term{Loss: loss(), Coef: coef})
		}
	}
	add(m.o.BN, func() *engine.Loss { return bn.Loss })
	for _, x := range maps {
		add(m.o.TV, func() *engine.Loss { return g.TotalVariation("total variation", x) })
		add(m.o.L2, func() *engine.Loss { return g.MeanNorm("norm", x) })
	}
	if s.Logits != nil && m.o.Class != 0 {
		m.classes = s.Logits.Len()
		add(m.o.Class, func() *engine.Loss { return g.CrossEntropy("cross-entropy", s.Logits, m.labels, 0) })
	}
	if m.o.Compete != 0 && s.Student == nil {
		return fmt.Errorf("the network has no classes about which its quantized twin could disagree")
	}
	const temperature = 3
	add(-m.o.Compete, func() *engine.Loss { return g.JensenShannon("divergence", s.Logits, s.Student, temperature) })
	if len(m.terms) == 0 {
		return fmt.Errorf("all terms of the images' objective are left out")
	}
	return nil
}

// deviation is that of a layer's channels: the root of their mean variance. One for each would give those that are nearly
// constant, of which networks have some, more weight than all others.
func deviation(s *engine.Stats) float64 {
	sum := float64(s.Epsilon) // which is in every channel's, and keeps it above 0
	for _, v := range s.Var {
		sum += float64(v) / float64(len(s.Var))
	}
	return math.Sqrt(sum)
}

// Total is the number of steps for all batches, and Step that of those done.
func (m *Images) Total() int { return m.o.Steps * m.batches() }

// Step is the number of steps done.
func (m *Images) Step() int { return m.step }

func (m *Images) batches() int { return (m.o.Count + m.o.Batch - 1) / m.o.Batch }

// Run takes the steps that are left; after is called behind each, with the losses of the objective.
func (m *Images) Run(ctx context.Context, after func(terms []engine.Term) error) error {
	for m.step < m.Total() {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.next()
		if err := after(m.terms); err != nil {
			return err
		}
	}
	return nil
}

func (m *Images) next() {
	batch, step := m.step/m.o.Steps, m.step%m.o.Steps
	m.draw(batch)
	if step == 0 {
		m.begin(batch)
	}
	if m.jitter != nil {
		r := random.New(m.o.Seed, uint64(m.step), "jitter")
		*m.jitter = engine.Jitter{DY: r.Intn(2*m.o.Shift+1) - m.o.Shift, DX: r.Intn(2*m.o.Shift+1) - m.o.Shift, Mirror: r.Intn(2) == 1}
	}
	m.prog.Run()
	m.adam.LR = m.o.LR * engine.Cosine(step, m.o.Steps)
	m.adam.Step()
	m.clip()
	m.step++
	if step+1 == m.o.Steps {
		m.finish()
	}
}

// draw sets the classes of a batch.
func (m *Images) draw(batch int) {
	if m.classes == 0 {
		return
	}
	r := random.New(m.o.Seed, uint64(batch), "image classes")
	for i := range m.labels {
		m.labels[i] = r.Intn(m.classes)
	}
}

// begin starts a batch from noise.
func (m *Images) begin(batch int) {
	for i, p := range m.pixels {
		random.New(m.o.Seed, uint64(batch), nth("images", i)).Normal(p.Data)
	}
	m.adam.Steps = 0
	for i := range m.adam.M {
		clear(m.adam.M[i])
		clear(m.adam.V[i])
	}
	m.clip()
}

// clip moves pixels into the valid range. Other numbers have none.
func (m *Images) clip() {
	const lo, hi = float32((0.0 - preprocess.PixelMean) / preprocess.PixelStd), float32((255.0 - preprocess.PixelMean) / preprocess.PixelStd)
	for i, p := range m.pixels {
		if m.inputs[i].Pixels != nil {
			for k, v := range p.Data {
				p.Data[k] = min(max(v, lo), hi)
			}
		}
		p.Changed()
	}
}

// finish takes the images of a batch into those that are done.
func (m *Images) finish() {
	n := min(m.o.Batch, m.o.Count-len(m.Done)/m.size)
	for image := range n {
		for i, in := range m.inputs {
			each := in.H * in.W * in.C
			numbers := m.pixels[i].Data[image*each : (image+1)*each]
			if in.Pixels == nil {
				m.Done = append(m.Done, numbers...)
				continue
			}
			mul, add := in.Pixels.Affine()
			for k, v := range numbers {
				pixel := float32(preprocess.PixelStd*v) + preprocess.PixelMean
				m.Done = append(m.Done, float32(mul[k%in.C]*pixel)+add[k%in.C])
			}
		}
	}
	if m.classes > 0 {
		m.Labels = append(m.Labels, m.labels[:n]...)
	}
}

// Save writes the state between two steps.
func (m *Images) Save(s *checkpoint.State) {
	checkpoint.Put(s, "images step", m.step)
	checkpoint.Put(s, "images done", m.Done)
	checkpoint.Put(s, "images labels", m.Labels)
	checkpoint.Put(s, "images adam steps", m.adam.Steps)
	for _, a := range m.arrays() {
		checkpoint.Put(s, a.name, a.data)
	}
}

// array is a part of the running batch's state.
type array struct {
	name string // in a checkpoint
	data []float32
}

func (m *Images) arrays() (all []array) {
	for i, p := range m.pixels {
		all = append(all, array{nth("images pixels", i), p.Data})
	}
	for i := range m.adam.M {
		all = append(all, array{nth("images adam m", i), m.adam.M[i]}, array{nth("images adam v", i), m.adam.V[i]})
	}
	return all
}

// Load is the way back.
func (m *Images) Load(s *checkpoint.State) (err error) {
	if m.step, err = checkpoint.Get[int](s, "images step"); err != nil {
		return err
	}
	if m.Done, err = checkpoint.Get[[]float32](s, "images done"); err != nil {
		return err
	}
	if m.Labels, err = checkpoint.Get[[]int](s, "images labels"); err != nil {
		return err
	}
	if len(m.Labels) == 0 {
		m.Labels = nil
	}
	if m.adam.Steps, err = checkpoint.Get[int](s, "images adam steps"); err != nil {
		return err
	}
	for _, a := range m.arrays() {
		if err := checkpoint.Fill(s, a.name, a.data); err != nil {
			return err
		}
	}
	for _, p := range m.pixels {
		p.Changed()
	}
	return nil
}
