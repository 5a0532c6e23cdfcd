package method

import (
	"context"
	"errors"
	"fmt"

	"zaq/internal/engine"
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
	batch, batches, next, err := t.source()
	if err != nil {
		return err
	}
	c, err := t.newCalibration(batch)
	if err != nil {
		return err
	}
	r.round(false)
	r.watch(true)
	defer r.watch(false)
	for i := range batches {
		if err := ctx.Err(); err != nil {
			r.reset()
			return err
		}
		c.in.load(c.prog, next(i))
		c.prog.Run()
		r.update()
		for j, x := range c.tensors {
			c.observers[c.quants[j]].Observe(c.prog.Data(x))
		}
		t.o.report("calibrate", i+1, batches)
	}
	for i, q := range r.quants {
		if o := c.observers[q]; o != nil {
			lo, hi := o.Range()
			r.lo[i], r.hi[i] = float64(lo), float64(hi)
		}
	}
	r.apply()
	return nil
}

// source returns the batches to calibrate with: how large, how many, and the function that makes the i-th.
func (t *twins) source() (batch, batches int, next func(i int) []float32, err error) {
	o, size := t.o, t.image.Len()
	batch = o.Generator.Batch
	given := o.Images
	if given == nil && t.gen == nil {
		given = t.stock.x
	}
	if given != nil {
		n := len(given) / size
		if n == 0 {
			return 0, 0, nil, errors.New("no calibration images")
		}
		batch = min(batch, n)
		return batch, n / batch, func(i int) []float32 { return given[i*batch*size : (i+1)*batch*size] }, nil
	}
	p, err := t.g.Compile(engine.Spec{Batch: batch, Outputs: t.image, Threads: o.Threads, Profile: o.Profile.Of("measure")})
	return batch, o.Generator.Batches, func(i int) []float32 {
		t.fill(p, i, "calibrate")
		p.Run()
		return t.image.images(p)
	}, err
}

// calibration shows images to Q. Observers look at the tensors; the moving average needs none, the engine tells
// it the ends of each batch's range.
type calibration struct {
	prog      *engine.Program
	in        inputs
	tensors   []*engine.Tensor
	quants    []*quant.Quantizer // of tensors
	observers map[*quant.Quantizer]quant.Observer
}

func (t *twins) newCalibration(batch int) (*calibration, error) {
	g := engine.NewGraph()
	in, err := addInputs(g, t.pNet)
	if err != nil {
		return nil, err
	}
	c := &calibration{in: in, observers: map[*quant.Quantizer]quant.Observer{}}
	_, q, err := t.lower(g, c.in, t.p, t.q)
	if err != nil {
		return nil, err
	}
	outputs, err := tensors(q, t.qNet.Outputs)
	if err != nil {
		return nil, err
	}
	if name := t.o.Observer; name != "" && name != Observers[0] {
		for _, s := range t.placement.Activations {
			if s.Tied {
				continue
			}
			if c.observers[s.Quantizer] == nil {
				if c.observers[s.Quantizer], err = newObserver(name, s.Quantizer.Scheme); err != nil {
					return nil, err
				}
			}
			c.tensors, c.quants = append(c.tensors, q.Tensors[s.Tensor]), append(c.quants, s.Quantizer)
		}
	}
	c.prog, err = g.Compile(engine.Spec{Batch: batch, Outputs: append(outputs, c.tensors...), Threads: t.o.Threads, Profile: t.o.Profile.Of("measure")})
	return c, err
}
