package synth

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// flat is preprocessing that takes pixels as they are.
func flat(channels int) *preprocess.Spec {
	s := &preprocess.Spec{Scale: 1, Color: map[int]string{1: "gray", 3: "rgb"}[channels]}
	for range channels {
		s.Mean, s.Std = append(s.Mean, 0), append(s.Std, 1)
	}
	return s
}

// small are options for a generator that is quick to run.
func small(h, w, c int) Options {
	return Options{Height: h, Width: w, Channels: c, Latent: 8, Features: 8, Pixels: flat(c)}
}

func generator(t *testing.T, o Options, seed uint64) (*engine.Graph, *Generator) {
	t.Helper()
	g := engine.NewGraph()
	gen, err := NewGenerator(g, o, random.New(seed, 0, "generator weights"))
	if err != nil {
		t.Fatal(err)
	}
	return g, gen
}

// Inputs of real networks: the start grid stays small, and the layers at full size have few channels.
func TestGeneratorOfLargeImages(t *testing.T) {
	for _, size := range [][2]int{{96, 96}, {128, 96}, {224, 224}, {240, 320}, {320, 320}, {299, 299}, {416, 416}, {97, 511}, {512, 512}} {
		o := Options{Height: size[0], Width: size[1], Channels: 3, Pixels: flat(3)}
		_, gen := generator(t, o, 1)
		if im := gen.Image; im.H != size[0] || im.W != size[1] || im.C != 3 {
			t.Errorf("%v: %v", size, im)
		}
		total := 0
		for _, p := range gen.Params {
			total += len(p.Data)
		}
		if total > 2_700_000 { // the Linear layer to 8 x 8 x 128 has 2.1 million
			t.Errorf("%v: %d parameters", size, total)
		}
	}
}

// images runs the generator on a batch of noise.
func images(t *testing.T, o Options, batch int) []float32 {
	t.Helper()
	g, gen := generator(t, o, 1)
	p, err := g.Compile(engine.Spec{Batch: batch, Outputs: []*engine.Tensor{gen.Image}})
	if err != nil {
		t.Fatal(err)
	}
	random.New(2, 0, "noise").Normal(p.Data(gen.Z))
	p.Run()
	return slices.Clone(p.Data(gen.Image))
}

func TestGeneratorShapes(t *testing.T) {
	for _, test := range []struct {
		h, w, c int
		grid    [2]int // the least of few doublings, two or more, that is at most 8 x 8
		params  int    // linear, two for each normalization, one for each convolution
	}{
		{32, 32, 3, [2]int{8, 8}, 2 + 3*2 + 3},
		{28, 28, 1, [2]int{7, 7}, 2 + 3*2 + 3},
		{8, 8, 1, [2]int{2, 2}, 2 + 3*2 + 3},
		{20, 36, 3, [2]int{3, 5}, 2 + 4*2 + 4}, // cropped from 24 x 40
		{33, 5, 3, [2]int{5, 1}, 2 + 4*2 + 4},  // cropped from 40 x 8
		{96, 96, 3, [2]int{6, 6}, 2 + 5*2 + 5},
		{1, 1, 3, [2]int{1, 1}, 2 + 3*2 + 3},
	} {
		o := small(test.h, test.w, test.c)
		g, gen := generator(t, o, 1)
		if im := gen.Image; im.H != test.h || im.W != test.w || im.C != test.c {
			t.Errorf("%v, want %d x %d x %d", im, test.h, test.w, test.c)
		}
		if gen.Z.Len() != o.Latent {
			t.Errorf("%d x %d: noise of %d, want %d", test.h, test.w, gen.Z.Len(), o.Latent)
		}
		if got, want := len(gen.Params[1].Data), test.grid[0]*test.grid[1]*2*o.Features; got != want {
			t.Errorf("%d x %d: a start grid of %d elements, want %d for %v", test.h, test.w, got, want, test.grid)
		}
		if len(gen.Params) != test.params {
			t.Errorf("%d x %d: %d parameters, want %d", test.h, test.w, len(gen.Params), test.params)
		}
		p, err := g.Compile(engine.Spec{Batch: 3, Outputs: []*engine.Tensor{gen.Image}})
		if err != nil {
			t.Fatal(err)
		}
		random.New(2, 0, "noise").Normal(p.Data(gen.Z))
		p.Run()
		if got, want := len(p.Data(gen.Image)), 3*test.h*test.w*test.c; got != want {
			t.Errorf("%d x %d: %d values, want %d", test.h, test.w, got, want)
		}
	}
}

