package nn

import (
	"fmt"
	"slices"
	"strings"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// Within a network, too, there are stretches with channels last: a linear layer over the pixels of a map is a MatMul there, and
// a mean over height and width one over axes 1 and 2. Those are read with channels first, as what the input has before its
// Transpose is: the MatMul as the 1x1 convolution that it is. Other stretches stay as they are, with their Transposes.

// beginsChannelsLast reports whether n transposes a map to channels last for a MatMul with constant weights or for a mean over its
// pixels, directly or behind operators that work element by element.
func (n *node) beginsChannelsLast() bool {
	if !isTranspose(n.Node, toChannelsLast) || len(n.Inputs) != 1 {
		return false
	}
	if v := n.im.net.Values[n.in(0)]; v == nil || v.Const() || len(v.Shape) != 4 || v.Shape[0] != Batch || v.elementType() != onnx.Float {
		return false
	}
	g := n.im.graph
	fixed, last := make(map[string]bool), map[string]bool{n.Outputs[0]: true}
	for name := range n.im.initializers {
		fixed[name] = true
	}
	wanted := false
	for _, r := range g.Nodes {
		reads := func(of map[string]bool) func(string) bool { return func(t string) bool { return of[t] || t == "" } }
		switch {
		case r.Domain != "" && r.Domain != "ai.onnx":
		case !slices.ContainsFunc(r.Inputs, func(t string) bool { return last[t] }):
			if !slices.ContainsFunc(r.Inputs, func(t string) bool { return !reads(fixed)(t) }) {
				mark(fixed, r.Outputs)
			}
		case r.OpType == "MatMul" && last[r.Inputs[0]] && len(r.Inputs) == 2 && fixed[r.Inputs[1]]:
			wanted = true
			mark(last, r.Outputs)
		case strings.HasPrefix(r.OpType, "Reduce"):
			wanted = wanted || r.OpType == "ReduceMean"
			if a := r.Attr("keepdims"); a == nil || a.Int != 0 {
				mark(last, r.Outputs)
			}
		case elementwise(r) || normalizesPixels(r) || softmaxOfPixels(r, n.im.opset) || r.OpType == "Pad":
			mark(last, r.Outputs)
		}
	}
	return wanted
}

func mark(set map[string]bool, names []string) {
	for _, t := range names {
		set[t] = true
	}
}

// reducesChannelsLast puts the axes of a reduction, counted with channels first, in the place of those of n. ok is false where they are
// not constant, or where what is left of the axes would come in another order.
func (n *node) reducesChannelsLast(in []string) (ok bool, err error) {
	since := int64(18)
	if n.OpType == "ReduceSum" {
		since = 13
	}
	list, given, err := n.list("axes", 1, since)
	if err != nil || !given {
		return false, nil // n's own reader says why
	}
	if list, err = resolveAxes(list, 4); err != nil {
		return false, err
	}
	axes := make([]int64, len(list))
	for i, a := range list {
		axes[i] = toChannelsFirst4[a]
	}
	slices.Sort(axes)
	keeps := n.int("keepdims", 1) != 0
	channels, height, width := slices.Contains(axes, 1), slices.Contains(axes, 2), slices.Contains(axes, 3)
	if !keeps && !channels && height != width {
		return false, nil
	}
	if n.im.opset < since {
		n.Attributes = slices.DeleteFunc(slices.Clone(n.Attributes), func(a *onnx.Attribute) bool { return a.Name == "axes" })
		n.Attributes = append(n.Attributes, onnx.AttrIs("axes", axes...))
		return true, nil
	}
	name := n.im.uniqueName(n.Outputs[0] + "_axes")
	n.im.addConstant(name, operator.Integers(axes, len(axes)))
	n.im.uses[name] = 1
	in[1] = name
	return true, nil
}

// toChannelsFirst4 has, for each axis of [N, H, W, C], its place in [N, C, H, W].
var toChannelsFirst4 = [4]int64{0, 2, 3, 1}

// pixelwise reports whether n is a product of pixels [N, H, W, K] and a constant [K, M].
func (n *node) pixelwise() bool {
	if n.OpType != "MatMul" || len(n.Inputs) != 2 || !n.im.channelsLast[n.Inputs[0]] {
		return false
	}
	x := n.im.net.Values[n.in(0)]
	w, err := n.constant(1)
	return err == nil && w != nil && w.Data != nil && len(w.Shape) == 2 && x != nil && len(x.Shape) == 4 && x.Shape[1] == w.Shape[0]
}

// importPixelwise reads a pixelwise product as a convolution of a single pixel.
func importPixelwise(n *node) error {
	w, err := n.linearWeight(false)
	if err != nil {
		return fmt.Errorf("%v", err) // the input is not what the file says: n cannot stay as it is
	}
	w = n.derived(w, []int{w.Shape[0], w.Shape[1], 1, 1}, w.Data)
	in := []string{n.in(0), w.Name}
	n.im.biasable(n, in)
	return n.emit(Conv{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}, in...)
}
