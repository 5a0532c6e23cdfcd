package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{
		"ArgMax": func(c *call) []*Tensor { return one(argBest(c, func(a, b float64) bool { return a > b })) },
		"ArgMin": func(c *call) []*Tensor { return one(argBest(c, func(a, b float64) bool { return a < b })) },
		"CumSum": cumSum,
		"TopK":   topK,
	})
}

// reduction makes one element of many. slope writes its derivatives.
type reduction struct {
	value func(x []float64) float64
	slope func(d, x []float64, y float64)
}

var reductions = map[string]reduction{
	"ReduceSum": {total, each(func(float64, float64) float64 { return 1 })},
	"ReduceMean": {func(x []float64) float64 { return total(x) / float64(len(x)) }, func(d, x []float64, _ float64) {
		for i := range d {
			d[i] = 1 / float64(len(x))
		}
	}},
	"ReduceMax":       {func(x []float64) float64 { return fold(x, math.Inf(-1), math.Max) }, first},
	"ReduceMin":       {func(x []float64) float64 { return fold(x, math.Inf(1), math.Min) }, first},
	"ReduceProd":      {func(x []float64) float64 { return fold(x, 1, func(a, b float64) float64 { return a * b }) }, nil},
	"ReduceL1":        {func(x []float64) float64 { return fold(x, 0, func(a, b float64) float64 { return a + math.Abs(b) }) }, each(func(x, _ float64) float64 { return signOf(x) })},
	"ReduceL2":        {func(x []float64) float64 { return math.Sqrt(squares(x)) }, each(func(x, y float64) float64 { return x / y })},
	"ReduceSumSquare": {squares, each(func(x, _ float64) float64 { return 2 * x })},
	"ReduceLogSum":    {func(x []float64) float64 { return math.Log(total(x)) }, each(func(_, y float64) float64 { return math.Exp(-y) })},
	"ReduceLogSumExp": {logSumExp, each(func(x, y float64) float64 { return math.Exp(x - y) })},
}

// each is the slope of a reduction in which every element has its own.
func each(f func(x, y float64) float64) func(d, x []float64, y float64) {
	return func(d, x []float64, y float64) {
		for i, v := range x {
			d[i] = f(v, y)
		}
	}
}

// first is the slope of a choice: of equal elements the first was chosen.
func first(d, x []float64, y float64) {
	clear(d)
	if i := slices.Index(x, y); i >= 0 {
		d[i] = 1
	}
}

func fold(v []float64, first float64, f func(a, b float64) float64) float64 {
	for _, x := range v {
		first = f(first, x)
	}
	return first
}

func total(v []float64) float64 { return fold(v, 0, func(a, b float64) float64 { return a + b }) }

func squares(v []float64) float64 {
	return fold(v, 0, func(a, b float64) float64 { return a + float64(b*b) })
}

func logSumExp(v []float64) float64 {
	top := fold(v, math.Inf(-1), math.Max)
	if math.IsInf(top, 0) {
		return top
	}
	return top + math.Log(fold(v, 0, func(a, b float64) float64 { return a + math.Exp(b-top) }))
}

// reducedAxes are the axes to be reduced: all where none is given.
func (c *call) reducedAxes() []int {
	rank := len(c.arg(0).Shape)
	if list, _ := c.ints("axes"); len(list) > 0 {
		return axes(list, rank)
	}
	return from(0, rank)
}

// reducesNothing reports whether a reduction without axes is to pass its input on.
func (c *call) reducesNothing() bool {
	list, _ := c.ints("axes")
	return len(list) == 0 && c.int("noop_with_empty_axes", 0) != 0
}

// reduced is the shape that a reduction makes.
func (c *call) reduced() []int {
	list := c.reducedAxes()
	if c.reducesNothing() {
		return c.arg(0).Shape
	}
	var shape []int
	for a, d := range c.arg(0).Shape {
		switch {
		case !slices.Contains(list, a):
			shape = append(shape, d)
		case c.int("keepdims", 1) != 0:
			shape = append(shape, 1)
		}
	}
	return shape
}

