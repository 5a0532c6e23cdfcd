package kernel

// A convolution can be computed in parts, so that what is before and after it can be done to a part while that is in
// the cache: a 1x1 convolution in pixels, one that needs no padded copy in rows of its result.

// ByPixel reports whether a pixel of y depends on the same pixel of x alone, so that the functions for pixels may be
// used: a dense 1x1 convolution with stride 1 and no padding.
func (c *Conv) ByPixel() bool {
	return c.forward.flat && len(c.backward) == 1 && c.backward[0].flat && c.weights.f.flat
}

// ForwardPixels is Forward for n pixels, of one image or of many.
func (c *Conv) ForwardPixels(n int, y, x, packed []float32) {
	c.needPixels(n, y, x, "y", "x")
	need("packed weights", len(packed), c.PackedLen())
	c.forward.runRows(y, x, packed, 1, n, false)
}

// InputGradPixels is InputGrad for n pixels.
func (c *Conv) InputGradPixels(n int, dx, dy, packedGrad []float32, accumulate bool) {
	c.needPixels(n, dy, dx, "dy", "dx")
	need("packed weights", len(packedGrad), c.PackedGradLen())
	c.backward[0].runRows(dx, dy, packedGrad, 1, n, accumulate)
}

// WeightGradPixels is WeightGrad for n pixels.
func (c *Conv) WeightGradPixels(n int, dw, x, dy, scratch []float32) {
	c.needPixels(n, dy, x, "dy", "x")
	need("dw", len(dw), c.shape.Weights())
	need("scratch", len(scratch), c.weights.scratchLen())
	c.weights.pixels(n, dw, x, dy, scratch)
}

func (c *Conv) needPixels(n int, outputs, inputs []float32, output, input string) {
	if !c.ByPixel() {
		panic("kernel: pixels of a convolution that sees their neighbours")
	}
	need(output, len(outputs), n*c.shape.Cout)
	need(input, len(inputs), n*c.shape.Cin)
}

// ForwardByRows reports whether ForwardRows may be used.
func (c *Conv) ForwardByRows() bool { return c.fast.forward == nil && c.forward.byRows() }

// InputGradByRows reports whether InputGradRows may be used.
func (c *Conv) InputGradByRows() bool {
	return c.fast.backward == nil && len(c.backward) == 1 && c.backward[0].byRows()
}

// WeightGradByRows reports whether WeightGradRows may be used.
func (c *Conv) WeightGradByRows() bool { return c.fast.weights == nil && c.weights.f.stencil }

func (f *correlation) byRows() bool { return f.areas != nil || f.stencil }

func (f *correlation) runSome(dst, src, packed []float32, r0, r1 int, accumulate bool) {
	if f.stencil {
		f.runStencils(dst, src, packed, 1, r0, r1, accumulate)
		return
	}
	f.runAreas(dst, src, packed, 1, r0, r1, accumulate)
}

// ForwardRows is Forward for rows r0 to r1 of y, with which y begins; x is complete.
func (c *Conv) ForwardRows(r0, r1 int, y, x, packed []float32) {
	s := c.shape
	needRows(c.ForwardByRows(), r0, r1, s.OutH())
	need("y", len(y), (r1-r0)*s.OutW()*s.Cout)
	need("x", len(x), s.H*s.W*s.Cin)
	need("packed weights", len(packed), c.PackedLen())
	c.forward.runSome(y, x, packed, r0, r1, false)
}

// InputGradRows is InputGrad for rows r0 to r1 of dx, with which dx begins; dy is complete.
func (c *Conv) InputGradRows(r0, r1 int, dx, dy, packedGrad []float32, accumulate bool) {
	s := c.shape
	needRows(c.InputGradByRows(), r0, r1, s.H)
	need("dx", len(dx), (r1-r0)*s.W*s.Cin)
	need("dy", len(dy), s.OutH()*s.OutW()*s.Cout)
	need("packed weights", len(packedGrad), c.PackedGradLen())
	c.backward[0].runSome(dx, dy, packedGrad, r0, r1, accumulate)
}

// WeightGradRows is WeightGrad for rows r0 to r1 of dy; x and dy are complete.
func (c *Conv) WeightGradRows(r0, r1 int, dw, x, dy []float32) {
	s := c.shape
	needRows(c.WeightGradByRows(), r0, r1, s.OutH())
	need("dw", len(dw), s.Weights())
	need("x", len(x), s.H*s.W*s.Cin)
	need("dy", len(dy), s.OutH()*s.OutW()*s.Cout)
	c.weights.stencils(dw, x, dy, r0, r1)
}

func needRows(can bool, r0, r1, rows int) {
	if !can || r0 < 0 || r1 > rows || r0 > r1 {
		panic("kernel: rows that cannot be computed by themselves")
	}
}
