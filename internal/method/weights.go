package method

import (
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

// weightFit chooses the grids of weights during training. A channel's grid spans its current range, or a share of
// it that was found once by least squared error: the search is too slow to be repeated at every step.
type weightFit struct {
	mse    bool
	shares map[*quant.Quantizer][2][]float32
}

func newWeightFit(mse bool) *weightFit {
	return &weightFit{mse: mse, shares: map[*quant.Quantizer][2][]float32{}}
}

// fit is an engine.LowerOptions.Fit.
func (f *weightFit) fit(q *quant.Quantizer, w []float32, channels int, scale []float32, zero []int32) {
	r := engine.WeightRanges(w, channels, len(scale))
	defer r.Free()
	lo, hi := r.Lo, r.Hi
	share, searched := f.shares[q]
	for c := range scale {
		if searched {
			lo[c], hi[c] = lo[c]*share[0][c], hi[c]*share[1][c]
		}
		scale[c], zero[c] = q.Params(lo[c], hi[c])
	}
}

// search finds the shares for the weights of a network as they are, where fit is to use any; data has the channel
// as its first axis.
func (f *weightFit) search(q *quant.Quantizer, data []float32, channels int) {
	// Two symmetric bits have the levels -2, -1, 0 and 1: spanning the range would waste half of them.
	if !f.mse && !(q.Symmetric && q.Bits == 2) {
		return
	}
	if !q.PerChannel {
		channels = 1
	}
	lo, hi := quant.MinMaxChannels(data, channels)
	bestLo, bestHi := quant.MSEChannels(data, channels, q.Scheme)
	for c := range lo {
		bestLo[c], bestHi[c] = ratio(bestLo[c], lo[c]), ratio(bestHi[c], hi[c])
	}
	f.shares[q] = [2][]float32{bestLo, bestHi}
}

// settle chooses the grid of a weight that will not be trained, and moves the weight onto it.
func (f *weightFit) settle(w *nn.WeightSite) {
	f.grid(w)
	w.Round()
}

// grid chooses the grid alone.
func (f *weightFit) grid(w *nn.WeightSite) {
	f.search(w.Quantizer, w.Value.Data, w.Value.Shape[0])
	lo, hi := quant.MinMaxChannels(w.Value.Data, grids(w))
	if share, searched := f.shares[w.Quantizer]; searched {
		for c := range lo {
			lo[c], hi[c] = lo[c]*share[0][c], hi[c]*share[1][c]
		}
	}
	w.Quantizer.SetRanges(lo, hi)
}

// grids is the number of grids that a weight has: one, or one for each output channel.
func grids(w *nn.WeightSite) int {
	if w.Quantizer.PerChannel {
		return w.Value.Shape[0]
	}
	return 1
}

func ratio(a, b float32) float32 {
	if b == 0 {
		return 1
	}
	return a / b
}
