package method

import (
	"context"
	"errors"
	"fmt"

	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/random"
)

// FT fine-tunes Q on real labelled images, shifted and mirrored at random, with cross-entropy alone: the reference that
// methods without data are measured against. Ranges come from the first of the images in an order drawn from the seed, as
// they are; agreement is on some of these, which training sees, too.
func FT(ctx context.Context, net *nn.Network, set *dataset.Set, o Options) (*Result, error) {
	r, err := newFT(ctx, net, set, o)
	if err != nil {
		return nil, err
	}
	return r.run(ctx)
}

func newFT(ctx context.Context, net *nn.Network, set *dataset.Set, o Options) (*tuning, error) {
	if set == nil {
		return nil, errors.New("fine-tuning on real images needs some")
	}
	classes, err := classesOf(net)
	if err != nil {
		return nil, err
	}
	for i, label := range set.Labels {
		if label >= classes {
			return nil, fmt.Errorf("image %d of %s has label %d, and the network %d classes", i, set.Name, label, classes)
		}
	}
	t, err := newTwinsBehind(ctx, net, &o, nil)
	if err != nil {
		return nil, err
	}
	if len(t.image) != 1 {
		return nil, fmt.Errorf("images of %s are for one input, the network has %d", set.Name, len(t.image))
	}
	if im := t.image[0]; set.H != im.H || set.W != im.W || set.C != im.C {
		return nil, fmt.Errorf("images of %s are %dx%d of %d channels, the network's %dx%d of %d", set.Name, set.H, set.W, set.C, im.H, im.W, im.C)
	}
	if t.real, err = newBatches(set, o.Pixels, o.Generator.Batch, o.Seed); err != nil {
		return nil, err
	}
	t.labels = t.real.labels
	if err := t.take(t.real.some(o.Generator.Batches * o.Generator.Batch)); err != nil {
		return nil, err
	}
	return newTuning(t, nil, nil, func() (criterion, error) {
		return &labelled{t.g.CrossEntropy("cross-entropy", t.qOut[0], t.labels, 0)}, nil
	})
}

// some returns n images of the set in the form that the network takes, or all where there are fewer.
func (b *batches) some(n int) *stock {
	n = min(n, b.set.N)
	size := b.set.H * b.set.W * b.set.C
	pixels := make([]uint8, 0, n*size)
	for _, i := range random.New(b.seed, 0, "calibrate").Perm(b.set.N)[:n] {
		pixels = append(pixels, b.set.Image(i)...)
	}
	s := &stock{n: n, x: make([]float32, n*size)}
	b.pixels.Apply(s.x, pixels, n)
	return s
}

// labelled is the loss of images whose classes are known.
type labelled struct{ ce *engine.Loss }

func (l *labelled) objective() []engine.Term       { return []engine.Term{{Loss: l.ce, Coef: 1}} }
func (l *labelled) opposition() []engine.Term      { return nil }
func (l *labelled) figures() []Metric              { return []Metric{{l.ce.Name, l.ce.Value}} }
func (l *labelled) after(int)                      {}
func (l *labelled) save(*checkpoint.State)         {}
func (l *labelled) load(s *checkpoint.State) error { return nil }
