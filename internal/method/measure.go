package method

import (
	"context"
	"math"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/nn"
)

// measurePart is how many images are measured at a time, at most: as many as divide all of them.
const measurePart = 8

// measureStats gives what layers with weights make the statistics that it has on images, as Options has them, in a network in which
// no BatchNormalization declares any. Where the images are noise, that is less than the truth: means that corrections of
// biases can go by.
func measureStats(ctx context.Context, net *nn.Network, images []float32, threads int) error {
	g := engine.NewGraph()
	x, err := addInputs(g, net)
	if err != nil {
		return err
	}
	in, err := x.of(net)
	if err != nil {
		return err
	}
	lowered, err := engine.Lower(g, net, in, engine.LowerOptions{})
	if err != nil {
		return err
	}
	type sums struct {
		out          *nn.Value
		t            *engine.Tensor
		sum, squares []float64
		n            int
	}
	var measured []*sums
	var kept []*engine.Tensor
	for l := range net.Weights() {
		out := net.Output(l)
		if t := lowered.Tensors[out.Name]; t != nil {
			measured = append(measured, &sums{out: out, t: t, sum: make([]float64, t.C), squares: make([]float64, t.C)})
			kept = append(kept, t)
		}
	}
	n := len(images) / x.Len()
	part := min(measurePart, n)
	for n%part != 0 {
		part--
	}
	prog, err := g.Compile(engine.Spec{Batch: part, Outputs: kept, Threads: threads})
	if err != nil {
		return err
	}
	for first := 0; first < n; first += part {
		if err := ctx.Err(); err != nil {
			return err
		}
		x.load(prog, images[first*x.Len():(first+part)*x.Len()])
		prog.Run()
		for _, s := range measured {
			for pixel := range slices.Chunk(prog.Data(s.t), s.t.C) {
				for c, v := range pixel {
					s.sum[c] += float64(v)
					s.squares[c] += float64(v) * float64(v)
				}
			}
			s.n += part * s.t.H * s.t.W
		}
	}
	for _, s := range measured {
		stats := &nn.Stats{Mean: make([]float32, s.t.C), Std: make([]float32, s.t.C)}
		for c := range s.sum {
			mean := s.sum[c] / float64(s.n)
			stats.Mean[c] = float32(mean)
			stats.Std[c] = float32(math.Sqrt(max(0, s.squares[c]/float64(s.n)-mean*mean)))
		}
		s.out.Stats = stats
	}
	return nil
}
