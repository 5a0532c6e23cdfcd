package method

import (
	"context"

	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
)

// Predict returns what net, with its stored batch-normalization statistics, answers to every image of the
// set: [N, classes]. Batch is how many go through at once; it does not change the result. Progress, which
// may be nil, is told after each batch how many images are done.
func Predict(ctx context.Context, net *nn.Network, set *dataset.Set, pixels *preprocess.Spec, batch int, progress func(done int)) ([]float32, error) {
	if err := pixels.CheckImages(set.H, set.W, set.C); err != nil {
		return nil, err
	}
	g := engine.NewGraph()
	in := g.Input(net.Inputs[0], set.H, set.W, set.C)
	l, err := engine.Lower(g, net, map[string]*engine.Tensor{net.Inputs[0]: in}, engine.LowerOptions{})
	if err != nil {
		return nil, err
	}
	out := l.Tensors[net.Outputs[0]]
	p, err := g.Compile(engine.Spec{Batch: batch, Outputs: []*engine.Tensor{out}})
	if err != nil {
		return nil, err
	}
	answers := make([]float32, 0, set.N*out.Len())
	for i := 0; i < set.N; i += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// A last batch that is not full ends in images of the one before, whose answers are not looked at.
		n := min(batch, set.N-i)
		images := set.Pixels[i*in.Len() : (i+n)*in.Len()]
		pixels.Apply(p.Data(in)[:len(images)], images, n)
		p.Run()
		answers = append(answers, p.Data(out)[:n*out.Len()]...)
		if progress != nil {
			progress(i + n)
		}
	}
	return answers, nil
}
