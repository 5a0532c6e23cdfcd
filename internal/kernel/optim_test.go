package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSGDStep compares three steps with the update rule in float64.
func TestSGDStep(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(41, 42))
		for _, n := range lengths {
			for _, nesterov := range []bool{false, true} {
				start := random(rng, n)
				w, v := guard(start), guard(make([]float32, n))
				w64, v64 := make([]float64, n), make([]float64, n)
				for i := range w64 {
					w64[i] = float64(start[i])
				}
				for range 3 {
					dw := random(rng, n)
					SGDStep(w.a, dw, v.a, 0.1, 0.9, 5e-4, nesterov)
					for i := range w64 {
						d := float64(dw[i]) + 5e-4*w64[i]
						v64[i] = 0.9*v64[i] + d
						if nesterov {
							w64[i] -= 0.1 * (d + 0.9*v64[i])
						} else {
							w64[i] -= 0.1 * v64[i]
						}
					}
				}
				w.check(t, "weights")
				v.check(t, "velocity")
				for i := range w64 {
					if math.Abs(w64[i]-float64(w.a[i])) > 1e-6 || math.Abs(v64[i]-float64(v.a[i])) > 2e-6 {
						t.Fatalf("nesterov %v: element %d of %d: %v, %v, want %v, %v", nesterov, i, n, w.a[i], v.a[i], w64[i], v64[i])
					}
				}
			}
		}
	})
}

// TestAdamStep compares three steps with the update rule in float64.
func TestAdamStep(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(43, 44))
		for _, n := range lengths {
			start := random(rng, n)
			w, m, v := guard(start), guard(make([]float32, n)), guard(make([]float32, n))
			w64, m64, v64 := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range w64 {
				w64[i] = float64(start[i])
			}
			for step := 1; step <= 3; step++ {
				dw := random(rng, n)
				AdamStep(w.a, dw, m.a, v.a, 1e-2, 0.9, 0.999, 1e-8, 1e-3, step)
				for i := range w64 {
					d := float64(dw[i]) + 1e-3*w64[i]
					m64[i] = 0.9*m64[i] + 0.1*d
					v64[i] = 0.999*v64[i] + 0.001*d*d
					mh := m64[i] / (1 - math.Pow(0.9, float64(step)))
					vh := v64[i] / (1 - math.Pow(0.999, float64(step)))
					w64[i] -= 1e-2 * mh / (math.Sqrt(vh) + 1e-8)
				}
			}
			w.check(t, "weights")
			m.check(t, "first moment")
			v.check(t, "second moment")
			for i := range w64 {
				if math.Abs(w64[i]-float64(w.a[i])) > 2e-6 {
					t.Fatalf("element %d of %d: %v, want %v", i, n, w.a[i], w64[i])
				}
			}
		}
	})
}
