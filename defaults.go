package zaq

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
}
