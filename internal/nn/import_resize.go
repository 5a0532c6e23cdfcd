package nn

import (
	"errors"
	"math"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// maxSide bounds the sizes of an axis that two ways to say them are compared for.
const maxSide = 1 << 16

// importResize reads a Resize that gives sizes, or speaks of some axes only, as one by scales of all axes. Scales leave the
// batch alone, whatever it is, where sizes name it: computed from the input's shape, or baked in as 1. They are constants that
// the engine can look at. And ONNX Runtime, when it moves the channels of a quantized network behind the other axes, puts
// scales in their new order but not what goes with a list of axes: a file that has one does not run.
func importResize(n *node) error {
	some := n.im.opset >= 18 && n.Attr("axes") != nil
	if n.im.opset < 11 || n.in(3) == "" && !some {
		return n.unsupported("")
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	byScales, scales, err := n.resizeByScales(x)
	var unsupported *UnsupportedError
	var noScales *noScalesError
	switch {
	case errors.As(err, &noScales) && n.text("mode", "nearest") == "nearest":
		return n.gathered(noScales.taps)
	case errors.As(err, &noScales):
		err = n.unsupported("%v", err)
	}
	switch {
	case errors.As(err, &unsupported) && some: // as it is it would be a file that does not run
		return n.anyOperator(n.unsupported("axes %v: %s", n.Attr("axes").Ints, unsupported.Reason))
	case err != nil:
		return err
	}
	name := n.im.uniqueName(n.Outputs[0] + "_scales")
	n.im.addConstant(name, scales)
	byScales.Inputs = []string{n.Inputs[0], "", name}
	return (&node{Node: byScales, im: n.im, name: n.name}).anyOperator(nil)
}

// resizeByScales returns a Resize that does to x what n does, and the scales that it does so by.
func (n *node) resizeByScales(x []int) (*onnx.Node, *operator.Tensor, error) {
	if n.text("coordinate_transformation_mode", "") == "tf_crop_and_resize" {
		return nil, nil, n.unsupported("cuts a region out")
	}
	if len(x) == 0 || x[0] != Batch || slices.Contains(x[1:], Batch) {
		return nil, nil, n.unsupported("of %v", x)
	}
	in := make([]*operator.Tensor, 4)
	if n.in(3) != "" {
		sizes, err := n.resizeSizes(x)
		if err != nil {
			return nil, nil, err
		}
		in[3] = operator.Integers(sizes, len(sizes))
	} else {
		scales, err := n.weight(2)
		if err != nil {
			return nil, nil, err
		}
		in[2] = scales.tensor()
	}
	one := withBatch(x, 1)
	scale, out, err := operator.Resized(n.Node, n.im.opset, one, in)
	if err != nil {
		return nil, nil, n.unsupported("%v", err)
	}
	scales := make([]float32, len(x))
	for a := range scales {
		if out[a] < 1 || out[a] > maxSide { // there is a list for each pixel of an axis
			return nil, nil, n.unsupported("to %v", out)
		}
		scales[a] = scaleTo(one[a], out[a], float32(scale[a]))
	}
	by := *n.Node
	by.Attributes = slices.DeleteFunc(slices.Clone(n.Attributes), func(a *onnx.Attribute) bool {
		return a.Name == "axes" || a.Name == "keep_aspect_ratio_policy"
	})
	all := operator.Floats(scales, len(scales))
	taps, err := operator.Taps(n.Node, n.im.opset, one, in)
	if err != nil {
		return nil, nil, n.unsupported("%v", err)
	}
	byScales, err := operator.Taps(&by, n.im.opset, one, []*operator.Tensor{nil, nil, all, nil})
	if err != nil || scales[0] != 1 || len(taps[0]) > 0 {
		return nil, nil, n.unsupported("resizes the batch")
	}
	if !sameTaps(byScales, taps) {
		return nil, nil, &noScalesError{taps}
	}
	return &by, all, nil
}

// noScalesError says of sizes that no scales in float32 make them. Taps are where each element comes from.
type noScalesError struct{ taps [][][]operator.Tap }

func (e *noScalesError) Error() string { return "no scales make its sizes" }

// gathered reads a nearest Resize as what it does: it takes rows, then columns.
func (n *node) gathered(taps [][][]operator.Tap) error {
	from := n.in(0)
	var axes []int
	for axis := range taps {
		if len(taps[axis]) > 0 {
			axes = append(axes, axis)
		}
	}
	for i, axis := range axes {
		var list []int64
		for _, t := range taps[axis] {
			if len(t) != 1 {
				return n.unsupported("no scales make its sizes")
			}
			list = append(list, int64(t[0].At))
		}
		gather := &node{Node: &onnx.Node{OpType: "Gather", Outputs: n.Outputs, Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(axis))}}, im: n.im, name: n.name}
		if i < len(axes)-1 {
			gather.Node.Outputs = []string{n.im.uniqueName(n.Outputs[0] + "_taken")}
			gather.name = n.im.freeNodeName(n.name + "_taken")
			n.im.uses[gather.Node.Outputs[0]] = 1
		}
		indices := n.im.uniqueName(gather.Node.Outputs[0] + "_indices")
		n.im.addConstant(indices, operator.Integers(list, len(list)))
		gather.Node.Inputs = []string{from, indices}
		if err := gather.anyOperator(nil); err != nil {
			return err
		}
		from = gather.Node.Outputs[0]
	}
	return nil
}

