package engine

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"zaq/internal/kernel"
)

// What is made again for the backward pass is what the forward pass made: gradients have the same bits where the maps
// are kept, as outputs of the program, and less memory is taken where they are not.
func TestAgain(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	g := NewGraph()
	x := g.Input("x", 8, 8, 5)
	data := randoms(r, 4*x.Len(), 1)
	var params []*Param
	var made []*Tensor
	y := x
	for i := range 4 {
		w := NewWeight(fmt.Sprint("w", i), randoms(r, 9*y.C*(5+i), 0.3), 5+i, nil)
		s := kernel.ConvShape{Cout: 5 + i, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1}
		c, err := g.Conv(fmt.Sprint("conv", i), y, w, s)
		if err != nil {
			t.Fatal(err)
		}
		bias := NewParam("bias", randoms(r, c.C, 1), false)
		c = g.Bias(c.Name+" bias", c, bias)
		gamma, beta := NewParam("gamma", randoms(r, c.C, 1), false), NewParam("beta", randoms(r, c.C, 1), false)
		n := g.BatchNorm(fmt.Sprint("norm", i), c, gamma, beta, &Stats{Mean: make([]float32, c.C), Var: ones(c.C)}, i%2 == 0)
		y = g.Activate(fmt.Sprint("act", i), n, Activation{Kind: kernel.ActClip, Lo: 0, Hi: 1})
		made = append(made, y)
		params = append(params, w.Param, bias, gamma, beta)
	}
	loss := g.CrossEntropy("loss", g.GlobalAveragePool("pool", y), []int{0, 1, 2, 3}, 0)
	var first []float32
	memory := 0
	for _, outputs := range [][]*Tensor{made, nil} {
		p, err := g.Compile(Spec{Batch: 4, Objective: []Term{{loss, 1}}, WRT: params, Outputs: outputs})
		if err != nil {
			t.Fatal(err)
		}
		copy(p.Data(x), data)
		p.Run()
		var grads []float32
		for _, p := range params {
			grads = append(grads, p.Grad...)
		}
		if outputs != nil {
			first, memory = grads, p.Memory()
			continue
		}
		if !slices.Equal(grads, first) {
			t.Error("gradients differ")
		}
		if p.Memory() >= memory {
			t.Errorf("%d bytes, %d where the maps are kept", p.Memory(), memory)
		}
	}
}
