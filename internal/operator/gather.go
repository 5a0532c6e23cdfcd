package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{
		"Constant":        constant,
		"ConstantOfShape": constantOfShape,
		"Shape":           shapeOf,
		"Size":            func(c *call) []*Tensor { return one(Integers([]int64{int64(count(c.arg(0).Shape))})) },
		"Range":           rangeOf,
		"EyeLike":         eyeLike,
		"OneHot":          oneHot,
		"Gather":          gather,
		"GatherElements":  gatherElements,
		"GatherND":        gatherND,
		"Scatter":         scatterElements,
		"ScatterElements": scatterElements,
		"ScatterND":       scatterND,
		"NonZero":         nonZero,
		"Compress":        compress,
		"Trilu":           trilu,
		"ReverseSequence": reverseSequence,
	})
}

// constant returns the value of a Constant in any of its spellings; value_* came with opset 12.
func constant(c *call) []*Tensor {
	for _, a := range c.node.Attributes {
		switch a.Name {
		case "value":
			if a.Tensor == nil {
				fail("attribute value has no tensor")
			}
			t, err := Read(a.Tensor)
			if err != nil {
				fail("%v", err)
			}
			return one(t)
		case "value_float":
			return one(Floats([]float32{a.Float}))
		case "value_floats":
			return one(Floats(slices.Concat([]float32{}, a.Floats), len(a.Floats)))
		case "value_int":
			return one(Integers([]int64{a.Int}))
		case "value_ints":
			return one(Integers(slices.Concat([]int64{}, a.Ints), len(a.Ints)))
		}
	}
	fail("has no value, or none of numbers")
	return nil
}

func constantOfShape(c *call) []*Tensor {
	shape := c.arg(0).list()
	a := c.node.Attr("value")
	if a == nil || a.Tensor == nil {
		return one(New(onnx.Float, shape...))
	}
	v, err := Read(a.Tensor)
	if err != nil {
		fail("%v", err)
	}
	return one(v.reshaped(slices.Repeat([]int{1}, len(shape))...).view(shape, 0, make([]int, len(shape))))
}

// shapeOf returns the shape of its input. Opset 15 added a range of axes.
func shapeOf(c *call) []*Tensor {
	x := c.arg(0)
	rank := len(x.Shape)
	limit := func(a int) int {
		if a < 0 {
			a += rank
		}
		return min(max(a, 0), rank)
	}
	start, end := limit(c.int("start", 0)), limit(c.int("end", rank))
	ints := []int64{}
	for a := start; a < end; a++ {
		ints = append(ints, int64(x.Shape[a]))
	}
	return one(Integers(ints, len(ints)))
}

func rangeOf(c *call) []*Tensor {
	start, limit, delta := c.arg(0), c.arg(1), c.arg(2)
	n := int(max(0, math.Ceil((limit.at(0)-start.at(0))/delta.at(0))))
	y := start.like([]int{n})
	for i := range n {
		if y.Data != nil {
			y.Data[i] = float32(start.at(0) + float64(i)*delta.at(0))
		} else {
			y.Ints[i] = start.Ints[0] + int64(i)*delta.Ints[0]
		}
	}
	return one(y)
}

func eyeLike(c *call) []*Tensor {
	x := c.arg(0)
	if len(x.Shape) != 2 {
		fail("an input of shape %v, not a matrix", x.Shape)
	}
	y := New(onnx.DataType(c.int("dtype", int(x.Type))), x.Shape...)
	for i := range x.Shape[0] {
		if j := i + c.int("k", 0); j >= 0 && j < x.Shape[1] {
			y.set(i*x.Shape[1]+j, 1)
		}
	}
	return one(y)
}

// set stores a number as whatever the elements are.
func (t *Tensor) set(i int, v float64) {
	if t.Data != nil {
		t.Data[i] = float32(v)
	} else {
		t.Ints[i] = int64(v)
	}
}

func oneHot(c *call) []*Tensor {
	indices, depth, values := c.arg(0), int(c.arg(1).at(0)), c.arg(2)
	rank := len(indices.Shape)
	a := axis(c.int("axis", -1), rank+1)
	shape := slices.Insert(slices.Clone(indices.Shape), a, depth)
	inner := count(indices.Shape[a:])
	places := make([]int, count(shape))
	for i := range indices.Len() {
		k := int(indices.at(i))
		if k < 0 {
			k += depth
		}
		if k >= 0 && k < depth {
			places[(i/inner*depth+k)*inner+i%inner] = 1
		}
	}
	return one(values.pick(shape, places))
}

// index counts from the end where it is negative.
func index(i int64, d int) int {
	if i < 0 {
		i += int64(d)
	}
	if i < 0 || i >= int64(d) {
		fail("index %d is outside %d elements", i, d)
	}
	return int(i)
}

func gather(c *call) []*Tensor {
	x, indices := c.arg(0), c.arg(1)
	a := axis(c.int("axis", 0), len(x.Shape))
	shape := slices.Concat(x.Shape[:a], indices.Shape, x.Shape[a+1:])
	inner := count(x.Shape[a+1:])
	places := make([]int, 0, count(shape))
	for o := range count(x.Shape[:a]) {
		for _, i := range indices.Ints {
			from := (o*x.Shape[a] + index(i, x.Shape[a])) * inner
			for k := range inner {
				places = append(places, from+k)
			}
		}
	}
	return one(x.pick(shape, places))
}

