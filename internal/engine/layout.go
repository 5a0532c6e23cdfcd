package engine

import (
	"errors"
	"fmt"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// The network's tensors are in ONNX's order, the engine's maps in that of the machine: NHWC where there are four axes,
// or two that were flattened from four, and as they are otherwise. Operators that move elements are computed once, by
// their definition, on numbers that say where an element came from; with the two orders this is the table of a move.

// perImage returns the shape of an image's part of a tensor.
func perImage(v *nn.Value) ([]int, error) {
	if v == nil || v.Shape == nil {
		return nil, errors.New("its shape is not known")
	}
	if len(v.Shape) == 0 || v.Shape[0] != nn.Batch {
		return nil, fmt.Errorf("the first axis of %v is not the batch", v.Shape)
	}
	for _, d := range v.Shape[1:] {
		if d == nn.Batch {
			return nil, fmt.Errorf("%v has the batch twice", v.Shape)
		}
	}
	return v.Shape[1:], nil
}

// mapOf returns height, width and channels of the map that holds a tensor: of four axes its own, else the last one as
// channels.
func mapOf(shape []int) (h, w, c int) {
	if len(shape) == 3 {
		return shape[1], shape[2], shape[0]
	}
	h, w, c = 1, 1, 1
	for i, d := range shape {
		if i == len(shape)-1 {
			c = d
		} else {
			h *= d
		}
	}
	return h, w, c
}

// placeOf returns where the i-th element of a tensor of the given shape of an image lies in its map t.
func placeOf(t *Tensor, shape []int, i int) int {
	if len(shape) == 3 || len(shape) == 1 && t.H*t.W > 1 {
		plane := t.H * t.W
		return i%plane*t.C + i/plane
	}
	return i
}

// move lowers a layer whose outputs are elements of its inputs: run computes it on tensors that hold the number of each
// element, plus one, for an image; a zero is an element that comes from nowhere.
func (l *lowering) move(layer *nn.Layer, name string, value float32, run func(numbers []*operator.Tensor) (*operator.Tensor, error)) (*Tensor, error) {
	var xs []*Tensor
	var numbers []*operator.Tensor
	var places []int32 // of each number in the maps
	for _, in := range layer.In {
		v := l.net.Values[in]
		if in == "" {
			numbers = append(numbers, nil)
			continue
		}
		if v != nil && v.Const() {
			numbers = append(numbers, &operator.Tensor{Type: v.Type, Shape: v.Shape, Data: v.Data, Ints: v.Ints})
			continue
		}
		x := l.Tensors[in]
		if x == nil {
			return nil, fmt.Errorf("input %q is not a computed tensor", in)
		}
		shape, err := perImage(v)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", in, err)
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		t := operator.Integers(make([]int64, n), append([]int{1}, shape...)...)
		base := len(places)
		for i := range t.Ints {
			t.Ints[i] = int64(len(places) + 1)
			places = append(places, int32(base+placeOf(x, shape, i)))
		}
		xs, numbers = append(xs, x), append(numbers, t)
	}
	got, err := run(numbers)
	if err != nil {
		return nil, err
	}
	shape, err := perImage(l.net.Values[layer.Out[0]])
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", layer.Out[0], err)
	}
	h, w, c := mapOf(shape)
	y := &Tensor{H: h, W: w, C: c}
	if len(got.Ints) != y.Len() {
		return nil, fmt.Errorf("makes %d elements of an image, not %v", len(got.Ints), shape)
	}
	table := make([]int32, y.Len())
	for i, number := range got.Ints {
		to := placeOf(y, shape, i)
		if table[to] = Nowhere; number > 0 {
			table[to] = places[number-1]
		}
	}
	return l.g.Move(name, xs, h, w, c, table, value)
}

// concat lowers the joining of tensors.
func (l *lowering) concat(layer *nn.Layer, op nn.Concat, name string) (*Tensor, error) {
	return l.move(layer, name, 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
		node := &onnx.Node{OpType: "Concat", Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(op.Axis))}}
		return first(operator.Eval(node, newestOpset, numbers))
	})
}

// newestOpset is the operator set in which nodes of the engine's own making are to be read.
const newestOpset = 13

func first(out []*operator.Tensor, err error) (*operator.Tensor, error) {
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (l *lowering) reshape(layer *nn.Layer, op nn.Reshape, name string) (*Tensor, error) {
	return l.move(layer, name, 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
		shape := append([]int{1}, op.Shape[1:]...)
		return &operator.Tensor{Type: onnx.Int64, Shape: shape, Ints: numbers[0].Ints}, nil
	})
}

