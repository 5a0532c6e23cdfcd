package engine

import (
	"math"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/quant"
)

// sample is a network in ONNX's layout with every operator that the engine computes: a strided shortcut that is sliced
// and padded, grouped convolution, and a linear layer behind maps of several positions.
func sample(c *parity, rounded bool) *nn.Network {
	net := &nn.Network{Inputs: []string{"x"}, Outputs: []string{"y"}, Values: map[string]*nn.Value{
		"x": {Name: "x", Shape: []int{nn.Batch, 3, 10, 8}},
	}}
	constant := func(name string, mean, deviation float64, shape ...int) {
		n := 1
		for _, s := range shape {
			n *= s
		}
		v := &nn.Value{Name: name, Shape: shape, Data: randoms(c.r, n, deviation)}
		for i := range v.Data {
			v.Data[i] += float32(mean)
		}
		if rounded && len(shape) > 1 {
			v.Quant = quant.New(quant.Scheme{Bits: 4, PerChannel: true})
		}
		net.Values[name] = v
		c.give(name, v.Data, shape...)
	}
	at := "x"
	layer := func(out string, op nn.Op, in ...string) {
		net.Layers = append(net.Layers, &nn.Layer{Name: "layer " + out, Op: op, In: append([]string{at}, in...), Out: []string{out}})
		at = out
	}
	norm := func(name string, ch int) {
		constant(name+".gamma", 1, 0.3, ch)
		constant(name+".beta", 0, 0.3, ch)
		constant(name+".mean", 0, 0.3, ch)
		constant(name+".var", 2, 0.2, ch)
		layer(name, nn.BatchNorm{Epsilon: 1e-3}, name+".gamma", name+".beta", name+".mean", name+".var")
	}
	round := func(name string) {
		if rounded {
			q := quant.New(quant.Scheme{Bits: 4})
			q.SetRange(0, -0.4, 2.6)
			layer(name, nn.FakeQuant{Q: q})
		}
	}
	constant("conv1.w", 0, 0.3, 6, 3, 3, 3)
	constant("conv1.b", 0, 0.3, 6)
	layer("conv1", nn.Conv{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 1}, "conv1.w", "conv1.b")
	norm("bn1", 6)
	layer("relu1", nn.Relu{})
	round("quant1")
	trunk := at
	layer("slice", nn.Slice{Axes: []int{2, 3}, Starts: []int{0, 0}, Ends: []int{10, 8}, Steps: []int{2, 2}})
	layer("pad", nn.Pad{Pads: []int{0, 1, 0, 0, 0, 3, 0, 0}})
	shortcut := at
	at = trunk
	constant("conv2.w", 0, 0.3, 10, 3, 3, 3)
	layer("conv2", nn.Conv{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 2}, "conv2.w")
	norm("bn2", 10)
	layer("sum", nn.Add{}, shortcut)
	layer("leaky", nn.LeakyRelu{Alpha: 0.1})
	round("quant2")
	layer("max", nn.MaxPool{Kernel: [2]int{3, 2}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 0, 1, 0}})
	layer("average", nn.AveragePool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 1}})
	layer("clip", nn.Clip{Min: -0.17, Max: 1.52})
	layer("flat", nn.Flatten{})
	constant("fc.w", 0, 0.3, 5, 10*2*2)
	constant("fc.b", 0, 0.3, 5)
	layer("y", nn.Gemm{}, "fc.w", "fc.b")
	return net
}

// Networks in ONNX's layout, frozen, in training and rounded to 4 bits, compute what PyTorch does, and so do the gradients
// of their constants, which Store brings back into that layout. A second lowering shares the numbers.
func TestTorchLower(t *testing.T) {
	var cases []*parity
	for _, k := range []struct {
		name           string
		train, rounded bool
	}{{"frozen", false, false}, {"in training", true, false}, {"rounded", false, true}} {
		c := newParity(t, "lowered", k.name, 9, attrs{"train": k.train, "rounded": k.rounded, "float32": k.rounded})
		net := sample(c, k.rounded)
		options := LowerOptions{TrainBN: k.train, RoundWeights: k.rounded}
		x := c.input("x", 10, 8, 3)
		low, err := Lower(c.g, net, map[string]*Tensor{"x": x}, options)
		if err != nil {
			t.Fatal(err)
		}
		c.wrt = append(c.wrt, low.Params...)
		c.run(low.Tensors["y"])

		// The same numbers in a second graph.
		options.Share = low
		again := newParity(t, "", "", 9, nil)
		low2, err := Lower(again.g, net, map[string]*Tensor{"x": again.inputOf("x", c.data["x"], 10, 8, 3)}, options)
		if err != nil {
			t.Fatal(err)
		}
		p, err := again.g.Compile(Spec{Batch: 9, Outputs: []*Tensor{low2.Tensors["y"]}})
		if err != nil {
			t.Fatal(err)
		}
		p.Run()
		if off := distance(p.Data(low2.Tensors["y"]), c.got["y"]); off != 0 {
			t.Errorf("%s: shared numbers are off by %.1g", c.Name, off)
		}

		// Gradients in the layout of the file.
		for _, q := range low.Params {
			copy(q.Data, q.Grad)
			delete(c.got, "d "+q.Name)
			c.Wanted = append(c.Wanted, q.Name)
		}
		low.Store()
		for _, q := range low.Params {
			v := net.Values[q.Name]
			c.want("d "+q.Name, v.Data)
			if v.Quant != nil {
				c.want("scale "+q.Name, v.Quant.Scale)
			}
		}
		if k.train {
			// The statistics of the batch take the bias away again: its gradient is rounding.
			for i, v := range net.Values["conv1.b"].Data {
				if math.Abs(float64(v)) > 1e-6 {
					t.Errorf("gradient %d of a bias before batch statistics is %v", i, v)
				}
			}
			delete(c.got, "d conv1.b")
		}
		for _, bn := range []string{"bn1", "bn2"} {
			c.want(bn+".mean", net.Values[bn+".mean"].Data)
			c.want(bn+".var", net.Values[bn+".var"].Data)
		}
		cases = append(cases, c)
	}
	askTorch(t, cases, 1e-4)
}

