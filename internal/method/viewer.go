package method

import (
	"context"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/metric"
	"zaq/internal/nn"
)

// images are a batch, or several, in the form that the network takes, with what P says of them.
type images struct {
	n      int
	x      []float32   // [n, H, W, C]; of several inputs see type inputs
	logits [][]float32 // P's outputs
	labels []int       // the classes that they were made of; nil: none
}

// paint makes n images with the generator as it is.
func (t *twins) paint(ctx context.Context, n int, purpose string) (*images, error) {
	batch := t.o.Generator.Batch
	p, err := t.g.Compile(engine.Spec{Batch: batch, Outputs: slices.Concat(t.image, t.pOut), Threads: t.o.Threads, Profile: t.o.Profile.Of("measure")})
	if err != nil {
		return nil, err
	}
	m := &images{n: n, logits: make([][]float32, len(t.pOut))}
	for i := 0; len(m.x) < n*t.image.Len(); i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.fill(p, i, purpose)
		p.Run()
		m.x = append(m.x, t.image.images(p)...)
		for k, out := range t.pOut {
			m.logits[k] = append(m.logits[k], p.Data(out)...)
		}
		m.labels = append(m.labels, t.labels...)
	}
	if m.labels != nil {
		m.labels = m.labels[:n]
	}
	m.x = m.x[:n*t.image.Len()]
	for k, out := range t.pOut {
		m.logits[k] = m.logits[k][:n*out.Len()]
	}
	return m, nil
}

// look takes the first of given images, with what P says of them.
func (t *twins) look(ctx context.Context, x []float32) (*images, error) {
	size := t.image.Len()
	m := &images{n: min(len(x)/size, heldBack), logits: make([][]float32, len(t.pOut))}
	m.x = x[:m.n*size]
	v, err := t.viewer(min(t.o.Generator.Batch, m.n), nil)
	if err != nil {
		return nil, err
	}
	err = v.each(ctx, m, func(n int) {
		for k, out := range v.pOut {
			m.logits[k] = append(m.logits[k], v.prog.Data(out)[:n*out.Len()]...)
		}
	})
	return m, err
}

// viewer shows given images to P and Q.
type viewer struct {
	prog *engine.Program
	in   inputs
	p, q *engine.Lowered
	pOut []*engine.Tensor
	qOut []*engine.Tensor
}

// viewer compiles one that keeps the outputs, and what both networks make of the layers with the given weights.
func (t *twins) viewer(batch int, keep []*nn.WeightSite) (*viewer, error) {
	v := &viewer{}
	g := engine.NewGraph()
	var err error
	if v.in, err = addInputs(g, t.pNet); err != nil {
		return nil, err
	}
	if v.p, v.q, err = t.lower(g, v.in, t.p, t.q); err != nil {
		return nil, err
	}
	if v.pOut, err = tensors(v.p, t.pNet.Outputs); err != nil {
		return nil, err
	}
	if v.qOut, err = tensors(v.q, t.qNet.Outputs); err != nil {
		return nil, err
	}
	outputs := slices.Concat(v.pOut, v.qOut)
	for _, w := range keep {
		outputs = append(outputs, v.p.Tensors[w.Float], v.q.Tensors[w.Output])
	}
	v.prog, err = g.Compile(engine.Spec{Batch: batch, Outputs: outputs, Threads: t.o.Threads, Profile: t.o.Profile.Of("measure")})
	return v, err
}

// agreement returns the share of images that P and Q put into the same class; for outputs that are maps, the share
// of positions with the same strongest channel, over all outputs.
func (v *viewer) agreement(ctx context.Context, m *images) (float64, error) {
	got := make([][]float32, len(v.qOut))
	err := v.each(ctx, m, func(n int) {
		for k, out := range v.qOut {
			got[k] = append(got[k], v.prog.Data(out)[:n*out.Len()]...)
		}
	})
	if err != nil {
		return 0, err
	}
	var agree, all float64
	for k, out := range v.qOut {
		positions := float64(len(got[k]) / out.C)
		agree += positions * metric.Agreement(m.logits[k], got[k], out.C)
		all += positions
	}
	return agree / all, nil
}

// each shows the images, a batch at a time; f is called behind each with the number of images that count.
func (v *viewer) each(ctx context.Context, m *images, f func(n int)) error {
	size, batch := v.in.Len(), v.prog.Batch()
	for i := 0; i < m.n; i += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batch, m.n-i)
		v.in.load(v.prog, m.x[i*size:(i+n)*size])
		v.prog.Run()
		f(n)
	}
	return nil
}
