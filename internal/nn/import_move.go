package nn

import (
	"fmt"
	"slices"
	"strconv"

	"zaq/internal/onnx"
)

func importFlatten(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if axis := n.int("axis", 1); axis != 1 && axis+len(x) != 1 {
		return n.unsupported("axis %d of %v, only axis 1 is supported", axis, x)
	}
	if len(x) > 0 && slices.Contains(x[1:], Batch) {
		return n.unsupported("of %v, which has the batch at another axis than the first", x)
	}
	if len(x) == 2 {
		return n.forward(n.in(0))
	}
	return n.emit(Flatten{}, n.in(0))
}

// importReshape reads a Reshape that leaves the batch axis alone: to [N, rest] it is Flatten, to the shape that is there
// nothing. The target may compute N from its input's shape or, where the graph's batch is 1, have a literal 1.
func importReshape(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if len(x) > 0 && slices.Contains(x[1:], Batch) {
		return n.unsupported("of %v, which has the batch at another axis than the first", x)
	}
	target, ok, err := n.symbolic(1)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("has no shape")
	}
	batch := int64(1)
	if !n.im.bakedBatch {
		batch = symbolicBatch
	}
	shape, err := reshape(x, target, batch, n.int("allowzero", 0) != 0)
	switch {
	case err != nil && n.im.bakedBatch && dropsBatch(x, target):
		if !n.batchComesBack() {
			return n.dropped(x)
		}
		n.im.batchless[n.Outputs[0]] = true
		return n.emit(Flatten{}, n.in(0))
	case err != nil && len(x) > 0 && x[0] == Batch && rowsOfAll(target):
		return n.unsupported("%v", err) // but the tail may
	case err != nil:
		return err
	case slices.Equal(shape, x):
		return n.forward(n.in(0))
	case len(shape) == 2 && shape[0] == Batch:
		return n.emit(Flatten{}, n.in(0))
	case len(shape) > 0 && len(x) > 0 && shape[0] == x[0] && !slices.Contains(shape[1:], Batch):
		return n.emit(Reshape{shape}, n.in(0))
	}
	return n.unsupported("from %v to %v moves the batch axis", x, shape)
}

// reshape resolves Reshape's target: 0 copies an axis of x (unless zero is literal), -1 is what remains, and
// batch, wherever x has a batch axis first, is that axis. It fails where the number of elements would change.
func reshape(x []int, target []int64, batch int64, zeroLiteral bool) ([]int, error) {
	shape := make([]int, len(target))
	rest, elements, batches := -1, 1, 0
	for i, t := range target {
		switch {
		case t == -1 && rest >= 0:
			return nil, fmt.Errorf("target %v has -1 twice", target)
		case t == -1:
			rest = i
			continue
		case t == 0 && !zeroLiteral:
			if i >= len(x) {
				return nil, fmt.Errorf("target %v copies axis %d of %v", target, i, x)
			}
			shape[i] = x[i]
		case t == symbolicBatch, t == batch && i == 0 && len(x) > 0 && x[0] == Batch:
			shape[i] = Batch
		default:
			shape[i] = saturate(t)
		}
		if shape[i] == Batch {
			batches++
		} else if shape[i] < 0 {
			return nil, fmt.Errorf("target %v has a negative size", target)
		} else {
			elements = size([]int{elements, shape[i]})
		}
	}
	want, wantBatches := size(x), 0
	if slices.Contains(x, Batch) {
		wantBatches = 1
	}
	if rest >= 0 {
		switch {
		case batches < wantBatches && elements == want:
			shape[rest] = Batch
			batches++
		case elements > 0 && want%elements == 0:
			shape[rest] = want / elements
			elements = want
		}
	}
	if elements != want || batches != wantBatches {
		return nil, fmt.Errorf("cannot reshape %v to %v", x, printable(target))
	}
	return shape, nil
}

