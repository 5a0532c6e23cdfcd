package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func normal(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func observe(o Observer, batches ...[]float32) (lo, hi float32) {
	for _, b := range batches {
		o.Observe(b)
	}
	return o.Range()
}

func TestMinMax(t *testing.T) {
	nan := float32(math.NaN())
	inf := float32(math.Inf(1))
	lo, hi := observe(new(MinMax), []float32{nan, 2, 3, inf}, nil, []float32{-inf, 1, nan, 2.5})
	if lo != 1 || hi != 3 {
		t.Errorf("range %g to %g, want 1 to 3", lo, hi)
	}
	if lo, hi := observe(new(MinMax)); lo != 0 || hi != 0 {
		t.Errorf("range %g to %g before any value", lo, hi)
	}
}

func TestPercentile(t *testing.T) {
	x := normal(100_000, 1)
	lo, hi := observe(NewPercentile(99), x[:10], x[10:5000], x[5000:])
	sorted := slices.Sorted(slices.Values(x))
	if want := sorted[1000]; math.Abs(float64(lo-want)) > 0.01 {
		t.Errorf("low end %g, want %g", lo, want)
	}
	if want := sorted[99_000]; math.Abs(float64(hi-want)) > 0.01 {
		t.Errorf("high end %g, want %g", hi, want)
	}
	if lo, hi := observe(NewPercentile(100), x); lo != sorted[0] || hi != sorted[len(x)-1] {
		t.Errorf("100 %%: %g to %g, want %g to %g", lo, hi, sorted[0], sorted[len(x)-1])
	}

	relu := make([]float32, len(x))
	for i, v := range x {
		relu[i] = max(v, 0)
	}
	if lo, hi := observe(NewPercentile(99), relu); lo != 0 || math.Abs(float64(hi-sorted[99_000])) > 0.01 {
		t.Errorf("after ReLU: %g to %g, want 0 to %g", lo, hi, sorted[99_000])
	}
	if lo, hi := observe(NewPercentile(99), make([]float32, 9)); lo != 0 || hi != 0 {
		t.Errorf("zeros: %g to %g", lo, hi)
	}
	if lo, hi := observe(NewPercentile(99), []float32{7}); lo != 7 || hi != 7 {
		t.Errorf("one value: %g to %g, want 7 to 7", lo, hi)
	}
}

// Bins merge exactly: the order of observation and the growth of the range do not show.
func TestHistogramOrder(t *testing.T) {
	x := normal(3000, 2)
	for i := range x[2000:] {
		x[2000+i] *= 1000
	}
	x = append(x, 0, 0, float32(math.Inf(1)), float32(math.NaN()))
	var a, b histogram
	a.add(x)
	for i := 0; i < len(x); i += 7 {
		b.add(x[i:min(i+7, len(x))])
	}
	if a.exp != b.exp || a.first != b.first || !slices.Equal(a.counts, b.counts) {
		t.Error("the histogram depends on how the values were cut into batches")
	}
	if a.n != 3002 || a.zeros != 2 || len(a.counts) > bins {
		t.Errorf("%d values, %d zeros, %d bins", a.n, a.zeros, len(a.counts))
	}
	var sum uint64
	for _, c := range a.counts {
		sum += c
	}
	if sum != 3000 {
		t.Errorf("%d values in bins, want 3000", sum)
	}
}

// The search finds the optimal clipping of a normal distribution: a/sigma of 2.152 and 2.559 for a
// uniform grid of 8 and 16 levels (Banner et al. 2019). Their model ignores that both ends of the grid are
// levels themselves, hence the tolerance.
func TestMSE(t *testing.T) {
	x := normal(200_000, 3)
	for _, tt := range []struct {
		bits int
		want float64
	}{{3, 2.152}, {4, 2.559}} {
		lo, hi := observe(NewMSE(Scheme{Bits: tt.bits}), x[:100], x[100:])
		if math.Abs(float64(hi)-tt.want) > 0.35 || math.Abs(float64(lo)+tt.want) > 0.35 {
			t.Errorf("%d bits: range %g to %g, want about %g", tt.bits, lo, hi, tt.want)
		}
	}
	x = append(x, 60) // one outlier must not stretch the grid
	if _, hi := observe(NewMSE(Scheme{Bits: 4}), x); hi > 5 {
		t.Errorf("with an outlier: range up to %g", hi)
	}
}

func sumSquares(q *Quantizer, c int, x []float32) (sum float64) {
	for _, v := range x {
		d := float64(q.FakeQuantize(v, c) - v)
		sum += d * d
	}
	return sum
}

// Per channel, searching is never worse than the full range, and on the four levels -2, -1, 0, 1 of two
// symmetric bits it is much better on either tail.
func TestMSEChannels(t *testing.T) {
	const channels, n = 5, 333
	x := normal(channels*n, 4)
	for i := range n {
		x[i] = float32(math.Abs(float64(x[i])))      // all positive
		x[n+i] = -float32(math.Abs(float64(x[n+i]))) // all negative
		x[4*n+i] = 0
	}
	for _, s := range []Scheme{
		{Bits: 2, Signed: true, Symmetric: true, PerChannel: true},
		{Bits: 4, Signed: true, Symmetric: true, Narrow: true, PerChannel: true},
		{Bits: 3, PerChannel: true},
	} {
		full, fit := New(s), New(s)
		full.SetRanges(MinMaxChannels(x, channels))
		fit.SetRanges(MSEChannels(x, channels, s))
		if err := fit.Validate(); err != nil {
			t.Fatal(err)
		}
		for c := range channels {
			block := x[c*n : (c+1)*n]
			a, b := sumSquares(full, c, block), sumSquares(fit, c, block)
			if b > a {
				t.Errorf("%+v channel %d: error %g, full range %g", s, c, b, a)
			}
			if s.Bits == 2 && c < 4 && b > 0.8*a {
				t.Errorf("%+v channel %d: error %g is hardly below %g", s, c, b, a)
			}
		}
	}
}
