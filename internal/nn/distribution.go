package nn

import (
	"maps"
	"math"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Sigmas is how many deviations from its mean a value is expected to be at most.
const Sigmas = 6

// Distribution is what is known of the channels of a tensor without data: each is a normal variable that is limited to
// a range, as batch normalization and an activation function behind it leave it.
type Distribution struct {
	Mean, Std []float64 // of the normal variables
	Lo, Hi    []float64 // limits; infinite where there are none
}

func newDistribution(channels int) *Distribution {
	return &Distribution{
		Mean: make([]float64, channels), Std: make([]float64, channels),
		Lo: slices.Repeat([]float64{math.Inf(-1)}, channels), Hi: slices.Repeat([]float64{math.Inf(1)}, channels),
	}
}

// NormalDistribution returns one without limits.
func NormalDistribution(s *Stats) *Distribution {
	d := newDistribution(len(s.Mean))
	for c := range s.Mean {
		d.Mean[c], d.Std[c] = float64(s.Mean[c]), float64(s.Std[c])
	}
	return d
}

// Moments returns the mean and the variance of a channel within its limits: with a = (lo - mean)/sigma and
// b = (hi - mean)/sigma,
//
//	E = sigma*(phi(a) - phi(b)) + mean*(Phi(b) - Phi(a)) + lo*Phi(a) + hi*(1 - Phi(b))
//
// (Nagel et al. 2019, appendix C), and likewise for the square.
func (d *Distribution) Moments(c int) (mean, variance float64) {
	m, s, lo, hi := d.Mean[c], d.Std[c], d.Lo[c], d.Hi[c]
	if s == 0 {
		return min(max(m, lo), hi), 0
	}
	a, b := (lo-m)/s, (hi-m)/s
	pa, pb := normalCDF(a), normalCDF(b)
	fa, fb := normalPDF(a), normalPDF(b)
	// Of the part between the limits, in units of s around m: E[z] and E[z^2].
	z := fa - fb
	zz := pb - pa + bounded0(a)*fa - bounded0(b)*fb
	low, high := bounded0(lo), bounded0(hi)
	mean = float64(s*z) + float64(m*(pb-pa)) + float64(low*pa) + float64(high*(1-pb))
	square := float64(s*s*zz) + float64(2*m*s*z) + float64(m*m*(pb-pa)) + float64(low*low*pa) + float64(high*high*(1-pb))
	return mean, max(0, square-float64(mean*mean))
}

// bounded0 replaces an infinite limit, which nothing reaches, by 0.
func bounded0(v float64) float64 {
	if math.IsInf(v, 0) {
		return 0
	}
	return v
}

func normalPDF(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }
func normalCDF(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// Distributions returns what is known of each tensor of a network whose normalizations declare their statistics (see
// AttachStats), from those of its inputs, by name. A convolution without statistics gets the mean that follows from its
// input's, and the variance as if inputs were independent; so do sums. A number for each channel scales or shifts what
// is known. Pooling counts as leaving a channel as it is. A tensor that is made in another way, and what follows it,
// is missing.
func Distributions(n *Network, inputs map[string]*Distribution) map[string]*Distribution {
	known := map[string]*Distribution{}
	maps.Copy(known, inputs)
	for _, l := range n.Layers {
		if len(l.Out) == 0 {
			continue
		}
		if s := n.Output(l).Stats; s != nil {
			known[l.Out[0]] = NormalDistribution(s)
			continue
		}
		x := known[l.In[0]]
		if v := n.Input(l, 0); v != nil && v.Const() && len(l.In) > 1 {
			x = known[l.In[1]]
		}
		if x == nil {
			continue
		}
		if y := n.distribution(l, x, known); y != nil {
			known[l.Out[0]] = y
		}
	}
	return known
}

// distribution returns what is known of the result of l for an input x; nil: nothing.
func (n *Network) distribution(l *Layer, x *Distribution, known map[string]*Distribution) *Distribution {
	switch op := l.Op.(type) {
	case Relu:
		return x.limited(func(int) (lo, hi float64) { return 0, math.Inf(1) })
	case Clip:
		return x.limited(func(int) (lo, hi float64) { return float64(op.Min), float64(op.Max) })
	case ChannelClip:
		return x.limited(func(c int) (lo, hi float64) { return float64(op.Min[c]), float64(op.Max[c]) })
	case LeakyRelu:
		return x.leaky(float64(op.Alpha))
	case Add:
		if other := known[l.In[1]]; other != nil && len(other.Mean) == len(x.Mean) {
			return x.plus(other)
		}
	case Conv, Gemm:
		return n.convolved(l, x)
	case Flatten:
		shape := n.Input(l, 0).Shape
		if len(shape) < 2 {
			return nil
		}
		each := size(shape[2:])
		return x.gather(len(x.Mean)*each, func(c int) int { return c / each })
	case Slice:
		return n.sliced(op, x)
	case Pad:
		return n.padded(op, x)
	case MaxPool, AveragePool, GlobalAveragePool, Identity, FakeQuant:
		return x
	case Concat:
		if op.Axis == 1 {
			return joined(l.In, known)
		}
	case Reshape:
		return x.reshaped(n.Input(l, 0).Shape, op.Shape)
	case Operator:
		// Nearest neighbours, where channels stay apart: they are no more and no fewer.
		if in, out := n.Input(l, 0).Shape, n.Output(l).Shape; (op.Type == "Resize" || op.Type == "Upsample") && op.Moves() &&
			len(in) == 4 && len(out) == 4 && in[1] == out[1] {
			return x
		}
		switch op.Type {
		case "DepthToSpace":
			return x.laidOut(op, l)
		case "Gather", "Transpose":
			if op.keepsChannels() {
				return x
			}
			return nil
		}
		return n.scaled(l, known)
	}
	return nil
}

// laidOut returns what DepthToSpace makes: each channel has the elements of several.
func (d *Distribution) laidOut(op Operator, l *Layer) *Distribution {
	numbers := make([]float32, len(d.Mean))
	for c := range numbers {
		numbers[c] = float32(c)
	}
	out, err := operator.Eval(op.Node(l), op.Opset, []*operator.Tensor{operator.Floats(numbers, 1, len(numbers), 1, 1)})
	if err != nil {
		return nil
	}
	return d.mixed(out[0].Shape[1], func(i int) int { return int(out[0].Data[i]) })
}

// keepsChannels reports whether a Gather or Transpose leaves axis 1 as it is.
func (o Operator) keepsChannels() bool {
	node := &onnx.Node{Attributes: o.Attributes}
	if o.Type == "Gather" {
		a := node.Attr("axis")
		return a != nil && a.Int > 1
	}
	perm := node.Attr("perm")
	return perm != nil && len(perm.Ints) > 1 && perm.Ints[1] == 1
}

// reshaped returns what a Reshape makes where each channel has the elements of some that are neighbours.
func (d *Distribution) reshaped(from, to []int) *Distribution {
	switch {
	case len(from) < 2 || len(to) < 2 || from[1]%to[1] != 0:
		return nil
	case from[1] == to[1]:
		return d
	}
	return d.mixed(to[1], func(i int) int { return i })
}

// mixed returns channels that have the elements of as many of d each: from(0) and those that follow, one channel after the other.
func (d *Distribution) mixed(channels int, from func(i int) int) *Distribution {
	y := newDistribution(channels)
	each := len(d.Mean) / channels
	for c := range channels {
		mean, square := 0.0, 0.0
		y.Lo[c], y.Hi[c] = math.Inf(1), math.Inf(-1)
		for k := range each {
			i := from(c*each + k)
			mean += d.Mean[i] / float64(each)
			square += (float64(d.Std[i]*d.Std[i]) + float64(d.Mean[i]*d.Mean[i])) / float64(each)
			y.Lo[c], y.Hi[c] = min(y.Lo[c], d.Lo[i]), max(y.Hi[c], d.Hi[i])
		}
		y.Mean[c], y.Std[c] = mean, math.Sqrt(max(0, square-float64(mean*mean)))
	}
	return y
}

// joined returns the channels of all of the named tensors, nil where one is not known.
func joined(names []string, known map[string]*Distribution) *Distribution {
	y := newDistribution(0)
	for _, name := range names {
		d := known[name]
		if d == nil {
			return nil
		}
		y.Mean, y.Std = append(y.Mean, d.Mean...), append(y.Std, d.Std...)
		y.Lo, y.Hi = append(y.Lo, d.Lo...), append(y.Hi, d.Hi...)
	}
	return y
}

// limited returns d within more limits, which are given for each channel.
func (d *Distribution) limited(limits func(c int) (lo, hi float64)) *Distribution {
	y := &Distribution{Mean: d.Mean, Std: d.Std, Lo: slices.Clone(d.Lo), Hi: slices.Clone(d.Hi)}
	for c := range d.Mean {
		lo, hi := limits(c)
		y.Lo[c], y.Hi[c] = min(max(d.Lo[c], lo), hi), max(min(d.Hi[c], hi), lo)
	}
	return y
}

// leaky returns what a leaky ReLU makes: a normal variable of the same mean and variance.
func (d *Distribution) leaky(alpha float64) *Distribution {
	y := newDistribution(len(d.Mean))
	above := d.limited(func(int) (lo, hi float64) { return 0, math.Inf(1) })
	below := d.limited(func(int) (lo, hi float64) { return math.Inf(-1), 0 })
	for c := range d.Mean {
		up, upVar := above.Moments(c)
		down, downVar := below.Moments(c)
		mean := up + float64(alpha*down)
		square := upVar + float64(up*up) + float64(alpha*alpha*(downVar+float64(down*down)))
		y.Mean[c], y.Std[c] = mean, math.Sqrt(max(0, square-float64(mean*mean)))
	}
	return y
}

func (d *Distribution) plus(other *Distribution) *Distribution {
	y := newDistribution(len(d.Mean))
	for c := range d.Mean {
		m, v := d.Moments(c)
		om, ov := other.Moments(c)
		y.Mean[c], y.Std[c] = m+om, math.Sqrt(v+ov)
	}
	return y
}

// gather returns channels of d, by index; -1 is a constant 0.
func (d *Distribution) gather(n int, from func(c int) int) *Distribution {
	y := newDistribution(n)
	for c := range n {
		if k := from(c); k >= 0 {
			y.Mean[c], y.Std[c], y.Lo[c], y.Hi[c] = d.Mean[k], d.Std[k], d.Lo[k], d.Hi[k]
		}
	}
	return y
}

func (n *Network) sliced(op Slice, x *Distribution) *Distribution {
	for i, axis := range op.Axes {
		if axis == 1 {
			return x.gather((op.Ends[i]-op.Starts[i]-1)/op.Steps[i]+1, func(c int) int { return op.Starts[i] + c*op.Steps[i] })
		}
	}
	return x
}

func (n *Network) padded(op Pad, x *Distribution) *Distribution {
	rank := len(op.Pads) / 2
	if rank < 2 || op.Pads[1]+op.Pads[rank+1] == 0 {
		return x
	}
	if op.Mode != "" {
		return nil
	}
	before, channels := op.Pads[1], len(x.Mean)
	y := x.gather(before+channels+op.Pads[rank+1], func(c int) int {
		if c < before || c >= before+channels {
			return -1
		}
		return c - before
	})
	for c := range y.Mean {
		if c < before || c >= before+channels {
			y.Mean[c] = float64(op.Value)
		}
	}
	return y
}

// convolved returns what a layer with weights makes of inputs that are independent.
func (n *Network) convolved(l *Layer, x *Distribution) *Distribution {
	w := n.Input(l, 1)
	if w == nil || w.Data == nil {
		return nil
	}
	mean, variance := make([]float64, len(x.Mean)), make([]float64, len(x.Mean))
	for c := range mean {
		mean[c], variance[c] = x.Moments(c)
	}
	y := newDistribution(w.Shape[0])
	n.weighted(l, w.Data, mean, y.Mean)
	squares := make([]float32, len(w.Data))
	for i, v := range w.Data {
		squares[i] = v * v
	}
	n.weighted(l, squares, variance, y.Std)
	for c := range y.Std {
		y.Std[c] = math.Sqrt(y.Std[c])
	}
	if b := n.Input(l, 2); b != nil {
		for c, v := range b.Data {
			y.Mean[c] += float64(v)
		}
	}
	return y
}

// Expected returns what the layer l, a Conv or Gemm without its bias, makes on average with weights w of an input of the
// given distribution. Padding counts: an element of a kernel sees the input at those places only where it lies within.
func (n *Network) Expected(l *Layer, w []float32, x *Distribution) []float64 {
	mean := make([]float64, len(x.Mean))
	for c := range mean {
		mean[c], _ = x.Moments(c)
	}
	y := make([]float64, n.Input(l, 1).Shape[0])
	n.weighted(l, w, mean, y)
	return y
}

// weighted adds the sums of weights times a value of each input channel to the output channels of y.
func (n *Network) weighted(l *Layer, w []float32, value, y []float64) {
	shape := n.Input(l, 1).Shape
	outputs, inputs := shape[0], shape[1]
	groups, taps := 1, []float64{1}
	if conv, ok := l.Op.(Conv); ok {
		groups, taps = conv.Groups, conv.seen(n.Input(l, 0).Shape, n.Output(l).Shape)
	}
	for o := range outputs {
		first := o / (outputs / groups) * inputs // of the group's input channels
		for i := range inputs {
			v := value[first+i]
			for k, t := range taps {
				y[o] += float64(float64(w[(o*inputs+i)*len(taps)+k]) * v * t)
			}
		}
	}
}

// seen returns for each element of the kernel the share of output positions at which it lies within the input.
func (op Conv) seen(in, out []int) []float64 {
	var share [2][]float64
	for a := range 2 {
		for k := range op.Kernel[a] {
			inside := 0
			for o := range out[2+a] {
				if at := o*op.Stride[a] + k*op.Dilation[a] - op.Pads[a]; at >= 0 && at < in[2+a] {
					inside++
				}
			}
			share[a] = append(share[a], float64(inside)/float64(out[2+a]))
		}
	}
	var taps []float64
	for _, y := range share[0] {
		for _, x := range share[1] {
			taps = append(taps, y*x)
		}
	}
	return taps
}

// Shift adds to each output channel of the Conv or Gemm l: to its bias or, where only a BatchNorm reads it, in that one's
// mean.
func (n *Network) Shift(l *Layer, by []float64) {
	if c := n.soleConsumer(l.Out[0]); c != nil {
		if _, ok := c.Op.(BatchNorm); ok {
			mean := n.own(c, 3)
			for i, v := range by {
				mean.Data[i] -= float32(v)
			}
			return
		}
	}
	one := slices.Repeat([]float64{1}, len(by))
	n.foldShift(l, one, by)
}
