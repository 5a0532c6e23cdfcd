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

// importResize reads a Resize to sizes as one by scales, where the batch is among the sizes: computed from the input's
// shape, or baked in as 1. Scales leave the batch alone, whatever it is, and are constants that the engine can look at.
func importResize(n *node) error {
	if n.im.opset < 11 || n.in(3) == "" || n.Attr("axes") != nil || n.text("keep_aspect_ratio_policy", "stretch") != "stretch" ||
		n.text("coordinate_transformation_mode", "") == "tf_crop_and_resize" {
		return n.unsupported("")
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	sizes, _, err := n.symbolic(3)
	if err != nil {
		return err
	}
	if len(sizes) != len(x) || len(x) == 0 || x[0] != Batch || slices.Contains(x[1:], Batch) || slices.Contains(sizes[1:], symbolicBatch) {
		return n.unsupported("")
	}
	if sizes[0] != symbolicBatch && !(sizes[0] == 1 && n.im.bakedBatch) {
		return n.unsupported("")
	}
	scales := make([]float32, len(x))
	scales[0] = 1
	for a := 1; a < len(x); a++ {
		if sizes[a] < 1 || sizes[a] > maxSide { // there is a list for each pixel of an axis
			return n.unsupported("to %v", printable(sizes))
		}
		scales[a] = scaleTo(x[a], int(sizes[a]))
	}
	in := []*operator.Tensor{nil, nil, operator.Floats(scales, len(scales))}
	byScales, err := operator.Taps(n.Node, n.im.opset, withBatch(x, 1), in)
	if err != nil {
		return n.unsupported("%v", err)
	}
	sizes[0] = 1
	bySizes, err := operator.Taps(n.Node, n.im.opset, withBatch(x, 1), []*operator.Tensor{nil, nil, nil, operator.Integers(sizes, len(sizes))})
	if err == nil {
		err = sameTaps(byScales, bySizes)
	}
	if err != nil {
		return n.unsupported("%v", err)
	}
	name := n.im.uniqueName(n.Outputs[0] + "_scales")
	n.im.addConstant(name, in[2])
	scaled := *n.Node
	scaled.Inputs = []string{n.Inputs[0], n.Inputs[1], name}
	return (&node{Node: &scaled, im: n.im, name: n.name}).anyOperator(nil)
}

// scaleTo returns the scale that makes to of from elements, in any precision. Their ratio, rounded, may fall short of it.
func scaleTo(from, to int) float32 {
	scale := float32(to) / float32(from)
	if float64(from)*float64(scale) < float64(to) {
		scale = math.Nextafter32(scale, math.MaxFloat32)
	}
	return scale
}

// sameTaps reports where two ways to resize differ by more than rounding.
func sameTaps(a, b [][][]operator.Tap) error {
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
			return errors.New("no scales make its sizes")
		}
	}
	return nil
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
