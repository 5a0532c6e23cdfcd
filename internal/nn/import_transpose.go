package nn

import (
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

// importConvTranspose reads a ConvTranspose of stride s as what it computes: pixel s*q+r of the output, less the padding, is a
// sum over the pixels of the input around q and every s-th element of the kernel from r on. So a convolution with a set of output channels
// for each of the s*s phases r, which DepthToSpace lays side by side, and a Slice that takes the padding away. Of these the convolution has
// integer kernels in runtimes, where ConvTranspose has none. Height and width have strides of their own; where these differ, there is no
// DepthToSpace, and a Transpose between two Reshapes does what it does.
func importConvTranspose(n *node) error {
	w, err := n.weight(1)
	if err != nil {
		return err
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if len(w.Shape) != 4 || len(x) != 4 {
		return n.unsupported("weight %q has shape %v, only two spatial axes are supported", w.Name, w.Shape)
	}
	if w.Quant != nil {
		return n.unsupported("its weight %q is quantized", w.Name)
	}
	t := transposed{groups: n.int("group", 1), in: w.Shape[0], perGroup: w.Shape[1], kernel: [2]int{w.Shape[2], w.Shape[3]}}
	if t.stride, err = n.pair("strides", [2]int{1, 1}); err != nil {
		return err
	}
	dilation, err := n.pair("dilations", [2]int{1, 1})
	if err != nil {
		return err
	}
	out := t.perGroup * t.groups
	switch {
	case t.stride[0] < 1 || t.stride[1] < 1:
		return n.unsupported("strides are %v", t.stride)
	case t.kernel[0] < 1 || t.kernel[1] < 1:
		return n.unsupported("weight %q has shape %v", w.Name, w.Shape)
	case dilation[0] < 1 || dilation[1] < 1:
		return n.unsupported("dilations are %v", dilation)
	case t.groups < 1 || t.in != x[1] || t.in%t.groups != 0:
		return n.unsupported("weight %q of shape %v in %d groups for an input of shape %v", w.Name, w.Shape, t.groups, x)
	}
	var bias *Value
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		if bias, err = n.weight(2); err != nil {
			return err
		}
		if len(bias.Data) != out || bias.Quant != nil {
			return n.unsupported("bias %q has shape %v for %d channels", bias.Name, bias.Shape, out)
		}
	}

	pixels, before, err := operator.Transposed(n.Node, x[2:], w.Shape[2:])
	if err != nil {
		return n.unsupported("%v", err)
	}
	if pixels[0] < 1 || pixels[1] < 1 || before[0] < 0 || before[1] < 0 {
		return n.unsupported("makes %v pixels, from %v on", pixels, before)
	}

	data, apart := w.Data, [2]int{1, 1}
	for i := range 2 {
		if t.stride[i] > 1 { // a phase has some elements of the kernel, and zeros from between them
			t.kernel[i] = (t.kernel[i]-1)*dilation[i] + 1
			apart[i], dilation[i] = dilation[i], 1
		}
	}
	if apart != [2]int{1, 1} {
		if c := size([]int{t.in, t.perGroup, t.kernel[0], t.kernel[1]}); c > mostWeights(w) {
			return n.unsupported("dilations of %v make %d weights of %d", apart, c, len(w.Data))
		}
		data = dilated(w, apart, t.kernel)
	}
	conv := Conv{Stride: [2]int{1, 1}, Dilation: dilation, Groups: t.groups}
	for i := range 2 {
		taps := (t.kernel[i] + t.stride[i] - 1) / t.stride[i]
		reach := (taps - 1) * dilation[i]
		conv.Kernel[i], conv.Pads[i] = taps, reach
		if t.stride[i] == 1 && before[i] <= reach { // a convolution can leave out what it is told not to pad
			conv.Pads[i], before[i] = reach-before[i], 0
		}
		wide := (pixels[i] + before[i] + t.stride[i] - 1) / t.stride[i] // pixels of each phase
		conv.Pads[2+i] = max(0, wide-x[2+i]-conv.Pads[i]+reach)
	}
	// Phases in which no element of the kernel lies take memory, too.
	if c := size([]int{out, t.stride[0], t.stride[1], t.in / t.groups, conv.Kernel[0], conv.Kernel[1]}); c > mostWeights(w) {
		return n.unsupported("strides of %v make %d weights of %d", t.stride, c, len(w.Data))
	}
	in := []string{n.in(0), n.derived(w, []int{out * t.count(), t.in / t.groups, conv.Kernel[0], conv.Kernel[1]}, t.weights(data, conv.Kernel)).Name}
	if bias != nil {
		in = append(in, n.derived(bias, []int{out * t.count()}, t.phases(bias.Data)).Name)
	}
	var wide [2]int // pixels of each phase
	for i := range 2 {
		wide[i] = x[2+i] + conv.Pads[i] + conv.Pads[2+i] - (conv.Kernel[i]-1)*dilation[i]
	}
	layers := append([]Op{conv}, t.interleave(x[0], wide, n.im.opsets[""])...)
	if before[0] > 0 || before[1] > 0 || wide[0]*t.stride[0] != pixels[0] || wide[1]*t.stride[1] != pixels[1] {
		layers = append(layers, Slice{before, []int{before[0] + pixels[0], before[1] + pixels[1]}, []int{2, 3}, []int{1, 1}})
	}
	n.im.biasable(n, in)
	first := len(n.im.net.Layers)
	if err := n.chain(layers, in); err != nil {
		return err
	}
	if len(layers) > 1 {
		n.im.phased[n.Outputs[0]] = &phased{t, slices.Clone(n.im.net.Layers[first:])}
	}
	return nil
}

// mostWeights is how many weights may be made of w: dilations and strides are but numbers in a file.
func mostWeights(w *Value) int { return 16*len(w.Data) + 1<<20 }

// dilated returns the elements of w with zeros between them, for a kernel of a size.
func dilated(w *Value, by, kernel [2]int) []float32 {
	height, width := w.Shape[2], w.Shape[3]
	data := make([]float32, w.Shape[0]*w.Shape[1]*kernel[0]*kernel[1])
	for i, v := range w.Data {
		plane, y, x := i/(height*width), i/width%height, i%width
		data[(plane*kernel[0]+y*by[0])*kernel[1]+x*by[1]] = v
	}
	return data
}

// chain adds layers one behind the other, the first of which reads in, and the last makes n's output.
func (n *node) chain(ops []Op, in []string) error {
	for i, op := range ops {
		l := &Layer{Name: n.name, Op: op, In: in, Out: []string{n.Outputs[0]}}
		if i > 0 {
			l.Name = n.im.freeNodeName(n.name + "_" + op.Kind())
		}
		if i < len(ops)-1 {
			l.Out = []string{n.im.uniqueName(n.Outputs[0] + "_" + ops[i+1].Kind() + "_Input")}
		}
		if err := n.add(l); err != nil {
			return err
		}
		in = slices.Clone(l.Out)
	}
	return nil
}

// transposed are the sizes of a ConvTranspose.
type transposed struct {
	groups, in, perGroup int
	stride, kernel       [2]int
}

// count is the number of phases.
func (t *transposed) count() int { return t.stride[0] * t.stride[1] }

// apart reports whether the channels of a phase are together, as DepthToSpace has always read them. The channels of a group must be.
func (t *transposed) apart() bool { return t.groups == 1 && t.stride[0] == t.stride[1] }

// channel is the output channel of the convolution for channel o in the phase (row, column).
func (t *transposed) channel(o, row, column int) int {
	phase := row*t.stride[1] + column
	if t.apart() {
		return phase*t.perGroup + o
	}
	return o*t.count() + phase
}

// interleave returns the layers that lay phases of a size side by side.
func (t *transposed) interleave(batch int, wide [2]int, opset int64) []Op {
	rows, columns, channels := t.stride[0], t.stride[1], t.perGroup*t.groups
	if t.count() == 1 {
		return nil
	}
	if rows == columns {
		attributes := []*onnx.Attribute{onnx.AttrI("blocksize", int64(rows))}
		if !t.apart() {
			attributes = append(attributes, onnx.AttrS("mode", "CRD"))
		}
		return []Op{Operator{Type: "DepthToSpace", Opset: max(11, opset), Attributes: attributes}}
	}
	return []Op{
		Reshape{[]int{batch, channels, rows, columns, wide[0], wide[1]}},
		Operator{Type: "Transpose", Opset: opset, Attributes: []*onnx.Attribute{onnx.AttrIs("perm", 0, 1, 4, 2, 5, 3)}},
		Reshape{[]int{batch, channels, wide[0] * rows, wide[1] * columns}},
	}
}

// weights returns the convolution's: [channels, in/groups, taps]; tap m of phase r is element r+s*m of the kernel, from the last
// to the first.
func (t *transposed) weights(w []float32, taps [2]int) []float32 {
	s, inGroup := t.stride, t.in/t.groups
	c := make([]float32, t.perGroup*t.groups*t.count()*inGroup*taps[0]*taps[1])
	for i := range t.in {
		for o := range t.perGroup {
			for ky := range t.kernel[0] {
				for kx := range t.kernel[1] {
					channel := t.channel(i/inGroup*t.perGroup+o, ky%s[0], kx%s[1])
					at := ((channel*inGroup+i%inGroup)*taps[0]+taps[0]-1-ky/s[0])*taps[1] + taps[1] - 1 - kx/s[1]
					c[at] = w[((i*t.perGroup+o)*t.kernel[0]+ky)*t.kernel[1]+kx]
				}
			}
		}
	}
	return c
}

// phases repeats what is there once for each output channel.
func (t *transposed) phases(b []float32) []float32 {
	p := make([]float32, len(b)*t.count())
	for o, v := range b {
		for phase := range t.count() {
			p[t.channel(o, phase/t.stride[1], phase%t.stride[1])] = v
		}
	}
	return p
}
