package nn

import (
	"errors"
	"fmt"
	"math"

	"zaq/internal/operator"
	"zaq/internal/quant"
)

// Reference computes every tensor of n for a batch of inputs, each in NCHW. It is the definition that
// compiled engines and written files are tested against: loops as in the operators' formulas, sums in
// float64, and nothing done to make them fast. Constants are not in the result; integers are there as floats.
func Reference(n *Network, inputs map[string][]float32, batch int) (map[string][]float32, error) {
	values := make(map[string][]float32)
	for _, name := range n.Inputs {
		x, ok := inputs[name]
		if !ok {
			return nil, fmt.Errorf("input %q is missing", name)
		}
		if want := batch * size(n.Values[name].Shape); len(x) != want {
			return nil, fmt.Errorf("input %q has %d elements, want %d", name, len(x), want)
		}
		values[name] = x
	}
	integers := make(map[string]*operator.Tensor) // what operators make that is not floats
	for _, l := range n.Layers {
		r := reference{n: n, l: l, batch: batch}
		if op, ok := l.Op.(Operator); ok {
			if err := r.operator(op, values, integers); err != nil {
				return nil, fmt.Errorf("node %q (%s): %w", l.Name, l.Op.Kind(), err)
			}
			continue
		}
		for i, name := range l.In {
			x := values[name]
			if v := n.Input(l, i); v != nil && v.Const() {
				x = v.Data
			}
			r.in = append(r.in, x)
		}
		var err error
		if values[l.Out[0]], err = r.run(); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", l.Name, l.Op.Kind(), err)
		}
	}
	return values, nil
}

// reference is one layer with its inputs at hand.
type reference struct {
	n     *Network
	l     *Layer
	batch int
	in    [][]float32
}

// shape returns the shape of the i-th input with the batch filled in.
func (r *reference) shape(i int) []int { return r.filled(r.n.Input(r.l, i).Shape) }

func (r *reference) outShape() []int { return r.filled(r.n.Output(r.l).Shape) }

func (r *reference) filled(shape []int) []int {
	s := make([]int, len(shape))
	for i, d := range shape {
		if s[i] = d; d == Batch {
			s[i] = r.batch
		}
	}
	return s
}

func (r *reference) run() ([]float32, error) {
	x := r.in[0]
	switch op := r.l.Op.(type) {
	case Conv:
		return r.conv(op), nil
	case Gemm:
		return r.gemm(), nil
	case BatchNorm:
		return r.batchNorm(op), nil
	case Relu:
		return each(x, func(v float32) float32 { return max(v, 0) }), nil
	case LeakyRelu:
		return each(x, func(v float32) float32 {
			if v < 0 {
				return op.Alpha * v
			}
			return v
		}), nil
	case ChannelClip:
		shape := r.shape(0)
		plane := len(x) / (shape[0] * shape[1])
		y := make([]float32, len(x))
		for i, v := range x {
			c := i / plane % shape[1]
			y[i] = min(max(v, op.Min[c]), op.Max[c])
		}
		return y, nil
	case Clip:
		return each(x, func(v float32) float32 { return min(max(v, op.Min), op.Max) }), nil
	case Add:
		y := make([]float32, len(x))
		for i := range y {
			y[i] = x[i] + r.in[1][i]
		}
		return y, nil
	case IntegerAdd:
		y := make([]float32, len(x))
		for i := range y {
			y[i] = op.Sum(x[i], r.in[1][i])
		}
		return y, nil
	case AveragePool:
		return r.pool(op.Kernel, op.Stride, [2]int{1, 1}, op.Pads, func(window []float32, cells int) float32 {
			if !op.CountIncludePad {
				cells = len(window)
			}
			return float32(sum(window) / float64(cells))
		}), nil
	case MaxPool:
		return r.pool(op.Kernel, op.Stride, op.Dilation, op.Pads, func(window []float32, _ int) float32 {
			most := float32(math.Inf(-1))
			for _, v := range window {
				most = max(most, v)
			}
			return most
		}), nil
	case GlobalAveragePool:
		s := r.shape(0)
		plane := s[2] * s[3]
		y := make([]float32, s[0]*s[1])
		for i := range y {
			y[i] = float32(sum(x[i*plane:][:plane]) / float64(plane))
		}
		return y, nil
	case Slice:
		return r.slice(op), nil
	case Pad:
		return r.pad(op), nil
	case FakeQuant:
		return r.fakeQuant(op.Q)
	case Concat:
		return r.concat(op), nil
	case Scale:
		return each(x, func(v float32) float32 { return op.Factor * v }), nil
	case Flatten, Reshape, Identity:
		return x, nil
	}
	return nil, errors.New("operator not known")
}

// operator runs any operator on the tensors that are there by now.
func (r *reference) operator(op Operator, values map[string][]float32, integers map[string]*operator.Tensor) error {
	in := make([]*operator.Tensor, len(r.l.In))
	for i, name := range r.l.In {
		switch v := r.n.Input(r.l, i); {
		case v == nil:
		case v.Const():
			in[i] = v.tensor()
		case integers[name] != nil:
			in[i] = integers[name]
		default:
			in[i] = operator.Floats(values[name], r.shape(i)...)
		}
	}
	out, err := operator.Eval(op.Node(r.l), op.Opset, in)
	for i, name := range r.l.Out {
		if err != nil || i >= len(out) {
			break
		}
		if values[name] = out[i].Data; out[i].Data == nil {
			integers[name] = out[i]
			for _, v := range out[i].Ints {
				values[name] = append(values[name], float32(v))
			}
		}
	}
	return err
}

func (r *reference) concat(op Concat) []float32 {
	var y []float32
	for b := range size(r.outShape()[:op.Axis]) {
		for i, x := range r.in {
			n := size(r.shape(i)[op.Axis:])
			y = append(y, x[b*n:(b+1)*n]...)
		}
	}
	return y
}

