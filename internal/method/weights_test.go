package method

import (
	"slices"
	"testing"

	"zaq/internal/quant"
)

// threeChannels is a weight [channels, n] and the same as the engine has it, [n, channels]. Its channels are bell
// shaped with an outlier, positive, and zero.
func threeChannels() (data, transposed []float32) {
	const n = 11
	data = []float32{
		-0.5, -0.4, -0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4, 3,
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	}
	transposed = make([]float32, len(data))
	for i, v := range data {
		transposed[i%n*3+i/n] = v
	}
	return data, transposed
}

func TestWeightFit(t *testing.T) {
	data, transposed := threeChannels()
	for _, test := range []struct {
		name     string
		mse      bool
		scheme   quant.Scheme
		searched bool // ranges of least squared error, not the whole ones
	}{
		{"min/max, asymmetric", false, quant.Scheme{Bits: 4, PerChannel: true}, false},
		{"min/max, symmetric", false, quant.Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, false},
		{"min/max, per tensor", false, quant.Scheme{Bits: 3}, false},
		{"min/max, two asymmetric bits", false, quant.Scheme{Bits: 2, PerChannel: true}, false},
		{"two symmetric bits", false, quant.Scheme{Bits: 2, Signed: true, Symmetric: true, PerChannel: true}, true},
		{"two symmetric bits, per tensor", false, quant.Scheme{Bits: 2, Signed: true, Symmetric: true}, true},
		{"least error", true, quant.Scheme{Bits: 4, PerChannel: true}, true},
		{"least error, per tensor", true, quant.Scheme{Bits: 2}, true},
	} {
		q := quant.New(test.scheme)
		channels := 1
		if q.PerChannel {
			channels = 3
		}
		f := newWeightFit(test.mse)
		f.search(q, data, 3)
		scale, zero := make([]float32, channels), make([]int32, channels)
		f.fit(q, transposed, 3, scale, zero)

		want := quant.New(test.scheme)
		whole := quant.New(test.scheme)
		whole.SetRanges(quant.MinMaxChannels(data, channels))
		if test.searched {
			want.SetRanges(quant.MSEChannels(data, channels, test.scheme))
			if slices.Equal(want.Scale, whole.Scale) {
				t.Errorf("%s: the search chose the whole ranges: nothing is tested", test.name)
			}
		} else {
			want = whole
		}
		for c := range scale {
			// A share of a range is rounded twice.
			if d := scale[c]/want.Scale[c] - 1; d > 1e-6 || d < -1e-6 || zero[c] != want.Zero[c] {
				t.Errorf("%s: channel %d has scale %g and zero %d, want %g and %d", test.name, c, scale[c], zero[c], want.Scale[c], want.Zero[c])
			}
		}
	}
}

// The share that was found once is kept while weights move: twice the weights have twice the scale.
func TestWeightFitKeepsItsShare(t *testing.T) {
	data, transposed := threeChannels()
	q := quant.New(quant.Scheme{Bits: 4, PerChannel: true})
	f := newWeightFit(true)
	f.search(q, data, 3)
	scale, zero := make([]float32, 3), make([]int32, 3)
	f.fit(q, transposed, 3, scale, zero)
	for i := range transposed {
		transposed[i] *= 2
	}
	// A lonely value that moves off takes the range along, though the least error would leave it out.
	transposed[10*3+1] *= 4
	doubled, moved := make([]float32, 3), make([]int32, 3)
	f.fit(q, transposed, 3, doubled, moved)
	if doubled[0] != 2*scale[0] || doubled[1] != 8*scale[1] || doubled[2] != scale[2] || !slices.Equal(moved, zero) {
		t.Errorf("scales %g and zeros %d, before %g and %d", doubled, moved, scale, zero)
	}
}
