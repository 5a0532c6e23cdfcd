package engine

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/nn"
	"zaq/internal/operator"
)

// line has the places of the elements of a line: in the map that it is read from and in that of the result, which has one for all
// where a line becomes one element; and in an image of the network, where gains and shifts are.
type line struct{ from, to, at []int32 }

// lines lowers an operator on lines of its first input, such as Softmax, a normalization or a reduction.
func (l *lowering) lines(layer *nn.Layer, op nn.Operator, name string) (*Tensor, error) {
	in := make([]*operator.Tensor, len(layer.In))
	for i := range in {
		switch v := l.net.Input(layer, i); {
		case v == nil:
		case i == 0:
			shape, err := perImage(v)
			if err != nil {
				return nil, fmt.Errorf("input %q: %w", layer.In[0], err)
			}
			in[0] = &operator.Tensor{Type: v.Type, Shape: append([]int{1}, shape...)}
		case !v.Const():
			return nil, fmt.Errorf("input %q is computed", layer.In[i])
		default:
			in[i] = &operator.Tensor{Type: v.Type, Shape: v.Shape, Data: v.Data, Ints: v.Ints}
		}
	}
	x := l.Tensors[layer.In[0]]
	f, ok := operator.LineOf(op.Node(layer), op.Opset, in)
	if !ok || x == nil {
		return nil, errors.New("the engine cannot compute this operator")
	}
	if slices.Contains(f.Axes, 0) {
		return nil, errors.New("lines run through the images of a batch")
	}
	shape, err := perImage(l.net.Values[layer.Out[0]])
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", layer.Out[0], err)
	}
	h, w, c := mapOf(shape)
	y := &Tensor{Name: name, H: h, W: w, C: c}
	all := make([]line, 0, y.Len())
	f.Each(func(number int, places []int) {
		var one line
		for _, p := range places {
			one.at = append(one.at, int32(p))
			one.from = append(one.from, int32(placeOf(x, in[0].Shape[1:], p)))
			if !f.One {
				one.to = append(one.to, int32(placeOf(y, shape, p)))
			}
		}
		if f.One {
			one.to = []int32{int32(placeOf(y, shape, number))}
		}
		all = append(all, one)
	})
	return l.g.eachLine(x, y, f, all), nil
}

// eachLine adds y, which f makes of lines of x.
func (g *Graph) eachLine(x, y *Tensor, f operator.Line, all []line) *Tensor {
	return g.add(&mapOp{
		x: x, y: y, kind: "lines", readsX: true,
		run: func(y, x []float32) {
			var in, out []float64
			for _, l := range all {
				in, out = gathered(in, x, l.from), sized(out, len(l.to))
				f.Value(out, in)
				for i, p := range l.to {
					v := out[i]
					if !f.One {
						v = f.Scaled(v, int(l.at[i]))
					}
					y[p] = float32(v)
				}
			}
		},
		gradient: func(dx, dy, x, _ []float32, acc bool) {
			var in, out, dIn, dOut []float64
			for _, l := range all {
				in, out = gathered(in, x, l.from), sized(out, len(l.to))
				f.Value(out, in)
				dIn, dOut = sized(dIn, len(in)), gathered(dOut, dy, l.to)
				if f.Gain != nil {
					for i, p := range l.at {
						dOut[i] *= float64(f.Gain[p])
					}
				}
				f.Slope(dIn, dOut, in, out)
				for i, p := range l.from {
					put(dx, int(p), float32(slope(dIn[i])), acc)
				}
			}
		},
	})
}

// gathered returns the elements of x at the given places, in the memory of v.
func gathered(v []float64, x []float32, places []int32) []float64 {
	v = v[:0]
	for _, p := range places {
		v = append(v, float64(x[p]))
	}
	return v
}

func sized(v []float64, n int) []float64 { return slices.Grow(v[:0], n)[:n] }
