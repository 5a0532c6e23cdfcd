package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestElementwise(t *testing.T) {
	tests := []struct {
		name string
		do   func(y, a, b []float32)
		want func(y, a, b float32) float32
		tol  float64
	}{
		{"stream", func(y, a, _ []float32) { Stream(y, a) }, func(_, a, _ float32) float32 { return a }, 0},
		{"add", Add, func(_, a, b float32) float32 { return a + b }, 0},
		{"mul", Mul, func(_, a, b float32) float32 { return a * b }, 0},
		{"accumulate", func(y, a, _ []float32) { Accumulate(y, a) }, func(y, a, _ float32) float32 { return y + a }, 0},
		{"axpy", func(y, a, _ []float32) { Axpy(y, 0.3, a) }, func(y, a, _ float32) float32 { return y + 0.3*a }, 1e-6},
		{"scale", func(y, _, _ []float32) { ScaleBy(y, -1.7) }, func(y, _, _ float32) float32 { return -1.7 * y }, 0},
		{"exp", func(y, a, _ []float32) { Exp(y, a) },
			func(_, a, _ float32) float32 { return float32(math.Exp(float64(a))) }, 3e-7},
		{"tanh", func(y, a, _ []float32) { Tanh(y, a) },
			func(_, a, _ float32) float32 { return float32(math.Tanh(float64(a))) }, 3e-7},
		{"tanh backward", func(y, a, b []float32) { TanhBackward(y, a, b, false) },
			func(_, a, b float32) float32 { return a * (1 - b*b) }, 1e-6},
		{"tanh backward, adding", func(y, a, b []float32) { TanhBackward(y, a, b, true) },
			func(y, a, b float32) float32 { return y + a*(1-b*b) }, 2e-6},
	}
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(31, 32))
		for _, test := range tests {
			for _, n := range append([]int{0}, lengths...) {
				a, b, start := random(rng, n), random(rng, n), random(rng, n)
				want := make([]float32, n)
				for i := range want {
					want[i] = test.want(start[i], a[i], b[i])
				}
				y := guard(start)
				test.do(y.a, a, b)
				y.check(t, test.name)
				near(t, test.name, y.a, want, test.tol)
			}
		}
	})
}

func TestReductions(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(33, 34))
		for _, n := range append([]int{0, 100_003}, lengths...) {
			a, b := random(rng, n), random(rng, n)
			var dot, squares, diff float64
			for i := range a {
				dot += float64(a[i]) * float64(b[i])
				squares += float64(a[i]) * float64(a[i])
				diff += math.Abs(float64(a[i]) - float64(b[i]))
			}
			for _, r := range []struct {
				name      string
				got, want float64
			}{{"dot", Dot(a, b), dot}, {"sum of squares", SumSquares(a), squares}, {"absolute difference", AbsDiffSum(a, b), diff}} {
				if math.Abs(r.got-r.want) > 1e-6*(1+squares) {
					t.Errorf("%s of %d: %v, want %v", r.name, n, r.got, r.want)
				}
			}
		}
	})
}

// TestExponentialAccuracy goes through all magnitudes in units in the last place.
func TestExponentialAccuracy(t *testing.T) {
	inf := float32(math.Inf(1))
	var all []float32
	for bits := uint32(0); bits < 0x7f800000; bits += 4001 {
		all = append(all, math.Float32frombits(bits), math.Float32frombits(bits|1<<31))
	}
	all = append(all, inf, -inf)
	var dense []float32
	for v := float32(-89); v < 90; v += 1. / 1024 {
		dense = append(dense, v)
	}
	for _, f := range []struct {
		name   string
		do     func(y, x []float32)
		want   func(float64) float64
		lo, hi float32 // of the results
	}{
		{"tanh", Tanh, math.Tanh, -1, 1},
		{"exp", Exp, func(x float64) float64 { return math.Exp(min(max(x, -87.25), 88.25)) }, 1.2e-38, 2.2e38},
	} {
		t.Run(f.name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T) {
				x := append(dense, all...)
				y := make([]float32, len(x))
				f.do(y, x)
				worst, at := 0.0, float32(0)
				for i, v := range x {
					want := f.want(float64(v))
					w32 := float32(want)
					ulp := float64(math.Nextafter32(abs32(w32), inf) - abs32(w32))
					if d := math.Abs(float64(y[i])-want) / ulp; !(d <= worst) {
						worst, at = d, v
					}
					if !(f.lo <= y[i] && y[i] <= f.hi) {
						t.Fatalf("of %v: %v", v, y[i])
					}
				}
				if !(worst <= 2) {
					t.Errorf("error of %.2f ulp at %v", worst, at)
				}
				y[0] = float32(math.NaN())
				f.do(y[:1], y[:1])
				if y[0] == y[0] {
					t.Errorf("of NaN: %v", y[0])
				}
			})
		})
	}
}

func TestUpsampleNearest2x(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(35, 36))
		for _, c := range channels {
			for _, shape := range [][2]int{{1, 1}, {2, 3}, {5, 2}} {
				h, w := shape[0], shape[1]
				x, dy, start := random(rng, h*w*c), random(rng, 4*h*w*c), random(rng, h*w*c)
				y := guard(make([]float32, len(dy)))
				UpsampleNearest2x(y.a, x, h, w, c)
				y.check(t, "upsample")
				want, wantDx := make([]float32, len(dy)), make([]float32, len(x))
				for i := range 2 * h {
					for j := range 2 * w {
						for k := range c {
							small, large := (i/2*w+j/2)*c+k, (i*2*w+j)*c+k
							want[large] = x[small]
							wantDx[small] += dy[large]
						}
					}
				}
				near(t, "upsample", y.a, want, 0)
				dx := guard(start)
				UpsampleNearest2xBackward(dx.a, dy, h, w, c, false)
				dx.check(t, "upsample backward")
				near(t, "upsample backward", dx.a, wantDx, 1e-6)
				copy(dx.a, start)
				UpsampleNearest2xBackward(dx.a, dy, h, w, c, true)
				for i := range wantDx {
					wantDx[i] += start[i]
				}
				near(t, "upsample backward, adding", dx.a, wantDx, 1e-6)
			}
		}
	})
}

func TestAddRows(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(35, 36))
		for _, width := range []int{1, 3, 7, 8, 15, 16, 17, 33, 64} {
			for _, rows := range []int{1, 2, 5} {
				const gapY, gapA, gapB = 2, 0, 5
				n := rows * (width + gapB)
				a, b, start := random(rng, n), random(rng, n), random(rng, rows*(width+gapY)-gapY)
				want := append([]float32(nil), start...)
				for r := range rows {
					for i := range width {
						want[r*(width+gapY)+i] = a[r*(width+gapA)+i] - b[r*(width+gapB)+i]
					}
				}
				y := guard(start)
				impl.addRows(y.a, a, b, -1, rows, width, width+gapY, width+gapA, width+gapB)
				y.check(t, "add rows")
				near(t, "add rows", y.a, want, 0)
			}
		}
	})
}

// Arrays that begin with a cache line, and some that do not.
func TestStream(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(35, 36))
		for _, n := range append([]int{0}, lengths...) {
			all, x := make([]float32, n+48), random(rng, n)
			for from := range 32 {
				clear(all)
				Stream(all[from:from+n], x)
				for i, v := range all {
					want := float32(0)
					if from <= i && i < from+n {
						want = x[i-from]
					}
					if v != want {
						t.Fatalf("%d elements from %d: element %d is %g, not %g", n, from, i, v, want)
					}
				}
			}
		}
	})
}
