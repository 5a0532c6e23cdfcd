package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

// Line is what an operator does to each line of its first input: to the elements along some axes, at one place of all others. A
// line becomes a line in the same place, as that of Softmax does, or one element, as a mean.
type Line struct {
	Shape []int // of the input; its axes may be taken together or apart
	Axes  []int // along which lines run
	One   bool  // a line becomes one element

	Value func(y, x []float64)
	// Slope writes the gradient of x for that of y = Value(x); nil where there is none.
	Slope func(dx, dy, x, y []float64)

	// Gain and Shift, for each element of the input, are what Value is multiplied by and what is added then; nil: 1 and 0.
	Gain, Shift []float32
}

// Each calls f for each line, in the order of what the lines become, with the places of its elements. f must not keep them.
func (l Line) Each(f func(line int, places []int)) {
	own := strides(l.Shape)
	var kept, keptStride, along, alongStride []int
	for a, d := range l.Shape {
		if slices.Contains(l.Axes, a) {
			along, alongStride = append(along, d), append(alongStride, own[a])
		} else {
			kept, keptStride = append(kept, d), append(keptStride, own[a])
		}
	}
	places := make([]int, count(along))
	walk(kept, [][]int{keptStride}, func(line int, base []int) {
		first := base[0]
		walk(along, [][]int{alongStride}, func(i int, from []int) { places[i] = first + from[0] })
		f(line, places)
	})
}

// apply computes y of x.
func (l Line) apply(y, x *Tensor) *Tensor {
	var in, out []float64
	l.Each(func(line int, places []int) {
		in, out = in[:0], out[:0]
		for _, p := range places {
			in = append(in, x.at(p))
		}
		if l.One {
			out = append(out, 0)
			l.Value(out, in)
			y.set(line, out[0])
			return
		}
		out = append(out, in...)
		l.Value(out, in)
		for i, p := range places {
			y.set(p, l.Scaled(out[i], p))
		}
	})
	return y
}

// Scaled returns v, which Value made, with the gain and the shift of the place it goes to.
func (l Line) Scaled(v float64, place int) float64 {
	if l.Gain != nil {
		v *= float64(l.Gain[place])
	}
	if l.Shift != nil {
		v += float64(l.Shift[place])
	}
	return v
}

// lines has the operators that work on lines.
var lines = map[string]func(c *call) Line{
	"Softmax":               func(c *call) Line { return c.overAxis(softmax, softmaxSlope) },
	"LogSoftmax":            func(c *call) Line { return c.overAxis(logSoftmax, logSoftmaxSlope) },
	"Hardmax":               func(c *call) Line { return c.overAxis(hardmax, nil) },
	"LpNormalization":       lpNormalization,
	"InstanceNormalization": instanceNorm,
	"GroupNormalization":    groupNorm,
	"LayerNormalization":    layerNorm,
}

func init() {
	for name, r := range reductions {
		lines[name] = func(c *call) Line { return c.reducing(r) }
		outlines[name] = func(c *call) []*Tensor {
			return one(&Tensor{Type: c.arg(0).Type, Shape: c.reduced()})
		}
		register(map[string]function{name: reduce})
	}
	for name := range lines {
		if _, ok := reductions[name]; !ok {
			outlines[name] = outlineSame
			register(map[string]function{name: alongLines})
		}
	}
	register(map[string]function{"LayerNormalization": func(c *call) []*Tensor { return append(alongLines(c), layerMoments(c)...) }})
}

// alongLines computes an operator whose lines become lines.
func alongLines(c *call) []*Tensor {
	x := c.floats(0)
	return one(lines[c.node.OpType](c).apply(x.like(x.Shape), x))
}

// LineOf returns what a node does to lines of its first input, if that is all it does and it has a gradient. Inputs that are computed
// need no elements, those of scales and axes do.
func LineOf(n *onnx.Node, opset int64, in []*Tensor) (l Line, ok bool) {
	if !TrainsLines(n.OpType) || n.Domain != "" && n.Domain != "ai.onnx" {
		return l, false
	}
	var err error
	func() {
		defer recovered(&err)
		l = lines[n.OpType](&call{n, opset, in})
	}()
	return l, err == nil && l.Slope != nil
}

// TrainsLines reports whether an operator works on lines, with a gradient.
func TrainsLines(op string) bool {
	return lines[op] != nil && op != "Hardmax" && op != "ReduceProd"
}

// overAxis is of lines along one axis. Before opset 13 they ran over all that is behind the axis, which was 1 where not given; since then
// it is the axis alone, the last one where not given.
func (c *call) overAxis(value func(y, x []float64), slope func(dx, dy, x, y []float64)) Line {
	shape := c.arg(0).Shape
	l := Line{Shape: shape, Value: value, Slope: slope}
	if c.opset >= 13 {
		l.Axes = []int{axis(c.int("axis", -1), len(shape))}
		return l
	}
	a := c.int("axis", 1)
	if a < 0 {
		a += len(shape)
	}
	if a < 0 || a > len(shape) {
		fail("axis %d of %v", a, shape)
	}
	l.Axes = from(a, len(shape))
	return l
}

// from lists the axes from a on.
func from(a, rank int) []int {
	var list []int
	for ; a < rank; a++ {
		list = append(list, a)
	}
	return list
}

func softmax(y, x []float64) {
	s := logSumExp(x)
	for i, v := range x {
		y[i] = math.Exp(v - s)
	}
}

func softmaxSlope(dx, dy, _, y []float64) {
	mean := dot(dy, y)
	for i := range dx {
		dx[i] = y[i] * (dy[i] - mean)
	}
}

func logSoftmax(y, x []float64) {
	s := logSumExp(x)
	for i, v := range x {
		y[i] = v - s
	}
}

