package nn

import (
	"fmt"
	"slices"
)

// maxElements bounds the size of a tensor of one image, so that a corrupt file cannot ask for memory that
// no machine has.
const maxElements = 1 << 30

// maxInputs bounds the number of tensors that a layer joins.
const maxInputs = 1 << 16

// maxKernel bounds the sides of a sliding window for the same reason: padding can make room for any.
const maxKernel = 1 << 12

// InferShapes sets the shape of every tensor that a layer makes, from the shapes of the inputs and
// constants. It returns an error that names the first layer whose inputs contradict each other.
func InferShapes(n *Network) error {
	for _, l := range n.Layers {
		if err := n.inferShape(l); err != nil {
			return fmt.Errorf("node %q (%s): %w", l.Name, l.Op.Kind(), err)
		}
	}
	return nil
}

// inferShape sets the shape of l's output, adding the Value where there is none.
func (n *Network) inferShape(l *Layer) error {
	if op, ok := l.Op.(Operator); ok {
		return n.inferOperator(l, op)
	}
	shape, err := n.outputShape(l)
	if err != nil {
		return err
	}
	v := n.Values[l.Out[0]]
	if v == nil {
		v = &Value{Name: l.Out[0]}
		n.Values[v.Name] = v
	}
	v.Shape = shape
	return nil
}

// outputShape returns the shape that l makes of its inputs.
func (n *Network) outputShape(l *Layer) ([]int, error) {
	in, err := n.inputShapes(l)
	if err != nil {
		return nil, err
	}
	shape, err := shapeRule(l.Op, in)
	if err != nil {
		return nil, err
	}
	if size(shape) > maxElements {
		return nil, fmt.Errorf("output %v has more than %d elements", shape, maxElements)
	}
	return shape, nil
}

// inputShapes checks the arity of l and returns the shapes of its inputs, nil for one left out.
func (n *Network) inputShapes(l *Layer) ([][]int, error) {
	least, most := arity(l.Op)
	if len(l.In) < least || len(l.In) > most {
		return nil, fmt.Errorf("has %d inputs, takes %s", len(l.In), countRange(least, most))
	}
	if len(l.Out) != 1 {
		return nil, fmt.Errorf("has %d outputs, makes 1", len(l.Out))
	}
	shapes := make([][]int, len(l.In))
	for i, name := range l.In {
		if name == "" {
			if i < least {
				return nil, fmt.Errorf("input %d is left out", i)
			}
			continue
		}
		v := n.Values[name]
		if v == nil {
			return nil, fmt.Errorf("no tensor %q", name)
		}
		if v.Shape == nil {
			return nil, fmt.Errorf("shape of %q is not known", name)
		}
		if i > 0 && hasParameters(l.Op) && v.Data == nil {
			return nil, fmt.Errorf("input %d, %q, is not a float constant", i, name)
		}
		shapes[i] = v.Shape
	}
	return shapes, nil
}

// hasParameters reports whether the inputs after the first are constants.
func hasParameters(op Op) bool {
	switch op.(type) {
	case Conv, Gemm, BatchNorm:
		return true
	}
	return false
}

// arity returns the least and largest number of inputs of op.
func arity(op Op) (least, most int) {
	switch op.(type) {
	case Conv, Gemm:
		return 2, 3
	case BatchNorm:
		return 5, 5
	case Add, IntegerAdd:
		return 2, 2
	case Concat:
		return 1, maxInputs
	}
	return 1, 1
}