func TestGeneratorDefaults(t *testing.T) {
	_, gen := generator(t, Options{Height: 32, Width: 32, Channels: 3, Pixels: flat(3)}, 1)
	if gen.Z.Len() != 256 {
		t.Errorf("noise of %d, want 256", gen.Z.Len())
	}
	// Twice 64 channels on the start grid, 64 before the last convolution.
	if got, want := len(gen.Params[0].Data), 256*8*8*128; got != want {
		t.Errorf("%d weights in the linear layer, want %d", got, want)
	}
	if got, want := len(gen.Params[len(gen.Params)-1].Data), 9*64*3; got != want {
		t.Errorf("%d weights in the last convolution, want %d", got, want)
	}
}

// Before they are painted, maps have mean 0 and deviation 1 in every channel over the batch: under the
// preprocessing that undoes the paint, that is what comes out, after a crop as well.
func TestGeneratorIsStandardised(t *testing.T) {
	const batch = 5
	for _, size := range [][3]int{{32, 32, 3}, {20, 36, 3}, {12, 12, 1}} {
		o := small(size[0], size[1], size[2])
		o.NoClip = true
		var err error
		if o.Pixels, err = preprocess.Assumed([]int{-1, size[2], size[0], size[1]}); err != nil {
			t.Fatal(err)
		}
		x := images(t, o, batch)
		for c := range o.Channels {
			var sum, squares float64
			for i := c; i < len(x); i += o.Channels {
				sum += float64(x[i])
				squares += float64(x[i]) * float64(x[i])
			}
			n := float64(len(x) / o.Channels)
			mean := sum / n
			if dev := math.Sqrt(squares/n - mean*mean); math.Abs(mean) > 1e-4 || math.Abs(dev-1) > 1e-3 {
				t.Errorf("%v: channel %d has mean %g and deviation %g", size, c, mean, dev)
			}
		}
	}
}

func TestGeneratorPixels(t *testing.T) {
	o := small(16, 16, 3)
	clipped := images(t, o, 4)
	o.NoClip = true
	free := images(t, o, 4)
	if lo, hi := slices.Min(free), slices.Max(free); lo >= 0 || hi <= 255 {
		t.Errorf("without a clip pixels are in %g..%g: nothing to be clipped", lo, hi)
	}
	for i, v := range free {
		if want := min(max(v, 0), 255); clipped[i] != want {
			t.Fatalf("pixel %d is %g, want %g", i, clipped[i], want)
		}
	}

	// A network sees the same pixels through its own preprocessing, channel by channel.
	o.NoClip = false
	o.Pixels = &preprocess.Spec{Scale: 1.0 / 255, Mean: []float64{0.5, 0.25, 0}, Std: []float64{0.25, 0.5, 2}, Color: "bgr"}
	mul, add := o.Pixels.Affine()
	for i, v := range images(t, o, 4) {
		if want := clipped[i]*mul[i%3] + add[i%3]; math.Abs(float64(v-want)) > 1e-6 {
			t.Fatalf("value %d is %g, want %g", i, v, want)
		}
	}
}

func TestGeneratorSeeds(t *testing.T) {
	weights := func(seed uint64) [][]float32 {
		_, gen := generator(t, small(12, 8, 1), seed)
		var w [][]float32
		for _, p := range gen.Params {
			w = append(w, p.Data)
		}
		return w
	}
	first := weights(1)
	if !reflect.DeepEqual(weights(1), first) {
		t.Error("the same seed gave other weights")
	}
	if reflect.DeepEqual(weights(2), first) {
		t.Error("another seed gave the same weights")
	}
	// PyTorch's bounds: 1/sqrt(fan in), here of the noise and of 3x3 convolutions.
	_, gen := generator(t, small(12, 8, 1), 1)
	for i, fanIn := range map[int]float64{0: 8, 1: 8, len(gen.Params) - 1: 9 * 16} {
		w := gen.Params[i].Data
		limit := float32(1 / math.Sqrt(fanIn))
		if lo, hi := slices.Min(w), slices.Max(w); lo < -limit || hi > limit || hi-lo < 1.5*limit {
			t.Errorf("%s is in %g..%g, want -%g..%[4]g", gen.Params[i].Name, lo, hi, limit)
		}
	}
}

func TestGeneratorRefused(t *testing.T) {
	for name, spoil := range map[string]func(o *Options){
		"no height":         func(o *Options) { o.Height = 0 },
		"no width":          func(o *Options) { o.Width = 0 },
		"no channel":        func(o *Options) { o.Channels = 0 },
		"negative height":   func(o *Options) { o.Height = -32 },
		"negative width":    func(o *Options) { o.Width = -1 },
		"negative channels": func(o *Options) { o.Channels = -3 },
	} {
		o := small(16, 16, 3)
		spoil(&o)
		if gen, err := NewGenerator(engine.NewGraph(), o, random.New(1, 0, "generator weights")); err == nil || gen != nil {
			t.Errorf("%s: %v, %v", name, gen, err)
		}
	}
}
