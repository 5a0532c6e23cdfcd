package nn

import (
	"math"
	"reflect"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/quant"
	"zaq/internal/random"
)

// unequal is a small MobileNet, folded, whose channels differ widely and whose activations reach the clip.
func unequal(t *testing.T) *Network {
	t.Helper()
	n, err := MobileNet(MobileNetConfig{
		Image: [3]int{3, 8, 8}, Classes: 4, Stem: 6, Head: 10, Stages: []MobileNetStage{{1, 6, 1, 1}, {2, 8, 2, 2}},
	}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range n.Layers {
		if _, ok := l.Op.(BatchNorm); !ok {
			continue
		}
		r := random.New(4, 0, l.Name)
		for c := range n.Input(l, 1).Data {
			n.Input(l, 1).Data[c] = float32(math.Exp(2 * (r.Float64() - 0.5)))
			n.Input(l, 2).Data[c] = 6 * (r.Float32() - 0.2)
			n.Input(l, 3).Data[c] = r.Float32() - 0.5
			n.Input(l, 4).Data[c] = 0.1 + r.Float32()
		}
	}
	if err := FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	return n
}

// even8 are grids of 8 bits for whole weights.
var even8 = Grids{WBits: 8, ABits: 8, PerTensor: true}

func outputOf(t *testing.T, n *Network, batch int) []float32 {
	t.Helper()
	x := make([]float32, batch*3*8*8)
	random.New(7, 0, "images").Normal(x)
	values, err := Reference(n, map[string][]float32{n.Inputs[0]: x}, batch)
	if err != nil {
		t.Fatal(err)
	}
	return values[n.Outputs[0]]
}

// off is the largest difference over the largest value.
func off(a, b []float32) float64 {
	var d, top float64
	for i, v := range a {
		d, top = max(d, math.Abs(float64(v-b[i]))), max(top, math.Abs(float64(v)))
	}
	return d / top
}

// Equalizing changes no function, makes less noise, and keeps statistics true.
func TestEqualize(t *testing.T) {
	normal := NormalDistribution(&Stats{Mean: make([]float32, 3), Std: []float32{1, 1, 1}})
	for _, blind := range []bool{false, true} {
		n := unequal(t)
		stem := n.Input(n.Layers[0], 1) // a channel that is nothing but its bias, and one that nobody reads
		clear(stem.channel(1))
		depthwise := n.Layer("stage1.0.depthwise")
		clear(n.Input(depthwise, 1).channel(2))
		want := outputOf(t, n, 3)
		image := map[string]*Distribution{n.Inputs[0]: normal}
		plain := n.Clone()
		known := image
		if blind {
			known = nil
			for _, v := range n.Values {
				v.Stats = nil
			}
		}
		if pairs := Equalize(n, known, even8); pairs != 6 {
			t.Errorf("%d pairs", pairs)
		}
		if d := off(want, outputOf(t, n, 3)); d > 1e-4 {
			t.Errorf("blind %v: the function is another: off by %g", blind, d)
		}
		if blind { // then ranges become equal
			for _, p := range n.pairs() {
				p.findAlive()
				for c, alive := range p.alive {
					if r1, r2 := p.ranges(c); alive && math.Abs(math.Log(r1/r2)) > 0.05 {
						t.Errorf("%s channel %d: ranges %g and %g", p.first.Name, c, r1, r2)
					}
				}
			}
			continue
		}
		before, now := plain.pairs(), n.pairs()
		one := func(p *pair, n *Network) float64 {
			p.findAlive()
			ones := make([]float64, len(p.alive))
			for c := range ones {
				ones[c] = 1
			}
			return p.noise(ones, p.energies(Distributions(n, image)), even8)
		}
		var was, is float64
		for i := range now {
			was, is = was+math.Log(one(before[i], plain)), is+math.Log(one(now[i], n))
		}
		if is > was-1 {
			t.Errorf("noise %g, before %g", is, was)
		}
		for name, v := range plain.Values {
			if v.Stats == nil {
				continue
			}
			s := n.Values[name].Stats
			for c, m := range v.Stats.Mean { // both were scaled by the same
				if s.Std[c] == 0 {
					continue
				}
				if a, b := m/v.Stats.Std[c], s.Mean[c]/s.Std[c]; math.Abs(float64(a-b)) > 1e-3*math.Abs(float64(a)) {
					t.Errorf("%s: statistics %v", name, s)
					break
				}
			}
		}
	}
}

// What a channel never falls below moves to the next bias, without padding exactly.
func TestAbsorbHighBias(t *testing.T) {
	n := unequal(t)
	for _, l := range n.Layers { // far above zero, and below the clip
		if b := n.Input(l, 2); b != nil && l.Name != "fc" {
			s := n.Output(l).Stats
			for c := range b.Data {
				b.Data[c] += 2 - s.Mean[c]
				s.Mean[c], s.Std[c] = 2, 0.05
			}
		}
	}
	for _, l := range n.Layers { // one that ends far above the others
		if s := n.Output(l).Stats; s != nil && len(s.Mean) > 2 {
			s.Mean[2], s.Mean[0], s.Std[0] = 4, 1, 1 // the first reaches from below zero to 4
		}
	}
	before := n.Clone()
	absorbed := AbsorbHighBias(n)
	if absorbed == 0 {
		t.Fatal("no channel")
	}
	for _, p := range n.pairs() {
		s, was := n.Output(p.first).Stats, before.Output(p.first).Stats
		_, clipped := p.between[0].Op.(Clip)
		want := was.Mean[2]
		if clipped && len(p.between) == 1 && !p.padded() {
			want = 3.85 // down to where another ends
		}
		if m := s.Mean[2]; math.Abs(float64(m-want)) > 1e-5 || s.Mean[1] != 2 {
			t.Errorf("%s: mean %g, want %g; of another %g", p.first.Name, m, want, s.Mean[1])
		}
	}
}

// A ChannelClip is written and read back as what it is, of real values and of integers.
func TestChannelClipFile(t *testing.T) {
	for _, scheme := range []string{"", Deploy, Paper} {
		n := unequal(t)
		Equalize(n, nil, even8)
		if scheme != "" {
			p, err := Place(n, PlaceOptions{Scheme: scheme, WBits: 8, ABits: 6})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range p.Weights {
				w.Quantizer.SetRanges(quant.MinMaxChannels(w.Value.Data, w.Value.Shape[0]))
				w.Round()
			}
			for _, s := range p.Activations {
				s.Quantizer.SetRange(0, -3, 8)
			}
		}
		file, err := Export(n, ExportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		data, err := file.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if file, err = onnx.Decode(data); err != nil {
			t.Fatal(err)
		}
		back, err := Import(file)
		if err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		clips := countKind(back, "ChannelClip")
		if clips == 0 {
			t.Errorf("%s: no clip was read", scheme)
		}
		want := outputOf(t, n, 2)
		if d := off(want, outputOf(t, back, 2)); d > 1e-3 {
			t.Errorf("%q: the file is off by %g", scheme, d)
		}
		InIntegers(back)
		if d := off(want, outputOf(t, back, 2)); d > 0.02 {
			t.Errorf("%q: integers are off by %g", scheme, d)
		}
	}
}

func TestChannelClip(t *testing.T) {
	n := unequal(t)
	Equalize(n, nil, even8)
	c := n.Clone()
	for _, l := range c.Layers {
		if op, ok := l.Op.(ChannelClip); ok {
			op.Max[0]++
		}
	}
	if reflect.DeepEqual(n, c) {
		t.Error("a clone shares its limits")
	}
}