// operator lowers one of those that have no layer of their own kind.
func (l *lowering) operator(layer *nn.Layer, op nn.Operator, name string) (*Tensor, error) {
	node := op.Node(layer)
	if op.Moves() {
		return l.move(layer, name, 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
			return first(operator.Eval(node, op.Opset, numbers))
		})
	}
	if f, ok := operator.Function(node); ok {
		x := l.Tensors[layer.In[0]]
		if x == nil {
			return nil, fmt.Errorf("input %q is not a computed tensor", layer.In[0])
		}
		return l.g.Apply(name, x, f), nil
	}
	if op.Type == "Resize" || op.Type == "Upsample" {
		return l.interpolate(layer, op, name)
	}
	if operator.TrainsLines(op.Type) {
		return l.lines(layer, op, name)
	}
	if op.Type == "MatMul" {
		return l.product(layer, name)
	}
	f, ok := operator.PairOf(op.Type)
	if !ok || len(layer.In) < 2 {
		return nil, errors.New("the engine cannot compute this operator")
	}
	return l.pairs(layer, f, name)
}

// interpolate lowers a Resize that is more than a move.
func (l *lowering) interpolate(layer *nn.Layer, op nn.Operator, name string) (*Tensor, error) {
	v := l.net.Values[layer.In[0]]
	if v == nil || len(v.Shape) != 4 {
		return nil, errors.New("its input is not [N,C,H,W]")
	}
	in := make([]*operator.Tensor, len(layer.In))
	for i := 1; i < len(in); i++ {
		if k := l.net.Input(layer, i); k != nil {
			if !k.Const() {
				return nil, fmt.Errorf("input %q is computed", layer.In[i])
			}
			in[i] = &operator.Tensor{Type: k.Type, Shape: k.Shape, Data: k.Data, Ints: k.Ints}
		}
	}
	taps, err := operator.Taps(op.Node(layer), op.Opset, []int{1, v.Shape[1], v.Shape[2], v.Shape[3]}, in)
	if err != nil {
		return nil, err
	}
	if taps[0] != nil || taps[1] != nil {
		return nil, errors.New("it resizes the batch or the channels")
	}
	return l.g.Interpolate(name, l.Tensors[layer.In[0]], taps[2], taps[3]), nil
}

// pairs lowers a function of two tensors, or of more, two by two.
func (l *lowering) pairs(layer *nn.Layer, f operator.Pair, name string) (*Tensor, error) {
	out := l.net.Values[layer.Out[0]]
	shape, err := perImage(out)
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", layer.Out[0], err)
	}
	var y *Tensor
	var constant []float32 // the first operand, where it is one
	for i, in := range layer.In {
		last := name
		if i < len(layer.In)-1 {
			last = fmt.Sprintf("%s %d", name, i)
		}
		v := l.net.Values[in]
		if v != nil && v.Const() {
			k, err := stretchedConstant(v, shape)
			if err != nil {
				return nil, fmt.Errorf("input %q: %w", in, err)
			}
			if i == 0 {
				constant = k
				continue
			}
			if y, err = l.g.ApplyConstant(last, y, f, k, false); err != nil {
				return nil, err
			}
			continue
		}
		x, err := l.stretched(layer, in, shape)
		switch {
		case err != nil:
			return nil, fmt.Errorf("input %q: %w", in, err)
		case i == 0:
			y = x
		case y == nil:
			y, err = l.g.ApplyConstant(last, x, f, constant, true)
		default:
			y, err = l.g.Combine(last, y, x, f)
		}
		if err != nil {
			return nil, err
		}
	}
	return y, nil
}

// stretchedConstant returns a constant stretched to the shape of an image, in the order of its map.
func stretchedConstant(v *nn.Value, shape []int) ([]float32, error) {
	if len(v.Shape) > len(shape) && v.Shape[0] != 1 {
		return nil, errors.New("a constant for each image")
	}
	t := &operator.Tensor{Type: onnx.Float, Shape: v.Shape, Data: v.Data}
	wide, err := expand(t, append([]int{1}, shape...))
	if err != nil {
		return nil, err
	}
	h, w, c := mapOf(shape)
	to := &Tensor{H: h, W: w, C: c}
	k := make([]float32, to.Len())
	for i, e := range wide.Data {
		k[placeOf(to, shape, i)] = e
	}
	return k, nil
}

func expand(t *operator.Tensor, shape []int) (*operator.Tensor, error) {
	target := make([]int64, len(shape))
	for i, d := range shape {
		target[i] = int64(d)
	}
	return first(operator.Eval(&onnx.Node{OpType: "Expand"}, newestOpset, []*operator.Tensor{t, operator.Integers(target, len(target))}))
}

// stretched returns a tensor repeated along the axes that ONNX would stretch to the shape of an image.
func (l *lowering) stretched(layer *nn.Layer, in string, shape []int) (*Tensor, error) {
	v, x := l.net.Values[in], l.Tensors[in]
	if x == nil {
		return nil, errors.New("not a computed tensor")
	}
	h, w, c := mapOf(shape)
	if len(v.Shape) == len(shape)+1 && x.H == h && x.W == w && x.C == c {
		return x, nil
	}
	if len(v.Shape) != len(shape)+1 {
		return nil, fmt.Errorf("%v stretched to %v would move the batch axis", v.Shape, shape)
	}
	view := &nn.Layer{In: []string{in}, Out: layer.Out}
	return l.move(view, l.o.Prefix+in+" stretched", 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
		return expand(numbers[0], append([]int{1}, shape...))
	})
}
