package quant

import "math"

// Analytic observes values and proposes the range of least expected squared error if they followed a Laplace or a normal
// distribution (Banner et al., Post training 4-bit quantization, NeurIPS 2019: ACIQ). Make one with [NewLaplace] or
// [NewGauss].
type Analytic struct {
	histogram
	bits   int
	spread func(values []float32, counts []float64, mean, n float64) float64
	clip   func(bits int) float64 // in units of the spread
}

// NewLaplace returns an observer that takes the mean distance from the mean for the scale of a Laplace distribution.
func NewLaplace(s Scheme) *Analytic {
	return &Analytic{bits: s.Bits, clip: LaplaceClip, spread: func(values []float32, counts []float64, mean, n float64) float64 {
		var sum float64
		for i, v := range values {
			sum += counts[i] * math.Abs(float64(v)-mean)
		}
		return sum / n
	}}
}

// NewGauss returns an observer that takes the values' deviation for that of a normal distribution.
func NewGauss(s Scheme) *Analytic {
	return &Analytic{bits: s.Bits, clip: GaussClip, spread: func(values []float32, counts []float64, mean, n float64) float64 {
		var sum float64
		for i, v := range values {
			d := float64(v) - mean
			sum += counts[i] * float64(d*d)
		}
		return math.Sqrt(sum / n)
	}}
}

// Observe adds x to the histogram.
func (o *Analytic) Observe(x []float32) { o.add(x) }

// Range returns the mean less and plus a clip of so many spreads, within what was observed. Values that are never
// negative, as after a ReLU, are one half of a distribution: they have a grid from 0, with the clip for a bit more.
func (o *Analytic) Range() (lo, hi float32) {
	if o.n == 0 {
		return 0, 0
	}
	values, counts := o.points()
	values, counts = append(values, 0), append(counts, float64(o.zeros))
	var mean float64
	n := float64(o.n)
	for i, v := range values {
		mean += counts[i] * float64(v) / n
	}
	spread := o.spread(values, counts, mean, n)
	if o.lo >= 0 {
		return 0, min(o.hi, float32(max(mean, 0)+o.clip(o.bits+1)*spread))
	}
	a := o.clip(o.bits) * spread
	return max(o.lo, float32(mean-a)), min(o.hi, float32(mean+a))
}

// LaplaceClip is the clip of least squared error on a grid of 2^bits levels for a Laplace distribution, in units of its
// scale b: the root of a/(3*4^bits) = e^-a.
func LaplaceClip(bits int) float64 {
	levels := 3 * math.Pow(4, float64(bits))
	return root(0, 30, func(a float64) float64 { return a/levels - math.Exp(-a) })
}

// GaussClip is the same for a normal distribution, in units of its deviation: the root of the derivative of
//
//	(1 + a^2)(1 - erf(a/sqrt 2)) - sqrt(2/pi) a e^(-a^2/2) + a^2/(3*4^bits).
func GaussClip(bits int) float64 {
	levels := 3 * math.Pow(4, float64(bits))
	return root(0, 30, func(a float64) float64 {
		return a*math.Erfc(a/math.Sqrt2) - math.Sqrt(2/math.Pi)*math.Exp(-a*a/2) + a/levels
	})
}

// root finds where f, which rises through 0 once between lo and hi, is 0.
func root(lo, hi float64, f func(float64) float64) float64 {
	for range 100 {
		if mid := (lo + hi) / 2; f(mid) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// AllocateBits returns how many bits each of some channels should have so that they have so many on average and the sum of
// their squared errors is least: levels in proportion to spread^(2/3), bits rounded, 0 to 8 (ACIQ, equation 11). The target is
// moved until the mean is met within 0.01, or as closely as rounding lets it.
func AllocateBits(spread []float64, mean float64) []int {
	bits := make([]int, len(spread))
	var sum float64
	for _, s := range spread {
		sum += math.Pow(s, 2.0/3)
	}
	if sum == 0 {
		for c := range bits {
			bits[c] = int(mean)
		}
		return bits
	}
	allocate := func(target float64) (average float64) {
		total := float64(len(spread)) * math.Exp2(target)
		for c, s := range spread {
			b := 0.0
			if s > 0 {
				b = math.RoundToEven(math.Log2(total * math.Pow(s, 2.0/3) / sum))
			}
			bits[c] = int(min(max(b, 0), MaxBits))
			average += float64(bits[c]) / float64(len(spread))
		}
		return average
	}
	best, closest := mean, math.Inf(1)
	lo, hi := mean-4, mean+8
	for range 40 {
		mid := (lo + hi) / 2
		average := allocate(mid)
		if off := math.Abs(average - mean); off < closest {
			best, closest = mid, off
		}
		if average < mean {
			lo = mid
		} else {
			hi = mid
		}
		if closest <= 0.01 {
			break
		}
	}
	allocate(best)
	return bits
}
