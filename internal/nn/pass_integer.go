package nn

import (
	"math"
	"slices"

	"zaq/internal/quant"
)

// InIntegers rewrites a quantized network so that float32 arithmetic on it is integer arithmetic: tensors on a
// grid hold their integers, q - zero point, instead of real values, and so do weights and biases. The sums of a
// convolution are then exact, in any order and up to 2^24, and what is left of it is the one rounding of
// integer kernels (ONNX Runtime's QLinearConv):
//
//	y = round(sums * (scale of x * scale of w / scale of y))
//
// The network computes the same function. But on real values sums round, values that lie near the middle
// between two integers fall to either side, and a deep network carries that to its outputs.
//
// Tensors that are not on a grid stay real, and so do all inputs and outputs.
func InIntegers(n *Network) {
	p := &integers{
		n: n, scale: make(map[string]float32), grid: make(map[string]*quant.Quantizer), clips: make(map[string]*Layer),
	}
	for _, l := range n.Layers {
		p.layer(l)
	}
	n.Layers = p.layers
	n.Integers = true
	n.prune()
}

// integers is the state of InIntegers.
type integers struct {
	n      *Network
	layers []*Layer
	clips  map[string]*Layer           // ChannelClips that are yet to be made, by what they make
	scale  map[string]float32          // of the tensors that hold integers or multiples of a scale: real value = scale * held
	grid   map[string]*quant.Quantizer // of those that hold integers
}

func (p *integers) layer(l *Layer) {
	switch op := l.Op.(type) {
	case FakeQuant:
		p.fakeQuant(l, op.Q)
	case Conv, Gemm:
		p.weighted(l)
	case Add:
		p.add(l)
	case ChannelClip:
		if f := p.n.soleConsumer(l.Out[0]); f != nil && p.oneGrid(f) {
			p.clips[l.Out[0]] = l // of the integers that come of it
			return
		}
		p.makeReal(l)
		p.layers = append(p.layers, l)
	case Operator:
		p.operator(l, op)
	default:
		_, relu := l.Op.(Relu)
		if relu && p.grid[l.In[0]] != nil { // no kernel before it does it: ONNX Runtime dequantizes, and divides by the next scale
			p.makeReal(l)
		} else if p.scale[l.In[0]] != 0 && homogeneous(l.Op) && !p.isOutput(l.Out[0]) {
			p.scale[l.Out[0]] = p.scale[l.In[0]]
			if Moves(l.Op) {
				p.grid[l.Out[0]] = p.grid[l.In[0]]
			}
		} else {
			p.makeReal(l)
		}
		p.layers = append(p.layers, l)
	}
}

// operator makes a product of integers one of two tensors on grids; what only moves may move integers.
func (p *integers) operator(l *Layer, op Operator) {
	held := p.scale[l.In[0]]
	switch {
	case held != 0 && op.Moves() && !p.isOutput(l.Out[0]):
		p.scale[l.Out[0]], p.grid[l.Out[0]] = held, p.grid[l.In[0]]
	case op.Type == "Mul" && len(l.In) == 2 && held != 0 && p.scale[l.In[1]] != 0 && !p.isOutput(l.Out[0]):
		p.scale[l.Out[0]] = held * p.scale[l.In[1]]
	default:
		p.makeReal(l)
	}
	p.layers = append(p.layers, l)
}

// homogeneous reports whether op(k*x) = k*op(x) for k > 0, in floats as well. A LeakyRelu multiplies: ONNX Runtime has a
// table of what it makes of each real value.
func homogeneous(op Op) bool {
	switch op.(type) {
	case Relu, AveragePool, GlobalAveragePool:
		return true
	}
	return Moves(op)
}

func (p *integers) isOutput(name string) bool { return slices.Contains(p.n.Outputs, name) }

// makeReal has l read real values.
func (p *integers) makeReal(l *Layer) {
	for i, name := range l.In {
		if s := p.scale[name]; s != 0 {
			l.In[i] = p.times(name, s)
		}
	}
}

