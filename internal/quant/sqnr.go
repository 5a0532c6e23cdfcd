package quant

import "math"

// SQNR returns the signal-to-quantization-noise ratio in dB, 20 log10(||ref|| / ||ref - got||). It is +Inf
// where got equals ref, and -Inf where ref is all zero and got is not. The slices have the same length.
func SQNR(ref, got []float32) float64 {
	got = got[:len(ref)]
	var signal, noise float64
	for i, r := range ref {
		d := float64(r) - float64(got[i])
		signal += float64(float64(r) * float64(r)) // rounded, so that no processor fuses it
		noise += float64(d * d)
	}
	if noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(signal/noise)
}
