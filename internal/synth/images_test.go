package synth

import (
	"context"
	"math"
	"slices"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/preprocess"
)

// deepInverted are images of a network of three classes, the strongest channel's, whose input has a unit of so many to the
// deviation of pixels, and whose first layer has another.
func deepInverted(t *testing.T, o ImageOptions, input *preprocess.Spec, layer float32) *Images {
	t.Helper()
	mul, add := input.Affine()
	m, err := NewImages(o, []Input{{H: 4, W: 5, C: 3, Pixels: input}}, func(g *engine.Graph, x []*engine.Tensor) (Seen, error) {
		scale, shift, out, back := make([]float32, 3), make([]float32, 3), make([]float32, 3), make([]float32, 3)
		stats := &engine.Stats{Mean: make([]float32, 3), Var: make([]float32, 3)}
		for c := range 3 {
			unit, mean := mul[c]*preprocess.PixelStd, mul[c]*preprocess.PixelMean+add[c]
			scale[c], shift[c] = layer/unit, -layer*mean/unit
			stats.Mean[c], stats.Var[c] = layer*float32(c-1)/4, layer*layer*float32(c+1)/2
			out[c], back[c] = 1/layer, 0
		}
		at := g.Affine("layer", x[0], scale, shift)
		return Seen{
			PreNorm: []engine.PreNorm{{Tensor: at, Stats: stats}},
			Logits:  g.GlobalAveragePool("logits", g.Affine("normalized", at, out, back)),
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(context.Background(), func([]engine.Term) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return m
}

// The terms of DeepInversion weigh the same whatever the units of a network's input and layers: so the images are the same.
func TestDeepInversionWhateverTheUnits(t *testing.T) {
	standard, err := preprocess.Assumed([]int{-1, 3, 4, 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []ImageOptions{
		{BN: 10, Class: 1, TV: 1e-3},
		{BN: 1, Class: 1, L2: 1, TV: 1},
	} {
		o.Kind, o.Count, o.Batch, o.Steps, o.LR, o.Shift, o.Seed = DeepInversion, 4, 4, 25, 0.05, 1, 3
		want := deepInverted(t, o, standard, 1)
		got := deepInverted(t, o, flat(3), 64)
		for i, v := range got.Done {
			if v = (v - preprocess.PixelMean) / preprocess.PixelStd; math.Abs(float64(v-want.Done[i])) > 2e-3 {
				t.Fatalf("%+v: number %d is %g, of a network of standardised pixels %g", o, i, v, want.Done[i])
			}
		}
		if !slices.Equal(got.Labels, want.Labels) || len(got.Labels) != 4 {
			t.Errorf("labels %v, want %v", got.Labels, want.Labels)
		}
	}
}

// Images that were not made of classes have none.
func TestDeepInversionWithoutClasses(t *testing.T) {
	o := ImageOptions{Kind: DeepInversion, Count: 3, Batch: 2, Steps: 2, LR: 0.05, BN: 1}
	if m := deepInverted(t, o, flat(3), 64); m.Labels != nil || len(m.Done) != 3*4*5*3 {
		t.Errorf("labels %v of %d numbers", m.Labels, len(m.Done))
	}
}
