package nn

import (
	"math"
	"slices"
)

// Grids say how a network will be quantized, as far as it matters to what equalization gains and costs.
type Grids struct {
	WBits, ABits int
	PerTensor    bool // one grid for all channels of a weight
}

// Equalize rescales channels between pairs of layers so that one grid for all channels of a weight serves each of them
// well: cross-layer equalization (Nagel et al. 2019, section 4.1). Where only positively homogeneous functions lie between
// a layer with weights W1, b1 and the only one that reads it, with W2,
//
//	W1_i /= s_i     b1_i /= s_i     W2_:i *= s_i     s_i = sqrt(r1_i/r2_i)^t,
//
// r1_i and r2_i the largest magnitudes of W1's row and W2's column, changes nothing but that, for t = 1, both ranges become
// equal. What makes ranges of weights equal makes those of activations unequal, which have one grid, too; so t is not 1
// as in the paper, but that of 0, 1/8, ..., 1 for which the noise of all three at the second layer's output is least; see
// pair.noise. Pairs are gone through until the scales hardly change. A Clip (ReLU6) between them becomes a ChannelClip to
// 6/s_i; known statistics are scaled along. Of the network's inputs is known what inputs says, by name. Normalizations must
// have been folded. It returns the number of pairs.
func Equalize(n *Network, inputs map[string]*Distribution, g Grids) int {
	pairs := n.pairs()
	for _, p := range pairs {
		p.findAlive()
		p.buryDead()
	}
	const sweeps, settled = 8, 1e-3
	for range sweeps {
		var moved float64
		for _, p := range pairs {
			moved += p.equalize(Distributions(n, inputs), g)
		}
		if moved < settled*float64(len(pairs)) {
			break
		}
	}
	return len(pairs)
}

// pair are two layers with weights, and what lies between them.
type pair struct {
	n           *Network
	first, next *Layer
	between     []*Layer
	each        int // inputs of next that are one channel of first: more than one behind a Flatten
	alive       []bool
}

// pairs returns those that can be equalized, in order.
func (n *Network) pairs() (all []*pair) {
	for _, l := range n.Layers {
		if !hasWeights(l) || !n.alone(l) {
			continue
		}
		p := &pair{n: n, first: l, each: 1}
		for c := n.soleConsumer(l.Out[0]); c != nil; c = n.soleConsumer(c.Out[0]) {
			if hasWeights(c) {
				p.next = c
				break
			}
			if !p.passes(c) {
				break
			}
			p.between = append(p.between, c)
		}
		if p.next == nil || !n.alone(p.next) || p.inputs() != n.Input(l, 1).Shape[0]*p.each {
			continue
		}
		all = append(all, p)
	}
	return all
}

// alone reports whether no other layer reads the weights or the bias of l.
func (n *Network) alone(l *Layer) bool {
	for _, name := range l.In[1:] {
		if name != "" && n.soleConsumer(name) != l {
			return false
		}
	}
	return true
}

// passes reports whether l treats channels alike and apart from each other, and f(kx) = k f(x) for k > 0, or can be made to.
func (p *pair) passes(l *Layer) bool {
	switch op := l.Op.(type) {
	case Relu, LeakyRelu, Clip, ChannelClip, MaxPool, AveragePool, GlobalAveragePool, Identity:
		return true
	case Flatten:
		shape := p.n.Input(l, 0).Shape
		if len(shape) > 1 {
			p.each = size(shape[2:])
		}
		return len(shape) > 1
	case Pad:
		rank := len(op.Pads) / 2
		return op.Value == 0 && rank > 1 && op.Pads[1]+op.Pads[rank+1] == 0
	}
	return false
}

// inputs is the number of input channels of the second layer.
func (p *pair) inputs() int {
	shape := p.n.Input(p.next, 1).Shape
	if conv, ok := p.next.Op.(Conv); ok {
		return shape[1] * conv.Groups
	}
	return shape[1]
}

// column calls f for each run of the second layer's weights that read channel c, with their output channel.
func (p *pair) column(c int, f func(o int, w []float32)) {
	w := p.n.Input(p.next, 1)
	outputs, inputs := w.Shape[0], w.Shape[1]
	groups := 1
	if conv, ok := p.next.Op.(Conv); ok {
		groups = conv.Groups
	}
	taps := len(w.Data) / (outputs * inputs)
	for i := c * p.each; i < (c+1)*p.each; i++ {
		g := i / inputs // the group that reads it
		for o := g * (outputs / groups); o < (g+1)*(outputs/groups); o++ {
			at := (o*inputs + i%inputs) * taps
			f(o, w.Data[at:at+taps])
		}
	}
}

