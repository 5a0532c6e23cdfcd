package method

import (
	"cmp"
	"context"

	"zaq/internal/nn"
)

// RTN rounds weights to nearest, with activation ranges from the images of a generator that was warmed up on
// batch-normalization statistics, or from the user's own: the baseline that fine-tunes nothing. With whole weight
// ranges, observer "ema" and biases as they are it is the RQ of the literature. With images of the user's own there is no
// generator to warm up, so that the network needs no batch normalization, and agreement is on the first of those images.
func RTN(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	return post(ctx, net, o, recipe{source: SourceGenerator, settle: nearest})
}

// nearest rounds to nearest.
func nearest(w *nn.WeightSite, fit *weightFit) { fit.settle(w) }

// heldBack is the number of images by which P and Q are compared, unless Options say another; where they are
// generated, none of them is trained on.
const heldBack = 1024

func (o *Options) heldBack() int { return cmp.Or(o.Generator.HeldBack, heldBack) }
