package quant

// searchSteps is the number of clipping thresholds tried.
const searchSteps = 80

// searchRange returns the part of the range lo to hi whose grid has the least squared error on the given
// values; counts are their weights, nil for 1 each. Both ends shrink together first, then, on an asymmetric
// grid, each alone.
func searchRange(s Scheme, lo, hi float32, values []float32, counts []float64) (float32, float32) {
	best, bestLo, bestHi := gridError(s, lo, hi, values, counts), lo, hi
	try := func(l, h float32) {
		if e := gridError(s, l, h, values, counts); e < best {
			best, bestLo, bestHi = e, l, h
		}
	}
	for i := searchSteps - 1; i > 0; i-- {
		f := float32(i) / searchSteps
		try(lo*f, hi*f)
	}
	if s.Symmetric || lo >= 0 || hi <= 0 {
		return bestLo, bestHi
	}
	const fine = searchSteps / 4
	for i := fine; i > 0; i-- {
		try(lo*float32(i)/fine, bestHi)
	}
	for i := fine; i > 0; i-- {
		try(bestLo, hi*float32(i)/fine)
	}
	return bestLo, bestHi
}

// gridError returns the summed squared error of quantizing the values on a grid that spans lo to hi.
func gridError(s Scheme, lo, hi float32, values []float32, counts []float64) float64 {
	scale, zero := s.Params(lo, hi)
	qmin, qmax := s.Bounds()
	var sum float64
	for i, v := range values {
		d := float64(float32(quantize(v, scale, zero, qmin, qmax)-zero)*scale - v)
		if counts != nil {
			d *= counts[i] * d
		} else {
			d *= d
		}
		sum += d
	}
	return sum
}

// MinMaxChannels returns the smallest and largest value of each channel of a constant whose axis 0 is the
// channel: data is cut into equal blocks.
func MinMaxChannels(data []float32, channels int) (lo, hi []float32) {
	return rangeChannels(data, channels, minMax)
}

// MSEChannels returns for each channel of a constant whose axis 0 is the channel the range that minimizes
// the squared error of quantizing it by s.
func MSEChannels(data []float32, channels int, s Scheme) (lo, hi []float32) {
	return rangeChannels(data, channels, func(x []float32) (float32, float32) {
		lo, hi := minMax(x)
		return searchRange(s, lo, hi, x, nil)
	})
}

func rangeChannels(data []float32, channels int, rangeOf func([]float32) (lo, hi float32)) (lo, hi []float32) {
	lo, hi = make([]float32, channels), make([]float32, channels)
	n := len(data) / channels
	if n == 0 {
		return lo, hi
	}
	for c := range channels {
		lo[c], hi[c] = rangeOf(data[c*n : (c+1)*n])
	}
	return lo, hi
}
