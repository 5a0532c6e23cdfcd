package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var (
	lengths  = []int{1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 1000}
	channels = []int{1, 2, 3, 5, 8, 10, 16, 17, 24, 32, 48, 64, 65, 100, 131}
)

// eachFamily runs a test with every implementation that this machine can run.
func eachFamily(t *testing.T, test func(t *testing.T)) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			defer func(old family) { impl = old }(impl)
			impl = f
			test(t)
		})
	}
}

func random(rng *rand.Rand, n int) []float32 {
	a := make([]float32, n)
	for i := range a {
		a[i] = float32(rng.NormFloat64())
	}
	return a
}

const canary = -12345.25

// guarded is an array of n elements inside a larger one, at an odd offset.
type guarded struct{ all, a []float32 }

func guard(a []float32) guarded {
	all := make([]float32, len(a)+2*67)
	for i := range all {
		all[i] = canary
	}
	g := guarded{all: all, a: all[67 : 67+len(a)]}
	copy(g.a, a)
	return g
}

func (g guarded) check(t *testing.T, what string) {
	t.Helper()
	for i, v := range g.all {
		if (i < 67 || i >= 67+len(g.a)) && v != canary {
			t.Fatalf("%s: wrote element %d of %d", what, i-67, len(g.a))
		}
	}
}

// near compares with a tolerance relative to the size of the terms.
func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tol*(1+math.Abs(float64(want[i])))) && got[i] != want[i] {
			t.Fatalf("%s: element %d of %d is %v, want %v", what, i, len(want), got[i], want[i])
		}
	}
}

// chains are all forms of the chain for c channels.
func chains(rng *rand.Rand, c int) []*Pointwise {
	var all []*Pointwise
	for _, act := range []Act{ActNone, ActReLU, ActLeakyReLU, ActClip} {
		for form := range 6 {
			p := &Pointwise{C: c, Act: act, Alpha: 0.2, Lo: -0.4, Hi: 0.9}
			if form&1 != 0 {
				p.Scale, p.Shift = random(rng, c), random(rng, c)
			}
			switch form / 2 {
			case 1:
				p.Quant, p.QScale, p.QZero, p.QMin, p.QMax = true, 0.11, 6, 0, 15
			case 2:
				p.Quant, p.QScale, p.QZero, p.QMin, p.QMax = true, 0.013, -100, -128, 127
				p.PassThrough = form == 5
			}
			all = append(all, p)
		}
	}
	return all
}

func (p *Pointwise) String() string {
	return fmt.Sprintf("C %d affine %v act %d quant %v [%d %d]", p.C, p.Scale != nil, p.Act, p.Quant, p.QMin, p.QMax)
}

// scalar is the chain in float64, straight from its definition, and its derivative with respect to v. border tells
// how far v is from the next point where the chain or its gradient jumps.
func (p *Pointwise) scalar(x, res float64, c int) (y, slope, border float64) {
	v := x
	if p.Scale != nil {
		v = x*float64(p.Scale[c]) + float64(p.Shift[c])
	}
	v += res
	a, slope, border := v, 1.0, math.Inf(1)
	near := func(b float64) { border = min(border, math.Abs(v-b)) }
	switch p.Act {
	case ActReLU:
		near(0)
		if v <= 0 {
			a, slope = 0, 0
		}
	case ActLeakyReLU:
		near(0)
		if v <= 0 {
			a, slope = v*float64(p.Alpha), float64(p.Alpha)
		}
	case ActClip:
		near(float64(p.Lo))
		near(float64(p.Hi))
		if v <= float64(p.Lo) || v >= float64(p.Hi) {
			a, slope = min(max(v, float64(p.Lo)), float64(p.Hi)), 0
		}
	}
	if !p.Quant {
		return a, slope, border
	}
	s := float64(p.QScale)
	u := a / s
	border = min(border, s*math.Abs(u-math.Floor(u)-0.5))
	q := math.RoundToEven(u) + float64(p.QZero)
	qc := min(max(q, float64(p.QMin)), float64(p.QMax))
	if qc != q && !p.PassThrough {
		slope = 0
	}
	return s * (qc - float64(p.QZero)), slope, border
}

