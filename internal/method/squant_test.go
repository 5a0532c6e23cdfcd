package method

import (
	"math"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/quant"
	"zaq/internal/random"
)

// site is a weight of random numbers with a quantizer.
func site(s quant.Scheme, shape ...int) *nn.WeightSite {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := &nn.Value{Name: "w", Shape: shape, Data: make([]float32, n), Quant: quant.New(s)}
	random.New(3, 0, "weights").Normal(v.Data)
	return &nn.WeightSite{Value: v, Quantizer: v.Quant}
}

// Errors cancel in each kernel and in each output channel; no element moves further than to its other neighbour.
func TestSQuant(t *testing.T) {
	for _, shape := range [][]int{{5, 7, 3, 3}, {4, 1, 3, 3}, {6, 9, 1, 1}, {3, 20}} {
		for _, s := range []quant.Scheme{
			{Bits: 4, PerChannel: true}, {Bits: 3, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, {Bits: 4},
		} {
			w := site(s, shape...)
			float := append([]float32(nil), w.Value.Data...)
			flip(w, newWeightFit(false))
			if !onGrid(w.Value) {
				t.Errorf("%v %+v: not on the grid", shape, s)
			}
			each, kernel := len(float)/shape[0], 1
			for _, d := range shape[2:] {
				kernel *= d
			}
			var nearest, flipped float64
			for o := range shape[0] {
				step := float64(w.Quantizer.Scale[min(o, len(w.Quantizer.Scale)-1)])
				var sum, plain float64
				for k := o * each; k < (o+1)*each; k += kernel {
					var e float64
					for i := k; i < k+kernel; i++ {
						d := float64(w.Value.Data[i]-float[i]) / step
						if math.Abs(d) > 1+1e-4 {
							t.Errorf("%v %+v: an element moved by %g steps", shape, s, d)
						}
						e += d
						r := float64(float[i]) / step
						plain += math.RoundToEven(r) - r
					}
					if math.Abs(e) > 1+1e-3 { // a half, and one flip of the channel's
						t.Errorf("%v %+v: the errors of a kernel sum to %g", shape, s, e)
					}
					sum += e
				}
				nearest, flipped = nearest+math.Abs(plain), flipped+math.Abs(sum)
			}
			if flipped > 0.75*float64(shape[0]) || flipped > nearest {
				t.Errorf("%v %+v: errors of channels sum to %g, %g when rounded to nearest", shape, s, flipped, nearest)
			}
		}
	}
}

// Channels get bits by what they vary, so many on average, and keep their deviation.
func TestACIQ(t *testing.T) {
	for _, s := range []quant.Scheme{
		{Bits: 4, PerChannel: true}, {Bits: 3, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, {Bits: 8, PerChannel: true},
	} {
		w := site(s, 16, 12, 3, 3)
		for i := range w.Value.Data {
			w.Value.Data[i] *= float32(math.Exp2(float64(i/108) / 4))
		}
		float := append([]float32(nil), w.Value.Data...)
		allocate(w, newWeightFit(false))
		if !onGrid(w.Value) {
			t.Errorf("%+v: not on the grid", s)
		}
		if err := w.Quantizer.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
		last := 0
		for c := range 16 {
			x := channelOf(w, c)
			_, before := meanDeviation(float[c*108 : (c+1)*108])
			_, after := meanDeviation(x)
			if math.Abs(after/before-1) > 1e-3 {
				t.Errorf("%+v: channel %d has deviation %g, before %g", s, c, after, before)
			}
			levels := map[float32]bool{}
			for _, v := range x {
				levels[v] = true
			}
			if c == 15 && s.Bits <= 4 && len(levels) <= last {
				t.Errorf("%+v: the widest channel has %d levels, the narrowest %d", s, len(levels), last)
			}
			if c == 0 {
				last = len(levels)
			}
		}
	}
}
