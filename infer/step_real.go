package infer

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/intkernel"
	"zaq/internal/nn"
	"zaq/internal/onnx"
)

// quantizeStep makes integers of real values.
type quantizeStep struct {
	note
	k *intkernel.QuantizeParams
}

func (s *quantizeStep) prepare() {
	g := s.out.grid
	s.k = intkernel.NewQuantize(g.scale, g.zero, g.qmin, g.qmax)
}

func (s *quantizeStep) parts() int { return byRows(s.out.m) }

func (s *quantizeStep) run(a *arena, _, i, n int) {
	m, x := s.out.m, s.out.bytes(a)
	y0, y1 := cut(m.H, i, n)
	intkernel.Quantize(x, m, s.from[0].values(a), s.k, y0, y1)
	m.FillBorder(x, y0, y1, uint8(s.out.grid.zero))
}

// dequantizeStep makes real values of integers.
type dequantizeStep struct{ note }

func (s *dequantizeStep) prepare() {}

func (s *dequantizeStep) parts() int { return byRows(s.in[0].m) }

func (s *dequantizeStep) run(a *arena, _, i, n int) {
	t := s.in[0]
	y0, y1 := cut(t.m.H, i, n)
	intkernel.Dequantize(s.to.values(a), t.bytes(a), t.m, t.grid.scale, t.grid.zero, y0, y1)
}

// realConvStep is a convolution, or linear layer, of integers whose sums are wanted as real values.
type realConvStep struct {
	note
	weights weights // until the step is prepared
	factors []float32
	pixels  int
	conv    *intkernel.Conv
}

func (s *realConvStep) prepare() {
	x := s.in[0]
	s.conv = intkernel.NewConv(s.weights.shape(x.m), s.weights.w, s.weights.bias, x.grid.zero, nil)
	s.pixels = s.weights.outH * s.weights.outW
	s.weights = weights{}
}

func (s *realConvStep) parts() int { return 1 }

func (s *realConvStep) run(a *arena, worker, _, _ int) {
	s.conv.Real(s.to.values(a), s.in[0].bytes(a), s.factors, 0, s.pixels, &a.scratch[worker])
}

// floatStep is a run of layers on real values: what integers are not enough for. They are computed by the operators'
// definitions.
type floatStep struct {
	note
	net *nn.Network
	all []*real // what it makes
}

// subnet returns layers of n, one after another, as a network of their own.
func subnet(n *nn.Network, layers ...*nn.Layer) *nn.Network {
	s := &nn.Network{Values: make(map[string]*nn.Value), Opset: n.Opset, Domains: n.Domains, BatchDim: n.BatchDim}
	for _, l := range layers {
		extend(s, n, l)
	}
	return s
}

// extend adds a layer of n to a network made by subnet.
func extend(s, n *nn.Network, l *nn.Layer) {
	for _, name := range l.In {
		if name == "" || s.Values[name] != nil {
			continue
		}
		s.Values[name] = n.Values[name]
		if !n.Values[name].Const() {
			s.Inputs = append(s.Inputs, name)
		}
	}
	for _, name := range l.Out {
		if name != "" {
			s.Values[name] = n.Values[name]
			s.Outputs = append(s.Outputs, name)
		}
	}
	s.Layers = append(s.Layers, l)
}

func (s *floatStep) prepare() {}

func (s *floatStep) parts() int { return 1 }

func (s *floatStep) run(a *arena, _, _, _ int) {
	inputs := make(map[string][]float32)
	for i, name := range s.net.Inputs {
		inputs[name] = s.from[i].values(a)
	}
	values, err := nn.Reference(s.net, inputs, 1)
	if err != nil {
		a.fail(err)
		return
	}
	for _, r := range s.all {
		if n := copy(r.values(a), values[r.name]); n != r.n {
			a.fail(fmt.Errorf("tensor %q has %d elements, not %d", r.name, len(values[r.name]), r.n))
		}
	}
}

// float compiles a layer that integers are not enough for. Layers that follow each other are one step.
func (c *compiler) float(l *nn.Layer) error {
	if f, ok := l.Op.(nn.FakeQuant); ok && !f.Q.Calibrated() {
		return errors.New("quantizer without a range")
	}
	var s *floatStep
	if n := len(c.steps); n > 0 {
		s, _ = c.steps[n-1].(*floatStep)
	}
	for _, name := range l.In { // dequantize first: it may add steps
		if name != "" && !c.n.Values[name].Const() && !c.inside(s, name) {
			if !isReal(c.n.Values[name]) {
				return notComputed(name)
			}
			if _, err := c.real(name); err != nil {
				return err
			}
		}
	}
	if n := len(c.steps); n == 0 || c.steps[n-1] != step(s) || s == nil {
		s = &floatStep{note: note{Name: l.Name}, net: subnet(c.n)}
		c.add(s)
	}
	before := len(s.net.Inputs)
	extend(s.net, c.n, l)
	at := len(c.steps) - 1
	for _, name := range s.net.Inputs[before:] {
		r, err := c.real(name)
		if err != nil {
			return err
		}
		r.last = max(r.last, at)
		s.from = append(s.from, r)
	}
	for _, name := range l.Out {
		if name == "" {
			continue
		}
		// Integers are for layers of this step only, and for the caller, as the numbers that they are.
		v := c.n.Values[name]
		if !isReal(v) && !slices.Contains(c.n.Outputs, name) || !c.ofImages(v) {
			continue
		}
		r := c.newReal(name)
		r.first, r.last = at, at
		s.all = append(s.all, r)
	}
	if s.Op != "" {
		s.Op += ", "
	}
	s.Op += l.Op.Kind()
	return nil
}

// isReal reports whether a value has real elements.
func isReal(v *nn.Value) bool {
	return v.Type == onnx.Float || v.Type == onnx.Float16 || v.Type == onnx.Undefined
}

// ofImages reports whether a value has the batch as its first axis. Where the file baked in a batch of 1, an axis of 1 may be it.
func (c *compiler) ofImages(v *nn.Value) bool {
	return len(v.Shape) > 0 && (v.Shape[0] == nn.Batch || v.Shape[0] == 1 && c.n.BatchDim == "")
}

// inside reports whether a step makes the named value, of whatever type.
func (c *compiler) inside(s *floatStep, name string) bool {
	return s != nil && slices.Contains(s.net.Outputs, name)
}