// What cannot be computed is refused by the name of the node.
func TestLowerErrors(t *testing.T) {
	for name, spoil := range map[string]func(net *nn.Network){
		"no such input":         func(net *nn.Network) { net.Layers[0].In[0] = "nowhere" },
		"weight without axes":   func(net *nn.Network) { net.Values["conv1.w"].Shape = nil },
		"weight too short":      func(net *nn.Network) { v := net.Values["conv2.w"]; v.Data = v.Data[1:] },
		"matrix of other width": func(net *nn.Network) { net.Values["fc.w"].Shape = []int{40, 5} },
		"bias too short":        func(net *nn.Network) { v := net.Values["fc.b"]; v.Data = v.Data[1:] },
		"gamma missing":         func(net *nn.Network) { delete(net.Values, "bn1.gamma") },
		"four inputs":           func(net *nn.Network) { net.Layers[1].In = net.Layers[1].In[:4] },
		"channels per quantizer": func(net *nn.Network) {
			net.Layers[2].Op = nn.FakeQuant{Q: quant.New(quant.Scheme{Bits: 4, PerChannel: true})}
		},
		"batch sliced": func(net *nn.Network) {
			net.Layers[3].Op = nn.Slice{Axes: []int{0}, Starts: []int{0}, Ends: []int{1}, Steps: []int{1}}
		},
		"batch padded":  func(net *nn.Network) { net.Layers[4].Op = nn.Pad{Pads: []int{1, 0, 0, 0, 0, 0, 0, 0}} },
		"sum of shapes": func(net *nn.Network) { net.Layers[7].In[1] = "relu1" },
		"sum with nothing": func(net *nn.Network) {
			net.Layers[7].In[1] = "nowhere"
		},
	} {
		c := newParity(t, "", name, 1, nil)
		net := sample(c, false)
		spoil(net)
		_, err := Lower(c.g, net, map[string]*Tensor{"x": c.g.Input("x", 10, 8, 3)}, LowerOptions{})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A predictor of a network is that network.
func TestPredictor(t *testing.T) {
	c := newParity(t, "", "predictor", 4, nil)
	net := sample(c, true)
	if err := nn.InferShapes(net); err != nil {
		t.Fatal(err)
	}
	p, err := NewPredictor(net, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGraph()
	x := g.Input("x", 10, 8, 3)
	low, err := Lower(g, net, map[string]*Tensor{"x": x}, LowerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	y := low.Tensors["y"]
	q, err := g.Compile(Spec{Batch: 4, Outputs: []*Tensor{y}})
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Input(), randoms(c.r, 4*x.Len(), 1))
	copy(q.Data(x), p.Input())
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	q.Run()
	if off := distance(p.Output(0), q.Data(y)); off != 0 || p.Classes(0) != 5 || len(p.Output(0)) != 4*5 {
		t.Errorf("%d outputs of %d, off by %g", len(p.Output(0)), p.Classes(0), off)
	}
	for name, spoil := range map[string]func(){
		"shape without height": func() { net.Values["x"].Shape = []int{nn.Batch, 3} },
		"two inputs":           func() { net.Inputs = []string{"x", "z"} },
		"output of nobody":     func() { net.Outputs = []string{"nobody"} },
	} {
		*net = *sample(c, false)
		spoil()
		if _, err := NewPredictor(net, 1, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	*net = *sample(c, false)
	net.Layers[2].Op = nn.FakeQuant{Q: quant.New(quant.Scheme{Bits: 4})}
	if _, err := NewPredictor(net, 1, 1); err == nil {
		t.Error("no error for a quantizer without a range")
	}
}

// Learning rates begin at the whole and end where they should.
func TestSchedules(t *testing.T) {
	for _, k := range []struct {
		name  string
		s     Schedule
		at    int
		value float64
	}{
		{"cosine", Cosine, 0, 1}, {"cosine", Cosine, 50, 0.5}, {"cosine", Cosine, 100, 0},
		{"thirds", Thirds, 0, 1}, {"thirds", Thirds, 33, 1}, {"thirds", Thirds, 34, 0.1}, {"thirds", Thirds, 67, 0.01}, {"thirds", Thirds, 100, 0.01},
	} {
		if got := k.s(k.at, 100); math.Abs(got-k.value) > 1e-12 {
			t.Errorf("%s at %d of 100 is %v, not %v", k.name, k.at, got, k.value)
		}
	}
}