// TestForward compares every form, channel count and family with the definition.
func TestForward(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, c := range channels {
			for _, p := range chains(rng, c) {
				p.Prepare()
				for _, positions := range []int{1, 2, 7, 33} {
					n := c * positions
					x, res := random(rng, n), random(rng, n)
					for _, r := range [][]float32{nil, res} {
						y := guard(make([]float32, n))
						p.Forward(y.a, x, r)
						y.check(t, p.String())
						for i := range y.a {
							var ri float32
							if r != nil {
								ri = r[i]
							}
							want, _, border := p.scalar(float64(x[i]), float64(ri), i%c)
							if d := math.Abs(float64(y.a[i]) - want); d > 2e-6 && border > 2e-6 {
								t.Fatalf("%v: f(%v, %v) = %v, want %v", p, x[i], ri, y.a[i], want)
							}
							if p.Quant {
								if q := math.Round(float64(y.a[i] / p.QScale)); y.a[i] != p.QScale*float32(q) {
									t.Fatalf("%v: %v is not on the grid", p, y.a[i])
								}
							}
						}
						in := append([]float32(nil), x...)
						p.Forward(in, in, r)
						near(t, "y is x", in, y.a, 0)
						if r != nil {
							in := append([]float32(nil), r...)
							p.Forward(in, x, in)
							near(t, "y is res", in, y.a, 0)
						}
					}
				}
			}
		}
	})
}

// TestBackward compares every form with the definition's derivative.
func TestBackward(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, c := range channels {
			for _, p := range chains(rng, c) {
				p.Prepare()
				for _, positions := range []int{1, 41} {
					testBackward(t, rng, p, positions)
				}
			}
		}
	})
}

func testBackward(t *testing.T, rng *rand.Rand, p *Pointwise, positions int) {
	n := p.C * positions
	x, res, dy := random(rng, n), random(rng, n), random(rng, n)
	for i := range x { // away from the places where rounding decides
		for {
			if _, _, border := p.scalar(float64(x[i]), float64(res[i]), i%p.C); border > 1e-5 {
				break
			}
			x[i] += 1e-4
		}
	}
	withRes := rng.IntN(2) == 0
	if !withRes {
		res = nil
	}
	start := random(rng, n)
	wantDx, wantDres := make([]float32, n), make([]float32, n)
	wantS, wantT := make([]float64, p.C), make([]float64, p.C)
	for i := range x {
		var r float64
		if withRes {
			r = float64(res[i])
		}
		_, slope, border := p.scalar(float64(x[i]), r, i%p.C)
		if border < 1e-5 {
			x[i], dy[i], slope = 0.5, 0, 0
		}
		e := float64(dy[i]) * slope
		wantS[i%p.C] += e * float64(x[i])
		wantT[i%p.C] += e
		wantDres[i] = float32(e)
		if p.Scale != nil {
			e *= float64(p.Scale[i%p.C])
		}
		wantDx[i] = float32(e)
	}
	for form := range 36 {
		modeX, modeRes, sums := form%3, form/3%3, form/9 // mode: none, write, add
		var dx, dres guarded
		if modeX > 0 {
			dx = guard(start)
		}
		if modeRes > 0 {
			dres = guard(start)
		}
		var ds, dt guarded
		if sums&1 != 0 {
			ds = guard(make([]float32, p.C))
		}
		if sums&2 != 0 {
			dt = guard(make([]float32, p.C))
		}
		p.Backward(dx.a, dres.a, dy, x, res, ds.a, dt.a, modeX == 2, modeRes == 2)
		for _, o := range []struct {
			what string
			got  guarded
			mode int
			want []float32
		}{{"dx", dx, modeX, wantDx}, {"dres", dres, modeRes, wantDres}} {
			if o.mode == 0 {
				continue
			}
			o.got.check(t, o.what)
			want := append([]float32(nil), o.want...)
			if o.mode == 2 {
				for i := range want {
					want[i] += start[i]
				}
			}
			near(t, fmt.Sprint(p, " ", o.what, " form ", form), o.got.a, want, 1e-6)
		}
		for _, o := range []struct {
			what string
			got  guarded
			want []float64
		}{{"dscale", ds, wantS}, {"dshift", dt, wantT}} {
			o.got.check(t, o.what)
			for c, v := range o.got.a {
				if d := math.Abs(float64(v) - o.want[c]); d > 1e-5*float64(positions) {
					t.Fatalf("%v: %s of channel %d is %v, want %v", p, o.what, c, v, o.want[c])
				}
			}
		}
	}
	alias := append([]float32(nil), dy...)
	p.Backward(alias, nil, alias, x, res, nil, nil, false, false)
	near(t, "dx is dy", alias, wantDx, 1e-6)
	copy(alias, dy)
	p.Backward(nil, alias, alias, x, res, nil, nil, false, false)
	near(t, "dres is dy", alias, wantDres, 1e-6)
}

