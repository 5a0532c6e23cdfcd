package engine

import (
	"math/rand"
	"slices"
	"testing"

	"zaq/internal/nn"
)

// A graph for training computes what any other does, but for rounding and with fewer operations, also where two
// convolutions of different sizes share their weights: the gradients of one go by Winograd's algorithm, those of the other do
// not. The bits do not depend on the number of threads.
func TestTrainingGraph(t *testing.T) {
	const batch = 9
	r := rand.New(rand.NewSource(3))
	weights, images := randoms(r, 9*32*32, 0.1), randoms(r, batch*8*8*32, 1)
	run := func(g *Graph, threads int) (grad []float32, executed, nominal float64) {
		w := NewWeight("w", slices.Clone(weights), 32, nil)
		x := g.Input("x", 8, 8, 32)
		y, err := g.Conv("first", x, w, square(32, 3, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		y = g.MaxPool("pool", y, Pool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}})
		if y, err = g.Conv("second", y, w, square(32, 3, 1, 1)); err != nil {
			t.Fatal(err)
		}
		loss := g.MeanAbs("loss", y)
		p, err := g.Compile(Spec{Batch: batch, Objective: []Term{{loss, 1}}, WRT: []*Param{w.Param}, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		copy(p.Data(x), images)
		p.Run()
		p.Run() // sums are not left from run to run
		executed, nominal = p.Flops()
		return w.Grad, executed, nominal
	}
	want, executed, nominal := run(NewGraph(), 2)
	if executed != nominal {
		t.Errorf("%g operations for %g by the definition", executed, nominal)
	}
	got, executed, same := run(NewTrainingGraph(), 1)
	if same != nominal {
		t.Errorf("%g operations by the definition, not %g", same, nominal)
	}
	const cout, cin, first, second = 32, 32, 64, 16 // pixels
	if w := batch * 2. * cin * cout * (16*(2*first/4+2*second/4) + 9*second); executed != w {
		t.Errorf("%g operations, not %g", executed, w)
	}
	if off := distance(got, want); !(off < 1e-5) {
		t.Errorf("gradients off by %g", off)
	}
	for _, threads := range []int{2, 4, 8} {
		if other, _, _ := run(NewTrainingGraph(), threads); !slices.Equal(other, got) {
			t.Errorf("%d threads: other gradients than one", threads)
		}
	}
}

// A network in integers is computed by the definition, whose sums are exact, and nowhere else.
func TestSumsOfIntegersAreExact(t *testing.T) {
	const c, size = 96, 4
	r := rand.New(rand.NewSource(4))
	integers := func(n, limit int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.Intn(limit + 1))
		}
		return v
	}
	w := integers(c*c*9, 127)
	shape := []int{nn.Batch, c, size, size}
	net := &nn.Network{
		Inputs: []string{"x"}, Outputs: []string{"y"},
		Layers: []*nn.Layer{{Name: "conv", In: []string{"x", "w"}, Out: []string{"y"}, Op: nn.Conv{
			Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 1,
		}}},
		Values: map[string]*nn.Value{
			"x": {Name: "x", Shape: shape}, "y": {Name: "y", Shape: shape}, "w": {Name: "w", Shape: []int{c, c, 3, 3}, Data: w},
		},
	}
	nn.InIntegers(net)
	p, err := NewPredictor(net, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Input(), integers(size*size*c, 255))
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	for i, got := range p.Output(0) {
		out, row, col := i/(size*size), i/size%size, i%size
		want := 0
		for k := range 9 {
			y, x := row+k/3-1, col+k%3-1
			if y < 0 || y >= size || x < 0 || x >= size {
				continue
			}
			for in := range c {
				want += int(p.Input()[(y*size+x)*c+in]) * int(w[(out*c+in)*9+k])
			}
		}
		if got != float32(want) {
			t.Fatalf("sum %d is %v, want %d", i, got, want)
		}
	}
	g := NewTrainingGraph()
	if _, err := Lower(g, net, map[string]*Tensor{"x": g.Input("x", size, size, c)}, LowerOptions{}); err == nil {
		t.Error("no error for a network in integers in a graph for training")
	}
}
