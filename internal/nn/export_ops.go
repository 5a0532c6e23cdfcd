package nn

import (
	"fmt"

	"zaq/internal/onnx"
)

// layer writes the nodes of one layer.
func (e *exporter) layer(l *Layer) error {
	if _, ok := l.Op.(FakeQuant); ok {
		e.fakeQuant(l)
		return nil
	}
	if e.isFolded(l) {
		return nil
	}
	if op, ok := l.Op.(ChannelClip); ok {
		e.channelClip(l, op)
		return nil
	}
	if op, ok := l.Op.(Operator); ok {
		return e.operator(l, op)
	}
	in, attrs, err := e.operands(l)
	if err != nil {
		return err
	}
	e.node(l.Name, l.Op.Kind(), in, l.Out, attrs...)
	e.declare(l.Out[0], l.Out[0], onnx.Float)
	return nil
}

// isFolded reports whether l is a clip that went into the bounds of a FakeQuant.
func (e *exporter) isFolded(l *Layer) bool {
	c := e.consumers[l.Out[0]]
	return len(c) == 1 && e.folded[c[0]] == l
}

// operands returns what the node of l reads, constants written on the way, and its attributes.
func (e *exporter) operands(l *Layer) ([]string, []*onnx.Attribute, error) {
	switch op := l.Op.(type) {
	case Conv:
		return e.weighted(l), []*onnx.Attribute{
			onnx.AttrIs("dilations", widen(op.Dilation[:]...)...),
			onnx.AttrI("group", int64(op.Groups)),
			onnx.AttrIs("kernel_shape", widen(op.Kernel[:]...)...),
			onnx.AttrIs("pads", widen(op.Pads[:]...)...),
			onnx.AttrIs("strides", widen(op.Stride[:]...)...),
		}, nil
	case Gemm:
		return e.weighted(l), []*onnx.Attribute{onnx.AttrI("transB", 1)}, nil
	case BatchNorm:
		in := []string{l.In[0]}
		for _, name := range l.In[1:] {
			in = append(in, e.constant(name))
		}
		return in, []*onnx.Attribute{onnx.AttrF("epsilon", op.Epsilon)}, nil
	case LeakyRelu:
		return l.In, []*onnx.Attribute{onnx.AttrF("alpha", op.Alpha)}, nil
	case Clip:
		return e.clip(l, op), nil, nil
	case AveragePool:
		attrs := e.window(l, op.Kernel, op.Stride, [2]int{1, 1}, op.Pads)
		if op.CountIncludePad {
			attrs = append(attrs, onnx.AttrI("count_include_pad", 1))
		}
		return l.In, attrs, nil
	case MaxPool:
		return l.In, e.window(l, op.Kernel, op.Stride, op.Dilation, op.Pads), nil
	case Slice:
		in := []string{l.In[0]}
		for _, p := range []struct {
			name string
			v    []int
		}{{"starts", op.Starts}, {"ends", op.Ends}, {"axes", op.Axes}, {"steps", op.Steps}} {
			in = append(in, e.ints(l.Name+"_"+p.name, onnx.Int64, []int64{int64(len(p.v))}, widen(p.v...)))
		}
		return in, nil, nil
	case Pad:
		in := []string{l.In[0], e.ints(l.Name+"_pads", onnx.Int64, []int64{int64(len(op.Pads))}, widen(op.Pads...))}
		if op.Value != 0 {
			in = append(in, e.floats(l.Name+"_value", nil, []float32{op.Value}))
		}
		if op.Mode != "" {
			return in, []*onnx.Attribute{onnx.AttrS("mode", op.Mode)}, nil
		}
		return in, nil, nil
	case Reshape:
		return []string{l.In[0], e.ints(l.Name+"_shape", onnx.Int64, []int64{int64(len(op.Shape))}, e.target(op.Shape))}, nil, nil
	case Concat:
		return l.In, []*onnx.Attribute{onnx.AttrI("axis", int64(op.Axis))}, nil
	case Relu, Add, GlobalAveragePool, Flatten, Identity:
		return l.In, nil, nil
	}
	return nil, nil, fmt.Errorf("no way to write it")
}

// target returns a shape as Reshape takes it: 0 copies the batch axis, unless the file has it as 1.
func (e *exporter) target(shape []int) []int64 {
	t := widen(shape...)
	if t[0] = 0; e.n.BatchDim == "" {
		t[0] = 1
	}
	return t
}

// window returns the attributes of a pool.
//
// Pads as large as the kernel, which ONNX Runtime refuses, come of ceil_mode and dilations: they are written as such, with the
// least pads behind the input that have a last window begin.
func (e *exporter) window(l *Layer, kernel, stride, dilation [2]int, pads [4]int) []*onnx.Attribute {
	var attrs []*onnx.Attribute
	if pads[2] >= kernel[0] || pads[3] >= kernel[1] {
		x, y := e.n.Input(l, 0).Shape, e.n.Output(l).Shape
		for i := range 2 {
			room := x[i+2] + pads[i] - (kernel[i]-1)*dilation[i] - 1
			pads[i+2] = max(0, (y[i+2]-2)*stride[i]+1-room)
		}
		attrs = append(attrs, onnx.AttrI("ceil_mode", 1))
	}
	attrs = append(attrs,
		onnx.AttrIs("kernel_shape", widen(kernel[:]...)...),
		onnx.AttrIs("pads", widen(pads[:]...)...),
		onnx.AttrIs("strides", widen(stride[:]...)...),
	)
	if dilation != [2]int{1, 1} {
		attrs = append(attrs, onnx.AttrIs("dilations", widen(dilation[:]...)...))
	}
	return attrs
}

// weighted returns the operands of a Conv or Gemm.
func (e *exporter) weighted(l *Layer) []string {
	in := []string{l.In[0], e.weight(l.In[1])}
	if len(l.In) > 2 && l.In[2] != "" {
		in = append(in, e.bias(l))
	}
	return in
}

// clip returns the operands of a Clip; a limit that is none is left out.
func (e *exporter) clip(l *Layer, op Clip) []string {
	in := []string{l.In[0], "", ""}
	if bounded(op.Min) {
		in[1] = e.floats(l.Name+"_min", nil, []float32{op.Min})
	}
	if bounded(op.Max) {
		in[2] = e.floats(l.Name+"_max", nil, []float32{op.Max})
		return in
	}
	return in[:2]
}

// constant writes a float constant once and returns its name; tensors that are computed it returns as
// they are.
func (e *exporter) constant(name string) string {
	v := e.n.Values[name]
	if !v.Const() || e.written[name] != "" {
		return name
	}
	e.written[name] = name
	if v.Data != nil {
		return e.initializer(onnx.NewFloatsOf(name, v.elementType(), dims(v.Shape), v.Data))
	}
	return e.initializer(onnx.NewInts(name, v.elementType(), dims(v.Shape), v.Ints))
}
