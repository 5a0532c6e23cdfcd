package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestChannelDots(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 12))
		for _, c := range append([]int{1001}, channels...) {
			for _, positions := range []int{1, 2, 15, 300, 1111} {
				if c > 1000 && positions > 300 {
					continue
				}
				e, x := random(rng, c*positions), random(rng, c*positions)
				wantE, wantEX, wantX2 := make([]float64, c), make([]float64, c), make([]float64, c)
				for i := range e {
					wantE[i%c] += float64(e[i])
					wantEX[i%c] += float64(e[i]) * float64(x[i])
					wantX2[i%c] += float64(x[i]) * float64(x[i])
				}
				sumE, sumEX, sumX2 := make([]float64, c), make([]float64, c), make([]float64, c)
				ChannelDots(sumE, sumEX, e, x, c)
				ChannelSums(make([]float64, c), sumX2, x, c)
				for i := range c {
					tol := 1e-5 * math.Sqrt(float64(positions))
					if math.Abs(sumE[i]-wantE[i]) > tol || math.Abs(sumEX[i]-wantEX[i]) > tol || math.Abs(sumX2[i]-wantX2[i]) > 4*tol {
						t.Fatalf("%d positions, channel %d of %d: %v %v %v, want %v %v %v", positions, i, c,
							sumE[i], sumEX[i], sumX2[i], wantE[i], wantEX[i], wantX2[i])
					}
				}
				ChannelSums(sumE, make([]float64, c), e, c) // adds to what is there
				if math.Abs(sumE[0]-2*wantE[0]) > 1e-4*math.Sqrt(float64(positions)) {
					t.Fatalf("sum is %v, want twice %v", sumE[0], wantE[0])
				}
			}
		}
	})
}

func TestChannelMoments(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 16))
		for _, c := range append([]int{1001, 5003}, channels...) {
			for _, positions := range []int{1, 15, 300} {
				x, shift := random(rng, c*positions), random(rng, c)
				sum, sumSq := make([]float64, c), make([]float64, c)
				want, wantSq := make([]float64, c), make([]float64, c)
				for i := range x {
					x[i] += 1000
				}
				for i := range shift {
					shift[i] += 1000
					sum[i], sumSq[i], want[i], wantSq[i] = 1, 2, 1, 2 // adds to what is there
				}
				for i, v := range x {
					d := float64(v) - float64(shift[i%c])
					want[i%c] += d
					wantSq[i%c] += d * d
				}
				ChannelMoments(sum, sumSq, x, shift, c)
				for i := range c {
					tol := 1e-5 * math.Sqrt(float64(positions))
					if math.Abs(sum[i]-want[i]) > tol || math.Abs(sumSq[i]-wantSq[i]) > 1e-6*(4+wantSq[i]) {
						t.Fatalf("%d positions, channel %d of %d: %v %v, want %v %v", positions, i, c, sum[i], sumSq[i], want[i], wantSq[i])
					}
				}
			}
		}
	})
}

func TestChannelAffine2(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, c := range append([]int{1001}, channels...) {
			ka, kb, k0 := random(rng, c), random(rng, c), random(rng, c)
			for _, positions := range []int{1, 3, 70} {
				n := c * positions
				a, b, start := random(rng, n), random(rng, n), random(rng, n)
				for form := range 4 {
					withB, accumulate := form&1 != 0, form&2 != 0
					want := make([]float32, n)
					for i := range want {
						v := float64(ka[i%c])*float64(a[i]) + float64(k0[i%c])
						if withB {
							v += float64(kb[i%c]) * float64(b[i])
						}
						if accumulate {
							v += float64(start[i])
						}
						want[i] = float32(v)
					}
					y := guard(start)
					if withB {
						ChannelAffine2(y.a, a, b, ka, kb, k0, c, accumulate)
					} else {
						ChannelAffine2(y.a, a, nil, ka, nil, k0, c, accumulate)
					}
					y.check(t, "affine2")
					near(t, "affine2", y.a, want, 2e-6)
				}
			}
		}
	})
}

func TestChannelMinMax(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(15, 16))
		for _, c := range channels {
			for _, positions := range []int{1, 2, 9, 100} {
				x := random(rng, c*positions)
				lo, hi := make([]float32, c), make([]float32, c)
				lo[0], hi[c-1] = -100, 100
				wantLo, wantHi := append([]float32(nil), lo...), append([]float32(nil), hi...)
				for i, v := range x {
					wantLo[i%c], wantHi[i%c] = min(wantLo[i%c], v), max(wantHi[i%c], v)
				}
				if positions > 1 {
					x = append(x, make([]float32, c)...)
					for i := range c {
						x[len(x)-1-i] = float32(math.NaN())
					}
				}
				ChannelMinMax(lo, hi, x, c)
				near(t, "lo", lo, wantLo, 0)
				near(t, "hi", hi, wantHi, 0)
			}
		}
		if lo, hi := MinMax(nil); lo != float32(math.Inf(1)) || hi != float32(math.Inf(-1)) {
			t.Errorf("range of nothing is [%v, %v]", lo, hi)
		}
		for _, n := range lengths {
			x := random(rng, n)
			x[n/2], x[n-1] = -50, 50
			wantLo := slices.Min(x)
			if lo, hi := MinMax(x); lo != wantLo || hi != 50 {
				t.Errorf("range of %d elements is [%v, %v]", n, lo, hi)
			}
		}
	})
}
