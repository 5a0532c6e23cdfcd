package infer

import (
	"zaq/internal/intkernel"
	"zaq/internal/nn"
)

// addStep is the sum of two tensors.
type addStep struct {
	note
	fixed bool
	k     *intkernel.AddParams
}

func (s *addStep) prepare() {
	x, y, g := s.in[0].grid, s.in[1].grid, s.out.grid
	s.k = intkernel.NewAdd(x.scale, y.scale, g.scale, x.zero, y.zero, g.zero, g.qmin, g.qmax, s.fixed)
}

func (s *addStep) parts() int { return byRows(s.out.m) }

func (s *addStep) run(a *arena, _, i, n int) {
	x, y, z := s.in[0].bytes(a), s.in[1].bytes(a), s.out.bytes(a)
	m := s.out.m
	y0, y1 := cut(m.H, i, n)
	width := m.W * m.Pixel()
	for row := y0; row < y1; row++ {
		at, xAt, yAt := m.At(row, 0), s.in[0].m.At(row, 0), s.in[1].m.At(row, 0)
		intkernel.Add(z[at:at+width], x[xAt:xAt+width], y[yAt:yAt+width], s.k)
	}
	m.FillBorder(z, y0, y1, uint8(s.out.grid.zero))
}

// both returns the two tensors that a layer reads, or nil where one is not of integers.
func (c *compiler) both(l *nn.Layer) (x, y *tensor, err error) {
	for _, name := range l.In[:2] {
		if v := c.values[name]; v == nil || v.t == nil { // a constant, or real
			return nil, nil, nil
		}
	}
	if x, err = c.integers(l.In[0]); err != nil {
		return nil, nil, err
	}
	y, err = c.integers(l.In[1])
	return x, y, err
}

// sum compiles an Add.
func (c *compiler) sum(l *nn.Layer) error {
	x, y, err := c.both(l)
	if err != nil {
		return err
	}
	if x == nil || x.m.H != y.m.H || x.m.W != y.m.W || x.m.C != y.m.C {
		return c.float(l)
	}
	t, ok := c.target(l.Out[0])
	if !ok {
		return c.float(l)
	}
	c.add(&addStep{note: note{Name: l.Name, Op: "Add" + t.fused, in: []*tensor{x, y}, out: c.newTensor(t)}, fixed: c.fixed()})
	return nil
}

// mulStep is the product of two tensors; the second may have one element for each channel.
type mulStep struct {
	note
	fixed bool
	k     *intkernel.MulParams
}

func (s *mulStep) prepare() {
	x, y, g := s.in[0].grid, s.in[1].grid, s.out.grid
	factor := float32(x.scale*y.scale) / g.scale
	s.k = &intkernel.MulParams{
		AZ: x.zero, BZ: y.zero, R: intkernel.NewRequant([]float32{factor}, g.zero, g.qmin, g.qmax, s.fixed),
	}
}

func (s *mulStep) parts() int { return byRows(s.out.m) }

func (s *mulStep) run(a *arena, _, i, n int) {
	x, y, z := s.in[0].bytes(a), s.in[1].bytes(a), s.out.bytes(a)
	m, other := s.out.m, s.in[1].m
	y0, y1 := cut(m.H, i, n)
	width := m.W * m.Pixel()
	for row := y0; row < y1; row++ {
		at, xAt := m.At(row, 0), s.in[0].m.At(row, 0)
		factors := y[other.At(0, 0):][:other.Pixel()]
		if other.H*other.W > 1 {
			yAt := other.At(row, 0)
			factors = y[yAt : yAt+width]
		}
		intkernel.Mul(z[at:at+width], x[xAt:xAt+width], factors, s.k)
	}
	m.FillBorder(z, y0, y1, uint8(s.out.grid.zero))
}

// product compiles a Mul.
func (c *compiler) product(l *nn.Layer) error {
	x, y, err := c.both(l)
	if err != nil {
		return err
	}
	if x == nil {
		return c.float(l)
	}
	swapped := x.m.H*x.m.W == 1 && y.m.H*y.m.W > 1
	if swapped {
		x, y = y, x
	}
	one := y.m.C == x.m.C && y.m.H == 1 && y.m.W == 1
	same := y.m.C == x.m.C && y.m.H == x.m.H && y.m.W == x.m.W
	if !one && !same {
		return c.float(l)
	}
	t, ok := c.target(l.Out[0])
	if !ok {
		return c.float(l)
	}
	c.add(&mulStep{note: note{Name: l.Name, Op: "Mul" + t.fused, in: []*tensor{x, y}, out: c.newTensor(t)}, fixed: c.fixed()})
	return nil
}

// tableStep is a function of each element.
type tableStep struct {
	note
	table [256]uint8
}

func (s *tableStep) prepare() {}

func (s *tableStep) parts() int { return byRows(s.out.m) }

func (s *tableStep) run(a *arena, _, i, n int) {
	x, y := s.in[0].bytes(a), s.out.bytes(a)
	m := s.out.m
	y0, y1 := cut(m.H, i, n)
	width := m.W * m.Pixel()
	for row := y0; row < y1; row++ {
		at, xAt := m.At(row, 0), s.in[0].m.At(row, 0)
		intkernel.Lookup(y[at:at+width], x[xAt:xAt+width], &s.table)
	}
	m.FillBorder(y, y0, y1, uint8(s.out.grid.zero))
}

// table adds a step that computes f of every element of x, in real values; nil is f(v) = v.
func (c *compiler) table(about note, x *tensor, t target, f func(v []float32)) {
	s := &tableStep{note: about}
	s.in, s.out = []*tensor{x}, c.newTensor(t)
	s.table = tableOf(x.grid, t.grid, f)
	c.add(s)
}