// oneGrid reports whether l rounds to a grid for the whole tensor, and its result to integers.
func (p *integers) oneGrid(l *Layer) bool {
	f, ok := l.Op.(FakeQuant)
	return ok && len(f.Q.Scale) == 1 && !p.isOutput(l.Out[0])
}

// clipped rounds to integers, whose channels then have the limits of the clip in front.
func (p *integers) clipped(l, clip *Layer, q *quant.Quantizer) {
	whole := p.value(l.Out[0]+"_unclipped", l.Out[0])
	p.fakeQuant(&Layer{Name: l.Name, Op: l.Op, In: clip.In, Out: []string{whole}}, q)
	op := ChannelClip{}
	lo, hi := clip.Op.(ChannelClip).levels(q)
	for c := range lo {
		op.Min, op.Max = append(op.Min, float32(lo[c]-q.Zero[0])), append(op.Max, float32(hi[c]-q.Zero[0]))
	}
	p.layers = append(p.layers, &Layer{Name: clip.Name, Op: op, In: []string{whole}, Out: l.Out})
	p.scale[l.Out[0]], p.grid[l.Out[0]] = p.scale[whole], p.grid[whole]
}

// fakeQuant rounds to integers.
func (p *integers) fakeQuant(l *Layer, q *quant.Quantizer) {
	if clip := p.clips[l.In[0]]; clip != nil {
		p.clipped(l, clip, q)
		return
	}
	if len(q.Scale) != 1 || p.isOutput(l.Out[0]) {
		p.makeReal(l)
		p.layers = append(p.layers, l)
		return
	}
	in, s := l.In[0], q.Scale[0]
	switch held := p.scale[in]; held {
	case s:
	case 0: // The division is the quantizer's own; after it only 1/s is wanted, and any error of that is rounded off.
		real := p.value(in+"_real", in)
		p.layers = append(p.layers, &Layer{Name: l.Name, Op: FakeQuant{q}, In: []string{in}, Out: []string{real}})
		in = p.times(real, 1/s)
	default:
		in = p.times(in, held/s)
	}
	whole := q.Clone()
	whole.Scale[0] = 1
	p.layers = append(p.layers, &Layer{Name: l.Name + "_integers", Op: FakeQuant{whole}, In: []string{in}, Out: l.Out})
	p.scale[l.Out[0]], p.grid[l.Out[0]] = s, q
}

// weighted makes a Conv or Gemm of integers where its weights and its input are on grids.
func (p *integers) weighted(l *Layer) {
	w, x := p.n.Input(l, 1), p.scale[l.In[0]]
	if w == nil || w.Quant == nil || x == 0 {
		p.makeReal(l)
		p.layers = append(p.layers, l)
		return
	}
	q, channels := w.Quant, w.Shape[0]
	y := p.wanted(l.Out[0])
	factor := make([]float32, channels)
	sums := make([]float64, channels) // scales of the sums
	ints := make([]float32, len(w.Data))
	block := len(w.Data) / channels
	for c := range factor {
		at := min(c, len(q.Scale)-1)
		sums[c] = float64(float32(x * q.Scale[at]))
		factor[c] = float32(x*q.Scale[at]) / y
		for i := c * block; i < (c+1)*block; i++ {
			ints[i] = float32(q.Quantize(w.Data[i], at) - q.Zero[at])
		}
	}
	in := []string{l.In[0], p.n.addConstant(w.Name+"_integers", w.Shape, ints).Name}
	if b := p.n.Input(l, 2); b != nil {
		bias := make([]float32, channels)
		for c, v := range b.Data {
			bias[c] = whole(float64(v) / sums[c])
		}
		in = append(in, p.n.addConstant(b.Name+"_integers", b.Shape, bias).Name)
	}
	out := p.value(l.Out[0]+"_sums", l.Out[0])
	p.layers = append(p.layers, &Layer{Name: l.Name, Op: l.Op, In: in, Out: []string{out}})
	p.multiply(out, l.Out[0], factor)
	p.hold(l.Out[0], y)
}

