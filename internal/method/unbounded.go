package method

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/engine"
)

// lookedInto is how many images all of P's tensors are looked at on, where nothing else says that one of them is not finite.
const lookedInto = 2

// bounded returns an error that names the first layer of P which makes of images x [n, Len] what is not finite, where that comes to
// NaN anywhere, or to an infinity that is an output: ranges pass over NaN, and a later activation may hide it. An infinity that a later
// layer takes back is what an exponential may well be on its way to 1/(1+e), and ranges are those of the finite values beside it.
func (t *twins) bounded(x []float32) error {
	g := engine.NewGraph()
	in, err := addInputs(g, t.pNet)
	if err != nil {
		return err
	}
	given, err := in.of(t.pNet)
	if err != nil {
		return err
	}
	p, err := engine.Lower(g, t.pNet, given, engine.LowerOptions{Share: t.p})
	if err != nil {
		return err
	}
	var made []*engine.Tensor
	for _, l := range t.pNet.Layers {
		if y := p.Tensors[l.Out[0]]; y != nil && !slices.Contains(made, y) && !slices.Contains(in, y) {
			made = append(made, y)
		}
	}
	prog, err := g.Compile(engine.Spec{Batch: 1, Outputs: made, Threads: t.o.Threads})
	if err != nil {
		return err
	}
	for image := range slices.Chunk(x, in.Len()) {
		in.load(prog, image)
		prog.Run()
		var first error
		wrong := false
		for _, l := range t.pNet.Layers {
			y := p.Tensors[l.Out[0]]
			if !slices.Contains(made, y) {
				continue
			}
			v, ok := unbounded(prog.Data(y))
			if ok && first == nil {
				first = fmt.Errorf("node %q (%s): makes %v of an image that ranges are chosen on, before anything is rounded: are images prepared as the network expects them?", l.Name, l.Op.Kind(), v)
			}
			wrong = wrong || ok && (isNaN(prog.Data(y)) || slices.Contains(t.pNet.Outputs, l.Out[0]))
		}
		if wrong {
			return first
		}
	}
	return nil
}

// unbounded returns the first of x that is not finite.
func unbounded(x []float32) (float32, bool) {
	i := slices.IndexFunc(x, func(v float32) bool { return v-v != 0 })
	if i < 0 {
		return 0, false
	}
	return x[i], true
}

func isNaN(x []float32) bool { return slices.ContainsFunc(x, func(v float32) bool { return v != v }) }

// checkBounds returns an error if something that Q hands out for a batch of images x is not finite.
func (t *twins) checkBounds(c *calibration, x []float32) error {
	wrong := slices.ContainsFunc(c.outputs, func(y *engine.Tensor) bool {
		_, ok := unbounded(c.prog.Data(y))
		return ok
	})
	if !wrong {
		return nil
	}
	if err := t.bounded(x); err != nil {
		return err
	}
	return errors.New("with rounded weights the network makes numbers of an image that are not finite")
}
