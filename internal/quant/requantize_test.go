package quant

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestMultiplier(t *testing.T) {
	for _, real := range []float64{1, 0.5, 1.0 / 3, 1e-9, 3e-5, 0.9999999999, 1 - 0x1p-53, 12345.678, 1 << 30, math.Pi} {
		m, shift := Multiplier(real)
		if m < 1<<30 || shift < 0 {
			t.Errorf("%g: m %d, shift %d", real, m, shift)
		}
		if got := math.Ldexp(float64(m), -shift); math.Abs(got/real-1) > 0x1p-31 {
			t.Errorf("%g becomes %g", real, got)
		}
	}
	for _, real := range []float64{0, -1, math.NaN()} {
		if m, _ := Multiplier(real); m != 0 {
			t.Errorf("%g: m %d, want 0", real, m)
		}
	}
	for _, real := range []float64{1 << 31, 1e300, math.Inf(1), 1<<31 - 0x1p-10} {
		if m, shift := Multiplier(real); m != math.MaxInt32 || shift != 0 {
			t.Errorf("%g: m %d, shift %d, want the largest", real, m, shift)
		}
	}
}

func TestRequantizeExact(t *testing.T) {
	tests := []struct {
		acc, m int32
		shift  int
		want   int32
	}{
		{5, 1 << 30, 31, 2}, {7, 1 << 30, 31, 4}, {-5, 1 << 30, 31, -2}, {-7, 1 << 30, 31, -4}, // halves go to even
		{3, 1 << 30, 30, 3}, {-3, 1 << 30, 30, -3},
		{math.MaxInt32, math.MaxInt32, 0, math.MaxInt32}, {math.MinInt32, math.MaxInt32, 0, math.MinInt32},
		{math.MinInt32, 1 << 30, 62, 0}, {math.MaxInt32, math.MaxInt32, 70, 0}, {9, 0, 0, 0},
	}
	for _, tt := range tests {
		if got := Requantize(tt.acc, tt.m, tt.shift); got != tt.want {
			t.Errorf("Requantize(%d, %d, %d) = %d, want %d", tt.acc, tt.m, tt.shift, got, tt.want)
		}
	}
	// Against exact rational arithmetic.
	rng := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		acc, m, shift := int32(rng.Uint32()), int32(rng.Uint32()>>2|1<<30), rng.IntN(63)
		p := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(acc)), big.NewInt(int64(m))), new(big.Int).Lsh(big.NewInt(1), uint(shift)))
		got := Requantize(acc, m, shift)
		diff := new(big.Rat).Sub(p, new(big.Rat).SetInt64(int64(got)))
		if saturated := got == math.MaxInt32 && p.Sign() > 0 || got == math.MinInt32 && p.Sign() < 0; saturated {
			continue
		}
		switch diff.Abs(diff).Cmp(big.NewRat(1, 2)) {
		case 1:
			t.Fatalf("Requantize(%d, %d, %d) = %d is off by %v", acc, m, shift, got, diff)
		case 0:
			if got&1 != 0 {
				t.Fatalf("Requantize(%d, %d, %d) = %d: a half went to odd", acc, m, shift, got)
			}
		}
	}
}

// The fixed-point rule stays within one of the float rule of ONNX Runtime.
func TestRequantizeNearFloatRule(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	off := 0
	for range 200000 {
		real := math.Exp(-rng.Float64() * 12)
		m, shift := Multiplier(float64(float32(real)))
		acc := int32(rng.NormFloat64() * min(100/real, 1<<26))
		want := math.RoundToEven(float64(float32(acc) * float32(real)))
		got := float64(Requantize(acc, m, shift))
		if d := math.Abs(got - want); d > 1 {
			t.Fatalf("acc %d, multiplier %g: %g, float rule %g", acc, real, got, want)
		} else if d == 1 {
			off++
		}
	}
	if off > 200 {
		t.Errorf("%d of 200000 differ from the float rule", off)
	}
}

func TestSQNR(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		ref, got []float32
		want     float64
	}{
		{[]float32{3, 4}, []float32{3, 4.5}, 20},
		{[]float32{1, 0}, []float32{0, 0}, 0},
		{[]float32{1, 2}, []float32{1, 2}, inf},
		{[]float32{0, 0}, []float32{0, 1}, -inf},
		{nil, nil, inf},
	}
	for _, tt := range tests {
		if got := SQNR(tt.ref, tt.got); got != tt.want && !(math.Abs(got-tt.want) < 1e-9) {
			t.Errorf("SQNR(%v, %v) = %g, want %g", tt.ref, tt.got, got, tt.want)
		}
	}
}
