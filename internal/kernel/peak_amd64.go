//go:build amd64 && !noasm

package kernel

func peak(isa isa, steps int) {
	switch isa {
	case isaAVX512:
		peakAVX512(steps)
	case isaAVX2:
		peakAVX2(steps)
	default:
		peakGo(new(float32), steps, 0.5, 1)
	}
}

// The functions below do steps times isa.peakChains() multiply-adds of vectors, in registers alone. steps is at
// least 1.

func peakAVX2(steps int)

func peakAVX512(steps int)
