package nn

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// pool is what AveragePool and MaxPool have in common.
type pool struct {
	kernel, stride, dilation [2]int
	pads                     [4]int
	past                     [4]int // of pads, what is none: how far ceil_mode's last windows reach past the padding
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
	if p.dilation, err = n.pair("dilations", [2]int{1, 1}); err != nil {
		return p, err
	}
	// ONNX Runtime pads windows that are dilated by auto_pad as if they were not: there are fewer then.
	if p.pads, err = n.pads(x, p.kernel, p.stride, [2]int{1, 1}); err != nil {
		return p, err
	}
	if _, err := poolShape(x, p.kernel, p.stride, p.dilation, p.pads); err != nil {
		return p, err
	}
	if max(p.pads[0], p.pads[2]) >= p.kernel[0] || max(p.pads[1], p.pads[3]) >= p.kernel[1] { // ONNX Runtime takes no others
		return p, fmt.Errorf("pads %v reach past kernel %v", p.pads, p.kernel)
	}
	if n.int("ceil_mode", 0) == 0 {
		return p, nil
	}
	for i := range 2 {
		room := x[i+2] + p.pads[i] + p.pads[i+2] - (p.kernel[i]-1)*p.dilation[i] - 1
		more := (p.stride[i] - room%p.stride[i]) % p.stride[i]
		lastStart := room + more
		if more > 0 && lastStart < x[i+2]+p.pads[i] { // a window inside the padding alone is left out
			p.pads[i+2] += more
			p.past[i+2] = more
		}
	}
	return p, nil
}

func importMaxPool(n *node) error {
	p, err := n.pool()
	if err != nil {
		return err
	}
	in := n.takePadding(&p)
	return n.emit(MaxPool{p.kernel, p.stride, p.dilation, p.pads}, in)
}

// importAveragePool reads an average. Padding that counts is made of zeros, elements like any, where not all of it counts.
func importAveragePool(n *node) error {
	p, err := n.pool()
	if err != nil {
		return err
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if p.kernel == [2]int(x[2:]) && p.pads == [4]int{} && p.dilation == [2]int{1, 1} {
		return n.emit(GlobalAveragePool{}, n.inputs(1)...)
	}
	in, includePad := n.in(0), n.int("count_include_pad", 0) != 0 && p.pads != [4]int{}
	if includePad && (p.past != [4]int{} || p.dilation != [2]int{1, 1}) { // what lies past the padding does not count
		zeros := Pad{Pads: make([]int, 8)}
		for i := range 2 {
			zeros.Pads[2+i], zeros.Pads[6+i] = p.pads[i], p.pads[2+i]-p.past[2+i]
		}
		if p.pads, includePad = p.past, false; slices.Max(zeros.Pads) > 0 {
			if in, err = n.before(zeros, in); err != nil {
				return err
			}
		}
	}
	for i := range 2 {
		if p.dilation[i] > 1 {
			if in, err = n.gatherWindows(&p, i, in); err != nil {
				return err
			}
		}
	}
	return n.emit(AveragePool{p.kernel, p.stride, p.pads, includePad}, in)
}

// gatherWindows lays the elements of windows that are dilated along height (0) or width (1) of a map side by side, and has p be the
// windows that then are. ONNX Runtime has no integer kernel for dilated averages, and loads no file that has one between quantizers.
func (n *node) gatherWindows(p *pool, i int, in string) (string, error) {
	if p.pads[i]+p.pads[2+i] > 0 {
		return "", n.unsupported("dilations %v with padding that does not count", p.dilation)
	}
	var indices []int64
	for at := 0; at+(p.kernel[i]-1)*p.dilation[i] < n.im.net.Values[in].Shape[2+i]; at += p.stride[i] {
		for k := range p.kernel[i] {
			indices = append(indices, int64(at+k*p.dilation[i]))
		}
	}
	name := n.im.uniqueName(n.Outputs[0] + "_indices")
	n.im.addConstant(name, operator.Integers(indices, len(indices)))
	p.stride[i], p.dilation[i] = p.kernel[i], 1
	gather := Operator{Type: "Gather", Opset: n.im.opsets[""], Attributes: []*onnx.Attribute{onnx.AttrI("axis", int64(2+i))}}
	return n.before(gather, in, name)
}

// before adds a layer in front of the one that n is and returns the name of what it makes.
func (n *node) before(op Op, in ...string) (string, error) {
	l := &Layer{
		Name: n.im.freeNodeName(n.name + "_" + op.Kind()), Op: op, In: in,
		Out: []string{n.im.uniqueName(n.Outputs[0] + "_" + op.Kind())},
	}
	if err := n.im.net.inferShape(l); err != nil {
		return "", err
	}
	n.im.net.Layers = append(n.im.net.Layers, l)
	return l.Out[0], nil
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
	return n.emit(MaxPool{Kernel: [2]int(x[2:]), Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}, n.in(0))
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
