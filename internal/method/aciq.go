package method

import (
	"context"
	"math"

	"zaq/internal/nn"
	"zaq/internal/quant"
)

// ACIQ is analytic clipping for integer quantization (Banner et al., Post training 4-bit quantization of convolutional
// networks for rapid-deployment, NeurIPS 2019): ranges where the expected error of a Laplace or a normal distribution is
// least (observers "laplace" and "gauss"), weights of up to 4 bits with more bits in channels that vary more, so many on
// average but where symmetric channels would get a single bit and get two, and each channel of weights scaled so that it
// varies as it did.
//
// The paper also adds to each channel of weights what its mean has lost. Integers cannot take that; its effect on the
// mean of the output is in the bias, which analytic bias correction sets right. Activations have one grid for all channels, as
// integer kernels want, and so no bits of their own.
func ACIQ(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	return post(ctx, net, o, recipe{source: SourceStatistics, settle: allocate})
}

// allocatedBits is the largest number of bits that are distributed among channels.
const allocatedBits = 4

// allocate rounds a weight whose channels have different bits.
func allocate(w *nn.WeightSite, fit *weightFit) {
	q := w.Quantizer
	if !q.PerChannel {
		fit.settle(w)
		return
	}
	if q.Bits > allocatedBits {
		fit.grid(w)
		narrow(w, nil)
		return
	}
	channels := w.Value.Shape[0]
	spread := make([]float64, channels)
	for c := range spread {
		_, spread[c] = meanDeviation(channelOf(w, c))
	}
	bits := quant.AllocateBits(spread, float64(q.Bits))
	schemes := make([]quant.Scheme, channels)
	most := quant.MinBits
	for c, b := range bits {
		if b > 0 && q.Symmetric {
			b = max(b, quant.MinBits) // of a single symmetric bit, 0 is the only level
		}
		bits[c] = b
		schemes[c] = q.Scheme
		schemes[c].Bits, schemes[c].Narrow = b, q.Symmetric && b > quant.MinBits
		most = max(most, b)
	}
	// All channels are stored with the bits of the largest.
	whole := q.Scheme
	whole.Bits, whole.Narrow = most, q.Symmetric && most > quant.MinBits
	*q = *quant.New(whole)
	q.Scale, q.Zero = make([]float32, channels), make([]int32, channels)
	for c, s := range schemes {
		x := channelOf(w, c)
		if bits[c] == 0 {
			q.Scale[c], q.Zero[c] = whole.Params(0, 0)
			clear(x)
			continue
		}
		lo, hi := quant.MinMaxChannels(x, 1)
		if fit.mse || q.Symmetric && s.Bits == quant.MinBits {
			lo, hi = quant.MSEChannels(x, 1, s)
		}
		q.Scale[c], q.Zero[c] = s.Params(lo[0], hi[0])
	}
	narrow(w, schemes)
}

// narrow rounds each channel to the levels of its own scheme, nil for those of the weight, and scales it so that its
// deviation is what it was.
func narrow(w *nn.WeightSite, schemes []quant.Scheme) {
	q := w.Quantizer
	for c := range q.Scale {
		x := channelOf(w, c)
		_, before := meanDeviation(x)
		own := &quant.Quantizer{Scheme: q.Scheme, Scale: q.Scale[c : c+1], Zero: q.Zero[c : c+1], QMin: q.QMin, QMax: q.QMax}
		if schemes != nil && schemes[c].Bits > 0 {
			own.QMin, own.QMax = schemes[c].Bounds()
		}
		own.FakeQuantizeSlice(x, x, 0)
		_, after := meanDeviation(x)
		if before == 0 || after == 0 {
			continue
		}
		q.Scale[c] = float32(float64(q.Scale[c]) * before / after)
		for i, v := range x {
			x[i] = float32(math.RoundToEven(float64(v)*before/after/float64(q.Scale[c]))) * q.Scale[c]
		}
	}
}

// channelOf are the weights of an output channel.
func channelOf(w *nn.WeightSite, c int) []float32 {
	each := len(w.Value.Data) / w.Value.Shape[0]
	return w.Value.Data[c*each : (c+1)*each]
}

func meanDeviation(x []float32) (mean, deviation float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		d := float64(v) - mean
		deviation += float64(d*d) / float64(len(x))
	}
	return mean, math.Sqrt(deviation)
}