// tableOf is what quantizing to the grid to makes of f of every integer of the grid from.
func tableOf(from, to grid, f func(v []float32)) (table [256]uint8) {
	v := make([]float32, len(table))
	for q := range v {
		v[q] = from.dequantize(uint8(q))
	}
	if f != nil {
		f(v)
	}
	k := intkernel.NewQuantize(to.scale, to.zero, to.qmin, to.qmax)
	for q := range table {
		table[q] = k.One(v[q])
	}
	return table
}

// unary compiles a function of each element.
func (c *compiler) unary(l *nn.Layer) error {
	x, err := c.integers(l.In[0])
	if err != nil {
		return err
	}
	if x == nil {
		return c.float(l)
	}
	f, err := function(c.n, l)
	if err != nil {
		return err
	}
	t, ok := c.target(l.Out[0])
	if !ok {
		return c.float(l)
	}
	c.table(note{Name: l.Name, Op: l.Op.Kind() + t.fused}, x, t, f)
	return nil
}

// function returns what l does to each element, as it is done to a row of them.
func function(n *nn.Network, l *nn.Layer) (func(v []float32), error) {
	in, out := *n.Input(l, 0), *n.Output(l)
	in.Shape, out.Shape = []int{nn.Batch, 256}, []int{nn.Batch, 256}
	one := &nn.Network{
		Inputs: l.In[:1], Outputs: l.Out, Layers: []*nn.Layer{l}, Opset: n.Opset,
		Values: map[string]*nn.Value{in.Name: &in, out.Name: &out},
	}
	for _, name := range l.In[1:] {
		if name != "" {
			one.Values[name] = n.Values[name]
		}
	}
	x := make([]float32, 256)
	if _, err := nn.Reference(one, map[string][]float32{in.Name: x}, 1); err != nil {
		return nil, err
	}
	return func(v []float32) {
		values, _ := nn.Reference(one, map[string][]float32{in.Name: v}, 1)
		copy(v, values[out.Name])
	}, nil
}

// maxPoolStep takes the largest of each window. What lies outside of the image does not count.
type maxPoolStep struct {
	note
	op nn.MaxPool
}

func (s *maxPoolStep) prepare() {}

func (s *maxPoolStep) parts() int { return byRows(s.out.m) }

func (s *maxPoolStep) run(a *arena, _, i, n int) {
	intkernel.MaxPool(s.out.bytes(a), s.out.m, s.in[0].bytes(a), s.in[0].m, intkernel.Window{
		KH: s.op.Kernel[0], KW: s.op.Kernel[1], StrideH: s.op.Stride[0], StrideW: s.op.Stride[1], DilH: s.op.Dilation[0], DilW: s.op.Dilation[1],
		PadTop: s.op.Pads[0], PadLeft: s.op.Pads[1],
	}, i, n)
	y0, y1 := cut(s.out.m.H, i, n)
	s.out.m.FillBorder(s.out.bytes(a), y0, y1, uint8(s.out.grid.zero))
}

// maxPool compiles a MaxPool, which keeps the grid.
func (c *compiler) maxPool(l *nn.Layer, op nn.MaxPool) error {
	x, err := c.integers(l.In[0])
	if err != nil {
		return err
	}
	if x == nil {
		return c.float(l)
	}
	c.add(&maxPoolStep{note: note{Name: l.Name, Op: "MaxPool", in: []*tensor{x}, out: c.newTensor(target{name: l.Out[0], grid: x.grid})}, op: op})
	return nil
}

// averageStep is an average over windows whose parts outside of the image may not count.
type averageStep struct {
	note
	op    nn.AveragePool
	fixed bool
	k     *intkernel.Average
}

func (s *averageStep) prepare() {
	x, y := s.in[0].grid, s.out.grid
	s.k = intkernel.NewAverage(intkernel.Window{
		KH: s.op.Kernel[0], KW: s.op.Kernel[1], StrideH: s.op.Stride[0], StrideW: s.op.Stride[1], DilH: 1, DilW: 1,
		PadTop: s.op.Pads[0], PadLeft: s.op.Pads[1],
	}, s.op.CountIncludePad, x.scale, x.zero, y.scale, y.zero, y.qmin, y.qmax, s.fixed)
}

func (s *averageStep) parts() int { return byRows(s.out.m) }

func (s *averageStep) run(a *arena, _, i, n int) {
	s.k.Run(s.out.bytes(a), s.out.m, s.in[0].bytes(a), s.in[0].m, i, n)
	y0, y1 := cut(s.out.m.H, i, n)
	s.out.m.FillBorder(s.out.bytes(a), y0, y1, uint8(s.out.grid.zero))
}

// averagePool compiles an AveragePool. In fixed point it is a convolution where it can be one; ONNX Runtime's float
// arithmetic is that of no kernel but its own.
func (c *compiler) averagePool(l *nn.Layer, op nn.AveragePool) error {
	if c.fixed() && (op.Pads == [4]int{} || op.CountIncludePad) {
		return c.average(l, nn.Conv{Kernel: op.Kernel, Stride: op.Stride, Pads: op.Pads})
	}
	x, err := c.integers(l.In[0])
	if err != nil {
		return err
	}
	if x == nil || op.Kernel[0]*op.Kernel[1] > 1<<16 {
		return c.float(l)
	}
	t, ok := c.target(l.Out[0])
	if !ok {
		return c.float(l)
	}
	c.add(&averageStep{note: note{Name: l.Name, Op: "AveragePool" + t.fused, in: []*tensor{x}, out: c.newTensor(t)}, op: op, fixed: c.fixed()})
	return nil
}
