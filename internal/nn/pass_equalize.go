package nn

import (
	"math"
	"slices"
)

// Equalize rescales channels between pairs of layers so that one grid for all channels of a weight serves each of them
// well: cross-layer equalization (Nagel et al. 2019, section 4.1). Where only positively homogeneous functions lie between
// a layer with weights W1, b1 and the only one that reads it, with W2,
//
//	W1_i /= s_i     b1_i /= s_i     W2_:i *= s_i     s_i = sqrt(r1_i/r2_i),
//
// r1_i and r2_i the largest magnitudes of W1's row and W2's column, changes nothing but that both ranges become equal.
// Pairs are gone through until the scales hardly change. A Clip (ReLU6) between them becomes a ChannelClip to 6/s_i; known
// statistics are scaled along. Normalizations must have been folded. It returns the number of pairs.
func Equalize(n *Network) int {
	pairs := n.pairs()
	const sweeps, settled = 30, 1e-4
	for range sweeps {
		var moved float64
		for _, p := range pairs {
			moved += p.equalize()
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

// equalize rescales all channels and returns the mean of |log s|.
func (p *pair) equalize() (moved float64) {
	w := p.n.Input(p.first, 1)
	channels := w.Shape[0]
	s := make([]float64, channels)
	for c := range s {
		r1, r2 := magnitude(w.channel(c)), 0.0
		p.column(c, func(_ int, w []float32) { r2 = max(r2, magnitude(w)) })
		if s[c] = 1; r1 > 0 && r2 > 0 {
			s[c] = math.Sqrt(r1 / r2)
		}
		moved += math.Abs(math.Log(s[c])) / float64(channels)
	}
	p.scale(s)
	return moved
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
// (Nagel et al. 2019, section 4.1.3), which makes the range between them smaller. Left alone are channels that reach the
// upper limit of a clip, and second layers with padding, whose zeros have no such bias. It returns the number of channels.
func AbsorbHighBias(n *Network) (absorbed int) {
	for _, p := range n.pairs() {
		stats, bias := n.Output(p.first).Stats, n.Input(p.first, 2)
		conv, isConv := p.next.Op.(Conv)
		if stats == nil || bias == nil || len(p.between) != 1 || isConv && conv.Pads != [4]int{} {
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
		shift := make([]float64, n.Input(p.next, 1).Shape[0])
		for c, m := range stats.Mean {
			low, high := float64(m)-3*float64(stats.Std[c]), float64(m)+3*float64(stats.Std[c])
			if low <= 0 || high >= limit(c) {
				continue
			}
			n.absorb(p, c, low, shift)
			absorbed++
		}
		n.Shift(p.next, shift)
	}
	return absorbed
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
