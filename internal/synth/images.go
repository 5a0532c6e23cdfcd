package synth

import (
	"context"
	"fmt"

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
	Pixels  *preprocess.Spec
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
// They are kept as standardised pixels, (pixel - 120)/64, and moved back into the valid range behind every step.
type Images struct {
	o       ImageOptions
	h, w, c int
	prog    *engine.Program
	pixels  *engine.Param // of the batch
	adam    *engine.Adam
	terms   []engine.Term
	jitter  *engine.Jitter
	labels  []int
	classes int

	step int       // done, of all batches
	Done []float32 // finished images as the network takes them, [n, H, W, C]
	// Labels are the classes of finished images; nil for ZeroQ, which knows none.
	Labels []int
}

// NewImages prepares the optimisation of images of h x w x c; see adds the network to a graph.
func NewImages(o ImageOptions, h, w, c int, see func(g *engine.Graph, image *engine.Tensor) (Seen, error)) (*Images, error) {
	if o.Count < 1 || o.Batch < 1 || o.Steps < 1 {
		return nil, fmt.Errorf("%d images in batches of %d, %d steps", o.Count, o.Batch, o.Steps)
	}
	m := &Images{o: o, h: h, w: w, c: c, labels: make([]int, o.Batch)}
	g := engine.NewTrainingGraph()
	m.pixels = engine.NewParam("images", make([]float32, o.Batch*h*w*c), false)
	raw := g.Variable(m.pixels, h, w, c)
	x := paint(g, raw, o.Pixels, false)
	if o.Kind == DeepInversion {
		m.jitter = &engine.Jitter{}
		x = g.Jitter("jitter", x, m.jitter)
	}
	s, err := see(g, x)
	if err != nil {
		return nil, err
	}
	if len(s.PreNorm) == 0 {
		return nil, fmt.Errorf("no statistics to optimise images by")
	}
	if o.Kind == ZeroQ {
		m.zeroQ(g, raw, s)
	} else if err := m.deepInversion(g, x, s); err != nil {
		return nil, err
	}
	m.adam = engine.NewAdam([]*engine.Param{m.pixels}, o.LR, m.beta1(), 0.999)
	m.prog, err = g.Compile(engine.Spec{
		Batch: o.Batch, Objective: m.terms, WRT: []*engine.Param{m.pixels}, Threads: o.Threads, Profile: o.Profile,
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
func (m *Images) zeroQ(g *engine.Graph, raw *engine.Tensor, s Seen) {
	own := &engine.Stats{Mean: make([]float32, m.c), Var: make([]float32, m.c), Epsilon: 1e-6}
	for c := range own.Var {
		own.Var[c] = 1
	}
	at := append([]engine.PreNorm{{Tensor: raw, Stats: own}}, s.PreNorm...)
	m.terms = []engine.Term{{Loss: g.BNMatchImages("BN statistics", at), Coef: 1}}
}

// deepInversion adds DeepInversion's, without the terms whose factor is 0. x are the images as they were shifted.
func (m *Images) deepInversion(g *engine.Graph, x *engine.Tensor, s Seen) error {
	bn := g.BNMatchBy(engine.BNNorms, "BN statistics", s.PreNorm)
	bn.Weights[0] = 10
	add := func(coef float64, loss func() *engine.Loss) {
		if coef != 0 {
			m.terms = append(m.terms, engine.Term{Loss: loss(), Coef: coef})
		}
	}
	add(m.o.BN, func() *engine.Loss { return bn.Loss })
	add(m.o.TV, func() *engine.Loss { return g.TotalVariation("total variation", x) })
	add(m.o.L2, func() *engine.Loss { return g.MeanNorm("norm", x) })
	if s.Logits != nil {
		m.classes = s.Logits.Len()
		add(m.o.Class, func() *engine.Loss { return g.CrossEntropy("cross-entropy", s.Logits, m.labels, 0) })
	}
	if m.o.Compete != 0 && s.Student == nil {
		return fmt.Errorf("nobody to compete with")
	}
	const temperature = 3
	add(-m.o.Compete, func() *engine.Loss { return g.JensenShannon("divergence", s.Logits, s.Student, temperature) })
	if len(m.terms) == 0 {
		return fmt.Errorf("all terms of the images' objective are left out")
	}
	return nil
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
	random.New(m.o.Seed, uint64(batch), "images").Normal(m.pixels.Data)
	m.adam.Steps = 0
	clear(m.adam.M[0])
	clear(m.adam.V[0])
	m.clip()
}

// clip moves pixels into the valid range.
func (m *Images) clip() {
	const lo, hi = float32((0.0 - preprocess.PixelMean) / preprocess.PixelStd), float32((255.0 - preprocess.PixelMean) / preprocess.PixelStd)
	for i, v := range m.pixels.Data {
		m.pixels.Data[i] = min(max(v, lo), hi)
	}
	m.pixels.Changed()
}

// finish takes the images of a batch into those that are done.
func (m *Images) finish() {
	mul, add := m.o.Pixels.Affine()
	n := min(m.o.Batch, m.o.Count-len(m.Done)/(m.h*m.w*m.c))
	for i, v := range m.pixels.Data[:n*m.h*m.w*m.c] {
		pixel := float32(preprocess.PixelStd*v) + preprocess.PixelMean
		m.Done = append(m.Done, float32(mul[i%m.c]*pixel)+add[i%m.c])
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
	checkpoint.Put(s, "images pixels", m.pixels.Data)
	checkpoint.Put(s, "images adam steps", m.adam.Steps)
	checkpoint.Put(s, "images adam m", m.adam.M[0])
	checkpoint.Put(s, "images adam v", m.adam.V[0])
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
	for name, dst := range map[string][]float32{"images pixels": m.pixels.Data, "images adam m": m.adam.M[0], "images adam v": m.adam.V[0]} {
		if err := checkpoint.Fill(s, name, dst); err != nil {
			return err
		}
	}
	m.pixels.Changed()
	return nil
}
