package infer

import (
	"fmt"
	"maps"

	"zaq/internal/intkernel"
	"zaq/internal/nn"
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

// floatStep is a layer on real values: what no integers are known for.
type floatStep struct {
	note
	net *nn.Network // the layer alone
	err error
}

// newFloatStep returns the step of one layer of n.
func newFloatStep(n *nn.Network, l *nn.Layer) *floatStep {
	one := &nn.Network{Layers: []*nn.Layer{l}, Outputs: l.Out, Values: make(map[string]*nn.Value), Opset: n.Opset, BatchDim: n.BatchDim}
	for _, names := range [][]string{l.In, l.Out} {
		for _, name := range names {
			if name != "" {
				one.Values[name] = n.Values[name]
			}
		}
	}
	for _, name := range l.In {
		if name != "" && !n.Values[name].Const() {
			one.Inputs = append(one.Inputs, name)
		}
	}
	return &floatStep{note: note{Name: l.Name, Op: l.Op.Kind() + " (float)"}, net: one}
}

func (s *floatStep) prepare() {}

func (s *floatStep) parts() int { return 1 }

func (s *floatStep) run(a *arena, _, _, _ int) {
	inputs := make(map[string][]float32)
	for i, name := range s.net.Inputs {
		inputs[name] = s.from[i].values(a)
	}
	values, err := nn.Reference(s.net, maps.Clone(inputs), 1)
	if err != nil {
		a.fail(fmt.Errorf("node %q (%s): %w", s.Name, s.Op, err))
		return
	}
	copy(s.to.values(a), values[s.net.Outputs[0]])
}