// resizeSizes returns the sizes that n, of x, resizes to: those of one image, where the batch is among them.
func (n *node) resizeSizes(x []int) ([]int64, error) {
	sizes, _, err := n.symbolic(3)
	if err != nil {
		return nil, err
	}
	axes := make([]int, len(x))
	for a := range axes {
		axes[a] = a
	}
	if a := n.Attr("axes"); a != nil && n.im.opset >= 18 {
		axes = axes[:0]
		for _, v := range a.Ints {
			axes = append(axes, saturate(v))
		}
		if axes, err = resolveAxes(axes, len(x)); err != nil {
			return nil, err
		}
	}
	if len(sizes) != len(axes) {
		return nil, n.unsupported("%d sizes for %d axes", len(sizes), len(axes))
	}
	sizes = slices.Clone(sizes)
	for i, a := range axes {
		switch {
		case a == 0 && (sizes[i] == symbolicBatch || sizes[i] == 1 && n.im.bakedBatch):
			sizes[i] = 1
		case a == 0 || sizes[i] < 1 || sizes[i] > maxSide:
			return nil, n.unsupported("to %v", printable(sizes))
		}
	}
	return sizes, nil
}

// scaleTo returns a scale, or the one above, that makes to of from elements in any precision. A ratio of sizes, rounded, may
// fall short of that.
func scaleTo(from, to int, scale float32) float32 {
	if float64(from)*float64(scale) < float64(to) {
		scale = math.Nextafter32(scale, math.MaxFloat32)
	}
	return scale
}

// sameTaps reports whether two ways to resize differ by no more than rounding.
func sameTaps(a, b [][][]operator.Tap) bool {
	const rounding = 1e-5
	heavy := func(taps []operator.Tap) (heavy []operator.Tap) {
		for _, t := range taps {
			if math.Abs(float64(t.Weight)) > rounding {
				heavy = append(heavy, t)
			}
		}
		return heavy
	}
	for axis := range a {
		same := slices.EqualFunc(a[axis], b[axis], func(s, t []operator.Tap) bool {
			return slices.EqualFunc(heavy(s), heavy(t), func(s, t operator.Tap) bool {
				return s.At == t.At && math.Abs(float64(s.Weight-t.Weight)) < rounding
			})
		})
		if !same {
			return false
		}
	}
	return true
}

// importExpand reads an Expand to as many images as its input has as one that leaves their number alone.
func importExpand(n *node) error {
	if n.im.batched[n.in(1)] == nil {
		return n.unsupported("")
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	target, _, err := n.symbolic(1)
	if err != nil {
		return err
	}
	if len(target) != len(x) || len(x) == 0 || x[0] != Batch || target[0] != symbolicBatch || slices.Contains(target[1:], symbolicBatch) {
		return n.unsupported("")
	}
	target = slices.Clone(target)
	target[0] = 1
	name := n.im.uniqueName(n.Outputs[0] + "_shape")
	n.im.addConstant(name, &operator.Tensor{Type: onnx.Int64, Shape: []int{len(target)}, Ints: target})
	expanded := *n.Node
	expanded.Inputs = []string{n.Inputs[0], name}
	return (&node{Node: &expanded, im: n.im, name: n.name}).anyOperator(nil)
}