// printable writes batch sizes as "N".
func printable(list []int64) []string {
	s := make([]string, len(list))
	for i, v := range list {
		s[i] = fmt.Sprint(v)
		if v == symbolicBatch {
			s[i] = "N"
		}
	}
	return s
}

// importSqueeze reads Squeeze of height and width 1, which is Flatten. One that takes the batch of 1, too, is read as the same where
// all that follows gives it back.
func importSqueeze(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	axes, given, err := n.list("axes", 1, 13)
	if err != nil {
		return err
	}
	if !given && n.im.bakedBatch {
		for a, d := range x {
			if d == 1 || d == Batch {
				axes = append(axes, a)
			}
		}
	}
	if axes, err = resolveAxes(axes, len(x)); err != nil {
		return err
	}
	slices.Sort(axes)
	if n.im.bakedBatch && len(x) > 0 && x[0] == Batch && len(axes) > 0 && axes[0] == 0 {
		if !n.batchComesBack() || !slices.Equal(axes, []int{0, 2, 3}) {
			return n.dropped(x)
		}
		n.im.batchless[n.Outputs[0]] = true
		axes = axes[1:]
	}
	if len(x) != 4 || x[2] != 1 || x[3] != 1 || !slices.Equal(axes, []int{2, 3}) {
		return n.unsupported("axes %v of %v, only height and width of [N,C,1,1] are supported", axes, x)
	}
	return n.emit(Flatten{}, n.in(0))
}

// importUnsqueeze drops what gives a batch of 1 back.
func importUnsqueeze(n *node) error {
	if n.im.batchless[n.Inputs[0]] {
		return n.forward(n.in(0))
	}
	return n.unsupported("")
}

// batchComesBack reports whether whatever reads the output of n makes an axis in the first place of it.
func (n *node) batchComesBack() bool {
	for _, v := range n.im.graph.Outputs {
		if v.Name == n.Outputs[0] {
			return false
		}
	}
	for _, r := range n.im.graph.Nodes {
		if !slices.Contains(r.Inputs, n.Outputs[0]) {
			continue
		}
		reader := &node{Node: r, im: n.im, name: r.Name}
		back := false
		switch r.OpType {
		case "Unsqueeze":
			axes, _, err := reader.list("axes", 1, 13)
			back = err == nil && slices.Equal(axes, []int{0})
		case "Reshape":
			target, _, err := reader.list("shape", 1, 5)
			back = err == nil && len(target) > 1 && target[0] == 1
		}
		if !back {
			return false
		}
	}
	return true
}

// rowsOfAll reports whether a target of Reshape only leaves open how many rows all images have together.
func rowsOfAll(target []int64) bool {
	return len(target) > 0 && target[0] == -1 && !slices.ContainsFunc(target[1:], func(d int64) bool { return d < 0 })
}

// dropsBatch reports whether a target of Reshape has all elements of an image of shape x and no batch of 1 before them.
func dropsBatch(x []int, target []int64) bool {
	return len(x) > 1 && x[0] == Batch && len(target) == 1
}

// dropped is why n, which takes the batch of 1 away from its input, cannot be a layer.
func (n *node) dropped(x []int) error {
	shape := slices.Clone(x)
	shape[0] = 1
	return n.advised("export the network with a batch axis that stays: flatten(1) in place of squeeze() or view(-1)",
		"drops the batch axis of %v", shape)
}

// importSlice reads Slice, whose ranges were attributes before opset 10. Negative indices are resolved, and
// axes taken whole are left out.
func importSlice(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	op, err := n.slice(x)
	if err != nil {
		return err
	}
	if len(op.Axes) == 0 {
		return n.forward(n.in(0))
	}
	return n.emit(op, n.in(0))
}