func gatherElements(c *call) []*Tensor {
	x, indices := c.arg(0), c.arg(1)
	places := make([]int, indices.Len())
	alongAxis(x, indices, axis(c.int("axis", 0), len(x.Shape)), func(at, place int) { places[at] = place })
	return one(x.pick(indices.Shape, places))
}

// alongAxis calls f for each element of indices, which points along axis a of x, with the place in x that is meant.
func alongAxis(x, indices *Tensor, a int, f func(at, place int)) {
	own := strides(x.Shape)
	other := slices.Clone(own)
	other[a] = 0
	walk(indices.Shape, [][]int{other}, func(at int, from []int) {
		f(at, from[0]+index(indices.Ints[at], x.Shape[a])*own[a])
	})
}

func gatherND(c *call) []*Tensor {
	x, indices := c.arg(0), c.arg(1)
	batch := c.int("batch_dims", 0)
	last := len(indices.Shape) - 1
	depth := indices.Shape[last]
	shape := slices.Concat(indices.Shape[:last], x.Shape[batch+depth:])
	inner, own := count(x.Shape[batch+depth:]), strides(x.Shape)
	perBatch := count(indices.Shape[batch:last])
	places := make([]int, 0, count(shape))
	for r := range count(indices.Shape[:last]) {
		place := r / perBatch * count(x.Shape[batch:])
		for k := range depth {
			place += index(indices.Ints[r*depth+k], x.Shape[batch+k]) * own[batch+k]
		}
		for i := range inner {
			places = append(places, place+i)
		}
	}
	return one(x.pick(shape, places))
}

// reduction returns how a scatter joins an element with what is there.
func (c *call) reduction() func(old, v float64) float64 {
	switch name := c.text("reduction", "none"); name {
	case "none":
		return func(_, v float64) float64 { return v }
	case "add":
		return func(old, v float64) float64 { return old + v }
	case "mul":
		return func(old, v float64) float64 { return old * v }
	case "max":
		return math.Max
	case "min":
		return math.Min
	default:
		fail("reduction %q", name)
	}
	return nil
}

func (t *Tensor) clone() *Tensor {
	return &Tensor{Type: t.Type, Shape: t.Shape, Data: slices.Clone(t.Data), Ints: slices.Clone(t.Ints)}
}

func scatterElements(c *call) []*Tensor {
	y, indices, updates := c.arg(0).clone(), c.arg(1), c.arg(2)
	join := c.reduction()
	alongAxis(y, indices, axis(c.int("axis", 0), len(y.Shape)), func(at, place int) {
		y.set(place, join(y.at(place), updates.at(at)))
	})
	return one(y)
}

func scatterND(c *call) []*Tensor {
	y, indices, updates := c.arg(0).clone(), c.arg(1), c.arg(2)
	join := c.reduction()
	last := len(indices.Shape) - 1
	depth := indices.Shape[last]
	inner, own := count(y.Shape[depth:]), strides(y.Shape)
	for r := range count(indices.Shape[:last]) {
		place := 0
		for k := range depth {
			place += index(indices.Ints[r*depth+k], y.Shape[k]) * own[k]
		}
		for i := range inner {
			y.set(place+i, join(y.at(place+i), updates.at(r*inner+i)))
		}
	}
	return one(y)
}

// nonZero returns the indices of elements that are not zero, one row for each axis.
func nonZero(c *call) []*Tensor {
	x := c.arg(0)
	var places []int
	for i := range x.Len() {
		if x.at(i) != 0 {
			places = append(places, i)
		}
	}
	own := strides(x.Shape)
	y := New(onnx.Int64, len(x.Shape), len(places))
	for a := range x.Shape {
		for i, p := range places {
			y.Ints[a*len(places)+i] = int64(p / own[a] % x.Shape[a])
		}
	}
	return one(y)
}

func compress(c *call) []*Tensor {
	x, condition := c.arg(0), c.arg(1)
	a := 0
	if c.node.Attr("axis") == nil {
		x = x.reshaped(x.Len())
	} else {
		a = axis(c.int("axis", 0), len(x.Shape))
	}
	var keep []int64
	for i, v := range condition.Ints {
		if v != 0 && i < x.Shape[a] {
			keep = append(keep, int64(i))
		}
	}
	n := onnx.Node{OpType: "Gather", Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(a))}}
	return gather(&call{&n, c.opset, []*Tensor{x, Integers(keep, len(keep))}})
}

func trilu(c *call) []*Tensor {
	x := c.arg(0)
	k := 0
	if c.has(1) {
		k = int(c.in[1].Ints[0])
	}
	upper := c.int("upper", 1) != 0
	h, w := x.Shape[len(x.Shape)-2], x.Shape[len(x.Shape)-1]
	places := make([]int, x.Len())
	for i := range places {
		row, column := i/w%h, i%w
		if places[i] = i; upper && column < row+k || !upper && column > row+k {
			places[i] = -1
		}
	}
	return one(x.pick(x.Shape, places))
}

func reverseSequence(c *call) []*Tensor {
	x, lengths := c.arg(0), c.arg(1)
	timeAxis, batchAxis := c.int("time_axis", 0), c.int("batch_axis", 1)
	own := strides(x.Shape)
	places := make([]int, x.Len())
	for i := range places {
		t, b := i/own[timeAxis]%x.Shape[timeAxis], i/own[batchAxis]%x.Shape[batchAxis]
		places[i] = i
		if n := int(lengths.Ints[b]); t < n {
			places[i] += (n - 1 - 2*t) * own[timeAxis]
		}
	}
	return one(x.pick(x.Shape, places))
}
