package onnx

import (
	"math"
	"testing"
)

// Every binary16 number becomes itself; what lies between two goes to the nearer, or to the even one.
func TestFloatsOf(t *testing.T) {
	for h := range 1 << 16 {
		x := float16(uint16(h))
		if got := toFloat16(x); got != uint16(h) && x == x {
			t.Fatalf("%#x is %v, which becomes %#x", h, x, got)
		}
	}
	inf := float32(math.Inf(1))
	for _, k := range []struct {
		x      float32
		typ    DataType
		wanted float32
	}{
		{1 + 0x1p-11, Float16, 1}, {1 + 0x1p-11 + 0x1p-20, Float16, 1 + 0x1p-10}, {1 + 3*0x1p-11, Float16, 1 + 2*0x1p-10},
		{65519, Float16, 65504}, {65520, Float16, inf}, {-65520, Float16, -inf}, {0x1p-25, Float16, 0}, {0x1.8p-25, Float16, 0x1p-24},
		{0x1p-14 - 0x1p-26, Float16, 0x1p-14}, {1.9999, Float16, 2},
		{1 + 0x1p-8, BFloat16, 1}, {1 + 0x1p-8 + 0x1p-16, BFloat16, 1 + 0x1p-7}, {-inf, BFloat16, -inf}, {math.MaxFloat32, BFloat16, inf},
		{0.1, Float, 0.1}, {0.1, Double, 0.1},
	} {
		if got := RoundFloat(k.x, k.typ); got != k.wanted {
			t.Errorf("%v as %v is %v, want %v", k.x, k.typ, got, k.wanted)
		}
		v, err := NewFloatsOf("", k.typ, []int64{1}, []float32{k.x}).Floats()
		if err != nil || v[0] != k.wanted {
			t.Errorf("a tensor of %v has %v, want %v (%v)", k.typ, v, k.wanted, err)
		}
	}
	if nan := RoundFloat(float32(math.NaN()), Float16); nan == nan {
		t.Errorf("NaN becomes %v", nan)
	}
}
