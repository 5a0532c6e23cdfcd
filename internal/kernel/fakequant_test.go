package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestFakeQuantChannels(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(21, 22))
		for _, c := range append([]int{1001}, channels...) {
			for _, perTensor := range []bool{false, true} {
				scales := c
				if perTensor {
					scales = 1
				}
				scale, zero := make([]float32, scales), make([]int32, scales)
				for i := range scale {
					scale[i], zero[i] = 0.05+rng.Float32()/4, int32(rng.IntN(5)-2)
				}
				for _, rows := range []int{1, 3, 27} {
					n := c * rows
					x, dy := random(rng, n), random(rng, n)
					x[n-1] = float32(math.NaN())
					want, wantDx := make([]float32, n), make([]float32, n)
					for i, v := range x {
						s, z := scale[i%c%scales], float64(zero[i%c%scales])
						q := math.RoundToEven(float64(v/s)) + z
						if qc := min(max(q, -8), 7); q == q {
							want[i] = s * float32(qc-z)
							if qc == q {
								wantDx[i] = dy[i]
							}
						}
					}
					y, dx := guard(make([]float32, n)), guard(dy)
					FakeQuantChannels(y.a, x, scale, zero, -8, 7, c)
					y.check(t, "fake-quantization")
					near(t, "fake-quantization", y.a, want, 0)
					FakeQuantChannelsBackward(dx.a, dx.a, x, scale, zero, -8, 7, c, false)
					dx.check(t, "straight-through")
					near(t, "straight-through", dx.a, wantDx, 0)
					FakeQuantChannelsBackward(dx.a, dy, x, scale, zero, -8, 7, c, true)
					near(t, "pass-through", dx.a, dy, 0)
				}
			}
		}
	})
}

// TestPassRange checks both ends of the range by their neighbours.
func TestPassRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	inf := float32(math.Inf(1))
	for range 5000 {
		scale := float32(math.Exp(rng.NormFloat64() * 20))
		zero, qmin := int32(rng.IntN(256)), int32(rng.IntN(100))
		qmax := qmin + int32(rng.IntN(150))
		in := func(v float32) bool {
			q := math.RoundToEven(float64(v/scale)) + float64(zero)
			return q >= float64(qmin) && q <= float64(qmax)
		}
		lo, hi := passRange(scale, zero, qmin, qmax)
		if !in(lo) || in(math.Nextafter32(lo, -inf)) || !in(hi) || in(math.Nextafter32(hi, inf)) {
			t.Fatalf("scale %v zero %d [%d, %d]: range [%v, %v]", scale, zero, qmin, qmax, lo, hi)
		}
	}
}
