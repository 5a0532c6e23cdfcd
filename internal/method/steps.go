package method

import (
	"context"

	"zaq/internal/engine"
	"zaq/internal/nn"
)

// Steps are the two steps of method zaq without the loop around them, for those who measure them.
type Steps struct {
	run *zaq

	Q, G *engine.Program // what a step runs before it moves the parameters
}

// NewSteps prepares the steps for a float network. The generator is not warmed up; ranges of activations are taken
// from the images that it makes.
func NewSteps(ctx context.Context, net *nn.Network, o Options) (*Steps, error) {
	r, err := newZAQ(net, o)
	if err != nil {
		return nil, err
	}
	if err := r.calibrate(ctx); err != nil {
		return nil, err
	}
	return &Steps{run: r, Q: r.qProg, G: r.gProg}, nil
}

// StepQ takes a step of the quantized network.
func (s *Steps) StepQ() { s.run.stepQ(1) }

// StepG takes a step of the generator.
func (s *Steps) StepG() { s.run.stepG(1) }
