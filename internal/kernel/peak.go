package kernel

import "time"

// PeakFlops measures how many operations a second one core's float32 multipliers do on the selected path
// when nothing keeps them waiting, a multiply-add counting two: what kernels are to be compared with. It takes
// about a millisecond.
func PeakFlops() float64 { return peakFlops(selected) }

func peakFlops(isa isa) float64 {
	const trials, steps = 10, 10_000
	best := time.Duration(1<<63 - 1)
	for range trials {
		start := time.Now()
		peak(isa, steps)
		best = min(best, time.Since(start))
	}
	lanes := 1 // peakGo has no vectors
	if isa != isaGo {
		lanes = isa.lanes()
	}
	return float64(2*steps*isa.peakChains()*lanes) / best.Seconds()
}

// peakChains is the number of independent chains of multiply-adds in one step of peak: enough to hide the
// latency of one. Some arm64 processors begin four a cycle.
func (i isa) peakChains() int { return [...]int{isaGo: 12, isaAVX2: 12, isaAVX512: 12, isaNEON: 24}[i] }

// peakGo does steps times 12 multiply-adds. It stores their sum, or there would be nothing to compute.
func peakGo(sum *float32, steps int, x, y float32) {
	var a, b, c, d, e, f, g, h, i, j, k, l float32
	for range steps {
		a = float32(a*x) + y
		b = float32(b*x) + y
		c = float32(c*x) + y
		d = float32(d*x) + y
		e = float32(e*x) + y
		f = float32(f*x) + y
		g = float32(g*x) + y
		h = float32(h*x) + y
		i = float32(i*x) + y
		j = float32(j*x) + y
		k = float32(k*x) + y
		l = float32(l*x) + y
	}
	*sum = a + b + c + d + e + f + g + h + i + j + k + l
}