// dead is the share of the largest weight below which a channel counts as one that weight decay has made nothing of.
// Scaling it would give the constant that its bias is the range of all others.
const dead = 1e-5

// equalize rescales all channels and returns the mean of |log s|.
func (p *pair) equalize(known map[string]*Distribution, g Grids) (moved float64) {
	full := make([]float64, p.n.Input(p.first, 1).Shape[0])
	for c := range full {
		if full[c] = 1; p.alive[c] {
			r1, r2 := p.ranges(c)
			full[c] = math.Sqrt(r1 / r2)
		}
	}
	s := full
	if e := p.energies(known); e != nil {
		const steps = 8
		least := math.Inf(1)
		for i := range steps + 1 {
			t := make([]float64, len(full))
			for c, f := range full {
				t[c] = math.Pow(f, float64(i)/steps)
			}
			if noise := p.noise(t, e, g); noise < least {
				s, least = t, noise
			}
		}
	}
	for _, f := range s {
		moved += math.Abs(math.Log(f)) / float64(len(s))
	}
	p.scale(s)
	return moved
}

// ranges returns the largest magnitudes of the weights that make a channel, and of those that read it.
func (p *pair) ranges(c int) (r1, r2 float64) {
	p.column(c, func(_ int, w []float32) { r2 = max(r2, magnitude(w)) })
	return magnitude(p.n.Input(p.first, 1).channel(c)), r2
}

// findAlive looks for the channels that are not dead.
func (p *pair) findAlive() {
	most1, most2 := magnitude(p.n.Input(p.first, 1).Data), magnitude(p.n.Input(p.next, 1).Data)
	for c := range p.n.Input(p.first, 1).Shape[0] {
		r1, r2 := p.ranges(c)
		p.alive = append(p.alive, r1 > dead*most1 && r2 > dead*most2)
	}
}

// buryDead takes channels that are dead out of the pair: one that nobody reads becomes 0, and one that is always the same
// goes into the bias of what reads it, with the weights that read it, which else would claim a part of the grid for
// nothing. A constant that padding interrupts stays.
func (p *pair) buryDead() {
	w, b := p.n.Input(p.first, 1), p.n.Input(p.first, 2)
	shift := make([]float64, p.n.Input(p.next, 1).Shape[0])
	for c, alive := range p.alive {
		if alive {
			continue
		}
		r1, r2 := p.ranges(c)
		unread := r2 <= dead*magnitude(p.n.Input(p.next, 1).Data)
		constant := 0.0
		if b != nil && !unread {
			constant = float64(b.Data[c])
			for _, l := range p.between {
				constant = after(l.Op, constant, c)
			}
		}
		if !unread && (r1 > dead*magnitude(w.Data) || constant != 0 && p.padded()) {
			continue
		}
		p.column(c, func(o int, w []float32) {
			for _, v := range w {
				shift[o] += float64(v) * constant
			}
			clear(w)
		})
		clear(w.channel(c))
		if b != nil {
			b.Data[c] = 0
		}
		for _, l := range append([]*Layer{p.first}, p.between...) {
			if s := p.n.Output(l).Stats; s != nil {
				s.Mean[c], s.Std[c] = 0, 0
			}
		}
	}
	p.n.Shift(p.next, shift)
}

// after is what an operator between the layers of a pair makes of a constant.
func after(op Op, v float64, c int) float64 {
	switch op := op.(type) {
	case Relu:
		return max(v, 0)
	case LeakyRelu:
		return max(v, 0) + float64(op.Alpha)*min(v, 0)
	case Clip:
		return min(max(v, float64(op.Min)), float64(op.Max))
	case ChannelClip:
		return min(max(v, float64(op.Min[c])), float64(op.Max[c]))
	}
	return v
}

