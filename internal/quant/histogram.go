package quant

import "math"

// bins is the most bins a histogram has.
const bins = 2048

// histogram counts values in bins of equal width, at most 2048. The width is a power of two and bin edges
// are multiples of it, so that bins merge exactly in pairs when the range grows: the result does not depend
// on the order of observation. Zeros, which are many after a ReLU and cost no quantizer anything, are
// counted apart. Values that are not finite are left out.
type histogram struct {
	lo, hi float32 // smallest and largest value
	n      uint64  // values, zeros included
	zeros  uint64

	counts []uint64 // nil until a value that is not zero came
	first  int64    // bin i holds the values in [first+i, first+i+1) * 2^exp
	exp    int
}

// add counts the values of x.
func (h *histogram) add(x []float32) {
	lo, hi := h.lo, h.hi
	any := h.n > 0
	for _, v := range x {
		if v-v != 0 { // not finite
			continue
		}
		if !any {
			lo, hi, any = v, v, true
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	if !any {
		return
	}
	h.lo, h.hi = lo, hi
	if lo != 0 || hi != 0 {
		h.cover(float64(lo), float64(hi))
	}
	inv := math.Ldexp(1, -h.exp)
	for _, v := range x {
		switch {
		case v-v != 0:
			continue
		case v == 0:
			h.zeros++
		default:
			h.counts[int64(math.Floor(float64(v)*inv))-h.first]++
		}
		h.n++
	}
}

// cover makes bins for the values lo to hi, merging those there are.
func (h *histogram) cover(lo, hi float64) {
	if h.counts == nil {
		// A range of two values or more needs bins of (hi-lo)/2048 at least; a lone value sets the width by its size.
		_, e := math.Frexp(max(hi-lo, math.Abs(hi)/bins))
		h.exp = max(e-13, -149)
	}
	exp := h.exp
	for edge(hi, exp)-edge(lo, exp) >= bins {
		exp++
	}
	first := edge(lo, exp)
	if h.counts != nil && exp == h.exp && first == h.first && edge(hi, exp)-first < int64(len(h.counts)) {
		return
	}
	counts := make([]uint64, edge(hi, exp)-first+1)
	for i, c := range h.counts {
		if c > 0 {
			counts[(h.first+int64(i))>>(exp-h.exp)-first] += c
		}
	}
	h.counts, h.first, h.exp = counts, first, exp
}

// edge returns the number of the bin of width 2^exp that v falls into.
func edge(v float64, exp int) int64 { return int64(math.Floor(math.Ldexp(v, -exp))) }

// quantile returns the value below which a fraction p of all values lie, interpolated within its bin.
func (h *histogram) quantile(p float64) float32 {
	if h.n == 0 {
		return 0
	}
	rank := p * float64(h.n)
	width := math.Ldexp(1, h.exp)
	var below float64
	zerosLeft := h.zeros > 0
	for i, c := range h.counts {
		bin := h.first + int64(i)
		if zerosLeft && bin >= 0 {
			zerosLeft = false
			if below += float64(h.zeros); rank <= below {
				return 0
			}
		}
		if c > 0 && rank <= below+float64(c) {
			v := (float64(bin) + (rank-below)/float64(c)) * width
			return min(max(float32(v), h.lo), h.hi)
		}
		below += float64(c)
	}
	return h.hi
}

// points returns the histogram as weighted values: the centers of the bins that are not empty.
func (h *histogram) points() (values []float32, counts []float64) {
	width := math.Ldexp(1, h.exp)
	for i, c := range h.counts {
		if c > 0 {
			values = append(values, float32((float64(h.first+int64(i))+0.5)*width))
			counts = append(counts, float64(c))
		}
	}
	return values, counts
}
