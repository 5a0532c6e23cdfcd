package infer

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/intkernel"
	"zaq/internal/nn"
)

// weights are those of a convolution in integers, and its geometry.
type weights struct {
	op         nn.Conv
	cout       int
	outH, outW int
	w          []int16 // [Cout, Cin/Groups, KH, KW], less the zero points
	bias       []int32
	scale      []float32 // of the sums, for each output channel
}

// shape is the geometry for an input and output of such layouts. (Without an output, the result is one without border.)
func (w *weights) shape(in intkernel.Map) intkernel.ConvShape {
	return intkernel.ConvShape{
		In: in, Out: intkernel.Map{H: w.outH, W: w.outW, C: w.cout},
		KH: w.op.Kernel[0], KW: w.op.Kernel[1],
		StrideH: w.op.Stride[0], StrideW: w.op.Stride[1],
		DilH: w.op.Dilation[0], DilW: w.op.Dilation[1],
		PadTop: w.op.Pads[0], PadLeft: w.op.Pads[1],
		Groups: w.op.Groups,
	}
}

// reach makes room around x for the windows.
func (w *weights) reach(x *tensor) {
	last := func(out, stride, kernel, dilation, pad, size int) int {
		return max(0, (out-1)*stride+(kernel-1)*dilation-pad-(size-1))
	}
	o := w.op
	x.padded(o.Pads[0], last(w.outH, o.Stride[0], o.Kernel[0], o.Dilation[0], o.Pads[0], x.m.H),
		o.Pads[1], last(w.outW, o.Stride[1], o.Kernel[1], o.Dilation[1], o.Pads[1], x.m.W))
}

// work is the number of operations of an image.
func (w *weights) work() float64 { return 2 * float64(len(w.w)) * float64(w.outH) * float64(w.outW) }

// convStep is a convolution, a linear layer, or an average: whatever weighs sums of integers and requantizes them.
type convStep struct {
	note
	weights weights // until the step is prepared
	factors []float32
	fixed   bool
	conv    *intkernel.Conv

	depthwise bool
}

func (s *convStep) prepare() {
	x, y, g := s.in[0], s.out, s.out.grid
	shape := s.weights.shape(x.m)
	shape.Out = y.m
	s.conv = intkernel.NewConv(shape, s.weights.w, s.weights.bias, x.grid.zero,
		intkernel.NewRequant(s.factors, g.zero, g.qmin, g.qmax, s.fixed))
	s.depthwise = s.weights.op.Groups > 1
	s.weights, s.factors = weights{}, nil
}

// convWorth is the least work of a part in operations, some microseconds.
const convWorth = 1 << 19

func (s *convStep) parts() int {
	work := s.ops
	if s.depthwise {
		work *= 8 // they multiply less at a time
	}
	return max(1, min(s.conv.Units(), int(work/convWorth)))
}

func (s *convStep) run(a *arena, worker, i, n int) {
	x, y := s.in[0].bytes(a), s.out.bytes(a)
	units := s.conv.Units()
	u0, u1 := cut(units, i, n)
	s.conv.Run(y, x, u0, u1, &a.scratch[worker])
	if m := s.out.m; units == m.H {
		m.FillBorder(y, u0, u1, uint8(s.out.grid.zero))
	} else if i == 0 {
		m.FillBorder(y, 0, m.H, uint8(s.out.grid.zero))
	}
}

// weighted returns the integers of a Conv or Gemm that reads x, or false where its weights are not quantized.
func (c *compiler) weighted(l *nn.Layer, x *tensor) (*weights, bool) {
	v := c.n.Input(l, 1)
	if v == nil || v.Quant == nil {
		return nil, false
	}
	if op, ok := l.Op.(nn.Conv); ok && op.Groups > 1 && op.Groups != v.Shape[0] && len(v.Data) > maxPacked/1024 {
		return nil, false // each group is filled up to whole vectors
	}
	w := &weights{cout: v.Shape[0], w: make([]int16, len(v.Data)), bias: make([]int32, v.Shape[0])}
	switch op := l.Op.(type) {
	case nn.Conv:
		out := mapOf(imageShape(c.n.Output(l)))
		w.op, w.outH, w.outW = op, out.H, out.W
	default:
		// The input is flattened in the order of ONNX, in which the weights of a window as large as the image lie.
		w.op = nn.Conv{Kernel: [2]int{x.m.H, x.m.W}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}
		w.outH, w.outW = 1, 1
	}
	q := v.Quant
	each := len(v.Data) / w.cout
	w.scale = make([]float32, w.cout)
	for o := range w.cout {
		at := min(o, len(q.Scale)-1)
		w.scale[o] = x.grid.scale * q.Scale[at]
		for i := o * each; i < (o+1)*each; i++ {
			w.w[i] = int16(q.Quantize(v.Data[i], at) - q.Zero[at])
		}
	}
	if b := c.n.Input(l, 2); b != nil {
		w.bias = biasOf(b, w.scale)
	}
	return w, true
}

