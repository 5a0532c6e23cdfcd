package infer

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// compile makes a program of a network.
func compile(n *nn.Network, o options) (*Program, error) {
	c := &compiler{n: n, o: o, values: make(map[string]*value), absorbed: make(map[*nn.Layer]bool), uses: make(map[string]int)}
	for _, l := range n.Layers {
		for _, name := range l.In {
			c.uses[name]++
		}
	}
	for _, name := range n.Outputs {
		c.uses[name]++
	}
	for i, name := range n.Inputs {
		c.input(i, name)
	}
	for _, l := range n.Layers {
		if c.absorbed[l] {
			continue
		}
		if err := c.layer(l); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", l.Name, l.Op.Kind(), err)
		}
	}
	return c.finish()
}

// compiler is the state of one compilation.
type compiler struct {
	n *nn.Network
	o options

	uses     map[string]int     // how many inputs of layers, and outputs, a value is
	values   map[string]*value  // computed so far
	absorbed map[*nn.Layer]bool // layers that an earlier step does as well

	steps   []step
	tensors []*tensor
	reals   []*real

	followed int // elements of tensors that were followed one by one
}

// Bounds of what a program may take, so that a small file cannot ask for memory that no machine has.
const (
	maxArena    = 1 << 30 // bytes of the integers of an image
	maxReals    = 1 << 28 // its real values
	maxPacked   = 1 << 29 // bytes of the packed weights of a layer
	maxFollowed = 1 << 26 // elements, see follow
)

// follow counts elements that the compiler keeps an index for.
func (c *compiler) follow(n int) error {
	if c.followed += n; c.followed > maxFollowed {
		return fmt.Errorf("more than %d elements are moved", maxFollowed)
	}
	return nil
}

// value is what is known of a value of the network: it is an integer tensor or has its elements, or is real, or
// both.
type value struct {
	t *tensor

	// index says which element of t, in its order [C, H, W], each element of the value is; -1: none of them,
	// but zero. nil: the same in the same order.
	index []int32

	r *real
}

func (c *compiler) fixed() bool { return c.o.requant == Fixed }

// add appends a step.
func (c *compiler) add(s step) {
	at := len(c.steps)
	about := s.about()
	for _, t := range about.in {
		t.last = max(t.last, at)
	}
	for _, r := range about.from {
		r.last = max(r.last, at)
	}
	if about.out != nil {
		about.out.first, about.out.last = at, at
	}
	if about.to != nil {
		about.to.first, about.to.last = at, at
	}
	c.steps = append(c.steps, s)
}

// newTensor returns the integer tensor that a target asks for, known under its name.
func (c *compiler) newTensor(t target) *tensor {
	x := &tensor{name: t.name, grid: t.grid, m: mapOf(imageShape(c.n.Values[t.name]))}
	c.tensors = append(c.tensors, x)
	c.values[t.name] = &value{t: x}
	return x
}

// newReal returns a real tensor for a value, known under its name.
func (c *compiler) newReal(name string) *real {
	r := &real{name: name, n: elements(imageShape(c.n.Values[name])), input: -1, output: -1, first: -1}
	c.reals = append(c.reals, r)
	if v := c.values[name]; v != nil {
		v.r = r
	} else {
		c.values[name] = &value{r: r}
	}
	return r
}

// integers returns the named value as an integer tensor of its shape, or nil where it is real.
func (c *compiler) integers(name string) (*tensor, error) {
	v := c.values[name]
	if v == nil || v.t == nil {
		return nil, nil
	}
	m := mapOf(imageShape(c.n.Values[name]))
	if v.index == nil && (m.H != v.t.m.H || m.W != v.t.m.W || m.C != v.t.m.C) {
		n := m.H * m.W * m.C
		if err := c.follow(n); err != nil {
			return nil, err
		}
		v.index = identity(n) // flattened
	}
	if v.index != nil {
		c.gather(name, v)
	}
	return c.values[name].t, nil
}

func notComputed(name string) error {
	return fmt.Errorf("tensor %q is not computed in float32 or integers of 8 bits, or has no batch axis", name)
}

// real returns the named value as real values; integers are dequantized.
func (c *compiler) real(name string) (*real, error) {
	v := c.values[name]
	if v == nil {
		return nil, notComputed(name)
	}
	if v.r != nil {
		return v.r, nil
	}
	t := v.t // whatever its shape: the order of the elements counts
	if v.index != nil {
		var err error
		if t, err = c.integers(name); err != nil {
			return nil, err
		}
	}
	r := c.newReal(name)
	c.add(&dequantizeStep{note{Name: name, Op: "DequantizeLinear", in: []*tensor{t}, to: r}})
	return r, nil
}

// target is the quantized tensor that a value becomes, by a chain of layers of which each is the only one to read the
// one before.
type target struct {
	name  string // of the quantized value
	grid  grid   // with the clips of the chain
	fused string // what the chain does besides, such as "+Relu"
}

