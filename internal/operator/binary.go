package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

// arithmetic is an operator on two elements, of floats and of integers.
type arithmetic struct {
	floats   func(a, b float64) float64
	ints     func(a, b int64) int64
	unsigned func(a, b uint64) uint64 // of uint64, where the bits are not those of ints
}

var arithmetics = map[string]arithmetic{
	"Add": {func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b }, nil},
	"Sub": {func(a, b float64) float64 { return a - b }, func(a, b int64) int64 { return a - b }, nil},
	"Mul": {func(a, b float64) float64 { return a * b }, func(a, b int64) int64 { return a * b }, nil},
	"Div": {func(a, b float64) float64 { return a / b }, divide[int64], divide[uint64]},
	"Min": {math.Min, func(a, b int64) int64 { return min(a, b) }, func(a, b uint64) uint64 { return min(a, b) }},
	"Max": {math.Max, func(a, b int64) int64 { return max(a, b) }, func(a, b uint64) uint64 { return max(a, b) }},
	"Sum": {func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b }, nil},
}

func divide[T int64 | uint64](a, b T) T {
	if b == 0 {
		fail("division by zero")
	}
	return a / b
}

func init() {
	for _, name := range []string{"Add", "Sub", "Mul", "Div"} {
		register(map[string]function{name: func(c *call) []*Tensor {
			return one(combine(arithmetics[name], c.arg(0), c.arg(1)))
		}})
	}
	for _, name := range []string{"Min", "Max", "Sum", "Mean"} {
		register(map[string]function{name: func(c *call) []*Tensor { return one(variadic(name, c)) }})
	}
	for name, ok := range map[string]func(order int) bool{
		"Equal": func(o int) bool { return o == 0 }, "Less": func(o int) bool { return o == -1 },
		"Greater": func(o int) bool { return o == 1 }, "LessOrEqual": func(o int) bool { return o == -1 || o == 0 },
		"GreaterOrEqual": func(o int) bool { return o == 1 || o == 0 },
	} {
		register(map[string]function{name: func(c *call) []*Tensor { return one(compare(c.arg(0), c.arg(1), ok)) }})
	}
	for name, f := range map[string]func(a, b int64) int64{
		"And": and, "Or": or, "Xor": xor, "BitwiseAnd": and, "BitwiseOr": or, "BitwiseXor": xor,
	} {
		register(map[string]function{name: func(c *call) []*Tensor {
			return one(combine(arithmetic{ints: f}, c.arg(0), c.arg(1)))
		}})
	}
	register(map[string]function{
		"PRelu": prelu,
		"Pow":   pow,
		"Mod":   mod,
		"Where": where,
		"BitShift": func(c *call) []*Tensor {
			left := c.text("direction", "") == "LEFT"
			return one(combine(arithmetic{ints: func(a, b int64) int64 {
				if left {
					return a << uint64(b)
				}
				return int64(uint64(a) >> uint64(b)) // operands are unsigned
			}}, c.arg(0), c.arg(1)))
		},
	})
}

func and(a, b int64) int64 { return a & b }
func or(a, b int64) int64  { return a | b }
func xor(a, b int64) int64 { return a ^ b }

// combine applies f to the elements of a and b, stretched to one shape.
func combine(f arithmetic, a, b *Tensor) *Tensor {
	if a.Type != b.Type {
		fail("%v and %v", a.Type, b.Type)
	}
	shape := broadcast(a.Shape, b.Shape)
	y := a.like(shape)
	stride := [][]int{a.stretched(shape), b.stretched(shape)}
	switch {
	case y.Data != nil && f.floats == nil || y.Data == nil && f.ints == nil:
		fail("of %v", a.Type)
	case y.Data != nil:
		walk(shape, stride, func(at int, from []int) {
			y.Data[at] = float32(f.floats(float64(a.Data[from[0]]), float64(b.Data[from[1]])))
		})
	case a.Type == onnx.Uint64 && f.unsigned != nil:
		walk(shape, stride, func(at int, from []int) {
			y.Ints[at] = int64(f.unsigned(uint64(a.Ints[from[0]]), uint64(b.Ints[from[1]])))
		})
	default:
		walk(shape, stride, func(at int, from []int) {
			y.Ints[at] = wrap(a.Type, f.ints(a.Ints[from[0]], b.Ints[from[1]]))
		})
	}
	return y
}

// variadic combines all inputs.
func variadic(name string, c *call) *Tensor {
	f := arithmetics[name]
	if name == "Mean" {
		f = arithmetics["Add"]
	}
	y := c.arg(0)
	for i := 1; i < len(c.in); i++ {
		y = combine(f, y, c.arg(i))
	}
	if name != "Mean" || len(c.in) == 1 {
		return y
	}
	mean := y.like(y.Shape)
	for i, v := range y.Data {
		mean.Data[i] = v / float32(len(c.in))
	}
	return mean
}

