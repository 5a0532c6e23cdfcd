package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestBounds(t *testing.T) {
	tests := []struct {
		s          Scheme
		qmin, qmax int32
	}{
		{Scheme{Bits: 8}, 0, 255},
		{Scheme{Bits: 4}, 0, 15},
		{Scheme{Bits: 2}, 0, 3},
		{Scheme{Bits: 8, Signed: true}, -128, 127},
		{Scheme{Bits: 4, Signed: true}, -8, 7},
		{Scheme{Bits: 4, Signed: true, Narrow: true}, -7, 7},
		{Scheme{Bits: 2, Signed: true, Symmetric: true}, -2, 1},
	}
	for _, tt := range tests {
		if qmin, qmax := tt.s.Bounds(); qmin != tt.qmin || qmax != tt.qmax {
			t.Errorf("%+v: bounds %d, %d, want %d, %d", tt.s, qmin, qmax, tt.qmin, tt.qmax)
		}
	}
}

func TestSetRange(t *testing.T) {
	u8 := Scheme{Bits: 8}
	u4 := Scheme{Bits: 4}
	s4 := Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true}
	w2 := Scheme{Bits: 2, Signed: true, Symmetric: true}
	nan := float32(math.NaN())
	tests := []struct {
		name   string
		s      Scheme
		lo, hi float32
		scale  float32
		zero   int32
	}{
		{"after ReLU", u8, 0, 25.5, 0.1, 0},
		{"widened to zero from below", u8, 3, 25.5, 0.1, 0},
		{"widened to zero from above", u8, -25.5, -3, 0.1, 255},
		{"asymmetric", u8, -1, 1.55, 0.01, 100},
		{"zero point ties to even", u4, -2.5, 12.5, 1, 2},
		{"zero point ties to even, up", u4, -3.5, 11.5, 1, 4},
		{"symmetric", s4, -3, 3.5, 0.5, 0},
		{"symmetric, other tail", s4, -3.5, 3, 0.5, 0},
		{"two bits, lower tail fits", w2, -2, 0.5, 1, 0},
		{"two bits, upper tail rules", w2, -1, 1, 1, 0},
		{"empty", u8, 0, 0, 1, 0},
		{"empty symmetric", s4, 0, 0, 1, 0},
		{"denormal", u8, 0, 1e-44, MinScale, 0},
		{"not a number", u8, nan, nan, 1, 0},
	}
	for _, tt := range tests {
		q := New(tt.s)
		q.SetRange(0, tt.lo, tt.hi)
		if q.Scale[0] != tt.scale || q.Zero[0] != tt.zero {
			t.Errorf("%s: scale %g, zero %d, want %g, %d", tt.name, q.Scale[0], q.Zero[0], tt.scale, tt.zero)
		}
	}
}

// Whatever the range, parameters are valid, zero is exact and the error within the range is half a step
// (plus what the rounding of the zero point shifts the ends).
func TestSetRangeProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	inf := float32(math.Inf(1))
	for bits := MinBits; bits <= MaxBits; bits++ {
		for _, s := range []Scheme{
			{Bits: bits},
			{Bits: bits, Signed: true},
			{Bits: bits, Signed: true, Symmetric: true},
			{Bits: bits, Signed: true, Symmetric: true, Narrow: true},
			{Bits: bits, Symmetric: true},
		} {
			for range 200 {
				lo := float32(rng.NormFloat64() * math.Pow(10, float64(rng.IntN(60)-30)))
				hi := float32(rng.NormFloat64() * math.Pow(10, float64(rng.IntN(60)-30)))
				q := New(s)
				q.SetRange(0, lo, hi)
				if err := q.Validate(); err != nil {
					t.Fatalf("%+v, range %g to %g: %v", s, lo, hi, err)
				}
				if z := q.FakeQuantize(0, 0); z != 0 {
					t.Fatalf("%+v, range %g to %g: 0 becomes %g", s, lo, hi, z)
				}
				lo, hi = min(lo, 0), max(hi, 0)
				v := lo + (hi-lo)*rng.Float32()
				if d := math.Abs(float64(q.FakeQuantize(v, 0) - v)); d > float64(q.Scale[0])*1.0001 {
					t.Fatalf("%+v, range %g to %g: %g is off by %g, scale %g", s, lo, hi, v, d, q.Scale[0])
				}
			}
			for _, r := range [][2]float32{{-inf, inf}, {0, inf}, {-math.MaxFloat32, math.MaxFloat32}, {0, 1e-45}} {
				q := New(s)
				q.SetRange(0, r[0], r[1])
				if err := q.Validate(); err != nil {
					t.Errorf("%+v, range %v: %v", s, r, err)
				}
				if l, h := q.Range(0); l-l != 0 || h-h != 0 {
					t.Errorf("%+v, range %v: grid from %g to %g", s, r, l, h)
				}
			}
		}
	}
}

