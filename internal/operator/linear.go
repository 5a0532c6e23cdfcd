package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{
		"Gemm":               gemm,
		"MatMul":             func(c *call) []*Tensor { return one(matMul(c.arg(0), c.arg(1), c.arg(0).Type)) },
		"BatchNormalization": batchNorm,
		"LRN":                lrn,
		"MeanVarianceNormalization": func(c *call) []*Tensor {
			return one(meanVariance(c))
		},
	})
}

// matMul is NumPy's: of matrices, of stacks of them that stretch to each other, of vectors.
func matMul(a, b *Tensor, t onnx.DataType) *Tensor {
	vectorA, vectorB := len(a.Shape) == 1, len(b.Shape) == 1
	if vectorA {
		a = a.reshaped(1, a.Shape[0])
	}
	if vectorB {
		b = b.reshaped(b.Shape[0], 1)
	}
	ra, rb := len(a.Shape)-2, len(b.Shape)-2
	m, k, n := a.Shape[ra], a.Shape[ra+1], b.Shape[rb+1]
	if b.Shape[rb] != k {
		fail("%v times %v", a.Shape, b.Shape)
	}
	stack := broadcast(a.Shape[:ra], b.Shape[:rb])
	y := New(t, slices.Concat(stack, []int{m, n})...)
	stackOf := func(x *Tensor, r int) []int {
		return (&Tensor{Shape: x.Shape[:r]}).stretched(stack)
	}
	walk(stack, [][]int{stackOf(a, ra), stackOf(b, rb)}, func(at int, from []int) {
		for i := range m {
			for j := range n {
				sum := 0.0
				for l := range k {
					sum += a.at((from[0]*m+i)*k+l) * b.at((from[1]*k+l)*n+j)
				}
				y.set((at*m+i)*n+j, sum)
			}
		}
	})
	shape := slices.Clone(stack)
	if !vectorA {
		shape = append(shape, m)
	}
	if !vectorB {
		shape = append(shape, n)
	}
	return y.reshaped(shape...)
}

// gemm is alpha*a*b + beta*c, a and b transposed on request.
func gemm(c *call) []*Tensor {
	a, b := c.arg(0), c.arg(1)
	if c.int("transA", 0) != 0 {
		a = permuted(a, []int{1, 0})
	}
	if c.int("transB", 0) != 0 {
		b = permuted(b, []int{1, 0})
	}
	y := matMul(a, b, a.Type)
	alpha, beta := c.attribute("alpha", 1), c.attribute("beta", 1)
	z := bias(c, 2)
	var stride []int
	if z != nil {
		stride = z.stretched(y.Shape)
	} else {
		stride = make([]int, 2)
	}
	walk(y.Shape, [][]int{stride}, func(at int, from []int) {
		v := alpha * y.at(at)
		if z != nil {
			v += beta * z.at(from[0])
		}
		y.set(at, v)
	})
	return one(y)
}

// batchNorm normalizes with running statistics or, where it trains, with those of the batch; then the running ones
// that follow are outputs as well.
func batchNorm(c *call) []*Tensor {
	x, gamma, beta, mean, variance := c.floats(0), c.floats(1), c.floats(2), c.floats(3), c.floats(4)
	if c.int("spatial", 1) != 1 {
		fail("normalizes each position by itself (spatial=0)")
	}
	channels := len(gamma.Data)
	size := 1
	if len(x.Shape) > 1 {
		size = count(x.Shape[2:])
	}
	epsilon := c.attribute("epsilon", 1e-5)
	var out []*Tensor
	if c.opset >= 14 && c.int("training_mode", 0) != 0 {
		momentum := c.attribute("momentum", 0.9)
		m, v := mean.like(mean.Shape), mean.like(mean.Shape)
		running := []*Tensor{mean.like(mean.Shape), mean.like(mean.Shape)}
		for ch := range channels {
			var values []float64
			for i, e := range x.Data {
				if i/size%channels == ch {
					values = append(values, float64(e))
				}
			}
			mu, sigma := moments(values)
			m.Data[ch], v.Data[ch] = float32(mu), float32(sigma)
			running[0].Data[ch] = float32(float64(mean.Data[ch])*momentum + mu*(1-momentum))
			running[1].Data[ch] = float32(float64(variance.Data[ch])*momentum + sigma*(1-momentum))
		}
		mean, variance, out = m, v, running
	}
	y := x.like(x.Shape)
	for i, v := range x.Data {
		ch := i / size % channels
		deviation := math.Sqrt(float64(variance.Data[ch]) + epsilon)
		y.Data[i] = float32((float64(v)-float64(mean.Data[ch]))/deviation*float64(gamma.Data[ch]) + float64(beta.Data[ch]))
	}
	return append(one(y), out...)
}

// lrn divides by a power of the squares in neighbouring channels.
func lrn(c *call) []*Tensor {
	x := c.floats(0)
	size := c.int("size", 1)
	alpha, beta, k := c.attribute("alpha", 1e-4), c.attribute("beta", 0.75), c.attribute("bias", 1)
	y := x.like(x.Shape)
	plane, channels := count(x.Shape[2:]), x.Shape[1]
	for i, v := range x.Data {
		ch := i / plane % channels
		var sum float64
		for j := max(0, ch-(size-1)/2); j <= min(channels-1, ch+size/2); j++ {
			n := float64(x.Data[i+(j-ch)*plane])
			sum += n * n
		}
		y.Data[i] = float32(float64(v) / math.Pow(k+alpha/float64(size)*sum, beta))
	}
	return one(y)
}

func meanVariance(c *call) *Tensor {
	x := c.floats(0)
	list := c.spatialOr("axes", []int{0, 2, 3})
	attrs := []*onnx.Attribute{{Name: "axes", Type: onnx.AttrInts}}
	for _, a := range list {
		attrs[0].Ints = append(attrs[0].Ints, int64(a))
	}
	r := &call{&onnx.Node{Attributes: attrs}, 13, []*Tensor{x}}
	over := func(f func(x []float64) float64) *Tensor {
		return r.reducing(reduction{value: f}).apply(x.like(r.reduced()), x)
	}
	mean := over(reductions["ReduceMean"].value)
	deviation := over(func(v []float64) float64 { _, s := moments(v); return math.Sqrt(s) + 1e-9 })
	return combine(arithmetics["Div"], combine(arithmetics["Sub"], x, mean), deviation)
}
