//go:build arm64 && !noasm

package kernel

func peak(isa isa, steps int) {
	if isa == isaNEON {
		peakNEON(steps)
		return
	}
	peakGo(new(float32), steps, 0.5, 1)
}

// peakNEON does steps times isa.peakChains() multiply-adds of vectors, in registers alone. steps is at least 1.
func peakNEON(steps int)
