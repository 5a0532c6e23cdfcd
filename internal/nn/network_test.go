package nn

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"zaq/internal/quant"
)

// small returns a network with a constant, shared quantizers and statistics.
func small(t *testing.T) *Network {
	b := newGraph(21)
	b.input("x", 4, 5, 5)
	s := b.floats(nil, 0.1)
	q := func(x string) string { return b.node("DequantizeLinear", b.node("QuantizeLinear", x, s), s) }
	y := b.node("Slice", q("x"), b.list(0), b.list(3), b.list(2))
	y = b.node("Pad", y, b.list(0, 0, 1, 0, 0, 0, 1, 0))
	_, y = normalizedConv(b, y, false)
	b.output(q(y))
	n := b.mustImport(t)
	AttachStats(n)
	quantizeWeights(n, quant.Scheme{Bits: 4, Signed: true, Symmetric: true, PerChannel: true})
	return n
}

func TestClone(t *testing.T) {
	n := small(t)
	c := n.Clone()
	if !reflect.DeepEqual(c, n) {
		t.Fatalf("clone differs: %+v, want %+v", c, n)
	}
	// Whatever is written to the clone, n keeps what it had.
	want := n.Clone()
	for _, l := range c.Layers {
		switch op := l.Op.(type) {
		case FakeQuant:
			op.Q.Scale[0]++
		case Slice:
			op.Starts[0]++
		case Pad:
			op.Pads[2]++
		}
		l.In[0], l.Out[0], l.Name = "", "", ""
	}
	for _, v := range c.Values {
		for i := range v.Data {
			v.Data[i]++
		}
		if v.Quant != nil {
			v.Quant.Zero[0]++
		}
		if v.Stats != nil {
			v.Stats.Mean[0]++
		}
		v.Shape[0]++
	}
	c.Outputs[0], c.Inputs[0] = "", ""
	if !reflect.DeepEqual(n, want) {
		t.Error("writing to the clone changed the network")
	}
	first, last := c.Layers[0].Op.(FakeQuant), c.Layers[len(c.Layers)-1].Op.(FakeQuant)
	if first.Q != last.Q || first.Q == n.Layers[0].Op.(FakeQuant).Q {
		t.Error("shared quantizer is not shared inside the clone, or shared with the original")
	}
}

func TestGraphQueries(t *testing.T) {
	n := small(t)
	conv := n.Layers[3]
	if got := n.Producer(conv.Out[0]); got != conv {
		t.Errorf("producer %v, want %v", got, conv)
	}
	if got := n.Producer("x"); got != nil {
		t.Errorf("producer of an input is %v", got)
	}
	if got := n.Consumers(conv.Out[0]); !slices.Equal(got, n.Layers[4:5]) {
		t.Errorf("consumers %v", got)
	}
	if got := n.Consumers(n.Outputs[0]); got != nil {
		t.Errorf("consumers of the output are %v", got)
	}
	if n.Layer(conv.Name) != conv || n.Layer("none") != nil {
		t.Error("layer is not found by its name")
	}
	if n.Input(conv, 2) != nil || n.Input(conv, 1) == nil {
		t.Error("inputs of the conv are not its own")
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		want  string
		spoil func(n *Network)
	}{
		{`two nodes are named`, func(n *Network) { n.Layers[1].Name = n.Layers[0].Name }},
		{`before it is made`, func(n *Network) { n.Layers[0], n.Layers[1] = n.Layers[1], n.Layers[0] }},
		{`before it is made`, func(n *Network) { n.Layers[1].In[0] = n.Outputs[0] }},
		{`which is there already`, func(n *Network) { n.Layers[1].Out[0] = n.Layers[0].Out[0] }},
		{`has 1 inputs, takes 2 to 3`, func(n *Network) { n.Layers[3].In = n.Layers[3].In[:1] }},
		{`has 2 outputs`, func(n *Network) { n.Layers[0].Out = []string{n.Layers[0].Out[0], "y"} }},
		{`has shape [1]`, func(n *Network) { n.Values[n.Layers[0].Out[0]].Shape = []int{1} }},
		{`is made by no layer`, func(n *Network) { n.Values["y"] = &Value{Name: "y"} }},
		{`kept under another name`, func(n *Network) { n.Values["x"].Name = "y" }},
		{`input "x" has no shape`, func(n *Network) { delete(n.Values, "x") }},
		{`output "z" is not computed`, func(n *Network) { n.Outputs[0] = "z" }},
		{`elements, shape is`, func(n *Network) { n.Input(n.Layers[3], 1).Shape[0]++ }},
		{`has 3 scales and 4 zero points`, func(n *Network) { q := n.Input(n.Layers[3], 1).Quant; q.Scale = q.Scale[:3] }},
		{`are no range`, func(n *Network) { n.Input(n.Layers[3], 1).Quant.QMax = -100 }},
		{`statistics`, func(n *Network) { n.Output(n.Layers[4]).Stats.Std = nil }},
		{`has no quantizer`, func(n *Network) { n.Layers[0].Op = FakeQuant{} }},
		{`is not a float constant`, func(n *Network) { n.Layers[3].In[1] = "x" }},
	}
	for _, test := range tests {
		n := small(t)
		if err := n.Check(); err != nil {
			t.Fatal(err)
		}
		test.spoil(n)
		if err := n.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}

// TestInferShapes forgets all shapes and finds them again.
func TestInferShapes(t *testing.T) {
	n := small(t)
	want := n.Clone()
	for _, l := range n.Layers {
		n.Output(l).Shape = nil
	}
	if err := InferShapes(n); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n, want) {
		t.Error("shapes differ")
	}
	n.Values["x"].Shape[1] = 3
	if err := InferShapes(n); err == nil || !strings.Contains(err.Error(), `node "`+n.Layers[3].Name+`" (Conv)`) {
		t.Errorf("error %v does not name the conv", err)
	}
}

func TestSummary(t *testing.T) {
	n := small(t)
	conv := n.Layers[3]
	want := LayerInfo{Name: conv.Name, Kind: "Conv", Output: []int{Batch, 4, 5, 5}, Parameters: 144, MACs: 144 * 25,
		BatchNorm: BatchNormAfter, WeightBits: 4, ActivationBits: 32}
	if got := n.Summary()[3]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	conv.In[0] = n.Layers[0].Out[0] // read the FakeQuant itself
	if got := n.Summary()[3].ActivationBits; got != 8 {
		t.Errorf("activation has %d bits, want 8", got)
	}
	if err := FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	if got := n.Summary()[3]; got.BatchNorm != BatchNormFolded || got.Parameters != 148 {
		t.Errorf("folded: %+v", got)
	}

	var macs int64
	parameters := 0
	for _, l := range importFile(t, "cifar10", cifarModels[0]+".onnx").Summary() {
		macs += l.MACs
		parameters += l.Parameters
	}
	// 0.27 M parameters as in the ResNet paper (option A: nothing in the shortcuts), here with the 1,376
	// running statistics.
	if macs != 40551040 || parameters != 269722+2*688 {
		t.Errorf("ResNet-20 has %d MACs and %d parameters", macs, parameters)
	}
}
