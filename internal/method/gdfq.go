package method

import (
	"context"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
	"zaq/internal/nn"
)

// GDFQOptions are the parts of GDFQ's objectives.
type GDFQOptions struct {
	Statistics  float64 // weight of batch-normalization statistics in G's objective
	Distill     float64 // weight of distillation in Q's
	Temperature float64 // of distillation
}

// GDFQ fine-tunes Q on images that a class-conditional generator makes (Xu et al., Generative Low-bitwidth Data Free
// Quantization, ECCV 2020):
//
//	G: min CE(P(G(z|y)), y) + w*BNS        Q: min CE(Q(x), y) + a*T^2*KL(P(x)/T || Q(x)/T)
//
// BNS being the distance of batch-normalization statistics in form engine.BNSquares. G learns alone during the warm-up;
// ranges are found then. Q's normalizations keep their running statistics. On optimised images G has no part; where those
// have no classes, neither has the cross-entropy.
func GDFQ(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	r, err := newGDFQ(ctx, net, o)
	if err != nil {
		return nil, err
	}
	return r.run(ctx)
}

func newGDFQ(ctx context.Context, net *nn.Network, o Options) (*tuning, error) {
	classes, err := classesOf(net)
	if err != nil {
		return nil, err
	}
	generator := o.generator()
	generator.Classes = classes
	t, images, err := supplied(ctx, net, &o, generator)
	if err != nil {
		return nil, err
	}
	newCriterion := func() (criterion, error) { return newDistillation(t, o.GDFQ), nil }
	if t.gen == nil {
		if t.labels == nil {
			o.warn("images of " + o.Source + " have no classes: Q learns the float network's answers alone, without cross-entropy")
		}
		return newTuning(t, images, nil, newCriterion)
	}
	warm := newClassWarmup(t)
	return newTuning(t, warm, warm.adam, newCriterion)
}

// newClassWarmup learns statistics and classes.
func newClassWarmup(t *twins) *warmup {
	w := newWarmup(t)
	w.objective = func() ([]engine.Term, *engine.BNMatch) { return t.imitate(t.o.GDFQ.Statistics) }
	return w
}

// classesOf returns the number of classes that a network tells apart, which is all that it may do.
func classesOf(net *nn.Network) (int, error) {
	if len(net.Outputs) != 1 {
		return 0, &NoClassesError{net.Outputs[0], net.Values[net.Outputs[0]].Shape}
	}
	return Classes(net)
}

// imitate is the objective of a generator that makes images of given classes as P remembers them.
func (t *twins) imitate(statistics float64) ([]engine.Term, *engine.BNMatch) {
	match := t.g.BNMatchBy(engine.BNSquares, "BN statistics", t.p.PreNorm)
	ce := t.g.CrossEntropy("cross-entropy of P", t.pOut[0], t.labels, 0)
	return []engine.Term{{Loss: match.Loss, Coef: statistics}, {Loss: ce, Coef: 1}}, match
}

// distillation is what Q learns of P's answers and, where images have classes, of these.
type distillation struct {
	o  GDFQOptions
	t  *twins
	ce *engine.Loss // nil: no classes
	kd *engine.Loss
}

func newDistillation(t *twins, o GDFQOptions) *distillation {
	d := &distillation{o: o, t: t, kd: t.g.Distill("distillation", t.pOut[0], t.qOut[0], o.Temperature)}
	if t.labels != nil {
		d.ce = t.g.CrossEntropy("cross-entropy", t.qOut[0], t.labels, 0)
	}
	return d
}

func (d *distillation) objective() []engine.Term {
	terms := []engine.Term{{Loss: d.kd, Coef: d.o.Distill}}
	if d.ce != nil {
		terms = append(terms, engine.Term{Loss: d.ce, Coef: 1})
	}
	return terms
}

func (d *distillation) opposition() []engine.Term {
	terms, _ := d.t.imitate(d.o.Statistics)
	return terms
}

func (d *distillation) figures() []Metric {
	m := []Metric{{"distillation", d.o.Distill * d.kd.Value}}
	if d.ce != nil {
		m = append(m, Metric{"cross-entropy", d.ce.Value})
	}
	return m
}

func (d *distillation) after(int)                    {}
func (d *distillation) save(*checkpoint.State)       {}
func (d *distillation) load(*checkpoint.State) error { return nil }
