package method

import (
	"context"
	"fmt"
	"math"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/kernel"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

// Budget is what the weights of a network may take when each layer has bits of its own. One of its fields is set.
type Budget struct {
	MeanBits float64 // bits of a weight on average
	Bytes    int64   // of all weights as they are stored: up to 4 bits take 4 where Packed, all else takes 8
	Packed   bool
}

// cost is what n weights of so many bits take of a budget, in bits.
func (b *Budget) cost(n, bits int) float64 {
	switch {
	case b.MeanBits > 0:
		return float64(n * bits)
	case b.Packed && bits <= 4:
		return float64((n + 1) / 2 * 8)
	}
	return float64(n * 8)
}

// total is the budget in bits for n weights.
func (b *Budget) total(n int) float64 {
	if b.MeanBits > 0 {
		return b.MeanBits * float64(n)
	}
	return float64(b.Bytes * 8)
}

// distribute gives each weight of a network bits such that the budget is kept and the network's answers change least:
// the sensitivity of a layer to so many bits is the mean divergence KL(P || P with that layer rounded) on images, and
// sensitivities are taken to add up (ZeroQ: Cai et al. 2020, section 3.2). It returns the bits by the name of the
// constant.
func distribute(ctx context.Context, p *nn.Network, o Options) (map[string]int, error) {
	q, placement, err := place(p, o)
	if err != nil {
		return nil, err
	}
	var weights []*nn.WeightSite
	seen := map[*nn.Value]bool{}
	for _, w := range placement.Weights {
		if !seen[w.Value] {
			seen[w.Value] = true
			weights = append(weights, w)
		}
	}
	omega, err := sensitivities(ctx, q, weights, o)
	if err != nil {
		return nil, err
	}
	sizes, n := make([]int, len(weights)), 0
	for i, w := range weights {
		sizes[i] = len(w.Value.Data)
		n += sizes[i]
	}
	choice, err := choose(omega, sizes, o.Budget, n)
	if err != nil {
		return nil, err
	}
	bits := map[string]int{}
	for i, w := range weights {
		bits[w.Value.Name] = choice[i]
	}
	return bits, nil
}

// sensitivityImages is on how many images sensitivities are measured.
const sensitivityImages = 64

// sensitivities returns for each weight the divergence at each number of bits, from the fewest.
func sensitivities(ctx context.Context, q *nn.Network, weights []*nn.WeightSite, o Options) ([][]float64, error) {
	g := engine.NewGraph()
	x, err := addInputs(g, q)
	if err != nil {
		return nil, err
	}
	in, err := x.of(q)
	if err != nil {
		return nil, err
	}
	size := x.Len()
	n := min(sensitivityImages, len(o.Images)/size)
	if n == 0 {
		return nil, fmt.Errorf("no images to measure sensitivities on")
	}
	float := q.Clone()
	for _, l := range float.Layers {
		if _, ok := l.Op.(nn.FakeQuant); ok {
			l.Op = nn.Identity{}
		}
	}
	l, err := engine.Lower(g, float, in, engine.LowerOptions{})
	if err != nil {
		return nil, err
	}
	out := l.Tensors[float.Outputs[0]]
	if out == nil {
		return nil, fmt.Errorf("output %q is not computed by the engine", float.Outputs[0])
	}
	prog, err := g.Compile(engine.Spec{Batch: n, Outputs: []*engine.Tensor{out}, Threads: o.Threads, Profile: o.Profile.Of("measure")})
	if err != nil {
		return nil, err
	}
	x.load(prog, o.Images[:n*size])
	prog.Run()
	want := slices.Clone(prog.Data(out))
	omega := make([][]float64, len(weights))
	for i, w := range weights {
		p := l.Weights[w.Value.Name]
		master := slices.Clone(p.Data)
		for bits := quant.MinBits; bits <= quant.MaxBits; bits++ {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			roundTo(p.Data, master, p.Channels, grids(w), w.Quantizer.WithBits(bits))
			p.Changed()
			prog.Run()
			omega[i] = append(omega[i], divergence(want, prog.Data(out), out.C))
		}
		copy(p.Data, master)
		p.Changed()
		o.report("sensitivity", i+1, len(weights))
	}
	return omega, nil
}

// roundTo rounds weights [..., channels] to grids that span their ranges.
func roundTo(dst, src []float32, channels, grids int, s quant.Scheme) {
	r := engine.WeightRanges(src, channels, grids)
	defer r.Free()
	scale, zero := make([]float32, grids), make([]int32, grids)
	for c := range scale {
		scale[c], zero[c] = s.Params(r.Lo[c], r.Hi[c])
	}
	lo, hi := s.Bounds()
	kernel.FakeQuantChannels(dst, src, scale, zero, lo, hi, channels)
}

// divergence is the mean over rows of classes of KL(softmax(p) || softmax(q)).
func divergence(p, q []float32, classes int) (mean float64) {
	rows := len(p) / classes
	a, b := make([]float64, classes), make([]float64, classes)
	for i := range rows {
		engine.LogSoftmax(a, p[i*classes:(i+1)*classes], 1)
		engine.LogSoftmax(b, q[i*classes:(i+1)*classes], 1)
		for k := range a {
			mean += math.Exp(a[k]) * (a[k] - b[k]) / float64(rows)
		}
	}
	return mean
}

// choose minimises the sum of sensitivities within the budget, by dynamic programming over layers and what is spent so
// far beyond the least, in so many units of what there is.
func choose(omega [][]float64, sizes []int, b *Budget, n int) ([]int, error) {
	const units = 1 << 14
	left := b.total(n)
	for _, size := range sizes {
		left -= b.cost(size, quant.MinBits)
	}
	if left < 0 {
		return nil, fmt.Errorf("the budget of %.0f bytes is too small: weights take %.0f at least", b.total(n)/8, math.Ceil((b.total(n)-left)/8))
	}
	unit := max(left, 1) / units
	spend := func(i, k int) int {
		return int(math.Ceil((b.cost(sizes[i], quant.MinBits+k)-b.cost(sizes[i], quant.MinBits))/unit - 1e-9))
	}
	best := slices.Repeat([]float64{math.Inf(1)}, units+1) // by what is spent
	best[0] = 0
	from := make([][]int8, len(omega)) // what the last layer took to get there
	for i, row := range omega {
		next := slices.Repeat([]float64{math.Inf(1)}, units+1)
		from[i] = make([]int8, units+1)
		for spent, sum := range best {
			if math.IsInf(sum, 1) {
				continue
			}
			for k, o := range row {
				if to := spent + spend(i, k); to <= units && sum+o < next[to] {
					next[to], from[i][to] = sum+o, int8(k)
				}
			}
		}
		best = next
	}
	at, least := 0, math.Inf(1)
	for spent, sum := range best {
		if sum < least {
			at, least = spent, sum
		}
	}
	bits := make([]int, len(omega))
	for i := len(omega) - 1; i >= 0; i-- {
		k := int(from[i][at])
		bits[i] = quant.MinBits + k
		at -= spend(i, k)
	}
	return bits, nil
}