func logSoftmaxSlope(dx, dy, _, y []float64) {
	s := total(dy)
	for i := range dx {
		dx[i] = dy[i] - math.Exp(y[i])*s
	}
}

func hardmax(y, x []float64) {
	clear(y)
	if len(x) > 0 {
		y[slices.Index(x, slices.Max(x))] = 1
	}
}

func dot(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}

// lpNormalization divides by the norm of a line. A line of zeros stays one, with no slope: ONNX Runtime makes zeros of it as well.
func lpNormalization(c *call) Line {
	shape := c.arg(0).Shape
	p := float64(c.int("p", 2))
	return Line{
		Shape: shape, Axes: []int{axis(c.int("axis", -1), len(shape))},
		Value: func(y, x []float64) {
			d := norm(x, p)
			if d == 0 {
				clear(y)
				return
			}
			for i, v := range x {
				y[i] = v / d
			}
		},
		Slope: func(dx, dy, x, y []float64) {
			d, along := norm(x, p), dot(dy, y)
			if d == 0 {
				clear(dx)
				return
			}
			for i := range dx {
				dx[i] = (dy[i] - along*signOf(y[i])*math.Pow(math.Abs(y[i]), p-1)) / d
			}
		},
	}
}

// normalization gives lines mean 0 and deviation 1.
func (c *call) normalization(shape, axes []int) Line {
	epsilon := c.attribute("epsilon", 1e-5)
	return Line{
		Shape: shape, Axes: axes,
		Value: func(y, x []float64) {
			mean, variance := moments(x)
			inverse := 1 / math.Sqrt(variance+epsilon)
			for i, v := range x {
				y[i] = (v - mean) * inverse
			}
		},
		// Of Ioffe and Szegedy (2015), section 3, with the line in the place of the batch.
		Slope: func(dx, dy, x, y []float64) {
			_, variance := moments(x)
			inverse := 1 / math.Sqrt(variance+epsilon)
			n := float64(len(x))
			mean, along := total(dy)/n, dot(dy, y)/n
			for i := range dx {
				dx[i] = (dy[i] - mean - y[i]*along) * inverse
			}
		},
	}
}

// moments returns mean and variance.
func moments(v []float64) (mean, variance float64) {
	mean = total(v) / float64(len(v))
	for _, e := range v {
		variance += (e - mean) * (e - mean) / float64(len(v))
	}
	return mean, variance
}

// instanceNorm normalizes the plane of each channel.
func instanceNorm(c *call) Line {
	shape := c.arg(0).Shape
	l := c.normalization(shape, from(2, len(shape)))
	return c.scaledChannels(l, c.floats(1), c.floats(2))
}

// groupNorm normalizes groups of channels. Before opset 21 the groups had gains, since then the channels have.
func groupNorm(c *call) Line {
	x, gain, shift := c.arg(0), c.floats(1), c.floats(2)
	groups := c.int("num_groups", 0)
	if len(x.Shape) < 2 || groups < 1 || x.Shape[1]%groups != 0 {
		fail("%d groups of %v", groups, x.Shape)
	}
	channels := x.Shape[1] / groups
	l := c.normalization([]int{x.Shape[0], groups, count(x.Shape[1:]) / groups}, []int{2})
	if c.opset < 21 {
		gain, shift = gain.repeated(channels), shift.repeated(channels)
	}
	return c.scaledChannels(l, gain, shift)
}

// repeated returns a vector with each element so many times.
func (t *Tensor) repeated(times int) *Tensor {
	return t.reshaped(t.Len(), 1).view([]int{t.Len(), times}, 0, []int{1, 0}).reshaped(t.Len() * times)
}

// scaledChannels gives each channel a gain and a shift.
func (c *call) scaledChannels(l Line, gain, shift *Tensor) Line {
	shape := c.arg(0).Shape
	if len(shape) < 2 || gain.Len() != shape[1] || shift.Len() != shape[1] {
		fail("%d gains and %d shifts for %v", gain.Len(), shift.Len(), shape)
	}
	one := slices.Repeat([]int{1}, len(shape)-2)
	l.Gain = gain.reshaped(append([]int{shape[1]}, one...)...).spread(shape)
	l.Shift = shift.reshaped(append([]int{shape[1]}, one...)...).spread(shape)
	return l
}

// layerNorm normalizes all that is behind an axis.
func layerNorm(c *call) Line {
	shape := c.arg(0).Shape
	l := c.normalization(shape, from(axis(c.int("axis", -1), len(shape)), len(shape)))
	l.Gain = c.floats(1).spread(shape)
	if b := bias(c, 2); b != nil {
		l.Shift = b.spread(shape)
	}
	return l
}

// layerMoments are the other outputs of a LayerNormalization: means and inverse deviations.
func layerMoments(c *call) []*Tensor {
	if len(c.node.Outputs) < 2 {
		return nil
	}
	x := c.floats(0)
	l := layerNorm(c)
	shape := slices.Clone(x.Shape)
	for _, a := range l.Axes {
		shape[a] = 1
	}
	mean, inverse := x.like(shape), x.like(shape)
	l.Gain, l.Shift, l.One = nil, nil, true
	l.Value = func(y, x []float64) { y[0], _ = moments(x) }
	l.apply(mean, x)
	l.Value = func(y, x []float64) { _, v := moments(x); y[0] = 1 / math.Sqrt(v+c.attribute("epsilon", 1e-5)) }
	l.apply(inverse, x)
	return []*Tensor{mean, inverse}
}

// spread returns the elements of t stretched to a shape.
func (t *Tensor) spread(shape []int) []float32 {
	if !slices.Equal(broadcast(t.Shape, shape), shape) {
		fail("%v stretched to %v", t.Shape, shape)
	}
	return t.view(shape, 0, t.stretched(shape)).Data
}
