package nn

import (
	"math"
	"testing"

	"zaq/internal/random"
)

// Moments of a limited normal variable are those of many draws.
func TestMoments(t *testing.T) {
	inf := math.Inf(1)
	for i, c := range []struct{ mean, std, lo, hi float64 }{
		{0.5, 2, -inf, inf}, {0.5, 2, 0, inf}, {-1, 0.5, 0, inf}, {3, 4, 0, 6}, {-3, 1, 0, 6}, {9, 1, 0, 6}, {1, 1, -2, 0.5}, {2, 0, 0, 1},
	} {
		d := &Distribution{[]float64{c.mean}, []float64{c.std}, []float64{c.lo}, []float64{c.hi}}
		const n = 1 << 17
		x := make([]float32, n)
		random.New(1, uint64(i), "moments").Normal(x)
		var mean, square float64
		for _, z := range x {
			v := min(max(c.mean+c.std*float64(z), c.lo), c.hi)
			mean, square = mean+v/n, square+v*v/n
		}
		m, v := d.Moments(0)
		if math.Abs(m-mean) > 0.02 || math.Abs(v-(square-mean*mean)) > 0.05*(1+c.std*c.std) {
			t.Errorf("%+v: mean %.3f and variance %.3f, want %.3f and %.3f", c, m, v, mean, square-mean*mean)
		}
	}
}

// What follows from statistics is what a network does to images that have them.
func TestDistributions(t *testing.T) {
	n, err := ResNet(ResNetConfig{Depth: 8, Width: 4, Image: [3]int{3, 8, 8}, Classes: 5, PadShortcuts: true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	AttachStats(n)
	image := NormalDistribution(&Stats{Mean: []float32{1, 0, -1}, Std: []float32{1, 2, 0.5}})
	known := Distributions(n, map[string]*Distribution{n.Inputs[0]: image})
	for _, l := range n.Layers {
		d := known[l.Out[0]]
		if d == nil {
			t.Fatalf("nothing is known of %s", l.Out[0])
		}
		if shape := n.Output(l).Shape; len(d.Mean) != shape[1] {
			t.Errorf("%s: %d channels of %v", l.Out[0], len(d.Mean), shape)
		}
		if _, ok := l.Op.(Relu); ok && d.Lo[0] != 0 {
			t.Errorf("%s is below 0", l.Out[0])
		}
	}
	// The first convolution, of independent pixels: padding and all.
	const batch = 256
	x := make([]float32, batch*3*64)
	random.New(5, 0, "pixels").Normal(x)
	for i := range x {
		c := i / 64 % 3
		x[i] = float32(image.Mean[c] + image.Std[c]*float64(x[i]))
	}
	values, err := Reference(n, map[string][]float32{"input": x}, batch)
	if err != nil {
		t.Fatal(err)
	}
	conv := n.Layers[0]
	y, expected := values[conv.Out[0]], n.Expected(conv, n.Input(conv, 1).Data, image)
	for c, want := range expected {
		var mean float64
		for i := range batch {
			for _, v := range y[(i*4+c)*64 : (i*4+c+1)*64] {
				mean += float64(v) / (batch * 64)
			}
		}
		if math.Abs(mean-want) > 0.05 || known[conv.Out[0]].Mean[c] != want {
			t.Errorf("channel %d: mean %.3f, want %.3f", c, mean, want)
		}
	}
	// What is shifted by the opposite has mean 0, behind a normalization with statistics 0 and 1 too.
	before := values["bn1"]
	shift := []float64{0.5, -1, 0, 2}
	n.Shift(conv, shift)
	if values, err = Reference(n, map[string][]float32{"input": x}, batch); err != nil {
		t.Fatal(err)
	}
	for c, by := range shift {
		at := c * 64
		if d := float64(values["bn1"][at] - before[at]); math.Abs(d-by/math.Sqrt(1+1e-5)) > 1e-4 {
			t.Errorf("channel %d is shifted by %g, want %g", c, d, by)
		}
	}
}
