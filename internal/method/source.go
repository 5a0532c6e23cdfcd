package method

import (
	"context"
	"fmt"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
	"zaq/internal/metric"
	"zaq/internal/nn"
	"zaq/internal/synth"
)

// preparation is what comes before Q's ranges: a generator is warmed up, or images are optimised.
type preparation interface {
	// run takes the remaining steps; after is called behind each.
	run(ctx context.Context, after func() error) error
	save(s *checkpoint.State)
	load(s *checkpoint.State) error
}

// supplied returns twins for a method that trains on images of o's source, a generator of the given options unless o
// says another, and what is to be done first; the caller makes a warm-up of the generator.
func supplied(ctx context.Context, net *nn.Network, o *Options, generator *synth.Options) (*twins, preparation, error) {
	switch s := o.source(SourceGenerator); s {
	case SourceGenerator:
		t, err := newTwinsBehind(ctx, net, o, generator)
		return t, nil, err
	case SourceZeroQ, SourceDeepInversion:
		t, err := newTwinsBehind(ctx, net, o, nil)
		if err != nil {
			return nil, nil, err
		}
		m, err := newMaking(t, s)
		return t, m, err
	case SourceGiven:
		t, err := newTwinsBehind(ctx, net, o, nil)
		if err != nil {
			return nil, nil, err
		}
		return t, readyMade{}, t.take(&stock{n: len(o.Images) / t.image.Len(), x: o.Images})
	default:
		return nil, nil, fmt.Errorf("images from %s cannot be trained on", s)
	}
}

// readyMade is the preparation of images that are there already.
type readyMade struct{}

func (readyMade) run(context.Context, func() error) error { return nil }
func (readyMade) save(*checkpoint.State)                  {}
func (readyMade) load(*checkpoint.State) error            { return nil }

// making optimises images against P and gives them to the twins as their stock.
type making struct {
	t      *twins
	images *synth.Images
}

func newMaking(t *twins, kind string) (*making, error) {
	if !t.hasStats() {
		return nil, ErrNoBatchNorm
	}
	o := t.o.Synth
	o.Kind, o.Seed, o.Threads, o.Profile = kind, t.o.Seed, t.o.Threads, t.o.Profile.Of("images")
	in, err := t.o.Inputs(t.pNet)
	if err != nil {
		return nil, err
	}
	images, err := synth.NewImages(o, in, func(g *engine.Graph, x []*engine.Tensor) (synth.Seen, error) {
		p, q, err := t.lower(g, x, t.p, t.q)
		if err != nil {
			return synth.Seen{}, err
		}
		s := synth.Seen{PreNorm: p.PreNorm}
		if logits := p.Tensors[t.pNet.Outputs[0]]; classifies(logits) {
			s.Logits, s.Student = logits, q.Tensors[t.qNet.Outputs[0]] // activations are not rounded yet: they have no ranges
			if o.Kind == synth.DeepInversion && o.Class != 0 {
				t.labels = make([]int, t.o.Generator.Batch)
			}
		} else if o.Kind == synth.DeepInversion && o.Class != 0 {
			t.o.warn("the network's output is not one number for each class: images are optimised without classes")
		}
		return s, nil
	})
	return &making{t, images}, err
}

// classifies reports whether an output is one number for each class.
func classifies(logits *engine.Tensor) bool {
	return logits != nil && logits.H*logits.W == 1 && logits.C > 1
}

func (m *making) run(ctx context.Context, after func() error) error {
	err := m.images.Run(ctx, func(terms []engine.Term) error {
		var metrics []Metric
		for _, t := range terms {
			metrics = append(metrics, Metric{t.Loss.Name, t.Loss.Value})
		}
		if err := finite("images", m.images.Step(), metrics...); err != nil {
			return err
		}
		m.t.o.report("images", m.images.Step(), m.images.Total(), metrics...)
		return after()
	})
	if err != nil {
		return err
	}
	if err := m.checkClasses(ctx); err != nil {
		return err
	}
	return m.t.take(&stock{len(m.images.Done) / m.t.image.Len(), m.images.Done, m.images.Labels})
}

// checkClasses warns where P does not see in finished images the classes that they were made of, which are what others learn
// from.
func (m *making) checkClasses(ctx context.Context) error {
	labels := m.images.Labels
	if labels == nil {
		return nil
	}
	seen, err := m.t.look(ctx, m.images.Done)
	if err != nil {
		return err
	}
	right, err := metric.TopK(seen.logits[0], m.t.pOut[0].Len(), labels[:seen.n], 1)
	if err != nil {
		return err
	}
	const enough = 0.9
	if float64(right) < enough*float64(seen.n) {
		m.t.o.warn(fmt.Sprintf("the network labels %d of %d images as they were drawn: more --image-steps or a smaller --bn-weight leave classes more room",
			right, seen.n))
	}
	return nil
}

func (m *making) save(s *checkpoint.State)       { m.images.Save(s) }
func (m *making) load(s *checkpoint.State) error { return m.images.Load(s) }