// target follows the value called name to its quantizer through activations that clip. It marks the layers on the way as
// done.
func (c *compiler) target(name string) (t target, ok bool) {
	lo, hi := float32(math.Inf(-1)), float32(math.Inf(1))
	var chain []*nn.Layer
	for {
		l := c.sole(name)
		if l == nil {
			return target{}, false
		}
		chain = append(chain, l)
		name = l.Out[0]
		switch op := l.Op.(type) {
		case nn.Relu:
			lo, hi = max(lo, 0), max(hi, 0)
			t.fused += "+Relu"
		case nn.Clip:
			lo, hi = min(max(lo, op.Min), op.Max), max(min(hi, op.Max), op.Min)
			t.fused += "+Clip"
		case nn.Identity:
		case nn.FakeQuant:
			g, ok := gridOf(op.Q)
			if !ok {
				return target{}, false
			}
			for _, l := range chain {
				c.absorbed[l] = true
			}
			t.name, t.grid = name, g.clamped(lo, hi)
			return t, true
		default:
			return target{}, false
		}
	}
}

// sole returns the only reader of a value that is no output, nil where there is none.
func (c *compiler) sole(name string) *nn.Layer {
	if c.uses[name] != 1 || slices.Contains(c.n.Outputs, name) {
		return nil
	}
	return c.n.Consumers(name)[0]
}

// layer compiles one layer.
func (c *compiler) layer(l *nn.Layer) error {
	for _, name := range l.Out {
		if name != "" && !c.ofImages(c.n.Values[name]) {
			return c.float(l)
		}
	}
	switch op := l.Op.(type) {
	case nn.FakeQuant:
		return c.quantize(l, op)
	case nn.Conv, nn.Gemm:
		return c.conv(l)
	case nn.Add:
		return c.sum(l)
	case nn.AveragePool:
		return c.averagePool(l, op)
	case nn.GlobalAveragePool:
		x := imageShape(c.n.Input(l, 0))
		return c.average(l, nn.Conv{Kernel: [2]int{x[1], x[2]}, Stride: [2]int{1, 1}})
	case nn.MaxPool:
		return c.maxPool(l, op)
	case nn.Concat:
		return c.concat(l, op.Axis)
	case nn.Relu, nn.LeakyRelu, nn.Clip:
		return c.unary(l)
	case nn.Operator:
		if _, ok := operator.Function(op.Node(l)); ok && op.Domain == "" {
			return c.unary(l)
		}
		switch {
		case op.Type == "Mul" && op.Domain == "":
			return c.product(l)
		case op.Type == "Add" && op.Domain == "": // where a file baked in the batch for one of its terms
			return c.sum(l)
		}
	}
	if moves(l.Op) {
		return c.move(l)
	}
	return c.float(l)
}

// quantize compiles a FakeQuant that no other step does.
func (c *compiler) quantize(l *nn.Layer, op nn.FakeQuant) error {
	g, ok := gridOf(op.Q)
	v := c.values[l.In[0]]
	switch {
	case !ok || v == nil:
		return c.float(l)
	case v.t == nil:
		r, err := c.real(l.In[0])
		if err != nil {
			return err
		}
		c.add(&quantizeStep{note: note{Name: l.Name, Op: "QuantizeLinear", from: []*real{r}, out: c.newTensor(target{name: l.Out[0], grid: g})}})
	case v.t.grid.scale == g.scale && v.t.grid.zero == g.zero && g.qmin <= v.t.grid.qmin && v.t.grid.qmax <= g.qmax:
		c.values[l.Out[0]] = &value{t: v.t, index: v.index} // it lies on the grid already
	default:
		x, err := c.integers(l.In[0])
		if err != nil {
			return err
		}
		c.table(note{Name: l.Name, Op: "QuantizeLinear"}, x, target{name: l.Out[0], grid: g}, nil)
	}
	return nil
}

// finish makes the outputs, lays out the arena and prepares the steps.
func (c *compiler) finish() (*Program, error) {
	p := &Program{threads: c.o.threads, requant: c.o.requant}
	for i, name := range c.n.Outputs {
		r, err := c.real(name)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
		if r.input >= 0 || r.output >= 0 {
			return nil, fmt.Errorf("output %q: is an input, or there twice", name)
		}
		r.output = i
		r.last = len(c.steps)
		p.outputs = append(p.outputs, infoOf(c.n.Values[name]))
	}
	for _, name := range c.n.Inputs {
		shape, typ := c.n.Declared(name)
		p.inputs = append(p.inputs, Info{Name: name, DType: typ.String(), Shape: shape, ChannelsLast: c.n.Port(name).ChannelsLast})
	}
	p.steps = c.steps
	p.tensors = c.tensors
	if p.bytes, p.floats = place(c.tensors, c.reals); p.bytes > maxArena || p.floats > maxReals {
		return nil, fmt.Errorf("an image needs %d bytes and %d real values while it is computed, which is more than %d and %d", p.bytes, p.floats, maxArena, maxReals)
	}
	for _, s := range c.steps {
		s.prepare()
		p.parts = append(p.parts, s.parts())
	}
	p.mostParts = slices.Max(append(p.parts, 1))
	return p, nil
}

func infoOf(v *nn.Value) Info {
	typ := v.Type
	if typ == onnx.Undefined {
		typ = onnx.Float
	}
	return Info{Name: v.Name, DType: typ.String(), Shape: slices.Clone(v.Shape)}
}