// reducing is of lines along the axes to be reduced.
func (c *call) reducing(r reduction) Line {
	if c.reducesNothing() {
		fail("no axes to reduce")
	}
	l := Line{Shape: c.arg(0).Shape, Axes: c.reducedAxes(), One: true, Value: func(y, x []float64) { y[0] = r.value(x) }}
	if r.slope != nil {
		l.Slope = func(dx, dy, x, y []float64) {
			r.slope(dx, x, y[0])
			for i := range dx {
				dx[i] *= dy[0]
			}
		}
	}
	return l
}

func reduce(c *call) []*Tensor {
	x := c.arg(0)
	if c.reducesNothing() {
		return one(x)
	}
	return one(lines[c.node.OpType](c).apply(x.like(c.reduced()), x))
}

// around returns the axis a of x as seen by loops: how many lines there are before it and behind it.
func around(x *Tensor, a int) (outer, n, inner int) {
	return count(x.Shape[:a]), x.Shape[a], count(x.Shape[a+1:])
}

func argBest(c *call, better func(a, b float64) bool) *Tensor {
	x := c.arg(0)
	a := axis(c.int("axis", 0), len(x.Shape))
	last := c.int("select_last_index", 0) != 0
	outer, n, inner := around(x, a)
	shape := slices.Clone(x.Shape)
	if shape[a] = 1; c.int("keepdims", 1) == 0 {
		shape = slices.Delete(shape, a, a+1)
	}
	y := New(onnx.Int64, shape...)
	for o := range outer {
		for i := range inner {
			best := 0
			for k := 1; k < n; k++ {
				v, b := x.at((o*n+k)*inner+i), x.at((o*n+best)*inner+i)
				if better(v, b) || last && v == b {
					best = k
				}
			}
			y.Ints[o*inner+i] = int64(best)
		}
	}
	return y
}

func cumSum(c *call) []*Tensor {
	x := c.arg(0)
	a := axis(int(c.arg(1).Ints[0]), len(x.Shape))
	exclusive, reverse := c.int("exclusive", 0) != 0, c.int("reverse", 0) != 0
	outer, n, inner := around(x, a)
	y := x.like(x.Shape)
	for o := range outer {
		for i := range inner {
			sum := 0.0
			for k := range n {
				if reverse {
					k = n - 1 - k
				}
				at := (o*n+k)*inner + i
				if exclusive {
					y.set(at, sum)
				}
				sum += x.at(at)
				if !exclusive {
					y.set(at, sum)
				}
			}
		}
	}
	return one(y)
}

// topK returns the k largest or smallest along an axis, in order, and where they were.
func topK(c *call) []*Tensor {
	x := c.arg(0)
	list, _ := c.ints("k")
	if a := c.node.Attr("k"); c.opset < 10 && a != nil {
		list = []int{int(a.Int)}
	}
	k := list[0]
	a := axis(c.int("axis", -1), len(x.Shape))
	largest := c.int("largest", 1) != 0
	outer, n, inner := around(x, a)
	shape := slices.Clone(x.Shape)
	shape[a] = k
	places, indices := make([]int, count(shape)), New(onnx.Int64, shape...)
	order := make([]int, n)
	for o := range outer {
		for i := range inner {
			for j := range order {
				order[j] = j
			}
			value := func(j int) float64 { return x.at((o*n+j)*inner + i) }
			slices.SortStableFunc(order, func(a, b int) int {
				if largest {
					a, b = b, a
				}
				switch va, vb := value(a), value(b); {
				case va < vb:
					return -1
				case va > vb:
					return 1
				case largest:
					return b - a
				}
				return a - b
			})
			for j := range k {
				at := (o*k+j)*inner + i
				places[at], indices.Ints[at] = (o*n+order[j])*inner+i, int64(order[j])
			}
		}
	}
	return []*Tensor{x.pick(shape, places), indices}
}
