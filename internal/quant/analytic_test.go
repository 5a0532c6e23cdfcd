package quant

import (
	"math"
	"math/rand"
	"testing"
)

// The constants are those that the literature has, and lie where the expected error is least.
func TestClips(t *testing.T) {
	for i, want := range []float64{1.863, 2.831, 3.897, 5.029, 6.205, 7.413, 8.646, 9.897} {
		if got := LaplaceClip(i + 1); math.Abs(got-want) > 1e-3 {
			t.Errorf("Laplace, %d bits: %.4f, want %.3f", i+1, got, want)
		}
	}
	for i, want := range []float64{1.240, 1.711, 2.152, 2.559, 2.936, 3.287, 3.615, 3.924} {
		if got := GaussClip(i + 1); math.Abs(got-want) > 1e-3 {
			t.Errorf("Gauss, %d bits: %.4f, want %.3f", i+1, got, want)
		}
	}
}

func TestAnalyticRange(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	const n = 200000
	normal, laplace, half := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range n {
		normal[i] = float32(1 + 2*r.NormFloat64())
		laplace[i] = float32(3 * r.ExpFloat64() * float64(1-2*r.Intn(2)))
		half[i] = max(0, normal[i])
	}
	s := Scheme{Bits: 4}
	for _, test := range []struct {
		name   string
		o      *Analytic
		x      []float32
		lo, hi float64
	}{
		{"normal", NewGauss(s), normal, 1 - 2*2.559, 1 + 2*2.559},
		{"laplace", NewLaplace(s), laplace, -3 * 5.029, 3 * 5.029},
	} {
		test.o.Observe(test.x)
		lo, hi := test.o.Range()
		if math.Abs(float64(lo)-test.lo) > 0.2 || math.Abs(float64(hi)-test.hi) > 0.2 {
			t.Errorf("%s: %g to %g, want %g to %g", test.name, lo, hi, test.lo, test.hi)
		}
	}
	o := NewGauss(s)
	o.Observe(half)
	if lo, hi := o.Range(); lo != 0 || hi < 5 || hi > 7.5 { // mean 1.4, deviation 1.5, 2.936 of them
		t.Errorf("half: %g to %g", lo, hi)
	}
	o = NewLaplace(Scheme{Bits: 8})
	o.Observe([]float32{0, 1, 1, 1})
	if lo, hi := o.Range(); lo != 0 || hi != 1 {
		t.Errorf("wider than what was seen: %g to %g", lo, hi)
	}
	if lo, hi := NewLaplace(s).Range(); lo != 0 || hi != 0 {
		t.Errorf("nothing seen: %g to %g", lo, hi)
	}
}

func TestAllocateBits(t *testing.T) {
	spread := make([]float64, 64)
	for i := range spread {
		spread[i] = math.Exp2(float64(i) / 16)
	}
	spread[7], spread[8] = 0, 1000
	bits := AllocateBits(spread, 4)
	var mean float64
	for c, b := range bits {
		mean += float64(b) / 64
		if b < 0 || b > 8 {
			t.Errorf("channel %d has %d bits", c, b)
		}
	}
	if math.Abs(mean-4) > 0.1 || bits[7] != 0 || bits[8] != 8 {
		t.Errorf("%v: %g on average", bits, mean)
	}
	for c := range spread { // more for what is wider
		for d := range spread {
			if spread[c] < spread[d] && bits[c] > bits[d] {
				t.Errorf("%g has %d bits, %g has %d", spread[c], bits[c], spread[d], bits[d])
			}
		}
	}
	if b := AllocateBits([]float64{0, 0}, 3); b[0] != 3 || b[1] != 3 {
		t.Errorf("nothing to tell them apart: %v", b)
	}
}
