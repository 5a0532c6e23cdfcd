package method

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

// Observers are the ways to choose activation ranges from what a batch of images makes of a tensor: a moving
// average of the smallest and largest value of each batch, as published for RQ and ZAQ, which is taken where none is
// named; their extremes over all batches; the 99.99th percentile; the range of least squared error; and that of least
// expected error for a Laplace or a normal distribution of the same spread (ACIQ). The last takes no values at all, but
// so many deviations of the statistics of batch normalization (DFQ).
var Observers = []string{"ema", "minmax", "percentile", "mse", "laplace", "gauss", "sigma"}

// ByImages reports whether an observer can go by images.
func ByImages(observer string) bool { return observer != "sigma" }

// ByStatistics reports whether an observer can go by statistics alone: "ema" cannot, since there are no batches.
func ByStatistics(observer string) bool { return observer != "ema" }

// percentile is that of the observer of that name.
const percentile = 99.99

// newObserver returns the observer called name for tensors quantized by s.
func newObserver(name string, s quant.Scheme) (quant.Observer, error) {
	switch name {
	case "minmax":
		return &quant.MinMax{}, nil
	case "percentile":
		return quant.NewPercentile(percentile), nil
	case "mse":
		return quant.NewMSE(s), nil
	case "laplace":
		return quant.NewLaplace(s), nil
	case "gauss":
		return quant.NewGauss(s), nil
	}
	return nil, fmt.Errorf("observer %q: want one of %v", name, Observers)
}

// calibrate sets activation ranges from images that Q sees without rounding: the user's own, or generated ones.
// Stopped by ctx it leaves them as if it had not begun.
func (t *twins) calibrate(ctx context.Context) error {
	r := t.ranges
	if len(r.sites) == 0 {
		return nil
	}
	batches, next, err := t.source()
	if err != nil {
		return err
	}
	observers, err := t.newObservers()
	if err != nil {
		return err
	}
	r.round(false)
	r.watch(true)
	defer r.watch(false)
	var c *calibration
	for i, n := range batches {
		if err := ctx.Err(); err != nil {
			r.reset()
			return err
		}
		if c == nil || c.prog.Batch() != n {
			c = nil // its memory serves the next
			if c, err = t.newCalibration(n); err != nil {
				r.reset()
				return err
			}
		}
		x := next(i)
		if i == 0 {
			if err := t.bounded(x[:min(len(x), lookedInto*t.image.Len())]); err != nil {
				return err
			}
		}
		c.in.load(c.prog, x)
		c.prog.Run()
		r.update()
		if err := t.checkBounds(c, x); err != nil {
			r.reset()
			return err
		}
		for j, x := range c.tensors {
			observers[c.quants[j]].Observe(c.prog.Data(x))
		}
		t.o.report("calibrate", i+1, len(batches))
	}
	for i, q := range r.quants {
		if o := observers[q]; o != nil {
			lo, hi := o.Range()
			r.lo[i], r.hi[i] = float64(lo), float64(hi)
		}
	}
	r.apply()
	return nil
}

// source returns the sizes of the batches to calibrate with, and the function that makes the i-th. Each of the images that are
// there is in one of them.
func (t *twins) source() (batches []int, next func(i int) []float32, err error) {
	o, size := t.o, t.image.Len()
	given := o.Images
	if given == nil && t.gen == nil {
		given = t.stock.x
	}
	if given != nil {
		if len(given) < size {
			return nil, nil, errors.New("no calibration images")
		}
		cut, rest := evenly(len(given)/size, o.Generator.Batch), given
		return cut, func(i int) []float32 {
			var x []float32
			x, rest = rest[:cut[i]*size], rest[cut[i]*size:]
			return x
		}, nil
	}
	p, err := t.g.Compile(engine.Spec{Batch: o.Generator.Batch, Outputs: t.image, Threads: o.Threads, Profile: o.Profile.Of("measure")})
	return slices.Repeat([]int{o.Generator.Batch}, o.Generator.Batches), func(i int) []float32 {
		t.fill(p, i, "calibrate")
		p.Run()
		return t.image.images(p)
	}, err
}

// evenly cuts n images into as few batches as can be of most images at most, of one size or of two that follow each other: a
// moving average takes each batch for as much as any other, and the extremes of a few images left over are not those of many.
func evenly(n, most int) []int {
	batches := make([]int, (n+most-1)/most)
	for i := range batches {
		batches[i] = n / len(batches)
		if i < n%len(batches) {
			batches[i]++
		}
	}
	return batches
}

// newObservers returns those of the activations' quantizers. The moving average needs none: the engine tells it the ends of each
// batch's range.
func (t *twins) newObservers() (map[*quant.Quantizer]quant.Observer, error) {
	observers := map[*quant.Quantizer]quant.Observer{}
	for _, s := range t.observed() {
		if observers[s.Quantizer] != nil {
			continue
		}
		observer, err := newObserver(t.o.Observer, s.Quantizer.Scheme)
		if err != nil {
			return nil, err
		}
		observers[s.Quantizer] = observer
	}
	return observers, nil
}

// observed are the activations that observers look at.
func (t *twins) observed() (sites []*nn.Site) {
	if t.o.Observer == "" || t.o.Observer == Observers[0] {
		return nil
	}
	for _, s := range t.placement.Activations {
		if !s.Tied {
			sites = append(sites, s)
		}
	}
	return sites
}

// calibration shows batches of one size to Q.
type calibration struct {
	prog    *engine.Program
	in      inputs
	outputs []*engine.Tensor
	tensors []*engine.Tensor   // that observers look at
	quants  []*quant.Quantizer // of tensors
}

func (t *twins) newCalibration(batch int) (*calibration, error) {
	g := engine.NewGraph()
	in, err := addInputs(g, t.pNet)
	if err != nil {
		return nil, err
	}
	c := &calibration{in: in}
	_, q, err := t.lower(g, c.in, t.p, t.q)
	if err != nil {
		return nil, err
	}
	if c.outputs, err = tensors(q, t.qNet.Outputs); err != nil {
		return nil, err
	}
	for _, s := range t.observed() {
		c.tensors, c.quants = append(c.tensors, q.Tensors[s.Tensor]), append(c.quants, s.Quantizer)
	}
	c.prog, err = g.Compile(engine.Spec{Batch: batch, Outputs: slices.Concat(c.outputs, c.tensors), Threads: t.o.Threads, Profile: t.o.Profile.Of("measure")})
	return c, err
}
