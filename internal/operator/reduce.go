package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	for name, f := range map[string]func(v []float64) float64{
		"ReduceSum":       total,
		"ReduceMean":      func(v []float64) float64 { return total(v) / float64(len(v)) },
		"ReduceMax":       func(v []float64) float64 { return fold(v, math.Inf(-1), math.Max) },
		"ReduceMin":       func(v []float64) float64 { return fold(v, math.Inf(1), math.Min) },
		"ReduceProd":      func(v []float64) float64 { return fold(v, 1, func(a, b float64) float64 { return a * b }) },
		"ReduceL1":        func(v []float64) float64 { return fold(v, 0, func(a, b float64) float64 { return a + math.Abs(b) }) },
		"ReduceL2":        func(v []float64) float64 { return math.Sqrt(squares(v)) },
		"ReduceSumSquare": squares,
		"ReduceLogSum":    func(v []float64) float64 { return math.Log(total(v)) },
		"ReduceLogSumExp": logSumExp,
	} {
		register(map[string]function{name: func(c *call) []*Tensor { return one(reduce(c, f)) }})
	}
	register(map[string]function{
		"ArgMax":     func(c *call) []*Tensor { return one(argBest(c, func(a, b float64) bool { return a > b })) },
		"ArgMin":     func(c *call) []*Tensor { return one(argBest(c, func(a, b float64) bool { return a < b })) },
		"Softmax":    func(c *call) []*Tensor { return one(overAxis(c, softmax)) },
		"LogSoftmax": func(c *call) []*Tensor { return one(overAxis(c, logSoftmax)) },
		"Hardmax":    func(c *call) []*Tensor { return one(overAxis(c, hardmax)) },
		"CumSum":     cumSum,
		"TopK":       topK,
	})
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

// reduce calls f with the elements along the axes to be reduced. Without any, all are, unless the node says that this
// means none.
func reduce(c *call, f func([]float64) float64) *Tensor {
	x := c.arg(0)
	list, _ := c.ints("axes")
	if len(list) == 0 {
		if c.int("noop_with_empty_axes", 0) != 0 {
			return x
		}
		for a := range x.Shape {
			list = append(list, a)
		}
	}
	list = axes(list, len(x.Shape))
	own := strides(x.Shape)
	var kept, keptStride, gone, goneStride, shape []int
	for a, d := range x.Shape {
		if slices.Contains(list, a) {
			gone, goneStride = append(gone, d), append(goneStride, own[a])
			if c.int("keepdims", 1) != 0 {
				shape = append(shape, 1)
			}
			continue
		}
		kept, keptStride, shape = append(kept, d), append(keptStride, own[a]), append(shape, d)
	}
	y := x.like(shape)
	v := make([]float64, count(gone))
	walk(kept, [][]int{keptStride}, func(at int, base []int) {
		first := base[0]
		walk(gone, [][]int{goneStride}, func(i int, from []int) { v[i] = x.at(first + from[0]) })
		y.set(at, f(v))
	})
	return y
}

// lines returns the axis a of x as seen by loops: how many lines there are before it and behind it.
func lines(x *Tensor, a int) (outer, n, inner int) {
	return count(x.Shape[:a]), x.Shape[a], count(x.Shape[a+1:])
}

func argBest(c *call, better func(a, b float64) bool) *Tensor {
	x := c.arg(0)
	a := axis(c.int("axis", 0), len(x.Shape))
	last := c.int("select_last_index", 0) != 0
	outer, n, inner := lines(x, a)
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

// overAxis calls f with each line along the axis. Before opset 13 a line was all that is behind the axis, which was 1
// where not given; since then it is the axis alone, the last one where not given.
func overAxis(c *call, f func(y, x []float64)) *Tensor {
	x := c.floats(0)
	y := x.like(x.Shape)
	var outer, n, inner int
	if c.opset < 13 {
		a := c.int("axis", 1)
		if a < 0 {
			a += len(x.Shape)
		}
		outer, n, inner = count(x.Shape[:a]), count(x.Shape[a:]), 1
	} else {
		outer, n, inner = lines(x, axis(c.int("axis", -1), len(x.Shape)))
	}
	in, out := make([]float64, n), make([]float64, n)
	for o := range outer {
		for i := range inner {
			for k := range n {
				in[k] = float64(x.Data[(o*n+k)*inner+i])
			}
			f(out, in)
			for k := range n {
				y.Data[(o*n+k)*inner+i] = float32(out[k])
			}
		}
	}
	return y
}

func softmax(y, x []float64) {
	s := logSumExp(x)
	for i, v := range x {
		y[i] = math.Exp(v - s)
	}
}

func logSoftmax(y, x []float64) {
	s := logSumExp(x)
	for i, v := range x {
		y[i] = v - s
	}
}

func hardmax(y, x []float64) {
	clear(y)
	if len(x) > 0 {
		y[slices.Index(x, slices.Max(x))] = 1
	}
}

func cumSum(c *call) []*Tensor {
	x := c.arg(0)
	a := axis(int(c.arg(1).Ints[0]), len(x.Shape))
	exclusive, reverse := c.int("exclusive", 0) != 0, c.int("reverse", 0) != 0
	outer, n, inner := lines(x, a)
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
	outer, n, inner := lines(x, a)
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
