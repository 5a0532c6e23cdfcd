package operator

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
)

// maxElements bounds the size of a tensor, so that a corrupt file cannot ask for memory that no machine has.
const maxElements = 1 << 28

// Tensor is an array of any number of axes, row-major. Floats of any width are held as float32, integers and
// booleans as int64; Type says what they are.
type Tensor struct {
	Type  onnx.DataType
	Shape []int
	Data  []float32 // of floats
	Ints  []int64   // of integers (uint64 as the same bits) and booleans
}

// IsFloat reports whether elements of t are held as floats.
func IsFloat(t onnx.DataType) bool {
	switch t {
	case onnx.Float, onnx.Double, onnx.Float16, onnx.BFloat16:
		return true
	}
	return false
}

// isInteger reports whether elements of t are held as integers.
func isInteger(t onnx.DataType) bool {
	switch t {
	case onnx.Bool, onnx.Int64, onnx.Int32, onnx.Int16, onnx.Int8, onnx.Int4, onnx.Int2,
		onnx.Uint64, onnx.Uint32, onnx.Uint16, onnx.Uint8, onnx.Uint4, onnx.Uint2:
		return true
	}
	return false
}

// New returns a tensor of zeros.
func New(t onnx.DataType, shape ...int) *Tensor {
	n := count(shape)
	x := &Tensor{Type: t, Shape: shape}
	switch {
	case IsFloat(t):
		x.Data = make([]float32, n)
	case isInteger(t):
		x.Ints = make([]int64, n)
	default:
		fail("elements of %v", t)
	}
	return x
}

// Floats returns a tensor over data.
func Floats(data []float32, shape ...int) *Tensor {
	return &Tensor{Type: onnx.Float, Shape: shape, Data: data}
}

// Integers returns an int64 tensor over data.
func Integers(data []int64, shape ...int) *Tensor {
	return &Tensor{Type: onnx.Int64, Shape: shape, Ints: data}
}

// Read returns the elements of a constant of a file.
func Read(t *onnx.Tensor) (*Tensor, error) {
	x := &Tensor{Type: t.Type, Shape: make([]int, len(t.Dims))}
	for i, d := range t.Dims {
		if d < 0 || d > math.MaxInt32 {
			return nil, fmt.Errorf("tensor %q has the shape %v", t.Name, t.Dims)
		}
		x.Shape[i] = int(d)
	}
	var err error
	if IsFloat(t.Type) {
		x.Data, err = t.Floats()
	} else {
		x.Ints, err = t.Int64s()
	}
	return x, err
}

// Len is the number of elements.
func (t *Tensor) Len() int { return len(t.Data) + len(t.Ints) }

// like returns an empty tensor of t's type.
func (t *Tensor) like(shape []int) *Tensor { return New(t.Type, shape...) }

// reshaped returns the elements of t under another shape.
func (t *Tensor) reshaped(shape ...int) *Tensor {
	return &Tensor{Type: t.Type, Shape: shape, Data: t.Data, Ints: t.Ints}
}

// count is the number of elements of a shape.
func count(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 {
			fail("the shape %v", shape)
		}
		if n *= d; n > maxElements {
			fail("%v has more than %d elements", shape, maxElements)
		}
	}
	return n
}

// doubles returns the elements as they are added up.
func (t *Tensor) doubles() []float64 {
	d := make([]float64, t.Len())
	for i := range d {
		d[i] = t.at(i)
	}
	return d
}

// strides returns how far apart neighbours along each axis are.
func strides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for a := len(shape) - 1; a >= 0; a-- {
		s[a] = n
		n *= shape[a]
	}
	return s
}

// pick returns the elements at the given places, a zero for a negative one.
func (t *Tensor) pick(shape []int, places []int) *Tensor {
	y := t.like(shape)
	for i, p := range places {
		switch {
		case p < 0:
		case t.Data != nil:
			y.Data[i] = t.Data[p]
		default:
			y.Ints[i] = t.Ints[p]
		}
	}
	return y
}

// view returns the elements that lie at offset + index*stride for every index of shape.
func (t *Tensor) view(shape []int, offset int, stride []int) *Tensor {
	places := make([]int, count(shape))
	walk(shape, [][]int{stride}, func(at int, from []int) { places[at] = offset + from[0] })
	return t.pick(shape, places)
}

// walk calls f for every index of a shape, in order, with the place of it in arrays of the given strides. f must not
// keep from.
func walk(shape []int, stride [][]int, f func(at int, from []int)) {
	n := count(shape)
	index, from := make([]int, len(shape)), make([]int, len(stride))
	for at := range n {
		f(at, from)
		for a := len(shape) - 1; a >= 0; a-- {
			index[a]++
			for k, s := range stride {
				from[k] += s[a]
			}
			if index[a] < shape[a] {
				break
			}
			for k, s := range stride {
				from[k] -= s[a] * shape[a]
			}
			index[a] = 0
		}
	}
}

// broadcast returns the shape that all shapes stretch to.
func broadcast(shapes ...[]int) []int {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := slices.Repeat([]int{1}, rank)
	for _, s := range shapes {
		for i, d := range s {
			a := rank - len(s) + i
			switch {
			case out[a] == 1:
				out[a] = d
			case d != 1 && d != out[a]:
				fail("the shapes %v do not fit each other", shapes)
			}
		}
	}
	return out
}

// stretched returns the strides of t as seen from a shape that it stretches to.
func (t *Tensor) stretched(shape []int) []int {
	s := make([]int, len(shape))
	own := strides(t.Shape)
	for i, d := range t.Shape {
		if a := len(shape) - len(t.Shape) + i; d != 1 {
			s[a] = own[i]
		}
	}
	return s
}
