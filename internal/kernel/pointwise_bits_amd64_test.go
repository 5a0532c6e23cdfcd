//go:build amd64 && !noasm

package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSameBits: loops without sums give the same bits for every instruction set that has fused multiply-adds.
func TestSameBits(t *testing.T) {
	all := families()
	if len(all) < 3 {
		t.Skip("this machine runs only one instruction set with assembly")
	}
	defer func(old family) { impl = old }(impl)
	rng := rand.New(rand.NewPCG(9, 10))
	const c, n = 24, 24 * 101
	x, res, start := random(rng, n), random(rng, n), random(rng, n)
	type outputs [][]float32
	run := func(f family) (all outputs) {
		impl = f
		rng := rand.New(rand.NewPCG(9, 11))
		out := func() []float32 {
			y := append([]float32(nil), start...)
			all = append(all, y)
			return y
		}
		for _, p := range chains(rng, c) {
			p.Forward(out(), x, res)
			p.Backward(out(), out(), start, x, res, nil, nil, true, false)
		}
		ka, kb, k0 := random(rng, c), random(rng, c), random(rng, c)
		ChannelAffine2(out(), x, res, ka, kb, k0, c, true)
		FakeQuantChannels(out(), x, []float32{0.07}, []int32{1}, -8, 7, c)
		Axpy(out(), 0.3, x)
		Tanh(out(), x)
		TanhBackward(out(), x, res, true)
		SGDStep(out(), x, out(), 0.1, 0.9, 1e-4, true)
		squares := out()
		for i := range squares {
			squares[i] *= squares[i]
		}
		AdamStep(out(), x, out(), squares, 0.1, 0.9, 0.999, 1e-8, 1e-4, 3)
		return all
	}
	want := run(all[1])
	for _, f := range all[2:] {
		for i, got := range run(f) {
			for j := range got {
				if math.Float32bits(got[j]) != math.Float32bits(want[i][j]) {
					t.Fatalf("output %d, element %d: %v with %s, %v with %s", i, j, got[j], f.name, want[i][j], all[1].name)
				}
			}
		}
	}
}
