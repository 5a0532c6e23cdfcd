package nn

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestResNet(t *testing.T) {
	// Trainable numbers: those of PyTorch networks of this form for width 16, counted by hand for width 3.
	for _, test := range []struct {
		c          ResNetConfig
		layers     int
		parameters int
	}{
		{ResNetConfig{Depth: 20, Width: 16, Image: [3]int{3, 32, 32}, Classes: 10}, 3 + 9*7 + 2*2 + 3, 272474},
		{ResNetConfig{Depth: 20, Width: 16, Image: [3]int{1, 32, 32}, Classes: 10}, 3 + 9*7 + 2*2 + 3, 272186},
		{ResNetConfig{Depth: 8, Width: 16, Image: [3]int{3, 32, 32}, Classes: 10}, 3 + 3*7 + 2*2 + 3, 78042},
		{ResNetConfig{Depth: 14, Width: 3, Image: [3]int{2, 9, 13}, Classes: 5}, 3 + 6*7 + 2*2 + 3, 6413},
		{ResNetConfig{Depth: 32, Width: 16, Image: [3]int{3, 32, 32}, Classes: 100}, 3 + 15*7 + 2*2 + 3, 472756},
		{ResNetConfig{Depth: 20, Width: 16, Image: [3]int{3, 32, 32}, Classes: 10, PadShortcuts: true}, 3 + 9*7 + 2*2 + 3, 269722},
		{ResNetConfig{Depth: 8, Width: 3, Image: [3]int{1, 9, 13}, Classes: 5, PadShortcuts: true}, 3 + 3*7 + 2*2 + 3, 2774},
	} {
		n, err := ResNet(test.c, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Check(); err != nil {
			t.Errorf("%+v: %v", test.c, err)
		}
		parameters := trainable(n)
		if len(n.Layers) != test.layers || parameters != test.parameters {
			t.Errorf("%+v: %d layers with %d parameters, want %d with %d", test.c, len(n.Layers), parameters, test.layers, test.parameters)
		}
		if shape := n.Values["logits"].Shape; !slices.Equal(shape, []int{Batch, test.c.Classes}) {
			t.Errorf("%+v: logits %v", test.c, shape)
		}
	}
}

// trainable counts the parameters that training changes by gradients.
func trainable(n *Network) (parameters int) {
	for name, v := range n.Values {
		if v.Const() && !slices.Contains([]string{"running_mean", "running_var"}, lastPart(name)) {
			parameters += len(v.Data)
		}
	}
	return parameters
}

func lastPart(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return name
}

func TestResNetRefused(t *testing.T) {
	good := ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 32, 32}, Classes: 10}
	for name, spoil := range map[string]func(c *ResNetConfig){
		"depth 0":    func(c *ResNetConfig) { c.Depth = 0 },
		"depth 2":    func(c *ResNetConfig) { c.Depth = 2 },
		"depth 18":   func(c *ResNetConfig) { c.Depth = 18 },
		"width":      func(c *ResNetConfig) { c.Width = 0 },
		"no classes": func(c *ResNetConfig) { c.Classes = 0 },
		"no channel": func(c *ResNetConfig) { c.Image[0] = 0 },
		"no height":  func(c *ResNetConfig) { c.Image[1] = 0 },
		"negative":   func(c *ResNetConfig) { c.Image[2] = -3 },
	} {
		c := good
		spoil(&c)
		if _, err := ResNet(c, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Weights have the deviation that keeps the size of gradients, and are a function of seed and name.
func TestResNetWeights(t *testing.T) {
	c := ResNetConfig{Depth: 20, Width: 16, Image: [3]int{3, 32, 32}, Classes: 10}
	n, err := ResNet(c, 7)
	if err != nil {
		t.Fatal(err)
	}
	for name, fanOut := range map[string]int{"layer1.0.conv1.weight": 16 * 9, "layer2.0.shortcut.0.weight": 32, "layer3.2.conv2.weight": 64 * 9} {
		var sum, squares float64
		data := n.Values[name].Data
		for _, v := range data {
			sum, squares = sum+float64(v), squares+float64(v)*float64(v)
		}
		k := float64(len(data))
		want := math.Sqrt(2 / float64(fanOut))
		// The standard errors of mean and deviation.
		if mean := sum / k; math.Abs(mean) > 4*want/math.Sqrt(k) {
			t.Errorf("%s: mean %v", name, mean)
		}
		if std := math.Sqrt(squares / k); math.Abs(std-want) > 4*want/math.Sqrt(2*k) {
			t.Errorf("%s: deviation %v, want %v", name, std, want)
		}
	}
	same, _ := ResNet(c, 7)
	if !reflect.DeepEqual(n, same) {
		t.Error("two networks of one seed differ")
	}
	other, _ := ResNet(c, 8)
	if slices.Equal(n.Values["fc.weight"].Data, other.Values["fc.weight"].Data) {
		t.Error("networks of two seeds have the same weights")
	}
	if slices.Equal(n.Values["layer1.0.conv1.weight"].Data, n.Values["layer1.0.conv2.weight"].Data) {
		t.Error("two layers have the same weights")
	}
}

// What is written is read back as the same function.
func TestResNetRoundTrip(t *testing.T) {
	n, err := ResNet(ResNetConfig{Depth: 8, Width: 4, Image: [3]int{1, 7, 6}, Classes: 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Export(n, ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := Import(m)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Inputs, n.Inputs) || !slices.Equal(back.Outputs, n.Outputs) || len(back.Layers) != len(n.Layers) || back.BatchDim != "N" {
		t.Fatalf("read back: inputs %v, outputs %v, %d layers, batch %q", back.Inputs, back.Outputs, len(back.Layers), back.BatchDim)
	}
	x := make([]float32, 2*42)
	for i := range x {
		x[i] = float32(i%17)/8 - 1
	}
	want, err := Reference(n, map[string][]float32{"input": x}, 2)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Reference(back, map[string][]float32{"input": x}, 2)
	if err != nil || !slices.Equal(got["logits"], want["logits"]) {
		t.Errorf("logits %v, want %v (%v)", got["logits"], want["logits"], err)
	}
}
