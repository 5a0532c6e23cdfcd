package zaq

import "zaq/internal/method"

// byPrecision fills in the defaults that depend on the bits of weights. Of the four levels of a 2-bit grid that spans
// all of a channel's weights, two would hold next to nothing; and most weights have to move by a whole step, which a
// small learning rate never makes them do.
func (o *Options) byPrecision() {
	bits, _, err := ParsePrecision(o.Precision)
	if err != nil || bits != 2 {
		return
	}
	if o.WeightRange == "" {
		o.WeightRange = "mse"
	}
	if o.ZAQ.LR == 0 {
		o.ZAQ.LR = 0.03
	}
	if o.ZAQ.Start == "" {
		o.ZAQ.Start = method.StartFloat
	}
}

// observerFor returns the observer for where ranges come from. Judged on training images (docs/results/observers.md):
// of images the range of least squared error keeps most at 3 bits and loses nothing at 8. Statistics of channels say
// nothing of rare large values, of which real images have more than a normal distribution: 8 bits can afford to span
// six deviations, and lose by any clipping; 4 bits cannot.
func (o *Options) observerFor() string {
	if o.Images != method.SourceStatistics || o.CalibrationDir != "" {
		return "mse"
	}
	if o.coarse() {
		return "percentile"
	}
	return "sigma"
}

// coarse reports whether activations have so few bits that clipping some of them pays.
func (o *Options) coarse() bool {
	p, err := o.precision()
	return err == nil && p.A < 6
}
