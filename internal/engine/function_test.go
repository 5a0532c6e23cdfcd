package engine

import (
	"math"
	"testing"

	"zaq/internal/nn"
)

// Where a function has no derivative, as a root at 0, to which quantizers round, none passes, and the others' do.
func TestSlopeAtPole(t *testing.T) {
	type add = func(nn.Op, ...string) string
	for name, build := range map[string]func(a add, k func(*nn.Value) string) string{
		"Sqrt":     func(a add, _ func(*nn.Value) string) string { return a(onnxOp("Sqrt"), "x") },
		"Pow":      func(a add, k func(*nn.Value) string) string { return a(onnxOp("Pow"), "x", k(number(0.5))) },
		"two maps": func(a add, k func(*nn.Value) string) string { return a(onnxOp("Pow"), "x", a(nn.Relu{}, "x")) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewGraph()
			z := g.Input("z", 1, 1, 1)
			weight := NewWeight("w", []float32{0, 0.25, 0, 4}, 4, nil)
			x, err := g.Linear("x", z, weight, nil, 1, 1, 4)
			if err != nil {
				t.Fatal(err)
			}
			net := operatorNet(t, 1, 1, build)
			l, err := Lower(g, net, map[string]*Tensor{"x": x}, LowerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			loss := g.MeanAbs("loss", l.Tensors[net.Outputs[0]])
			p, err := g.Compile(Spec{Batch: 1, Objective: []Term{{loss, 1}}, WRT: []*Param{weight.Param}})
			if err != nil {
				t.Fatal(err)
			}
			p.Data(z)[0] = 1
			p.Run()
			for i, v := range weight.Grad {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Errorf("gradient %d is %v", i, v)
				}
			}
			if weight.Grad[3] == 0 {
				t.Error("no gradient where there is a derivative")
			}
		})
	}
}
