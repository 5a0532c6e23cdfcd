package method

import (
	"context"

	"zaq/internal/nn"
)

// DeepInversion rounds to nearest with ranges from images that were optimised to classes as well (Yin et al., Dreaming to
// Distill: Data-free Knowledge Transfer via DeepInversion, CVPR 2020).
func DeepInversion(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	return post(ctx, net, o, recipe{source: SourceDeepInversion, settle: nearest})
}
