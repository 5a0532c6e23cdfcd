package operator

import (
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{
		"Identity":     func(c *call) []*Tensor { return one(c.arg(0)) },
		"Dropout":      dropout,
		"Reshape":      reshape,
		"Flatten":      flatten,
		"Squeeze":      squeeze,
		"Unsqueeze":    unsqueeze,
		"Transpose":    transpose,
		"Concat":       concat,
		"Split":        split,
		"Slice":        slice,
		"Pad":          pad,
		"Expand":       expand,
		"Tile":         tile,
		"DepthToSpace": depthToSpace,
		"SpaceToDepth": spaceToDepth,
	})
}

// Moves reports whether an operator only moves, repeats or drops elements of its first input, so that each element of
// its output is one of the input's, whatever they are. (Pad is not among them: it adds elements.)
func Moves(op string) bool {
	switch op {
	case "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Split", "Slice", "Expand", "Tile",
		"DepthToSpace", "SpaceToDepth", "Gather":
		return true
	}
	return false
}

// dropout passes its input on; its mask is that of inference.
func dropout(c *call) []*Tensor {
	x := c.arg(0)
	if c.opset >= 12 && c.has(2) && c.in[2].scalar() != 0 && c.number("ratio", 0.5) != 0 {
		fail("is in training mode")
	}
	mask := New(onnx.Bool, x.Shape...)
	if c.opset < 10 {
		mask = x.like(x.Shape)
	}
	for i := range mask.Ints {
		mask.Ints[i] = 1
	}
	return []*Tensor{x, mask}
}

func reshape(c *call) []*Tensor {
	x, target := c.arg(0), c.arg(1).list()
	shape, rest := slices.Clone(target), -1
	n := 1
	for i, d := range target {
		switch {
		case d == 0 && c.int("allowzero", 0) == 0:
			shape[i] = x.Shape[i]
		case d == -1 && rest < 0:
			rest = i
			continue
		case d < 0:
			fail("%v to %v", x.Shape, target)
		}
		n *= shape[i]
	}
	if rest >= 0 {
		if n == 0 || x.Len()%n != 0 {
			fail("%v to %v", x.Shape, target)
		}
		shape[rest] = x.Len() / n
	}
	if count(shape) != x.Len() {
		fail("%v to %v", x.Shape, target)
	}
	return one(x.reshaped(shape...))
}

func flatten(c *call) []*Tensor {
	x := c.arg(0)
	a := c.int("axis", 1)
	if a < 0 {
		a += len(x.Shape)
	}
	return one(x.reshaped(count(x.Shape[:a]), count(x.Shape[a:])))
}

func squeeze(c *call) []*Tensor {
	x := c.arg(0)
	drop, given := c.ints("axes")
	drop = axes(drop, len(x.Shape))
	shape := []int{}
	for i, d := range x.Shape {
		if given && !slices.Contains(drop, i) || !given && d != 1 {
			shape = append(shape, d)
		}
	}
	if count(shape) != x.Len() {
		fail("axes %v of %v are not all 1", drop, x.Shape)
	}
	return one(x.reshaped(shape...))
}

func unsqueeze(c *call) []*Tensor {
	x := c.arg(0)
	list, _ := c.ints("axes")
	added := axes(list, len(x.Shape)+len(list))
	shape, from := make([]int, len(x.Shape)+len(list)), 0
	for i := range shape {
		if slices.Contains(added, i) {
			shape[i] = 1
			continue
		}
		shape[i] = x.Shape[from]
		from++
	}
	return one(x.reshaped(shape...))
}

func transpose(c *call) []*Tensor {
	x := c.arg(0)
	return one(permuted(x, c.permutation(len(x.Shape))))
}

// permutation returns the axes that a Transpose takes one after the other.
func (c *call) permutation(rank int) []int {
	perm, ok := c.ints("perm")
	if !ok {
		for a := range rank {
			perm = append(perm, rank-1-a)
		}
	}
	if len(perm) != rank {
		fail("perm %v of %d axes", perm, rank)
	}
	return axes(perm, rank)
}

