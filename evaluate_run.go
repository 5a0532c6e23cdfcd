package zaq

import (
	"context"
	"fmt"
	"slices"

	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/kernel"
	"zaq/internal/metric"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
)

// evaluate runs m over the data set, batch by batch. The last one is filled up with what was there before:
// an image's outputs do not depend on its neighbours.
func evaluate(ctx context.Context, m *Model, spec string, o EvalOptions) (*Evaluation, error) {
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	set, err := openTestSet(spec)
	if err != nil {
		return nil, err
	}
	if o.Limit > 0 {
		set = set.Subset(o.Limit)
	}
	if set, err = m.fit(set); err != nil {
		return nil, err
	}
	if o.Batch == 0 {
		o.Batch = evalBatch(set)
	}
	batch := min(o.Batch, set.N)
	net := m.net.Clone()
	nn.InIntegers(net) // as those who run the file will compute it
	p, err := engine.NewPredictor(net, batch, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	classes := p.Classes(0)
	e := &Evaluation{N: set.N}
	image := set.H * set.W * set.C
	for i := 0; i < set.N; i += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(batch, set.N-i)
		(*preprocess.Spec)(&m.pre).Apply(p.Input()[:n*image], set.Pixels[i*image:(i+n)*image], n)
		if err := p.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.path, err)
		}
		if err := e.count(p.Output(0)[:n*classes], classes, set.Labels[i:i+n]); err != nil {
			return nil, fmt.Errorf("%s: %w", spec, err)
		}
		o.Progress(Progress{Phase: PhaseEvaluate, Step: i + n, Total: set.N})
	}
	return e, nil
}

// count adds a batch of answers.
func (e *Evaluation) count(logits []float32, classes int, labels []int) error {
	for _, k := range []struct {
		k     int
		right *int
	}{{1, &e.Top1}, {5, &e.Top5}} {
		n, err := metric.TopK(logits, classes, labels, k.k)
		if err != nil {
			return err
		}
		*k.right += n
	}
	for row := range slices.Chunk(logits, classes) {
		e.Classes = append(e.Classes, metric.Argmax(row))
	}
	return nil
}

// evalBatch is how many images go at once: many small ones, few large ones, so that their maps do not fill the
// memory.
func evalBatch(set *dataset.Set) int { return min(100, max(8, 100*32*32/(set.H*set.W))) }

// openTestSet opens the test images of a specification and checks that there is something to count.
func openTestSet(spec string) (*dataset.Set, error) {
	set, err := openImages(spec, dataset.Test, [2]int{})
	if err != nil {
		return nil, err
	}
	if set.Labels == nil {
		return nil, fmt.Errorf("%s: the images have no labels", spec)
	}
	return set, nil
}

// fit checks that the data set and the network are about the same thing, and gives 28 x 28 images of
// Fashion-MNIST the border that larger networks are trained with.
func (m *Model) fit(set *dataset.Set) (*dataset.Set, error) {
	if len(m.net.Outputs) != 1 {
		return nil, fmt.Errorf("%s: %d outputs where a classifier has one", m.path, len(m.net.Outputs))
	}
	name := m.net.Outputs[0]
	shape := m.net.Values[name].Shape
	if len(shape) < 2 || size(shape[1:]) != shape[1] {
		return nil, fmt.Errorf("%s: output %q of shape %v is not one number for each class", m.path, name, shape)
	}
	if n := len(set.Classes); n > 0 && n != shape[1] {
		return nil, fmt.Errorf("%s: output %q has %d classes, %s has %d", m.path, name, shape[1], set.Name, n)
	}
	input := m.net.Values[m.input].Shape
	if set.Name == "fashion-mnist" && input[2] >= set.H && input[3] >= set.W {
		var err error
		if set, err = set.Pad(input[2], input[3]); err != nil {
			return nil, err
		}
	}
	return set, m.checkImages(set)
}

// checkImages checks that images have the size and the channels of the network's input.
func (m *Model) checkImages(set *dataset.Set) error {
	err := (*preprocess.Spec)(&m.pre).CheckImages(set.H, set.W, set.C)
	if in := m.net.Values[m.input].Shape; err == nil && (in[2] != set.H || in[3] != set.W) {
		err = fmt.Errorf("images are %dx%d, input %q is %dx%d", set.H, set.W, m.input, in[2], in[3])
	}
	if err != nil {
		return fmt.Errorf("%s and %s: %w", m.path, set.Name, err)
	}
	return nil
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
