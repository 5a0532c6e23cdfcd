package zaq

import (
	"context"
	"fmt"
	"slices"

	"zaq/internal/dataset"
	"zaq/internal/kernel"
	"zaq/internal/metric"
)

// evaluate runs m over the data set, batch by batch. An image's outputs do not depend on its neighbours.
func evaluate(ctx context.Context, m *Model, spec string, o EvalOptions) (*Evaluation, error) {
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	if err := m.oneInput("--data feeds", adviceRun); err != nil {
		return nil, err
	}
	set, err := openTestSource(spec)
	if err != nil {
		return nil, err
	}
	if o.Limit > 0 {
		set = set.Subset(o.Limit)
	}
	if set, err = m.fit(set); err != nil {
		return nil, err
	}
	batch := min(o.batch(m), set.N)
	p, err := m.predictor(batch, o)
	if err != nil {
		return nil, err
	}
	classes := p.Classes(0)
	e := &Evaluation{N: set.N}
	for i := 0; i < set.N; i += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(batch, set.N-i)
		if err := m.readInputs(p.Input(), set, i, n, nil); err != nil {
			return nil, err
		}
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

// batch is how many images go at once: many small ones, few large ones, so that their maps do not fill the
// memory.
func (o *EvalOptions) batch(m *Model) int {
	if o.Batch > 0 {
		return o.Batch
	}
	input := m.net.Values[m.input].Shape
	return min(100, max(8, 100*32*32/size(input[2:])))
}

// openTestSource opens the test images of a specification and checks that there is something to count.
func openTestSource(spec string) (*dataset.Source, error) {
	if err := checkData(spec); err != nil {
		return nil, err
	}
	set, err := dataset.OpenSource(spec, dataset.Test)
	if err != nil {
		return nil, err
	}
	if set.Labels == nil && set.Boxes == nil {
		return nil, fmt.Errorf("%s: the images have no labels", spec)
	}
	return set, nil
}

// fit checks that the data set and the network, a classifier, are about the same thing, and gives 28 x 28 images of
// Fashion-MNIST the border that larger networks are trained with.
func (m *Model) fit(set *dataset.Source) (*dataset.Source, error) {
	if len(m.net.Outputs) != 1 {
		return nil, fmt.Errorf("%s: %d outputs where a classifier has one", m.path, len(m.net.Outputs))
	}
	name := m.net.Outputs[0]
	shape := m.net.Values[name].Shape
	if len(shape) < 2 || size(shape[1:]) != shape[1] {
		return nil, fmt.Errorf("%s: output %q of shape %v is not one number for each class", m.path, name, shape)
	}
	if set.Labels == nil {
		return nil, fmt.Errorf("%s is a classifier, and %s is a data set of boxes", m.path, set.Name)
	}
	if n := len(set.Classes); n > 0 && n != shape[1] {
		return nil, fmt.Errorf("%s: output %q has %d classes, %s has %d", m.path, name, shape[1], set.Name, n)
	}
	if set.Name == "fashion-mnist" {
		input := m.net.Values[m.input].Shape
		set = set.Pad(input[2], input[3])
	}
	return set, nil
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
