package zaq

import (
	"context"
	"fmt"
	"math"
	"time"

	"zaq/internal/kernel"
	"zaq/internal/method"
	"zaq/internal/preprocess"
)

// Synthetic are images that were made against a model, as pixels.
type Synthetic struct {
	Images  string        `json:"images"` // the source, one of ImageSources
	N       int           `json:"n"`
	Height  int           `json:"height"`
	Width   int           `json:"width"`
	Depth   int           `json:"channels"`         // red, green, blue; or gray
	Labels  []int         `json:"labels,omitempty"` // the classes that they were made of; nil: none
	Elapsed time.Duration `json:"elapsed_ns"`

	pixels []uint8 // [N, Height, Width, Depth]
}

// CheckImages reports the first option that cannot be where Synthesize makes n images, as Check does for Quantize.
func (o Options) CheckImages(n int) error {
	if n < 1 {
		return &OptionError{"count", fmt.Sprint(n), "must be above 0"}
	}
	if d := o.withDefaults(); d.Images == method.SourceStatistics || traits[d.Method].data {
		return &OptionError{"method", d.Method, "makes no images"}
	}
	return o.Check()
}

// Synthesize makes the images that the method o names learns from or takes its ranges from: n of a generator that has
// been warmed up (of gdfq, one that knows classes), or those of o.Synth where they are optimised. Of o it looks at Method,
// Images, Seed, Synth and the generator's options.
func Synthesize(ctx context.Context, m *Model, o Options, n int) (*Synthetic, error) {
	if err := o.CheckImages(n); err != nil {
		return nil, err
	}
	if err := m.oneInput("synth makes images for", "what quantize makes for itself is for all inputs"); err != nil {
		return nil, err
	}
	if err := m.checkTerms(o); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	start := time.Now()
	p, err := o.precision()
	if err != nil {
		return nil, err
	}
	mo := methodOptions(o, p)
	mo.Pixels = (*preprocess.Spec)(&m.pre)
	trunk, _ := m.parts()
	made, err := method.Synthesize(ctx, trunk, mo, n, o.Method == "gdfq")
	if err != nil {
		return nil, interruptedBriefly(ctx, m.explain(err, o))
	}
	in := made.Inputs[0]
	s := &Synthetic{Images: o.Images, N: made.N, Height: in.H, Width: in.W, Depth: in.C, Labels: made.Labels, Elapsed: time.Since(start)}
	s.pixels = pixelsOf(made.X, &m.pre)
	return s, nil
}

// pixelsOf turns a network's input, [n, H, W, C], back into pixels in the order red, green, blue.
func pixelsOf(x []float32, p *Preprocessing) []uint8 {
	mul, add := (*preprocess.Spec)(p).Affine()
	c := len(mul)
	pixels := make([]uint8, len(x))
	for i, v := range x {
		k := i % c
		to := i
		if p.Color == "bgr" {
			to = i - k + c - 1 - k
		}
		pixels[to] = uint8(math.RoundToEven(min(max(float64((v-add[k])/mul[k]), 0), 255)))
	}
	return pixels
}
