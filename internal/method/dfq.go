package method

import (
	"context"

	"zaq/internal/nn"
)

// DFQ is data-free quantization (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, ICCV
// 2019): batch normalization is folded, channels are equalized across layers (nn.Equalize), high biases are absorbed
// (nn.AbsorbHighBias), weights are rounded to nearest with analytic bias correction, and ranges follow from the
// statistics of batch normalization. It was made for one grid for all channels of a weight.
func DFQ(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	equalize := func(n *nn.Network) error {
		if err := nn.FoldBatchNorm(n); err != nil {
			return err
		}
		nn.Equalize(n, o.inputDistributions(n), nn.Grids{WBits: o.Place.WBits, ABits: o.Place.ABits, PerTensor: o.Place.PerTensor})
		nn.AbsorbHighBias(n)
		return nil
	}
	return post(ctx, net, o, recipe{source: SourceStatistics, change: equalize, settle: nearest})
}
