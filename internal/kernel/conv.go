package kernel

import "fmt"

// ConvShape describes a 2-D convolution (cross-correlation) of one NHWC image:
//
//	y[oy][ox][co] = sum over ky, kx, ci of
//	    x[oy*StrideH + ky*DilH - PadTop][ox*StrideW + kx*DilW - PadLeft][ci] * w[ky][kx][ci][co]
//
// where x outside of the image is zero. Channels are split into Groups: outputs of group i see inputs of
// group i only, and ci counts within the group, so that w is [KH][KW][Cin/Groups][Cout].
type ConvShape struct {
	H, W, Cin, Cout     int
	KH, KW              int
	StrideH, StrideW    int
	DilH, DilW          int // 1 is dense
	PadTop, PadLeft     int
	PadBottom, PadRight int
	Groups              int
}

// OutH is the height of y.
func (s ConvShape) OutH() int {
	return floorDiv(s.H+s.PadTop+s.PadBottom-s.DilH*(s.KH-1)-1, s.StrideH) + 1
}

// OutW is the width of y.
func (s ConvShape) OutW() int {
	return floorDiv(s.W+s.PadLeft+s.PadRight-s.DilW*(s.KW-1)-1, s.StrideW) + 1
}

// Weights is the number of elements of w.
func (s ConvShape) Weights() int { return s.KH * s.KW * (s.Cin / s.Groups) * s.Cout }

// Flops is the nominal cost of one pass over one image, two operations per multiply-add, padding included.
func (s ConvShape) Flops() float64 {
	return 2 * float64(s.OutH()) * float64(s.OutW()) * float64(s.Weights())
}

// Check returns an error if there is no such convolution.
func (s ConvShape) Check() error {
	for _, d := range []struct {
		name       string
		value, min int
	}{
		{"height", s.H, 1}, {"width", s.W, 1}, {"input channels", s.Cin, 1}, {"output channels", s.Cout, 1},
		{"kernel height", s.KH, 1}, {"kernel width", s.KW, 1}, {"vertical stride", s.StrideH, 1}, {"horizontal stride", s.StrideW, 1},
		{"vertical dilation", s.DilH, 1}, {"horizontal dilation", s.DilW, 1}, {"groups", s.Groups, 1},
		{"top padding", s.PadTop, 0}, {"left padding", s.PadLeft, 0}, {"bottom padding", s.PadBottom, 0}, {"right padding", s.PadRight, 0},
	} {
		if d.value < d.min {
			return fmt.Errorf("convolution: %s is %d, must be at least %d", d.name, d.value, d.min)
		}
	}
	if s.Cin%s.Groups != 0 || s.Cout%s.Groups != 0 {
		return fmt.Errorf("convolution: %d groups divide neither or only one of %d input and %d output channels", s.Groups, s.Cin, s.Cout)
	}
	if s.OutH() < 1 || s.OutW() < 1 {
		return fmt.Errorf("convolution: window %dx%d (dilation %dx%d) does not fit into the padded image %dx%d",
			s.KH, s.KW, s.DilH, s.DilW, s.H+s.PadTop+s.PadBottom, s.W+s.PadLeft+s.PadRight)
	}
	return nil
}

// Conv is a convolution planned for one shape. It is immutable and safe for concurrent use, each goroutine
// with scratch of its own.
type Conv struct {
	shape    ConvShape
	isa      isa
	forward  correlation
	backward []correlation // of dy, each for some of dx's rows and columns
	padX     padding       // of x, for the weight gradient, and for forward if that needs any
	padY     padding       // of dy, for those of backward that need any
	weights  weightGrad
	fast     winogradConv // where it has passes, they take the place of those above
}

// NewConv plans the convolution s, which must pass Check, by the definition or, where that takes longer, by Winograd's
// algorithm. Which one it is depends on the shape alone, and is the same for all kernel paths.
func NewConv(s ConvShape) *Conv { return newConv(s, selected, !direct) }

// NewDirectConv plans the convolution s by the definition: sums of integers up to 2^24 are exact.
func NewDirectConv(s ConvShape) *Conv { return newConv(s, selected, false) }

func newConv(s ConvShape, isa isa, fast bool) *Conv {
	if err := s.Check(); err != nil {
		panic("kernel: " + err.Error())
	}
	c := &Conv{shape: s, isa: isa, forward: forwardCorrelation(s, isa), backward: backwardCorrelations(s, isa)}
	if fast {
		c.fast = planWinograd(s, isa)
	}
	c.padX = c.forward.columns()
	c.forward.split()
	c.forward.plan(c.padX)
	for i := range c.backward {
		c.backward[i].split()
		c.padY = c.padY.union(c.backward[i].columns())
	}
	for i := range c.backward {
		c.backward[i].plan(c.padY)
	}
	c.weights = planWeightGrad(s, isa, c.padX)
	if c.forward.pad == (padding{}) && c.weights.f.pad == (padding{}) {
		c.padX = padding{}
	}
	return c
}