// whole returns the integer that v is but for a rounding, or v where it is none.
func whole(v float64) float32 {
	if r := math.RoundToEven(v); math.Abs(v-r) <= 0x1p-20*math.Abs(v) {
		return float32(r)
	}
	return float32(v)
}

// add brings both terms to the scale that the sum is wanted in, or adds integers where it wants them.
func (p *integers) add(l *Layer) {
	a, b := p.grid[l.In[0]], p.grid[l.In[1]]
	if y := p.wantedGrid(l.Out[0]); y != nil && a != nil && b != nil {
		p.layers = append(p.layers, &Layer{Name: l.Name, In: l.In, Out: l.Out, Op: IntegerAdd{
			A: a.Scale[0] / y.Scale[0], B: b.Scale[0] / y.Scale[0], ZeroA: a.Zero[0], ZeroB: b.Zero[0], ZeroY: y.Zero[0],
		}})
		p.scale[l.Out[0]] = y.Scale[0]
		return
	}
	y := p.wanted(l.Out[0])
	if p.scale[l.In[0]] == 0 && p.scale[l.In[1]] == 0 {
		y = 1
	}
	for i, name := range l.In {
		held := p.scale[name]
		if held == 0 {
			held = 1
		}
		if held != y {
			l.In[i] = p.times(name, held/y)
		}
	}
	p.layers = append(p.layers, l)
	p.hold(l.Out[0], y)
}

// hold records the scale of a tensor; 1 is that of real values.
func (p *integers) hold(name string, scale float32) {
	if scale != 1 {
		p.scale[name] = scale
	}
}

// wanted returns the scale of the grid that the tensor goes to, or 1 where it does not go to one alone.
func (p *integers) wanted(name string) float32 {
	if q := p.wantedGrid(name); q != nil {
		return q.Scale[0]
	}
	return 1
}

// wantedGrid returns the grid that the tensor goes to, or nil.
func (p *integers) wantedGrid(name string) *quant.Quantizer {
	c := p.n.soleConsumer(name)
	if c == nil || p.isOutput(name) {
		return nil
	}
	if f, ok := c.Op.(FakeQuant); ok && len(f.Q.Scale) == 1 && !p.isOutput(c.Out[0]) {
		return f.Q
	}
	if _, clip := c.Op.(ChannelClip); clip || homogeneous(c.Op) {
		return p.wantedGrid(c.Out[0])
	}
	return nil
}

// times returns a tensor that is factor times another.
func (p *integers) times(name string, factor float32) string {
	out := p.value(name+"_scaled", name)
	p.layers = append(p.layers, &Layer{Name: out + "_factor", Op: Scale{factor}, In: []string{name}, Out: []string{out}})
	return out
}

// multiply adds a layer that multiplies the channels of a tensor.
func (p *integers) multiply(in, out string, factor []float32) {
	shape := []int{len(factor)}
	zero := func(what string) string { return p.n.addConstant(out+what, shape, make([]float32, len(factor))).Name }
	one := make([]float32, len(factor))
	for i := range one {
		one[i] = 1
	}
	p.layers = append(p.layers, &Layer{Name: out + "_factor", Op: BatchNorm{}, Out: []string{out}, In: []string{
		in, p.n.addConstant(out+"_factors", shape, factor).Name, zero("_beta"), zero("_mean"), p.n.addConstant(out+"_variance", shape, one).Name,
	}})
}

// value adds a tensor of the shape of another and returns its name.
func (p *integers) value(name, like string) string {
	v := &Value{Name: p.n.uniqueName(name), Shape: p.n.Values[like].Shape}
	p.n.Values[v.Name] = v
	return v.Name
}