func concat(c *call) []*Tensor {
	first := c.arg(0)
	a := axis(c.int("axis", 1), len(first.Shape))
	shape := slices.Clone(first.Shape)
	shape[a] = 0
	for i := range c.in {
		x := c.arg(i)
		if len(x.Shape) != len(shape) || x.Type != first.Type {
			fail("%v %v and %v %v", first.Type, first.Shape, x.Type, x.Shape)
		}
		shape[a] += x.Shape[a]
		for b, d := range x.Shape {
			if b != a && d != shape[b] {
				fail("%v and %v differ at another axis than %d", first.Shape, x.Shape, a)
			}
		}
	}
	y := first.like(shape)
	block, at := count(shape[a:]), 0
	for _, x := range c.in {
		n := count(x.Shape[a:])
		for i := range count(shape[:a]) {
			if y.Data != nil {
				copy(y.Data[i*block+at:], x.Data[i*n:(i+1)*n])
			} else {
				copy(y.Ints[i*block+at:], x.Ints[i*n:(i+1)*n])
			}
		}
		at += n
	}
	return one(y)
}

// split cuts an axis into parts of given sizes, or into as many as the node has outputs; the last may be smaller.
func split(c *call) []*Tensor {
	x := c.arg(0)
	a := axis(c.int("axis", 0), len(x.Shape))
	sizes, ok := c.ints("split")
	if !ok {
		parts := c.int("num_outputs", len(c.node.Outputs))
		size := (x.Shape[a] + parts - 1) / parts
		for i := range parts {
			sizes = append(sizes, min(size, x.Shape[a]-i*size))
		}
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if total != x.Shape[a] {
		fail("parts %v of axis %d of %v", sizes, a, x.Shape)
	}
	var out []*Tensor
	stride, at := strides(x.Shape), 0
	for _, n := range sizes {
		shape := slices.Clone(x.Shape)
		shape[a] = n
		out = append(out, x.view(shape, at*stride[a], stride))
		at += n
	}
	return out
}

func slice(c *call) []*Tensor {
	x := c.arg(0)
	starts, _ := c.ints("starts")
	ends, _ := c.ints("ends")
	list, ok := c.ints("axes")
	if !ok {
		for i := range starts {
			list = append(list, i)
		}
	}
	list = axes(list, len(x.Shape))
	steps, ok := c.ints("steps")
	if !ok {
		steps = slices.Repeat([]int{1}, len(list))
	}
	shape, stride, offset := slices.Clone(x.Shape), strides(x.Shape), 0
	for i, a := range list {
		first, n := span(starts[i], ends[i], steps[i], x.Shape[a])
		shape[a] = n
		offset += first * stride[a]
		stride[a] *= steps[i]
	}
	if count(shape) == 0 {
		return one(x.like(shape))
	}
	return one(x.view(shape, offset, stride))
}

// span resolves a range of an axis of d elements: where it starts and how many elements it has.
func span(start, end, step, d int) (first, n int) {
	if step == 0 {
		fail("step 0")
	}
	if start < 0 {
		start += d
	}
	if end < 0 {
		end += d
	}
	if step > 0 {
		start, end = min(max(start, 0), d), min(max(end, 0), d)
		return start, max(0, (end-start+step-1)/step)
	}
	start, end = min(max(start, 0), d-1), min(max(end, -1), d-1)
	return start, max(0, (end-start+step+1)/step)
}

func pad(c *call) []*Tensor {
	x := c.arg(0)
	rank := len(x.Shape)
	pads, _ := c.ints("pads")
	if c.opset >= 18 && c.has(3) {
		some := axes(c.in[3].list(), rank)
		all := make([]int, 2*rank)
		for i, a := range some {
			all[a], all[rank+a] = pads[i], pads[len(some)+i]
		}
		pads = all
	}
	if len(pads) != 2*rank {
		fail("%d pads for %v", len(pads), x.Shape)
	}
	mode := c.text("mode", "constant")
	if !slices.Contains([]string{"constant", "reflect", "edge", "wrap"}, mode) {
		fail("mode %q", mode)
	}
	shape := slices.Clone(x.Shape)
	for a := range shape {
		shape[a] += pads[a] + pads[rank+a]
	}
	places := make([]int, count(shape))
	index, own := make([]int, rank), strides(x.Shape)
	for at := range places {
		rest := at
		for a := rank - 1; a >= 0; a-- {
			index[a] = rest%shape[a] - pads[a]
			rest /= shape[a]
		}
		for a, i := range index {
			if i = Padded(mode, i, x.Shape[a]); i < 0 {
				places[at] = -1
				break
			}
			places[at] += i * own[a]
		}
	}
	y := x.pick(shape, places)
	fill(y, places, c)
	return one(y)
}

// Padded returns the index that a mode of padding takes for i on an axis of d elements, -1 for a constant.
func Padded(mode string, i, d int) int {
	if i >= 0 && i < d {
		return i
	}
	switch mode {
	case "edge":
		return min(max(i, 0), d-1)
	case "reflect":
		if d == 1 {
			return 0
		}
		period := 2 * (d - 1)
		i = ((i % period) + period) % period
		return min(i, period-i)
	case "wrap":
		return ((i % d) + d) % d
	}
	return -1
}

// fill puts the constant of a Pad where nothing was picked.
func fill(y *Tensor, places []int, c *call) {
	value, moved := c.moved("value")
	if moved && (value == nil || value.Len() == 0) {
		return
	}
	for i, p := range places {
		switch {
		case p >= 0:
		case y.Data != nil:
			y.Data[i] = c.number("value", 0)
		case moved:
			y.Ints[i] = value.Ints[0]
		}
	}
}

func expand(c *call) []*Tensor {
	x := c.arg(0)
	shape := broadcast(x.Shape, c.arg(1).list())
	return one(x.view(shape, 0, x.stretched(shape)))
}

func tile(c *call) []*Tensor {
	x, repeats := c.arg(0), c.arg(1).list()
	rank := len(x.Shape)
	shape := slices.Clone(x.Shape)
	for a := range shape {
		shape[a] *= repeats[a]
	}
	places, own := make([]int, count(shape)), strides(x.Shape)
	for at := range places {
		rest := at
		for a := rank - 1; a >= 0; a-- {
			places[at] += rest % shape[a] % x.Shape[a] * own[a]
			rest /= shape[a]
		}
	}
	return one(x.pick(shape, places))
}

func depthToSpace(c *call) []*Tensor {
	outlineBlocks(c) // fails where there are no such blocks
	x, b := c.arg(0), c.int("blocksize", 1)
	n, ch, h, w := x.Shape[0], x.Shape[1]/(b*b), x.Shape[2], x.Shape[3]
	// The channel is (row, column, channel) or, with mode CRD, (channel, row, column).
	from, perm := []int{n, b, b, ch, h, w}, []int{0, 3, 4, 1, 5, 2}
	if c.text("mode", "DCR") == "CRD" {
		from, perm = []int{n, ch, b, b, h, w}, []int{0, 1, 4, 2, 5, 3}
	}
	return one(permuted(x.reshaped(from...), perm).reshaped(n, ch, h*b, w*b))
}

func spaceToDepth(c *call) []*Tensor {
	outlineBlocks(c)
	x, b := c.arg(0), c.int("blocksize", 1)
	n, ch, h, w := x.Shape[0], x.Shape[1], x.Shape[2]/b, x.Shape[3]/b
	return one(permuted(x.reshaped(n, ch, h, b, w, b), []int{0, 3, 5, 1, 2, 4}).reshaped(n, ch*b*b, h, w))
}

func permuted(x *Tensor, perm []int) *Tensor {
	own := strides(x.Shape)
	shape, stride := make([]int, len(perm)), make([]int, len(perm))
	for i, a := range perm {
		shape[i], stride[i] = x.Shape[a], own[a]
	}
	return x.view(shape, 0, stride)
}