func countRange(least, most int) string {
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

func shapeRule(op Op, in [][]int) ([]int, error) {
	x := in[0]
	switch op := op.(type) {
	case Conv:
		return convShape(op, in)
	case Gemm:
		return gemmShape(in)
	case BatchNorm:
		if len(x) < 2 {
			return nil, fmt.Errorf("input %v has no channel axis", x)
		}
		for i, name := range []string{"gamma", "beta", "mean", "variance"} {
			if !slices.Equal(in[i+1], x[1:2]) {
				return nil, fmt.Errorf("%s has shape %v, input has %d channels", name, in[i+1], x[1])
			}
		}
		return slices.Clone(x), nil
	case Add, IntegerAdd:
		if !slices.Equal(x, in[1]) {
			return nil, fmt.Errorf("shapes differ: %v and %v", x, in[1])
		}
		return slices.Clone(x), nil
	case AveragePool:
		return poolShape(x, op.Kernel, op.Stride, [2]int{1, 1}, op.Pads)
	case MaxPool:
		return poolShape(x, op.Kernel, op.Stride, op.Dilation, op.Pads)
	case GlobalAveragePool:
		if len(x) != 4 {
			return nil, fmt.Errorf("input %v is not [N,C,H,W]", x)
		}
		return []int{x[0], x[1], 1, 1}, nil
	case Flatten:
		if len(x) < 1 {
			return nil, fmt.Errorf("input is a scalar")
		}
		if slices.Contains(x[1:], Batch) {
			return nil, fmt.Errorf("input %v has the batch at another axis than the first", x)
		}
		return []int{x[0], size(x[1:])}, nil
	case Slice:
		return sliceShape(op, x)
	case Pad:
		return padShape(op, x)
	case Reshape:
		if len(op.Shape) == 0 || len(x) == 0 || op.Shape[0] != x[0] || slices.Contains(op.Shape[1:], Batch) || slices.Contains(x[1:], Batch) || size(op.Shape) != size(x) {
			return nil, fmt.Errorf("cannot reshape %v to %v", x, op.Shape)
		}
		return slices.Clone(op.Shape), nil
	case Concat:
		return concatShape(op, in)
	case FakeQuant:
		if op.Q == nil {
			return nil, fmt.Errorf("has no quantizer")
		}
		if c := len(op.Q.Scale); c > 1 && (len(x) < 2 || x[1] != c) {
			return nil, fmt.Errorf("has %d scales for input %v", c, x)
		}
		return slices.Clone(x), nil
	case ChannelClip:
		if len(x) < 2 || len(op.Min) != x[1] || len(op.Max) != x[1] {
			return nil, fmt.Errorf("%d limits for input %v", len(op.Min), x)
		}
		return slices.Clone(x), nil
	case Relu, LeakyRelu, Clip, Identity, Scale:
		return slices.Clone(x), nil
	}
	return nil, fmt.Errorf("no shape rule")
}

func convShape(op Conv, in [][]int) ([]int, error) {
	x, w := in[0], in[1]
	if len(x) != 4 || len(w) != 4 {
		return nil, fmt.Errorf("input %v and weight %v are not four-dimensional", x, w)
	}
	if op.Groups < 1 || x[1]%op.Groups != 0 || w[0]%op.Groups != 0 {
		return nil, fmt.Errorf("%d groups divide neither %d input nor %d output channels", op.Groups, x[1], w[0])
	}
	if w[1] != x[1]/op.Groups {
		return nil, fmt.Errorf("weight %v takes %d channels per group, input has %d in %d groups", w, w[1], x[1], op.Groups)
	}
	if w[2] != op.Kernel[0] || w[3] != op.Kernel[1] {
		return nil, fmt.Errorf("weight %v does not have kernel %v", w, op.Kernel)
	}
	if len(in) > 2 && in[2] != nil && !slices.Equal(in[2], w[:1]) {
		return nil, fmt.Errorf("bias has shape %v, want [%d]", in[2], w[0])
	}
	h, wd, err := windows(x, op.Kernel, op.Stride, op.Dilation, op.Pads)
	return []int{x[0], w[0], h, wd}, err
}

func gemmShape(in [][]int) ([]int, error) {
	x, w := in[0], in[1]
	if len(x) != 2 || len(w) != 2 || x[1] != w[1] {
		return nil, fmt.Errorf("input %v does not fit weight %v, want [N,K] and [M,K]", x, w)
	}
	if len(in) > 2 && in[2] != nil && !slices.Equal(in[2], w[:1]) {
		return nil, fmt.Errorf("bias has shape %v, want [%d]", in[2], w[0])
	}
	return []int{x[0], w[0]}, nil
}

func poolShape(x []int, kernel, stride, dilation [2]int, pads [4]int) ([]int, error) {
	if len(x) != 4 {
		return nil, fmt.Errorf("input %v is not [N,C,H,W]", x)
	}
	h, w, err := windows(x, kernel, stride, dilation, pads)
	if err != nil {
		return nil, err
	}
	for i, count := range [2]int{h, w} {
		for o := range count {
			at := o*stride[i] - pads[i]
			end := min(x[i+2], at+(kernel[i]-1)*dilation[i]+1)
			if at < 0 { // from the first element inside on
				at = (at%dilation[i] + dilation[i]) % dilation[i]
			}
			if at >= end {
				return nil, fmt.Errorf("a window of kernel %v and dilation %v has nothing of input %v with pads %v", kernel, dilation, x, pads)
			}
		}
	}
	return []int{x[0], x[1], h, w}, nil
}

// windows returns how many windows fit along height and width of x [N,C,H,W].
func windows(x []int, kernel, stride, dilation [2]int, pads [4]int) (h, w int, err error) {
	var out [2]int
	for i := range out {
		if kernel[i] < 1 || kernel[i] > maxKernel || stride[i] < 1 || dilation[i] < 1 || pads[i] < 0 || pads[i+2] < 0 {
			return 0, 0, fmt.Errorf("kernel %v, stride %v, dilation %v or pads %v out of range", kernel, stride, dilation, pads)
		}
		extent := (kernel[i]-1)*dilation[i] + 1
		room := x[i+2] + pads[i] + pads[i+2] - extent
		if room < 0 {
			return 0, 0, fmt.Errorf("window of %d does not fit input %v with pads %v", extent, x, pads)
		}
		out[i] = room/stride[i] + 1
	}
	return out[0], out[1], nil
}

func sliceShape(op Slice, x []int) ([]int, error) {
	if len(op.Starts) != len(op.Axes) || len(op.Ends) != len(op.Axes) || len(op.Steps) != len(op.Axes) {
		return nil, fmt.Errorf("has %d axes, %d starts, %d ends, %d steps", len(op.Axes), len(op.Starts), len(op.Ends), len(op.Steps))
	}
	shape := slices.Clone(x)
	for i, axis := range op.Axes {
		if axis < 0 || axis >= len(x) || x[axis] == Batch {
			return nil, fmt.Errorf("cannot slice axis %d of %v", axis, x)
		}
		if op.Starts[i] < 0 || op.Ends[i] > x[axis] || op.Starts[i] >= op.Ends[i] || op.Steps[i] < 1 {
			return nil, fmt.Errorf("range %d:%d:%d of axis %d is empty or outside %v", op.Starts[i], op.Ends[i], op.Steps[i], axis, x)
		}
		shape[axis] = (op.Ends[i]-op.Starts[i]-1)/op.Steps[i] + 1
	}
	return shape, nil
}

func concatShape(op Concat, in [][]int) ([]int, error) {
	shape := slices.Clone(in[0])
	if op.Axis < 1 || op.Axis >= len(shape) || shape[op.Axis] == Batch {
		return nil, fmt.Errorf("cannot join %v along axis %d", shape, op.Axis)
	}
	for _, x := range in[1:] {
		if len(x) != len(shape) || !slices.Equal(x[:op.Axis], shape[:op.Axis]) || !slices.Equal(x[op.Axis+1:], shape[op.Axis+1:]) {
			return nil, fmt.Errorf("cannot join %v and %v along axis %d", in[0], x, op.Axis)
		}
		shape[op.Axis] = size([]int{shape[op.Axis] + x[op.Axis]})
	}
	return shape, nil
}

func padShape(op Pad, x []int) ([]int, error) {
	if len(op.Pads) != 2*len(x) {
		return nil, fmt.Errorf("has %d pads for input %v", len(op.Pads), x)
	}
	shape := slices.Clone(x)
	for i := range x {
		before, after := op.Pads[i], op.Pads[len(x)+i]
		if before < 0 || after < 0 || x[i] == Batch && before+after > 0 {
			return nil, fmt.Errorf("pads %v are negative or widen the batch", op.Pads)
		}
		if x[i] == Batch {
			continue
		}
		shape[i] += before + after
		most := maxElements // ONNX Runtime repeats an axis once only, and reflects it without its last element
		switch op.Mode {
		case "reflect":
			most = x[i] - 1
		case "wrap":
			most = x[i]
		}
		if max(before, after) > most {
			return nil, fmt.Errorf("mode %s has %d elements of %v to pad axis %d with %d and %d", op.Mode, most, x, i, before, after)
		}
	}
	return shape, nil
}

// size returns the number of elements of a shape, counting the batch axis as 1 and no further than
// just above maxElements.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		if d == Batch {
			continue
		}
		if d > maxElements {
			d = maxElements + 1
		}
		if n *= d; n > maxElements {
			return maxElements + 1
		}
	}
	return n
}
