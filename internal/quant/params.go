package quant

// Params returns the scale and zero point that SetRange would choose for the range lo to hi.
func (s Scheme) Params(lo, hi float32) (scale float32, zero int32) { return s.params(lo, hi) }
