package nn

import (
	"math/rand/v2"
	"testing"

	"zaq/internal/intkernel"
)

// A sum of integers held in floats is the integer kernels', which have the bits of ONNX Runtime.
func TestIntegerAddRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		sa, sb, sc := r.Float32()/10+0.001, r.Float32()/10+0.001, r.Float32()/10+0.01
		za, zb, zero := r.Int32N(256), r.Int32N(256), r.Int32N(256)
		o := IntegerAdd{A: sa / sc, B: sb / sc, ZeroA: za, ZeroB: zb, ZeroY: zero}
		k := intkernel.NewAdd(sa, sb, sc, za, zb, zero, 0, 255, false)
		b, y := make([]uint8, 256), make([]uint8, 256)
		for i := range b {
			b[i] = uint8(i)
		}
		for a := range 256 {
			same := make([]uint8, 256)
			for i := range same {
				same[i] = uint8(a)
			}
			intkernel.Add(y, same, b, k)
			for i, want := range y {
				sum := o.Sum(float32(int32(a)-za), float32(int32(i)-zb))
				if got := min(max(sum+float32(zero), 0), 255); got != float32(want) {
					t.Fatalf("%+v: %d and %d make %g, want %d", o, a, i, got, want)
				}
			}
		}
	}
}
