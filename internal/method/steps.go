package method

import (
	"context"

	"zaq/internal/engine"
	"zaq/internal/nn"
)

// Steps are the two steps of method zaq without the loop around them, for those who measure or check them.
type Steps struct {
	run *tuning

	Q, G               *engine.Program // what a step runs before it moves the parameters
	Z                  *engine.Tensor  // noise of the first input, in both
	Network, Generator []*engine.Param // Q's and G's
	SGD                *engine.SGD     // of Network
	Adam               *engine.Adam    // of Generator
	Sites              []*engine.Site  // of Q's activations, in layer order
	Statistics         []*engine.Stats // of the normalizations of P, and of Q, in layer order
}

// NewSteps prepares the steps for a float network. The generator is not warmed up; ranges of activations are taken
// from the images that it makes.
func NewSteps(ctx context.Context, net *nn.Network, o Options) (*Steps, error) {
	r, err := newZAQ(ctx, net, o)
	if err != nil {
		return nil, err
	}
	if err := r.calibrate(ctx); err != nil {
		return nil, err
	}
	r.adam.LR = r.tune.GLR
	s := &Steps{
		run: r, Q: r.qProg, G: r.gProg, Z: r.gen.Z[0], Network: r.q.Params, Generator: r.gen.Params,
		SGD: r.sgd, Adam: r.adam, Sites: r.q.Sites,
	}
	for _, n := range r.p.PreNorm {
		s.Statistics = append(s.Statistics, n.Stats)
	}
	return s, nil
}

// StepQ takes a step of the quantized network on noise of its own.
func (s *Steps) StepQ() { s.run.stepQ(1) }

// StepG takes a step of the generator.
func (s *Steps) StepG() { s.run.stepG(1) }

// Discrepancy returns D_o and D_f of the last run of either program.
func (s *Steps) Discrepancy() (do, df float64) {
	d := s.run.crit.(*discrepancy)
	return d.output(), d.df.Loss.Value
}