// TestBackwardFiniteDifferences checks the smooth chains against their forward pass.
func TestBackwardFiniteDifferences(t *testing.T) {
	const c, n, h = 5, 40, 1.0 / 256
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, act := range []Act{ActNone, ActReLU, ActLeakyReLU, ActClip} {
			p := &Pointwise{C: c, Act: act, Alpha: 0.25, Lo: -1, Hi: 1, Scale: random(rng, c), Shift: random(rng, c)}
			x, res, w := random(rng, n), random(rng, n), random(rng, n)
			for i := range x {
				for {
					if _, _, border := p.scalar(float64(x[i]), float64(res[i]), i%c); border > 4*h*math.Abs(float64(p.Scale[i%c]))+4*h {
						break
					}
					res[i] += 0.01
				}
			}
			loss := func() float64 {
				y := make([]float32, n)
				p.Forward(y, x, res)
				return Dot(y, w)
			}
			dx, dres, ds, dt := make([]float32, n), make([]float32, n), make([]float32, c), make([]float32, c)
			p.Backward(dx, dres, w, x, res, ds, dt, false, false)
			for _, o := range []struct {
				what      string
				at, slope []float32
				tol       float64
			}{{"dx", x, dx, 1e-3}, {"dres", res, dres, 1e-3}, {"dshift", p.Shift, dt, 1e-3}} {
				for i := range o.at {
					old := o.at[i]
					o.at[i] = old + h
					up := loss()
					o.at[i] = old - h
					down := loss()
					o.at[i] = old
					if d := math.Abs((up-down)/(2*h) - float64(o.slope[i])); d > o.tol {
						t.Errorf("act %d: %s[%d] is %v, differences give %v", act, o.what, i, o.slope[i], (up-down)/(2*h))
					}
				}
			}
		}
	})
}

// TestGrid checks the rounding of every family against the definition with a true division, at and around every
// tie, beyond the range, and on values that are not numbers.
func TestGrid(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		inf := float32(math.Inf(1))
		for range 300 {
			p := &Pointwise{C: 1, Quant: true, QZero: int32(rng.IntN(256) - 128), QMin: -128, QMax: 127}
			p.QScale = float32(math.Exp(rng.NormFloat64() * 6))
			if rng.IntN(2) == 0 {
				p.QZero, p.QMin, p.QMax = int32(rng.IntN(4)), 0, 3
			}
			var x []float32
			for q := p.QMin - p.QZero - 2; q <= p.QMax-p.QZero+2; q++ {
				v := (float32(q) + 0.5) * p.QScale
				for range 3 {
					v = math.Nextafter32(v, -inf)
				}
				for range 7 {
					x = append(x, v)
					v = math.Nextafter32(v, inf)
				}
			}
			x = append(x, 0, inf, -inf, math.MaxFloat32, -math.MaxFloat32)
			x = append(x, math.SmallestNonzeroFloat32, -1e-40, p.QScale*1e7, -p.QScale*1e7)
			nan := len(x)
			x = append(x, float32(math.NaN()))
			p.Prepare()
			y, dx, dy := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
			for i := range dy {
				dy[i] = 1
			}
			p.Forward(y, x, nil)
			p.Backward(dx, nil, dy, x, nil, nil, nil, false, false)
			for i, v := range x[:nan] {
				q := math.RoundToEven(float64(v/p.QScale)) + float64(p.QZero)
				qc := min(max(q, float64(p.QMin)), float64(p.QMax))
				pass := float32(1)
				if q != qc {
					pass = 0
				}
				if want := p.QScale * float32(qc-float64(p.QZero)); y[i] != want || math.Signbit(float64(y[i])) && y[i] == 0 {
					t.Fatalf("scale %v zero %d [%d %d]: %v becomes %v, want %v", p.QScale, p.QZero, p.QMin, p.QMax, v, y[i], want)
				}
				if dx[i] != pass {
					t.Fatalf("scale %v zero %d [%d %d]: gradient at %v is %v", p.QScale, p.QZero, p.QMin, p.QMax, v, dx[i])
				}
			}
			if y[nan] != 0 || dx[nan] != 0 {
				t.Fatalf("NaN becomes %v with gradient %v", y[nan], dx[nan])
			}
		}
	})
}

// TestNaN: where there is no quantizer a NaN must stay visible.
func TestNaN(t *testing.T) {
	eachFamily(t, func(t *testing.T) {
		for _, act := range []Act{ActNone, ActReLU, ActLeakyReLU, ActClip} {
			p := &Pointwise{C: 1, Act: act, Hi: 6}
			y := make([]float32, 100)
			x := make([]float32, 100)
			x[3], x[99] = float32(math.NaN()), float32(math.NaN())
			p.Forward(y, x, nil)
			for i := range y {
				if (y[i] != y[i]) != (i == 3 || i == 99) {
					t.Errorf("act %d: y[%d] is %v", act, i, y[i])
				}
			}
		}
	})
}
