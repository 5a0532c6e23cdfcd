package intkernel

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// lengths are around the multiples of every vector.
var lengths = []int{0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256}

func randomBytes(r *rand.Rand, n int) []uint8 {
	x := make([]uint8, n)
	for i := range x {
		x[i] = uint8(r.Uint32())
	}
	return x
}

// exactFMA is a*b + c rounded once.
func exactFMA(a, b, c float32) float32 {
	f := func(x float32) *big.Float { return new(big.Float).SetPrec(600).SetFloat64(float64(x)) }
	p := f(a)
	p.Mul(p, f(b)).Add(p, f(c))
	v, _ := p.Float32()
	return v
}

func TestFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		a := float32(r.IntN(256))
		b := float32(math.Ldexp(float64(r.Float32()), r.IntN(12)-6))
		c := float32(math.Ldexp(float64(r.Float32()-0.5), r.IntN(60)-30))
		if got, want := fma(a, b, c), exactFMA(a, b, c); got != want {
			t.Fatalf("fma(%g, %g, %g) = %g, want %g", a, b, c, got, want)
		}
	}
	// In the middle between two float32 but for a part that float64 does not hold.
	for _, c := range []float32{0x1p-60, -0x1p-60, 0, 0x1p-24} {
		for _, a := range []float32{255, 129, 3} {
			for _, b := range []float32{0x1.010102p0, 0x1.000002p0, 0x1.800002p0, -0x1.000002p0} {
				if got, want := fma(a, b, c), exactFMA(a, b, c); got != want {
					t.Errorf("fma(%g, %g, %g) = %g, want %g", a, b, c, got, want)
				}
			}
		}
	}
}

func TestRequantize(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range lengths {
			sums, factors := make([]int32, n), make([]float32, n)
			for i := range sums {
				sums[i] = int32(r.Uint32()) >> r.IntN(31)
				factors[i] = float32(math.Ldexp(float64(r.Float32()+0.5), -r.IntN(34)))
				switch r.IntN(20) {
				case 0:
					factors[i] = float32(math.Inf(1)) // times 0 it is no number
				case 1:
					factors[i], sums[i] = 0.5, int32(2*r.IntN(600)-300+1) // halves
				case 2:
					sums[i] = math.MinInt32
				}
			}
			for _, fixed := range []bool{false, true} {
				q := NewRequant(factors, int32(r.IntN(256)), int32(r.IntN(100)), int32(100+r.IntN(156)), fixed)
				dst := make([]uint8, n+1)
				f.requantizeRow(dst, sums, q, n)
				for i := range n {
					if want := q.One(sums[i], i); dst[i] != want {
						t.Fatalf("fixed %v: %d * %g = %d, want %d", fixed, sums[i], factors[i], dst[i], want)
					}
				}
				if dst[n] != 0 {
					t.Fatalf("%d: written beyond the end", n)
				}
			}
		}
	})
}

// The two ways differ by at most one.
func TestRequantWays(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		factor := []float32{float32(math.Ldexp(float64(r.Float32()+0.5), -r.IntN(20)))}
		zero := int32(r.IntN(256))
		a, b := NewRequant(factor, zero, 0, 255, false), NewRequant(factor, zero, 0, 255, true)
		sum := int32(float32(r.IntN(600)-300) / factor[0])
		if d := int(a.One(sum, 0)) - int(b.One(sum, 0)); d < -1 || d > 1 {
			t.Fatalf("%d * %g: %d and %d", sum, factor[0], a.One(sum, 0), b.One(sum, 0))
		}
	}
}

func TestAdd(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range lengths {
			a, b := randomBytes(r, n), randomBytes(r, n)
			sa, sb, sc := r.Float32()+0.01, r.Float32()+0.01, r.Float32()+0.3
			az, bz, cz := int32(r.IntN(256)), int32(r.IntN(256)), int32(r.IntN(256))
			k := NewAdd(sa, sb, sc, az, bz, cz, 2, 240, false)
			fixed := NewAdd(sa, sb, sc, az, bz, cz, 2, 240, true)
			y, yf := make([]uint8, n), make([]uint8, n)
			f.addAll(y, a, b, k)
			f.addAll(yf, a, b, fixed)
			for i := range y {
				v := exactFMA(float32(a[i]), k.RA, exactFMA(float32(b[i]), k.RB, k.Fix))
				want := uint8(min(max(math.RoundToEven(float64(v)), 2), 240))
				if y[i] != want {
					t.Fatalf("%d and %d: %d, want %d", a[i], b[i], y[i], want)
				}
				if yf[i] != fixed.one(a[i], b[i]) {
					t.Fatalf("%d and %d in fixed point: %d, want %d", a[i], b[i], yf[i], fixed.one(a[i], b[i]))
				}
				if d := int(y[i]) - int(yf[i]); d < -1 || d > 1 {
					t.Fatalf("%d and %d: %d, in fixed point %d", a[i], b[i], y[i], yf[i])
				}
			}
		}
	})
}

func TestLookupMaximum(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		r := rand.New(rand.NewPCG(9, 10))
		table := [256]uint8(randomBytes(r, 256))
		for _, n := range lengths {
			a, b := randomBytes(r, n), randomBytes(r, n)
			if n == 256 {
				for i := range a {
					a[i] = uint8(i)
				}
			}
			y, m := make([]uint8, n), make([]uint8, n)
			f.lookupAll(y, a, &table)
			f.maximumAll(m, a, b)
			for i := range a {
				if y[i] != table[a[i]] || m[i] != max(a[i], b[i]) {
					t.Fatalf("of %d and %d: %d and %d", a[i], b[i], y[i], m[i])
				}
			}
		}
	})
}

func TestQuantize(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, m := range []Map{{H: 2, W: 1, C: 1}, {H: 3, W: 33, C: 3, Top: 1, Side: 1}, {H: 2, W: 16, C: 4}, {H: 2, W: 7, C: 6, Side: 2}} {
			x := make([]float32, m.C*m.H*m.W)
			for i := range x {
				x[i] = (r.Float32() - 0.5) * 4
			}
			x[0] = float32(math.NaN())
			x[len(x)-1] = float32(math.Inf(1))
			x[len(x)/2] = -3e38
			k := NewQuantize(0.013, 120, 0, 255)
			dst := randomImage(r, m, 9)
			before := slices.Clone(dst)
			f.quantizeRows(dst, m, x, k, 0, m.H)
			for y := range m.H {
				for col := range m.W {
					for c := range m.C {
						v := x[(c*m.H+y)*m.W+col]
						want := uint8(0)
						if v == v {
							want = uint8(min(max(math.RoundToEven(float64(v/0.013))+120, 0), 255))
						}
						if got := dst[m.At(y, col)+c]; got != want {
							t.Fatalf("%v: %g is %d, want %d", m, v, got, want)
						}
					}
					copy(dst[m.At(y, col):][:m.Pixel()], before[m.At(y, col):])
				}
			}
			if !slices.Equal(dst, before) {
				t.Error("written outside of the image")
			}
		}
	})
}
