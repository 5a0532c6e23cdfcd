package quant

// Observer watches the values of a tensor, batch by batch, and proposes the range its grid should span.
type Observer interface {
	Observe(x []float32)
	Range() (lo, hi float32) // 0, 0 before anything was observed
}

// MinMax observes the smallest and largest value.
type MinMax struct {
	lo, hi float32
	seen   bool
}

// Observe widens the range to hold what is finite of x.
func (o *MinMax) Observe(x []float32) {
	if len(x) == 0 {
		return
	}
	lo, hi := minMax(x)
	if o.seen {
		lo, hi = min(lo, o.lo), max(hi, o.hi)
	}
	o.lo, o.hi, o.seen = lo, hi, true
}

// Range returns the smallest and largest value so far.
func (o *MinMax) Range() (lo, hi float32) { return o.lo, o.hi }

// minMax returns the smallest and largest of x, leaving out what is not finite: 0 and 0 where nothing is left.
func minMax(x []float32) (lo, hi float32) {
	any := false
	for _, v := range x {
		switch {
		case v-v != 0: // not finite
		case !any:
			lo, hi, any = v, v, true
		case v < lo:
			lo = v
		case v > hi:
			hi = v
		}
	}
	return lo, hi
}

// Percentile observes a range that leaves out the rarest values at both ends. Make one with
// [NewPercentile].
type Percentile struct {
	histogram
	p float64
}

// NewPercentile returns an observer of the range from the (100-p)-th to the p-th percentile; p is above 50
// and at most 100, 99.99 for example.
func NewPercentile(p float64) *Percentile { return &Percentile{p: p} }

// Observe adds x to the histogram.
func (o *Percentile) Observe(x []float32) { o.add(x) }

// Range returns the percentiles.
func (o *Percentile) Range() (lo, hi float32) {
	return o.quantile(1 - o.p/100), o.quantile(o.p / 100)
}

// MSE observes a histogram and proposes the range that minimizes the mean squared error of quantization
// under a scheme. Make one with [NewMSE].
type MSE struct {
	histogram
	scheme Scheme
}

// NewMSE returns an observer for a tensor that will be quantized by s.
func NewMSE(s Scheme) *MSE { return &MSE{scheme: s} }

// Observe adds x to the histogram.
func (o *MSE) Observe(x []float32) { o.add(x) }

// Range searches the range; it takes some milliseconds.
func (o *MSE) Range() (lo, hi float32) {
	values, counts := o.points()
	return searchRange(o.scheme, o.lo, o.hi, values, counts)
}
