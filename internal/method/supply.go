package method

import (
	"fmt"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/random"
	"zaq/internal/synth"
)

// Where images come from that nobody gave.
const (
	SourceGenerator     = "generator"     // a generator that learnt batch-normalization statistics; it goes on learning where a method lets it
	SourceZeroQ         = "zeroq"         // images optimised to those statistics, each by itself
	SourceDeepInversion = "deepinversion" // images optimised to them and to classes, in batches
	SourceStatistics    = "statistics"    // none: the statistics themselves say what activations are like
	SourceGiven         = "given"         // those of Options.Images
	SourceData          = "data"          // the labelled images that are trained on
)

// source is where a method takes images from unless it is told otherwise.
func (o *Options) source(own string) string {
	if o.Source == "" {
		return own
	}
	return o.Source
}

// stock are images that are there before the work begins, in the form that the network takes.
type stock struct {
	n      int
	x      []float32 // [n, H, W, C]; of several inputs see type inputs
	labels []int     // the class of each; nil where it is not known
}

// connect builds the graph images -> P, Q. The images are those of a generator where its options are given, and an
// input of the graph otherwise.
func (t *twins) connect(generator *synth.Options) error {
	in, err := t.o.Inputs(t.pNet)
	if err != nil {
		return err
	}
	t.g = engine.NewTrainingGraph()
	if generator != nil {
		g := *generator
		if g.Classes > 0 {
			t.labels = make([]int, t.o.Generator.Batch)
			g.Labels = t.labels
		}
		if t.gen, err = synth.NewGenerators(t.g, g, in, t.o.Seed); err != nil {
			return err
		}
		t.image = t.gen.Images
	} else if t.image, err = addInputs(t.g, t.pNet); err != nil {
		return err
	}
	return t.join()
}

// join adds P and Q behind the images.
func (t *twins) join() (err error) {
	if t.p, t.q, err = t.lower(t.g, t.image, nil, nil); err != nil {
		return err
	}
	t.ranges = newRanges(t.q.Sites)
	t.fixImageRange()
	if t.pOut, err = tensors(t.p, t.pNet.Outputs); err != nil {
		return err
	}
	if t.qOut, err = tensors(t.q, t.qNet.Outputs); err != nil {
		return err
	}
	features := nn.Features(t.pNet)
	if t.pFeat, err = tensors(t.p, features); err != nil {
		return err
	}
	for i, f := range features {
		features[i] = quantized(t.qNet, f)
	}
	t.qFeat, err = tensors(t.q, features)
	return err
}

// generator are the options of the generator that the user wants.
func (o *Options) generator() *synth.Options {
	return &synth.Options{Latent: o.Generator.Latent, NoClip: o.Generator.NoClip}
}

// fill readies a program that begins with the images for a step of a purpose, such as "warm up": noise for a
// generator, with labels where it has classes; else images of the stock, drawn at random.
func (t *twins) fill(p *engine.Program, step int, purpose string) {
	if t.real != nil {
		t.image.draw(p, func(dst []float32) { t.real.fill(dst, step) })
		return
	}
	if t.gen == nil {
		r := random.New(t.o.Seed, uint64(step), purpose)
		t.image.draw(p, func(dst []float32) { t.stock.draw(dst, t.labels, r) })
		return
	}
	t.gen.Draw(p, t.o.Seed, uint64(step), purpose)
	if t.gen.Classes > 0 {
		drawLabels(t.labels, t.gen.Classes, random.New(t.o.Seed, uint64(step), purpose+" labels"))
	}
}

func drawLabels(labels []int, classes int, r *random.Stream) {
	for i := range labels {
		labels[i] = r.Intn(classes)
	}
}

// draw fills dst with images drawn with replacement, and labels with theirs, where they are known.
func (s *stock) draw(dst []float32, labels []int, r *random.Stream) {
	size := len(s.x) / s.n
	for i := range len(dst) / size {
		k := r.Intn(s.n)
		copy(dst[i*size:(i+1)*size], s.x[k*size:])
		if s.labels != nil {
			labels[i] = s.labels[k]
		}
	}
}

// take makes images the stock of the twins. Some of them are held back from training, to compare P and Q by.
func (t *twins) take(s *stock) error {
	if s.n == 0 || len(s.x) != s.n*t.image.Len() {
		return fmt.Errorf("%d numbers are no %d images of %d", len(s.x), s.n, t.image.Len())
	}
	t.stock = s
	return nil
}

// heldShare is the share of a stock that is held back.
const heldShare = 8

// split divides a stock into images to train on and those held back; one of a single image is both.
func (s *stock) split() (train, held *stock) {
	n := s.n - s.n/heldShare
	if n == s.n {
		return s, s
	}
	size := len(s.x) / s.n
	train, held = &stock{n: n, x: s.x[:n*size]}, &stock{n: s.n - n, x: s.x[n*size:]}
	if s.labels != nil {
		train.labels, held.labels = s.labels[:n], s.labels[n:]
	}
	return train, held
}