// PackedLen is the length of the weights in the order Forward reads them.
func (c *Conv) PackedLen() int {
	if f := c.fast.forward; f != nil {
		return f.packedLen()
	}
	return c.forward.packedLen()
}

// Pack brings w, [KH][KW][Cin/Groups][Cout], into the order Forward reads.
func (c *Conv) Pack(dst, w []float32) {
	need("packed weights", len(dst), c.PackedLen())
	need("weights", len(w), c.shape.Weights())
	if f := c.fast.forward; f != nil {
		f.pack(dst, w, false)
		return
	}
	c.forward.pack(dst, w, c.shape, false)
}

// PackedGradLen is the length of the weights in the order InputGrad reads them.
func (c *Conv) PackedGradLen() int {
	if f := c.fast.backward; f != nil {
		return f.packedLen()
	}
	last := &c.backward[len(c.backward)-1]
	return last.packedAt + last.packedLen()
}

// PackGrad brings w, [KH][KW][Cin/Groups][Cout], into the order InputGrad reads: transposed and flipped.
func (c *Conv) PackGrad(dst, w []float32) {
	need("packed weights", len(dst), c.PackedGradLen())
	need("weights", len(w), c.shape.Weights())
	if f := c.fast.backward; f != nil {
		f.pack(dst, w, true)
		return
	}
	for i := range c.backward {
		c.backward[i].pack(dst, w, c.shape, true)
	}
}

// ScratchLen is the length of the scratch that any call for one image needs.
func (c *Conv) ScratchLen() int { return c.BatchScratchLen(1) }

// BatchScratchLen is the length of the scratch that any call for so many images needs.
func (c *Conv) BatchScratchLen(images int) int {
	s := c.shape
	n := max(images*c.padX.scratchLen(s.H, s.W, s.Cin)+c.weights.scratchLen(), images*c.padY.scratchLen(s.OutH(), s.OutW(), s.Cout))
	return max(n, c.fast.scratchLen())
}

// Forward sets y, [OutH][OutW][Cout], to the convolution of x, [H][W][Cin], with weights brought into order
// by Pack.
func (c *Conv) Forward(y, x, packed, scratch []float32) { c.ForwardBatch(1, y, x, packed, scratch) }

// ForwardBatch is Forward for so many images, one after the other in y and x.
func (c *Conv) ForwardBatch(images int, y, x, packed, scratch []float32) {
	c.needImages(images, y, x, "y", "x")
	need("packed weights", len(packed), c.PackedLen())
	need("scratch", len(scratch), c.BatchScratchLen(images))
	if f := c.fast.forward; f != nil {
		f.run(y, x, packed, scratch, images, false)
		return
	}
	s := c.shape
	x = c.forward.pad.pad(scratch, x, images, s.H, s.W, s.Cin)
	c.forward.run(y, x, packed, images, false)
}

// InputGrad sets dx, [H][W][Cin], to the gradient by x of sum(y*dy), or adds it if accumulate, with weights
// brought into order by PackGrad.
func (c *Conv) InputGrad(dx, dy, packedGrad, scratch []float32, accumulate bool) {
	c.InputGradBatch(1, dx, dy, packedGrad, scratch, accumulate)
}

// InputGradBatch is InputGrad for so many images, one after the other in dx and dy.
func (c *Conv) InputGradBatch(images int, dx, dy, packedGrad, scratch []float32, accumulate bool) {
	c.needImages(images, dy, dx, "dy", "dx")
	need("packed weights", len(packedGrad), c.PackedGradLen())
	need("scratch", len(scratch), c.BatchScratchLen(images))
	if f := c.fast.backward; f != nil {
		f.run(dx, dy, packedGrad, scratch, images, accumulate)
		return
	}
	s := c.shape
	padded := c.padY.pad(scratch, dy, images, s.OutH(), s.OutW(), s.Cout)
	for i := range c.backward {
		src := padded
		if c.backward[i].pad == (padding{}) {
			src = dy
		}
		c.backward[i].run(dx, src, packedGrad, images, accumulate)
	}
}

// needImages checks the length of images, outputs and inputs.
func (c *Conv) needImages(images int, outputs, inputs []float32, output, input string) {
	s := c.shape
	need(output, len(outputs), images*s.OutH()*s.OutW()*s.Cout)
	need(input, len(inputs), images*s.H*s.W*s.Cin)
}

// need panics unless an operand has at least as many elements as the call touches: the kernels below do not
// check.
func need(name string, have, want int) {
	if have < want {
		panic(fmt.Sprintf("kernel: %s has %d elements, want %d", name, have, want))
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func floorDiv(a, b int) int {
	if a < 0 {
		return -ceilDiv(-a, b)
	}
	return a / b
}
