package method

import (
	"context"

	"zaq/internal/nn"
)

// Synthetic are images that were made against a network, in the form that it takes.
type Synthetic struct {
	N      int
	Inputs []nn.InputSize // what an image is made of, nearly always one
	X      []float32      // [N, H, W, C]; of several inputs see type inputs
	Labels []int          // nil where they have no classes
}

// Synthesize makes the images that methods have from o's source, at least n of them where they are generated. Classes
// makes the generator that of GDFQ, which knows them. No method changes them later, but for a generator that goes on
// learning while Q trains.
func Synthesize(ctx context.Context, net *nn.Network, o Options, n int, classes bool) (*Synthetic, error) {
	t := &twins{o: &o}
	var err error
	if t.pNet, err = prepare(net); err != nil {
		return nil, err
	}
	if !declaresStats(t.pNet) {
		return nil, ErrNoBatchNorm
	}
	if t.qNet, t.placement, err = place(t.pNet, o); err != nil {
		return nil, err
	}
	t.round(nearest, newWeightFit(o.MSE), nil)
	prep, err := t.maker(classes)
	if err != nil {
		return nil, err
	}
	if err := t.prepared(ctx, prep); err != nil {
		return nil, err
	}
	s := &Synthetic{}
	if s.Inputs, err = t.pNet.InputSizes(); err != nil {
		return nil, err
	}
	if t.gen == nil {
		s.N, s.X, s.Labels = t.stock.n, t.stock.x, t.stock.labels
		return s, nil
	}
	m, err := t.paint(ctx, n, "held back")
	if err != nil {
		return nil, err
	}
	s.N, s.X, s.Labels = m.n, m.x, m.labels
	return s, nil
}

// maker connects the twins with what makes the images.
func (t *twins) maker(classes bool) (preparation, error) {
	if source := t.o.source(SourceGenerator); source != SourceGenerator || !classes {
		return t.behind(source)
	}
	k, err := classesOf(t.pNet)
	if err != nil {
		return nil, err
	}
	g := t.o.generator()
	g.Classes = k
	if err := t.connect(g); err != nil {
		return nil, err
	}
	return newClassWarmup(t), nil
}
