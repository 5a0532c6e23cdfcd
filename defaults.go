package zaq

// What suits a precision and not another. On coarse grids weights move only if steps are large, and a step that suits
// them keeps finer grids from settling: on a ResNet-20, agreement with the float network on training images was
// best with 0.01 at 4 bits and with 0.03 at 3. And of the four levels of a 2-bit grid that spans all of a channel's
// weights, two hold next to nothing.
const (
	coarseBits = 3 // of weights, and fewer
	coarseLR   = 0.03
	fineLR     = 0.01
)

// byPrecision fills in the defaults that depend on the bits of weights.
func (o *Options) byPrecision() {
	bits, _, err := ParsePrecision(o.Precision)
	if err != nil {
		return // Check reports it
	}
	if o.ZAQ.LR == 0 && bits <= coarseBits {
		o.ZAQ.LR = coarseLR
	}
	if o.WeightRange == "" && bits == 2 {
		o.WeightRange = "mse"
	}
}
