package zaq

// byPrecision fills in the defaults that depend on the bits of weights: of the four levels of a 2-bit grid that
// spans all of a channel's weights, two would hold next to nothing.
func (o *Options) byPrecision() {
	if bits, _, err := ParsePrecision(o.Precision); err == nil && bits == 2 && o.WeightRange == "" {
		o.WeightRange = "mse"
	}
}
