package method

import (
	"context"

	"zaq/internal/nn"
)

// ZeroQ rounds to nearest with ranges from images that were optimised until the statistics that each causes are those of
// batch normalization (Cai et al., ZeroQ: A Novel Zero Shot Quantization Framework, CVPR 2020).
func ZeroQ(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	return post(ctx, net, o, recipe{source: SourceZeroQ, settle: nearest})
}