func magnitude(w []float32) (m float64) {
	for _, v := range w {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// scale divides the channels between the layers by s.
func (p *pair) scale(s []float64) {
	w, b := p.n.Input(p.first, 1), p.n.Input(p.first, 2)
	for c, f := range s {
		scaleBy(w.channel(c), 1/f)
		if b != nil {
			scaleBy(b.Data[c:c+1], 1/f)
		}
		p.column(c, func(_ int, w []float32) { scaleBy(w, f) })
	}
	p.n.Output(p.first).Stats.scale(s)
	for _, l := range p.between {
		p.n.Output(l).Stats.scale(s)
		switch op := l.Op.(type) {
		case Clip:
			l.Op = ChannelClip{spread(op.Min, s), spread(op.Max, s)}
		case ChannelClip:
			for c, f := range s {
				op.Min[c], op.Max[c] = float32(float64(op.Min[c])/f), float32(float64(op.Max[c])/f)
			}
		}
	}
}

func scaleBy(w []float32, f float64) {
	for i, v := range w {
		w[i] = float32(float64(v) * f)
	}
}

// spread divides a limit by the scales of the channels; one that is none stays none.
func spread(limit float32, s []float64) []float32 {
	l := slices.Repeat([]float32{limit}, len(s))
	if bounded(limit) {
		for c, f := range s {
			l[c] = float32(float64(limit) / f)
		}
	}
	return l
}

func (s *Stats) scale(by []float64) {
	if s == nil {
		return
	}
	for c, f := range by {
		s.Mean[c], s.Std[c] = float32(float64(s.Mean[c])/f), float32(float64(s.Std[c])/f)
	}
}

// AbsorbHighBias moves what a channel never falls below from one layer's bias into the next one's: where a ReLU alone lies
// between two layers and c = mean - 3 deviations is above 0,
//
//	b1 -= c     b2 += sum over inputs and kernel of W2 c
//
// (Nagel et al. 2019, section 4.1.3), which makes the range between them smaller. Values that do fall below c are lost, so no
// more is absorbed than it takes to bring a channel down to where the others end. Left alone are channels that reach the
// upper limit of a clip, and second layers with padding, whose zeros have no such bias. It returns the number of channels.
func AbsorbHighBias(n *Network) (absorbed int) {
	for _, p := range n.pairs() {
		stats, bias := n.Output(p.first).Stats, n.Input(p.first, 2)
		if stats == nil || bias == nil || len(p.between) != 1 || p.padded() {
			continue
		}
		limit := func(int) float64 { return math.Inf(1) }
		switch op := p.between[0].Op.(type) {
		case Relu:
		case Clip:
			limit = func(int) float64 { return float64(op.Max) }
		case ChannelClip:
			limit = func(c int) float64 { return float64(op.Max[c]) }
		default:
			continue
		}
		lows, others := make([]float64, len(stats.Mean)), 0.0
		for c, m := range stats.Mean {
			low, high := float64(m)-3*float64(stats.Std[c]), float64(m)+3*float64(stats.Std[c])
			if low > 0 && high < limit(c) {
				lows[c] = low
			}
			others = max(others, min(high, limit(c))-lows[c]) // where it would end
		}
		shift := make([]float64, n.Input(p.next, 1).Shape[0])
		for c, low := range lows {
			if low = min(low, float64(stats.Mean[c])+3*float64(stats.Std[c])-others); low > 0 {
				n.absorb(p, c, low, shift)
				absorbed++
			}
		}
		n.Shift(p.next, shift)
	}
	return absorbed
}

// padded reports whether the second layer, or what lies before it, reads zeros around its input.
func (p *pair) padded() bool {
	conv, ok := p.next.Op.(Conv)
	padded := ok && conv.Pads != [4]int{}
	for _, l := range p.between {
		switch op := l.Op.(type) {
		case AveragePool:
			padded = padded || op.Pads != [4]int{}
		case Pad:
			padded = padded || op.Mode == ""
		}
	}
	return padded
}

// absorb takes low from a channel between the layers of p, and adds what the next layer then lacks to shift.
func (n *Network) absorb(p *pair, c int, low float64, shift []float64) {
	bias := n.own(p.first, 2)
	bias.Data[c] -= float32(low)
	n.Output(p.first).Stats.Mean[c] -= float32(low)
	if clip, ok := p.between[0].Op.(ChannelClip); ok {
		clip.Max[c] -= float32(low) // which the channel hardly reaches, before as after
	}
	p.column(c, func(o int, run []float32) {
		for _, v := range run {
			shift[o] += float64(v) * low
		}
	})
}