func each(x []float32, f func(float32) float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = f(v)
	}
	return y
}

func sum(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return s
}

// conv adds, for each weight, that weight times the row of inputs it meets to a row of outputs.
func (r *reference) conv(op Conv) []float32 {
	x, w, out := r.shape(0), r.shape(1), r.outShape()
	plane := make([]float64, out[2]*out[3])
	y := make([]float32, 0, r.batch*out[1]*len(plane))
	for b := range r.batch {
		for oc := range out[1] {
			clear(plane)
			if len(r.in) > 2 && r.in[2] != nil {
				for i := range plane {
					plane[i] = float64(r.in[2][oc])
				}
			}
			group := oc / (out[1] / op.Groups)
			for ic := range w[1] {
				input := r.in[0][(b*x[1]+group*w[1]+ic)*x[2]*x[3]:][:x[2]*x[3]]
				for ky := range w[2] {
					for kx := range w[3] {
						weight := float64(r.in[1][((oc*w[1]+ic)*w[2]+ky)*w[3]+kx])
						for oy := range out[2] {
							iy := oy*op.Stride[0] + ky*op.Dilation[0] - op.Pads[0]
							if iy < 0 || iy >= x[2] {
								continue
							}
							row := plane[oy*out[3]:][:out[3]]
							ix := kx*op.Dilation[1] - op.Pads[1]
							for ox := range row {
								if ix >= 0 && ix < x[3] {
									row[ox] += weight * float64(input[iy*x[3]+ix])
								}
								ix += op.Stride[1]
							}
						}
					}
				}
			}
			for _, v := range plane {
				y = append(y, float32(v))
			}
		}
	}
	return y
}

func (r *reference) gemm() []float32 {
	w := r.shape(1)
	y := make([]float32, r.batch*w[0])
	for b := range r.batch {
		for m := range w[0] {
			var acc float64
			if len(r.in) > 2 && r.in[2] != nil {
				acc = float64(r.in[2][m])
			}
			for k := range w[1] {
				acc += float64(r.in[0][b*w[1]+k]) * float64(r.in[1][m*w[1]+k])
			}
			y[b*w[0]+m] = float32(acc)
		}
	}
	return y
}

func (r *reference) batchNorm(op BatchNorm) []float32 {
	s := r.shape(0)
	plane := size(s[2:])
	gamma, beta, mean, variance := r.in[1], r.in[2], r.in[3], r.in[4]
	y := make([]float32, len(r.in[0]))
	for i, v := range r.in[0] {
		c := i / plane % s[1]
		deviation := math.Sqrt(float64(variance[c]) + float64(op.Epsilon))
		y[i] = float32((float64(v)-float64(mean[c]))/deviation*float64(gamma[c]) + float64(beta[c]))
	}
	return y
}

// pool calls f for every window with the elements in it and the number of cells, padding included.
func (r *reference) pool(kernel, stride, dilation [2]int, pads [4]int, f func(window []float32, cells int) float32) []float32 {
	x, out := r.shape(0), r.outShape()
	y := make([]float32, 0, size(out))
	var window []float32
	for p := range x[0] * x[1] {
		input := r.in[0][p*x[2]*x[3]:][:x[2]*x[3]]
		for oy := range out[2] {
			for ox := range out[3] {
				window = window[:0]
				for ky := range kernel[0] {
					for kx := range kernel[1] {
						iy, ix := oy*stride[0]+ky*dilation[0]-pads[0], ox*stride[1]+kx*dilation[1]-pads[1]
						if iy >= 0 && iy < x[2] && ix >= 0 && ix < x[3] {
							window = append(window, input[iy*x[3]+ix])
						}
					}
				}
				y = append(y, f(window, kernel[0]*kernel[1]))
			}
		}
	}
	return y
}

// indices calls f with every index of a shape, in order. f must not keep it.
func indices(shape []int, f func(index []int)) {
	index := make([]int, len(shape))
	for range size(shape) {
		f(index)
		for a := len(shape) - 1; a >= 0; a-- {
			if index[a]++; index[a] < shape[a] {
				break
			}
			index[a] = 0
		}
	}
}

func (r *reference) slice(op Slice) []float32 {
	x, out := r.shape(0), r.outShape()
	y := make([]float32, 0, size(out))
	from := make([]int, len(x))
	indices(out, func(index []int) {
		copy(from, index)
		for i, a := range op.Axes {
			from[a] = op.Starts[i] + index[a]*op.Steps[i]
		}
		y = append(y, r.in[0][offset(x, from)])
	})
	return y
}

func (r *reference) pad(op Pad) []float32 {
	x, out := r.shape(0), r.outShape()
	y := make([]float32, 0, size(out))
	from := make([]int, len(x))
	indices(out, func(index []int) {
		for a := range from {
			if from[a] = operator.Padded(op.Mode, index[a]-op.Pads[a], x[a]); from[a] < 0 {
				y = append(y, op.Value)
				return
			}
		}
		y = append(y, r.in[0][offset(x, from)])
	})
	return y
}

// offset returns the place of an index in row-major order.
func offset(shape, index []int) int {
	at := 0
	for a, d := range shape {
		at = at*d + index[a]
	}
	return at
}

func (r *reference) fakeQuant(q *quant.Quantizer) ([]float32, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	plane, channels := 1, 1
	if len(q.Scale) > 1 {
		s := r.shape(0)
		plane, channels = size(s[2:]), s[1]
	}
	y := make([]float32, len(r.in[0]))
	for i, v := range r.in[0] {
		y[i] = q.FakeQuantize(v, i/plane%channels)
	}
	return y, nil
}
