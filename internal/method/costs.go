package method

import (
	"context"

	"zaq/internal/quant"
)

// costBatch is how many of n images costs are measured on, at once: fewer where memory is short.
func costBatch(o *Options, n int) int { return min(32, n, o.Generator.Batch) }

// costs measures the output of every layer with weights on generated images.
func (t *twins) costs(m *images) ([]Cost, error) {
	batch := costBatch(t.o, m.n)
	v, err := t.viewer(batch, t.placement.Weights)
	if err != nil {
		return nil, err
	}
	v.in.load(v.prog, m.x[:batch*v.in.Len()])
	v.prog.Run()
	var costs []Cost
	for _, w := range t.placement.Weights {
		costs = append(costs, Cost{
			Layer:      w.Layer,
			OutputSQNR: quant.SQNR(v.prog.Data(v.p.Tensors[w.Float]), v.prog.Data(v.q.Tensors[w.Output])),
		})
	}
	return costs, nil
}

// result stores what was trained into Q's network.
func (t *twins) result(ctx context.Context, m *images) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	costs, err := t.costs(m)
	if err != nil {
		return nil, err
	}
	v, err := t.viewer(t.o.Generator.Batch, nil)
	if err != nil {
		return nil, err
	}
	agreement, err := v.agreement(ctx, m)
	if err != nil {
		return nil, err
	}
	t.q.Store()
	for i, w := range t.placement.Weights {
		w.Round() // so that folding a factor into weight and scale cannot move an integer
		costs[i].WeightSQNR = quant.SQNR(t.float[i], w.Value.Data)
	}
	return &Result{Net: t.qNet, Placement: t.placement, Costs: costs, Agreement: agreement}, nil
}
