// Package synth makes images where there are none: a generator that is trained against a network.
package synth

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/kernel"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// Options say what a generator makes.
type Options struct {
	Height, Width, Channels int
	Latent                  int // numbers of noise for an image; default 256
	Features                int // channels before the last convolution at 32 x 32; default 64

	// Pixels is how the network that will see the images wants them. Generated maps have mean 0 and deviation 1 per
	// channel; they become pixels as mean + deviation*g, are clipped to the valid range, and then go through
	// the network's preprocessing. Where it is nil the maps are what the network takes.
	Pixels *preprocess.Spec
	// NoClip leaves out the clip.
	NoClip bool

	// Classes makes the generator conditional: noise, and 64 ones behind it, are multiplied by a vector that is learnt for each class
	// (GDFQ, Xu et al. 2020, without the ones). 0: it is not. Labels then holds a class for each image of a step; it is read when a program runs.
	Classes int
	Labels  []int
}

// Generator turns noise into batches of images.
type Generator struct {
	Z       *engine.Tensor // noise, filled by Draw
	Image   *engine.Tensor // what the network takes
	Params  []*engine.Param
	Classes int // of a conditional one
}

// smallest is the largest start grid: a Linear layer to more would have millions of weights.
const smallest = 8

// NewGenerator adds to g the generator of system ZAQ: Linear to a small grid, then upsampling and 3x3 convolutions
// with batch normalization and LeakyReLU, a last convolution with tanh, and a batch normalization without
// parameters. All normalizations use the statistics of the batch. Weights are drawn from init as PyTorch does by
// default.
func NewGenerator(g *engine.Graph, o Options, init *random.Stream) (*Generator, error) {
	if o.Height < 1 || o.Width < 1 || o.Channels < 1 {
		return nil, fmt.Errorf("images of %d x %d x %d", o.Height, o.Width, o.Channels)
	}
	if o.Latent == 0 {
		o.Latent = 256
	}
	if o.Features == 0 {
		o.Features = 64
	}
	doublings := 2
	for up(o.Height, doublings) > smallest || up(o.Width, doublings) > smallest {
		doublings++
	}
	b := &build{g: g, gen: &Generator{}, init: init}
	h, w, c := up(o.Height, doublings), up(o.Width, doublings), 2*o.Features
	if o.Classes > 0 {
		o.Latent += conditions
	}
	b.gen.Z = g.Input("noise", 1, 1, o.Latent)
	x := b.gen.Z
	if o.Classes > 0 {
		x = b.embed(x, o)
	}
	x = b.linear(x, h, w, c)
	x = b.norm(x)
	for i := range doublings {
		if i > 0 {
			c = max(c/2, 16)
		}
		x = b.upconv(x, c)
		x = b.norm(x)
		x = g.Activate(fmt.Sprintf("generator leaky %d", i), x, engine.Activation{Kind: kernel.ActLeakyReLU, Alpha: 0.2})
	}
	x = b.conv(x, o.Channels)
	x = g.Tanh("generator tanh", x)
	if b.err == nil && (x.H != o.Height || x.W != o.Width) {
		x, b.err = g.Window("generator crop", x, engine.Window{
			Start: [3]int{(x.H - o.Height) / 2, (x.W - o.Width) / 2}, Step: [3]int{1, 1, 1}, Count: [3]int{o.Height, o.Width, x.C},
		})
	}
	if b.err != nil {
		return nil, b.err
	}
	x = g.BatchNorm("generator image", x, nil, nil, &engine.Stats{Mean: make([]float32, x.C), Var: slices.Repeat([]float32{1}, x.C), Epsilon: 1e-5}, true)
	b.gen.Image = paint(g, x, o.Pixels, !o.NoClip)
	return b.gen, nil
}

// conditions is how many numbers of the noise of a conditional generator are 1: there the vector of the class itself goes on.
// Of noise times a vector, whose mean is 0 for every class, only the size of its numbers tells a class, which takes a generator
// thousands of steps to find.
const conditions = 64

// Draw fills z with noise for a number of images.
func (g *Generator) Draw(z []float32, r *random.Stream) {
	r.Normal(z)
	if g.Classes == 0 {
		return
	}
	for row := range slices.Chunk(z, g.Z.C) {
		ones := row[len(row)-conditions:]
		for i := range ones {
			ones[i] = 1
		}
	}
}

