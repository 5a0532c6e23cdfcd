package nn

import (
	"fmt"
	"slices"
)

// pool is what AveragePool and MaxPool have in common.
type pool struct {
	kernel, stride [2]int
	pads           [4]int
	ceil           int // how far ceil_mode's last windows reach past the padding
}

// pool reads the attributes of a sliding window. With ceil_mode a last window may reach past the padding;
// pads are then widened so that rounding down gives as many.
func (n *node) pool() (p pool, err error) {
	x, err := n.shape(0)
	if err != nil {
		return p, err
	}
	if n.Attr("kernel_shape") == nil {
		return p, fmt.Errorf("has no kernel_shape")
	}
	if p.kernel, err = n.pair("kernel_shape", p.kernel); err != nil {
		return p, err
	}
	if p.stride, err = n.pair("strides", [2]int{1, 1}); err != nil {
		return p, err
	}
	one := [2]int{1, 1}
	if dilation, err := n.pair("dilations", one); err != nil {
		return p, err
	} else if dilation != one {
		return p, n.unsupported("dilations %v", dilation)
	}
	if p.pads, err = n.pads(x, p.kernel, p.stride, one); err != nil {
		return p, err
	}
	if _, err := poolShape(x, p.kernel, p.stride, p.pads); err != nil {
		return p, err
	}
	if n.int("ceil_mode", 0) == 0 || n.text("auto_pad", "NOTSET") != "NOTSET" {
		return p, nil
	}
	for i := range 2 {
		room := x[i+2] + p.pads[i] + p.pads[i+2] - p.kernel[i]
		more := (p.stride[i] - room%p.stride[i]) % p.stride[i]
		lastStart := room + more
		if more > 0 && lastStart < x[i+2]+p.pads[i] { // a window inside the padding alone is left out
			p.pads[i+2] += more
			p.ceil += more
		}
	}
	return p, nil
}

func importMaxPool(n *node) error {
	p, err := n.pool()
	if err != nil {
		return err
	}
	return n.emit(MaxPool{p.kernel, p.stride, p.pads}, n.inputs(1)...)
}

func importAveragePool(n *node) error {
	p, err := n.pool()
	if err != nil {
		return err
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if p.kernel == [2]int(x[2:]) && p.pads == [4]int{} {
		return n.emit(GlobalAveragePool{}, n.inputs(1)...)
	}
	includePad := n.int("count_include_pad", 0) != 0
	if includePad && p.ceil > 0 {
		return n.unsupported("ceil_mode together with count_include_pad")
	}
	return n.emit(AveragePool{p.kernel, p.stride, p.pads, includePad && p.pads != [4]int{}}, n.inputs(1)...)
}

// importGlobalMaxPool reads the maximum over the whole plane.
func importGlobalMaxPool(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if len(x) != 4 {
		return n.unsupported("input has shape %v, only [N,C,H,W] is supported", x)
	}
	return n.emit(MaxPool{Kernel: [2]int(x[2:]), Stride: [2]int{1, 1}}, n.in(0))
}

func importGlobalAveragePool(n *node) error { return n.emit(GlobalAveragePool{}, n.inputs(1)...) }

// importReduceMean reads the mean over height and width, which is GlobalAveragePool and, without keepdims,
// a Flatten. The axes are an input since opset 18.
func importReduceMean(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	axes, ok, err := n.list("axes", 1, 18)
	if err != nil {
		return err
	}
	if axes, err = resolveAxes(axes, len(x)); err != nil {
		return err
	}
	slices.Sort(axes)
	if !ok || len(x) != 4 || !slices.Equal(axes, []int{2, 3}) {
		return n.unsupported("over axes %v of %v, only height and width of [N,C,H,W] are supported", axes, x)
	}
	if n.int("keepdims", 1) != 0 {
		return n.emit(GlobalAveragePool{}, n.in(0))
	}
	mean := n.im.uniqueName(n.Outputs[0] + "_keepdims")
	if err := n.add(&Layer{Name: n.name + "_mean", Op: GlobalAveragePool{}, In: []string{n.in(0)}, Out: []string{mean}}); err != nil {
		return err
	}
	return n.emit(Flatten{}, mean)
}

// resolveAxes returns axes with those counted from the end counted from the start.
func resolveAxes(axes []int, rank int) ([]int, error) {
	resolved := make([]int, len(axes))
	for i, a := range axes {
		resolved[i] = a
		if a < 0 {
			resolved[i] += rank
		}
		if resolved[i] < 0 || resolved[i] >= rank {
			return nil, fmt.Errorf("axis %d is outside %d axes", a, rank)
		}
		if slices.Contains(resolved[:i], resolved[i]) {
			return nil, fmt.Errorf("axis %d is there twice", a)
		}
	}
	return resolved, nil
}