// compare returns booleans: what ok says of -1, 0 and 1, the order of two elements; 2 where they have none.
func compare(a, b *Tensor, ok func(order int) bool) *Tensor {
	shape := broadcast(a.Shape, b.Shape)
	y := New(onnx.Bool, shape...)
	walk(shape, [][]int{a.stretched(shape), b.stretched(shape)}, func(at int, from []int) {
		order := 2
		switch {
		case a.Data != nil:
			order = orderOf(a.Data[from[0]], b.Data[from[1]])
		case a.Type == onnx.Uint64:
			order = orderOf(uint64(a.Ints[from[0]]), uint64(b.Ints[from[1]]))
		default:
			order = orderOf(a.Ints[from[0]], b.Ints[from[1]])
		}
		if ok(order) {
			y.Ints[at] = 1
		}
	})
	return y
}

func orderOf[T float32 | int64 | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return 2
}

func prelu(c *call) []*Tensor {
	x, slope := c.arg(0), c.arg(1)
	if c.opset < 7 && len(slope.Shape) == 1 && len(x.Shape) > 1 { // one for each channel
		slope = slope.reshaped(slices.Concat(slope.Shape, slices.Repeat([]int{1}, len(x.Shape)-2))...)
	}
	return one(combine(arithmetic{
		floats: leaky,
		ints: func(x, slope int64) int64 {
			if x < 0 {
				return x * slope
			}
			return x
		},
	}, x, slope))
}

// pow has the type of its base; the exponent may be of another.
func pow(c *call) []*Tensor {
	a, b := c.arg(0), c.arg(1)
	shape := broadcast(a.Shape, b.Shape)
	y := a.like(shape)
	walk(shape, [][]int{a.stretched(shape), b.stretched(shape)}, func(at int, from []int) {
		p := math.Pow(a.at(from[0]), b.at(from[1]))
		if y.Data != nil {
			y.Data[at] = float32(p)
		} else {
			y.Ints[at] = wrap(y.Type, int64(p))
		}
	})
	return one(y)
}

// at returns an element as a float.
func (t *Tensor) at(i int) float64 {
	if t.Data != nil {
		return float64(t.Data[i])
	}
	return float64(t.Ints[i])
}

// mod has the sign of the divisor, or with fmod that of the dividend.
func mod(c *call) []*Tensor {
	f := arithmetic{floats: math.Mod, ints: func(a, b int64) int64 { divide(a, b); return a % b }}
	if c.int("fmod", 0) == 0 {
		f = arithmetic{ints: func(a, b int64) int64 {
			divide(a, b)
			if r := a % b; r != 0 && r < 0 != (b < 0) {
				return r + b
			}
			return a % b
		}}
	}
	return one(combine(f, c.arg(0), c.arg(1)))
}

func where(c *call) []*Tensor {
	condition, a, b := c.arg(0), c.arg(1), c.arg(2)
	shape := broadcast(condition.Shape, a.Shape, b.Shape)
	y := a.like(shape)
	walk(shape, [][]int{condition.stretched(shape), a.stretched(shape), b.stretched(shape)}, func(at int, from []int) {
		x, p := b, from[2]
		if condition.Ints[from[0]] != 0 {
			x, p = a, from[1]
		}
		if y.Data != nil {
			y.Data[at] = x.Data[p]
		} else {
			y.Ints[at] = x.Ints[p]
		}
	})
	return one(y)
}

// Pair is a function of two numbers with its derivatives.
type Pair struct {
	Value func(a, b float64) float64
	Slope func(a, b float64) (da, db float64)
}

var slopes = map[string]func(a, b float64) (da, db float64){
	"Add": func(a, b float64) (float64, float64) { return 1, 1 },
	"Sum": func(a, b float64) (float64, float64) { return 1, 1 },
	"Sub": func(a, b float64) (float64, float64) { return 1, -1 },
	"Mul": func(a, b float64) (float64, float64) { return b, a },
	"Div": func(a, b float64) (float64, float64) { return 1 / b, -a / (b * b) },
	"Min": func(a, b float64) (float64, float64) { return choose(a <= b, 1, 0), choose(a <= b, 0, 1) },
	"Max": func(a, b float64) (float64, float64) { return choose(a >= b, 1, 0), choose(a >= b, 0, 1) },
	"Pow": func(a, b float64) (float64, float64) {
		return b * math.Pow(a, b-1), choose(a > 0, math.Pow(a, b)*math.Log(a), 0)
	},
	"PRelu": func(a, b float64) (float64, float64) { return choose(a < 0, b, 1), choose(a < 0, a, 0) },
}

// PairOf returns what an operator of two inputs does to each pair of their elements, if that is all it does.
func PairOf(op string) (p Pair, ok bool) {
	if p.Slope, ok = slopes[op]; !ok {
		return p, false
	}
	switch op {
	case "Pow":
		p.Value = math.Pow
	case "PRelu":
		p.Value = leaky
	default:
		p.Value = arithmetics[op].floats
	}
	return p, true
}

func leaky(x, slope float64) float64 { return choose(x < 0, x*slope, x) }