func (n *node) slice(x []int) (op Slice, err error) {
	starts, _, err := n.list("starts", 1, 10)
	if err != nil {
		return op, err
	}
	ends, _, err := n.list("ends", 2, 10)
	if err != nil {
		return op, err
	}
	axes, ok, err := n.list("axes", 3, 10)
	if err != nil {
		return op, err
	}
	if !ok {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if axes, err = resolveAxes(axes, len(x)); err != nil {
		return op, err
	}
	steps, ok, err := n.list("steps", 4, 10)
	if err != nil {
		return op, err
	}
	if !ok {
		steps = slices.Repeat([]int{1}, len(axes))
	}
	if len(starts) != len(axes) || len(ends) != len(axes) || len(steps) != len(axes) {
		return op, fmt.Errorf("has %d axes, %d starts, %d ends, %d steps", len(axes), len(starts), len(ends), len(steps))
	}
	for i, axis := range axes {
		d, step := x[axis], steps[i]
		if step < 1 {
			return op, n.unsupported("step %d, only steps forward are supported", step)
		}
		if d == Batch {
			if starts[i] != 0 || ends[i] < maxElements || step != 1 {
				return op, n.unsupported("cuts the batch axis")
			}
			continue
		}
		start, end := resolveIndex(starts[i], d), resolveIndex(ends[i], d)
		if start == 0 && end == d && step == 1 {
			continue
		}
		op.Starts = append(op.Starts, start)
		op.Ends = append(op.Ends, end)
		op.Axes = append(op.Axes, axis)
		op.Steps = append(op.Steps, step)
	}
	return op, nil
}

// importSplit makes a Slice of each part. Sizes were an attribute before opset 13; where there are none, parts are
// equal, but for the last.
func importSplit(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	axes, err := resolveAxes([]int{n.int("axis", 0)}, len(x))
	if err != nil {
		return err
	}
	axis := axes[0]
	if x[axis] == Batch {
		return n.unsupported("cuts the batch axis")
	}
	sizes, ok, err := n.list("split", 1, 13)
	if err != nil {
		return err
	}
	if !ok {
		part := (x[axis] + len(n.Outputs) - 1) / len(n.Outputs)
		for i := range n.Outputs {
			sizes = append(sizes, min(part, x[axis]-i*part))
		}
	}
	if len(sizes) < len(n.Outputs) {
		return fmt.Errorf("has %d sizes for %d outputs", len(sizes), len(n.Outputs))
	}
	start := 0
	for i, name := range n.Outputs {
		op := Slice{[]int{start}, []int{start + sizes[i]}, []int{axis}, []int{1}}
		start += sizes[i]
		if name == "" || i > 0 && n.im.uses[name] == 0 {
			continue
		}
		l := &Layer{Name: n.name, Op: op, In: []string{n.in(0)}, Out: []string{name}}
		if i > 0 {
			l.Name = n.im.freeNodeName(n.name + "_" + strconv.Itoa(i))
		}
		if err := n.add(l); err != nil {
			return err
		}
	}
	if start != x[axis] {
		return fmt.Errorf("parts %v do not add up to axis %d of %v", sizes, axis, x)
	}
	return nil
}

// importConcat reads Concat of tensors along an axis other than the batch. See joinConstants for those that are constant.
func importConcat(n *node) error {
	for i := range n.Inputs {
		if c, err := n.image(i); err != nil {
			return err
		} else if c != nil {
			return n.joinConstants(len(c.Shape))
		}
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	axes, err := resolveAxes([]int{n.int("axis", 1)}, len(x))
	if err != nil {
		return err
	}
	if x[axes[0]] == Batch {
		return n.unsupported("joins batches")
	}
	for i := range n.Inputs {
		if v := n.im.net.Values[n.in(i)]; v != nil && v.elementType() != onnx.Float {
			return n.unsupported("joins %v", v.elementType())
		}
	}
	if len(n.Inputs) == 1 {
		return n.forward(n.in(0))
	}
	return n.emit(Concat{axes[0]}, n.inputs(len(n.Inputs))...)
}

// resolveIndex counts i from the end of an axis of d elements where it is negative, and limits it to 0..d.
func resolveIndex(i, d int) int {
	if i < 0 {
		i += d
	}
	return min(max(i, 0), d)
}
