package operator

import (
	"math"

	"zaq/internal/onnx"
)

func init() {
	for name := range functions {
		register(map[string]function{name: func(c *call) []*Tensor {
			x := c.arg(0)
			if len(c.in) != 1 {
				fail("%d inputs, takes 1", len(c.in))
			}
			if x.Data == nil {
				return one(integerUnary(name, x))
			}
			f, err := c.scalarFunction()
			if err != nil {
				fail("%v", err)
			}
			y := x.like(x.Shape)
			for i, v := range x.Data {
				y.Data[i] = float32(f.Value(float64(v)))
			}
			return one(y)
		}})
	}
	register(map[string]function{
		"Clip":  clip,
		"IsInf": isInf,
		"IsNaN": func(c *call) []*Tensor {
			return one(test(c.floats(0), func(v float32) bool { return v != v }))
		},
		"Not": func(c *call) []*Tensor { return one(integers(c.arg(0), func(v int64) int64 { return 1 - v })) },
		"BitwiseNot": func(c *call) []*Tensor {
			return one(integers(c.arg(0), func(v int64) int64 { return ^v }))
		},
	})
}

// Scalar is a function of one number with its derivative.
type Scalar struct{ Value, Slope func(x float64) float64 }

// functions are the operators that map each element by itself; a and b are their attributes alpha and beta (gamma for
// Selu), with the defaults in front.
var functions = map[string]struct {
	a, b float64
	make func(a, b float64) Scalar
}{
	"Abs":   {make: plain(math.Abs, signOf)},
	"Acos":  {make: plain(math.Acos, func(x float64) float64 { return -1 / math.Sqrt(1-x*x) })},
	"Acosh": {make: plain(math.Acosh, func(x float64) float64 { return 1 / math.Sqrt(x*x-1) })},
	"Asin":  {make: plain(math.Asin, func(x float64) float64 { return 1 / math.Sqrt(1-x*x) })},
	"Asinh": {make: plain(math.Asinh, func(x float64) float64 { return 1 / math.Sqrt(x*x+1) })},
	"Atan":  {make: plain(math.Atan, func(x float64) float64 { return 1 / (1 + x*x) })},
	"Atanh": {make: plain(math.Atanh, func(x float64) float64 { return 1 / (1 - x*x) })},
	"Ceil":  {make: plain(math.Ceil, flat)},
	"Celu": {a: 1, make: func(a, _ float64) Scalar {
		return Scalar{
			func(x float64) float64 { return max(x, 0) + min(0, a*math.Expm1(x/a)) },
			func(x float64) float64 { return min(1, math.Exp(x/a)) },
		}
	}},
	"Cos":  {make: plain(math.Cos, func(x float64) float64 { return -math.Sin(x) })},
	"Cosh": {make: plain(math.Cosh, math.Sinh)},
	"Elu": {a: 1, make: func(a, _ float64) Scalar {
		return Scalar{
			func(x float64) float64 { return choose(x > 0, x, a*math.Expm1(x)) },
			func(x float64) float64 { return choose(x > 0, 1, a*math.Exp(x)) },
		}
	}},
	"Erf":   {make: plain(math.Erf, func(x float64) float64 { return 2 / math.SqrtPi * math.Exp(-x*x) })},
	"Exp":   {make: plain(math.Exp, math.Exp)},
	"Floor": {make: plain(math.Floor, flat)},
	"HardSigmoid": {a: 0.2, b: 0.5, make: func(a, b float64) Scalar {
		return Scalar{
			func(x float64) float64 { return max(0, min(1, float64(a*x)+b)) },
			func(x float64) float64 { v := float64(a*x) + b; return choose(v > 0 && v < 1, a, 0) },
		}
	}},
	"HardSwish": {make: plain(
		func(x float64) float64 { return x * max(0, min(1, x/6+0.5)) },
		func(x float64) float64 { return choose(x <= -3, 0, choose(x >= 3, 1, x/3+0.5)) },
	)},
	"LeakyRelu": {a: 0.01, make: func(a, _ float64) Scalar {
		return Scalar{
			func(x float64) float64 { return choose(x < 0, a*x, x) },
			func(x float64) float64 { return choose(x < 0, a, 1) },
		}
	}},
	"Log": {make: plain(math.Log, func(x float64) float64 { return 1 / x })},
	"Mish": {make: plain(
		func(x float64) float64 { return x * math.Tanh(softplus(x)) },
		func(x float64) float64 { t := math.Tanh(softplus(x)); return t + x*(1-t*t)*sigmoid(x) },
	)},
	"Neg":        {make: plain(func(x float64) float64 { return -x }, func(float64) float64 { return -1 })},
	"Reciprocal": {make: plain(func(x float64) float64 { return 1 / x }, func(x float64) float64 { return -1 / (x * x) })},
	"Relu":       {make: plain(func(x float64) float64 { return max(x, 0) }, func(x float64) float64 { return choose(x > 0, 1, 0) })},
	"Round":      {make: plain(math.RoundToEven, flat)},
	"Selu": {a: 1.67326319217681884765625, b: 1.05070102214813232421875, make: func(a, b float64) Scalar {
		return Scalar{
			func(x float64) float64 { return b * choose(x > 0, x, a*math.Expm1(x)) },
			func(x float64) float64 { return b * choose(x > 0, 1, a*math.Exp(x)) },
		}
	}},
	"Sigmoid":  {make: plain(sigmoid, func(x float64) float64 { s := sigmoid(x); return s * (1 - s) })},
	"Sign":     {make: plain(signOf, flat)},
	"Sin":      {make: plain(math.Sin, math.Cos)},
	"Sinh":     {make: plain(math.Sinh, math.Cosh)},
	"Softplus": {make: plain(softplus, sigmoid)},
	"Softsign": {make: plain(
		func(x float64) float64 { return x / (1 + math.Abs(x)) },
		func(x float64) float64 { d := 1 + math.Abs(x); return 1 / (d * d) },
	)},
	"Sqrt": {make: plain(math.Sqrt, func(x float64) float64 { return 0.5 / math.Sqrt(x) })},
	"Swish": {a: 1, make: func(a, _ float64) Scalar {
		return Scalar{
			func(x float64) float64 { return x * sigmoid(a*x) },
			func(x float64) float64 { s := sigmoid(a * x); return s + a*x*s*(1-s) },
		}
	}},
	"Tan":  {make: plain(math.Tan, func(x float64) float64 { c := math.Cos(x); return 1 / (c * c) })},
	"Tanh": {make: plain(math.Tanh, func(x float64) float64 { t := math.Tanh(x); return 1 - t*t })},
	"ThresholdedRelu": {a: 1, make: func(a, _ float64) Scalar {
		return Scalar{
			func(x float64) float64 { return choose(x > a, x, 0) },
			func(x float64) float64 { return choose(x > a, 1, 0) },
		}
	}},
	"Gelu": {make: plain(
		func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) },
		func(x float64) float64 {
			return 0.5*(1+math.Erf(x/math.Sqrt2)) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		},
	)},
}

