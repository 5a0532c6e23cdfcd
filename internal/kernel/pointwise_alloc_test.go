//go:build !race

package kernel

import "testing"

// TestNoAllocation: the loops of training must not make garbage. (The race detector makes pools forget.)
func TestNoAllocation(t *testing.T) {
	const c, n = 16, 16 * 300
	p := benchPointwise(c)
	a, b, d := make([]float32, n), make([]float32, n), make([]float32, c)
	s := make([]float64, c)
	if allocs := testing.AllocsPerRun(20, func() {
		p.Prepare()
		p.Forward(a, b, nil)
		p.Backward(a, nil, b, b, nil, d, d, false, false)
		ChannelDots(s, s, a, b, c)
		ChannelAffine2(a, a, b, d, d, d, c, false)
		Dot(a, b)
	}); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