func TestQuantize(t *testing.T) {
	q := New(Scheme{Bits: 8})
	q.SetRange(0, -25.5, 0)
	q.Scale[0], q.Zero[0] = 0.5, 10
	tests := []struct {
		v float32
		i int32
	}{
		{0, 10}, {0.25, 10}, {0.75, 12}, {-0.25, 10}, {-0.75, 8}, {1e30, 255}, {-1e30, 0},
		{float32(math.Inf(1)), 255}, {float32(math.Inf(-1)), 0}, {float32(math.NaN()), 10}, {122.5, 255}, {122, 254},
	}
	for _, tt := range tests {
		if i := q.Quantize(tt.v, 7); i != tt.i { // any channel of a per-tensor quantizer
			t.Errorf("Quantize(%g) = %d, want %d", tt.v, i, tt.i)
		}
		if f := q.FakeQuantize(tt.v, 0); f != float32(tt.i-10)*0.5 {
			t.Errorf("FakeQuantize(%g) = %g, want %g", tt.v, f, float32(tt.i-10)*0.5)
		}
	}
	q.QMax = 100 // a folded clip
	if got := q.Quantize(1e9, 0); got != 100 {
		t.Errorf("above a folded clip: %d, want 100", got)
	}
}

// A division and a product with the reciprocal round differently; ONNX divides.
func TestQuantizeDivides(t *testing.T) {
	q := New(Scheme{Bits: 8})
	rng := rand.New(rand.NewPCG(3, 4))
	differ := 0
	for range 1 << 16 {
		s := float32(rng.IntN(1000)+1) / 997
		q.Scale, q.Zero = []float32{s}, []int32{0}
		v := (float32(rng.IntN(250)) + 0.5) * s
		want := int32(math.RoundToEven(float64(v / s)))
		if got := q.Quantize(v, 0); got != want {
			t.Fatalf("Quantize(%g) with scale %g = %d, want %d", v, s, got, want)
		}
		if int32(math.RoundToEven(float64(v*(1/s)))) != want {
			differ++
		}
	}
	if differ == 0 {
		t.Error("the test does not tell a division from a product")
	}
}

func TestChannels(t *testing.T) {
	q := New(Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true, PerChannel: true})
	if err := q.Validate(); err == nil || q.Calibrated() {
		t.Error("a new quantizer counts as calibrated")
	}
	q.SetRanges([]float32{-7, -1}, []float32{3, 14})
	if q.Scale[0] != 1 || q.Scale[1] != 2 {
		t.Errorf("scales %v, want 1, 2", q.Scale)
	}
	if err := q.Validate(); err != nil {
		t.Error(err)
	}
	src := []float32{2.4, -9, 2.9, 100}
	got := make([]float32, 4)
	q.FakeQuantizeChannels(got, src)
	for i, want := range []float32{2, -7, 2, 14} {
		if got[i] != want {
			t.Errorf("element %d: %g, want %g", i, got[i], want)
		}
	}
	if lo, hi := q.Range(1); lo != -14 || hi != 14 {
		t.Errorf("range %g to %g, want -14 to 14", lo, hi)
	}

	c := q.Clone()
	c.Scale[0], c.Zero[1] = 5, 1
	if q.Scale[0] != 1 || q.Zero[1] != 0 {
		t.Error("a clone shares its scales")
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(q *Quantizer)
	}{
		{"bits", func(q *Quantizer) { q.Bits = 9 }},
		{"bounds", func(q *Quantizer) { q.QMax = 300 }},
		{"empty bounds", func(q *Quantizer) { q.QMin, q.QMax = 5, 4 }},
		{"lengths", func(q *Quantizer) { q.Zero = nil }},
		{"channels", func(q *Quantizer) { q.SetRange(1, 0, 1) }},
		{"zero scale", func(q *Quantizer) { q.Scale[0] = 0 }},
		{"denormal scale", func(q *Quantizer) { q.Scale[0] = 1e-42 }},
		{"infinite scale", func(q *Quantizer) { q.Scale[0] = float32(math.Inf(1)) }},
		{"scale not a number", func(q *Quantizer) { q.Scale[0] = float32(math.NaN()) }},
		{"zero point", func(q *Quantizer) { q.Zero[0] = 256 }},
		{"symmetric zero point", func(q *Quantizer) { q.Symmetric = true }},
	}
	for _, tt := range tests {
		q := New(Scheme{Bits: 8})
		q.SetRange(0, 0, 1)
		if err := q.Validate(); err != nil {
			t.Fatal(err)
		}
		if tt.change(q); q.Validate() == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestParsePrecision(t *testing.T) {
	for s, want := range map[string]Precision{"w4a4": {4, 4}, "W8a2": {8, 2}, "w2A8": {2, 8}} {
		if p, err := ParsePrecision(s); err != nil || p != want {
			t.Errorf("%q: %v, %v, want %v", s, p, err, want)
		}
	}
	if s := (Precision{4, 8}).String(); s != "w4a8" {
		t.Errorf("String: %q", s)
	}
	for _, s := range []string{"", "w1a9", "w4", "a4w4", "w4a4x", "w16a8", "w-4a4", "w4a1"} {
		_, err := ParsePrecision(s)
		if err == nil {
			t.Errorf("%q: accepted", s)
		}
	}
	_, err := ParsePrecision("w1a9")
	if want := `precision "w1a9": want w2 to w8 and a2 to a8, such as w4a8`; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}