// biasOf returns a bias on the grid of the sums: the integers that the file has, or those nearest to real values.
func biasOf(b *nn.Value, scale []float32) []int32 {
	bias := make([]int32, len(b.Data))
	for c, v := range b.Data {
		i := math.RoundToEven(float64(v) / float64(scale[c]))
		bias[c] = int32(min(max(i, math.MinInt32), math.MaxInt32))
		if b.Sums != nil && math.Abs(float64(b.Sums[c])-i) <= math.Abs(i)*0x1p-20 {
			bias[c] = b.Sums[c]
		}
	}
	return bias
}

// conv compiles a Conv or Gemm.
func (c *compiler) conv(l *nn.Layer) error {
	x, err := c.linearInput(l)
	if err != nil {
		return err
	}
	if x == nil {
		return c.float(l)
	}
	w, ok := c.weighted(l, x)
	if !ok {
		return c.float(l)
	}
	about := note{Name: l.Name, Op: l.Op.Kind(), in: []*tensor{x}, ops: w.work()}
	w.reach(x)
	t, ok := c.target(l.Out[0])
	if !ok {
		about.to = c.newReal(l.Out[0])
		about.Op += " (sums)"
		c.add(&realConvStep{note: about, weights: *w, factors: w.scale})
		return nil
	}
	about.Op += t.fused
	about.out = c.newTensor(t)
	factors := make([]float32, w.cout)
	for o := range factors {
		factors[o] = w.scale[o] / t.grid.scale
	}
	c.add(&convStep{note: about, weights: *w, factors: factors, fixed: c.fixed()})
	return nil
}

// linearInput returns the integers that a Conv or Gemm reads, nil where they are real values.
func (c *compiler) linearInput(l *nn.Layer) (*tensor, error) {
	v := c.values[l.In[0]]
	if v == nil {
		return nil, fmt.Errorf("no tensor %q", l.In[0])
	}
	if _, gemm := l.Op.(nn.Gemm); gemm && v.t != nil && v.index == nil {
		return v.t, nil // flattened or not: the weights are those of a window as large as the image
	}
	return c.integers(l.In[0])
}

// average compiles an average whose windows all have the same number of pixels: a convolution with weights of 1.
func (c *compiler) average(l *nn.Layer, op nn.Conv) error {
	x, err := c.integers(l.In[0])
	if err != nil {
		return err
	}
	if x == nil || x.m.C*op.Kernel[0]*op.Kernel[1] > maxPacked/64 {
		return c.float(l)
	}
	t, ok := c.target(l.Out[0])
	if !ok {
		return c.float(l)
	}
	out := mapOf(imageShape(c.n.Output(l)))
	op.Dilation, op.Groups = [2]int{1, 1}, x.m.C
	cells := op.Kernel[0] * op.Kernel[1]
	w := &weights{op: op, cout: x.m.C, outH: out.H, outW: out.W, w: make([]int16, x.m.C*cells)}
	for i := range w.w {
		w.w[i] = 1
	}
	w.reach(x)
	c.add(&convStep{
		note:    note{Name: l.Name, Op: l.Op.Kind() + t.fused, in: []*tensor{x}, out: c.newTensor(t), ops: w.work()},
		weights: *w,
		factors: slices.Repeat([]float32{x.grid.scale / (t.grid.scale * float32(cells))}, x.m.C),
		fixed:   c.fixed(),
	})
	return nil
}
