package method

import (
	"cmp"
	"context"

	"zaq/internal/nn"
)

// RTN rounds weights to nearest, with activation ranges from the images of a generator that was warmed up on
// batch-normalization statistics, or from the user's own: the baseline that fine-tunes nothing. With whole weight
// ranges and observer "ema" it is the RQ of the literature. With images of the user's own there is no generator to
// warm up, so that the network needs no batch normalization, and agreement is on the first of those images.
func RTN(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	t, err := newTwins(net, &o)
	if err != nil {
		return nil, err
	}
	if o.Images == nil {
		if err := newWarmup(t).run(ctx, func() error { return nil }); err != nil {
			return nil, err
		}
	}
	if err := t.calibrate(ctx); err != nil {
		return nil, err
	}
	var m *images
	if o.Images == nil {
		m, err = t.paint(ctx, o.heldBack(), "held back")
	} else {
		m, err = t.look(ctx, o.Images)
	}
	if err != nil {
		return nil, err
	}
	return t.result(ctx, m)
}

// heldBack is the number of images by which P and Q are compared, unless Options say another; where they are
// generated, none of them is trained on.
const heldBack = 1024

func (o *Options) heldBack() int { return cmp.Or(o.Generator.HeldBack, heldBack) }