// up is the start grid that reaches n after so many doublings.
func up(n, doublings int) int { return (n + 1<<doublings - 1) >> doublings }

// paint maps standardised values to pixels, clips these unless told otherwise, and maps them to the network's input. Where
// that takes no pixels, standardised values are what it takes.
func paint(g *engine.Graph, x *engine.Tensor, pixels *preprocess.Spec, clip bool) *engine.Tensor {
	if pixels == nil {
		return x
	}
	scale, shift := make([]float32, x.C), make([]float32, x.C)
	for c := range scale {
		scale[c], shift[c] = preprocess.PixelStd, preprocess.PixelMean
	}
	x = g.Affine("generator pixels", x, scale, shift)
	if clip {
		x = g.Activate("generator clip", x, engine.Activation{Kind: kernel.ActClip, Lo: 0, Hi: 255})
	}
	mul, add := pixels.Affine()
	return g.Affine("generated", x, mul, add)
}

// build adds layers and remembers the first error.
type build struct {
	g    *engine.Graph
	gen  *Generator
	init *random.Stream
	n    int
	err  error
}

// uniform draws n values from (-1/sqrt(fanIn), 1/sqrt(fanIn)).
func (b *build) uniform(n, fanIn int) []float32 {
	limit := float32(1 / math.Sqrt(float64(fanIn)))
	v := make([]float32, n)
	for i := range v {
		v[i] = limit * (2*b.init.Float32() - 1)
	}
	return v
}

func (b *build) weight(name string, n, channels, fanIn int) *engine.Weight {
	w := engine.NewWeight(name, b.uniform(n, fanIn), channels, nil)
	b.gen.Params = append(b.gen.Params, w.Param)
	return w
}

func (b *build) param(name string, data []float32) *engine.Param {
	p := engine.NewParam(name, data, false)
	b.gen.Params = append(b.gen.Params, p)
	return p
}

// embed multiplies noise by the vector of its class, which is drawn as PyTorch draws embeddings.
func (b *build) embed(z *engine.Tensor, o Options) *engine.Tensor {
	b.gen.Classes = o.Classes
	table := make([]float32, o.Classes*o.Latent)
	b.init.Normal(table)
	return b.g.Embed("generator class", z, b.param("generator classes", table), o.Labels)
}

func (b *build) linear(x *engine.Tensor, h, w, c int) *engine.Tensor {
	k, m := x.Len(), h*w*c
	y, err := b.g.Linear("generator linear", x, b.weight("generator linear weight", k*m, m, k), b.param("generator linear bias", b.uniform(m, k)), h, w, c)
	b.fail(err)
	return y
}

func (b *build) conv(x *engine.Tensor, cout int) *engine.Tensor {
	if b.err != nil {
		return x
	}
	b.n++
	name := fmt.Sprintf("generator conv %d", b.n)
	y, err := b.g.Conv(name, x, b.weight(name+" weight", 9*x.C*cout, cout, 9*x.C), kernel.ConvShape{
		Cout: cout, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
		PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1,
	})
	b.fail(err)
	return y
}

// upconv doubles height and width and convolves.
func (b *build) upconv(x *engine.Tensor, cout int) *engine.Tensor {
	if b.err != nil {
		return x
	}
	b.n++
	name := fmt.Sprintf("generator conv %d", b.n)
	y, err := b.g.UpsampleConv(name, x, b.weight(name+" weight", 9*x.C*cout, cout, 9*x.C))
	b.fail(err)
	return y
}

func (b *build) norm(x *engine.Tensor) *engine.Tensor {
	if b.err != nil {
		return x
	}
	name := fmt.Sprintf("generator norm %d", b.n)
	return b.g.BatchNorm(name, x, b.param(name+" gamma", slices.Repeat([]float32{1}, x.C)), b.param(name+" beta", make([]float32, x.C)),
		&engine.Stats{Mean: make([]float32, x.C), Var: slices.Repeat([]float32{1}, x.C), Epsilon: 1e-5}, true)
}

func (b *build) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}