func plain(value, slope func(float64) float64) func(a, b float64) Scalar {
	return func(float64, float64) Scalar { return Scalar{value, slope} }
}

func choose(condition bool, a, b float64) float64 {
	if condition {
		return a
	}
	return b
}

func flat(float64) float64 { return 0 }

func signOf(x float64) float64 { return choose(x > 0, 1, choose(x < 0, -1, x)) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// Function returns what a node does to each element, if that is all it does.
func Function(n *onnx.Node) (f Scalar, ok bool) {
	if _, ok := functions[n.OpType]; !ok || n.Domain != "" && n.Domain != "ai.onnx" {
		return f, false
	}
	f, err := (&call{node: n}).scalarFunction()
	return f, err == nil
}

func (c *call) scalarFunction() (f Scalar, err error) {
	d := functions[c.node.OpType]
	if c.node.OpType == "Gelu" && c.text("approximate", "none") == "tanh" {
		return geluTanh, nil
	}
	second := "beta"
	if c.node.OpType == "Selu" {
		second = "gamma"
	}
	// Through float32, which attributes are.
	return d.make(float64(c.attribute("alpha", d.a)), float64(c.attribute(second, d.b))), nil
}

func (c *call) attribute(name string, def float64) float64 {
	if a := c.node.Attr(name); a != nil {
		return float64(a.Float)
	}
	return def
}

var geluTanh = Scalar{
	func(x float64) float64 { return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
	func(x float64) float64 {
		k := math.Sqrt(2 / math.Pi)
		t := math.Tanh(k * (x + 0.044715*x*x*x))
		return 0.5*(1+t) + 0.5*x*(1-t*t)*k*(1+3*0.044715*x*x)
	},
}

// integerUnary computes the few of these functions that integers have.
func integerUnary(name string, x *Tensor) *Tensor {
	switch name {
	case "Abs":
		return integers(x, func(v int64) int64 { return max(v, -v) })
	case "Neg":
		return integers(x, func(v int64) int64 { return -v })
	case "Relu":
		return integers(x, func(v int64) int64 { return max(v, 0) })
	case "Sign":
		return integers(x, func(v int64) int64 {
			if v > 0 && x.Type != onnx.Uint64 || v != 0 && x.Type == onnx.Uint64 {
				return 1
			}
			return max(v, -1)
		})
	}
	fail("of %v", x.Type)
	return nil
}

func integers(x *Tensor, f func(int64) int64) *Tensor {
	y := x.like(x.Shape)
	for i, v := range x.Ints {
		y.Ints[i] = wrap(x.Type, f(v))
	}
	return y
}

// test returns booleans.
func test(x *Tensor, f func(float32) bool) *Tensor {
	y := New(onnx.Bool, x.Shape...)
	for i, v := range x.Data {
		if f(v) {
			y.Ints[i] = 1
		}
	}
	return y
}

func isInf(c *call) []*Tensor {
	negative, positive := c.int("detect_negative", 1) != 0, c.int("detect_positive", 1) != 0
	return one(test(c.floats(0), func(v float32) bool {
		return positive && v > math.MaxFloat32 || negative && v < -math.MaxFloat32
	}))
}

// wrap cuts an integer to the width of its type, as arithmetic in it would.
func wrap(t onnx.DataType, v int64) int64 {
	switch t {
	case onnx.Int32:
		return int64(int32(v))
	case onnx.Int16:
		return int64(int16(v))
	case onnx.Int8:
		return int64(int8(v))
	case onnx.Uint32:
		return int64(uint32(v))
	case onnx.Uint16:
		return int64(uint16(v))
	case onnx.Uint8:
		return int64(uint8(v))
	case onnx.Bool:
		return v & 1
	}
	return v
}

// clip limits elements; a limit that is left out is none.
func clip(c *call) []*Tensor {
	x := c.arg(0)
	y := x.like(x.Shape)
	if x.Data != nil {
		lo, hi := c.number("min", float32(math.Inf(-1))), c.number("max", float32(math.Inf(1)))
		for i, v := range x.Data {
			y.Data[i] = min(max(v, lo), hi)
		}
		return one(y)
	}
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	if c.has(1) {
		lo = c.in[1].Ints[0]
	}
	if c.has(2) {
		hi = c.in[2].Ints[0]
	}
	for i, v := range x.Ints {
		y.Ints[i] = min(max(v, lo), hi)
	}
	return one(y)
}
