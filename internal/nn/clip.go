package nn

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// ChannelClip limits each channel to a range of its own: what is left of a ReLU6 whose channels were scaled. A file has
// Max and Min with a constant for each channel, of integers where the clip lies in front of a quantizer: a convolution
// and its QuantizeLinear are then neighbours, and so one integer kernel.
type ChannelClip struct{ Min, Max []float32 }

// Kind is the name of the operator, which ONNX does not have.
func (ChannelClip) Kind() string { return "ChannelClip" }

// levels returns the limits as integers of a grid for the whole tensor.
func (c ChannelClip) levels(q *quant.Quantizer) (lo, hi []int32) {
	for i := range c.Min {
		lo, hi = append(lo, q.Quantize(c.Min[i], 0)), append(hi, q.Quantize(c.Max[i], 0))
	}
	return lo, hi
}

// channelClip writes a clip of real values.
func (e *exporter) channelClip(l *Layer, op ChannelClip) {
	d := channelShape(e.n.Output(l).Shape)
	in := l.In[0]
	limit := func(kind, what string, v []float32, out string) {
		e.node(e.nodeName(l.Name+"_"+what), kind, []string{in, e.floats(l.Name+"_"+what, d, v)}, []string{out})
		e.declare(out, l.Out[0], onnx.Float)
		in = out
	}
	if slices.ContainsFunc(op.Min, bounded) {
		out := l.Out[0]
		if slices.ContainsFunc(op.Max, bounded) {
			out = e.tensor(l.Out[0] + "_above")
		}
		limit("Max", "min", op.Min, out)
	}
	if slices.ContainsFunc(op.Max, bounded) || in == l.In[0] {
		limit("Min", "max", op.Max, l.Out[0])
	}
}

// integerClip writes a clip of the integers of a quantized tensor t and returns its result; one that the grid's own bounds
// do not need is left out.
func (e *exporter) integerClip(t, like, in string, q *quant.Quantizer, typ onnx.DataType, op ChannelClip) string {
	d := channelShape(e.n.Values[like].Shape)
	lo, hi := op.levels(q)
	_, least, most := storage(q)
	for _, f := range []struct {
		kind, what string
		levels     []int32
		none       int32
	}{{"Max", "lowest", lo, least}, {"Min", "highest", hi, most}} {
		if !slices.ContainsFunc(f.levels, func(v int32) bool { return v != f.none }) {
			continue
		}
		out := e.tensor(t + "_" + f.kind + "_Output")
		e.node(e.nodeName(t+"_"+f.kind), f.kind, []string{in, e.ints(t+"_"+f.what, typ, d, widen(f.levels...))}, []string{out})
		e.declare(out, like, typ)
		in = out
	}
	return in
}

// channelShape is that of a constant with an element for each channel of a tensor, which is repeated along the other axes.
func channelShape(shape []int) []int64 {
	d := make([]int64, len(shape))
	for i := range d {
		d[i] = 1
	}
	d[1] = int64(shape[1])
	return d
}

// importChannelLimit reads a Max or Min with a constant for each channel.
func importChannelLimit(n *node) error {
	if len(n.Inputs) == 1 {
		return importSum(n)
	}
	if len(n.Inputs) != 2 {
		return n.unsupported("of %d tensors", len(n.Inputs))
	}
	lower := n.OpType == "Max"
	if t, ok := n.im.integers[n.in(0)]; ok {
		return n.integerLimit(t, lower)
	}
	c, err := n.constant(1)
	if err != nil {
		return err
	}
	shape, err := n.shape(0)
	if err != nil {
		return err
	}
	if c == nil || c.Data == nil || !channelwise(c.Shape, shape) {
		return n.unsupported("of anything but a tensor and a constant for each of its channels")
	}
	if err := checkLimits(c, n.OpType); err != nil {
		return err
	}
	op := ChannelClip{slices.Repeat([]float32{-math.MaxFloat32}, shape[1]), slices.Repeat([]float32{math.MaxFloat32}, shape[1])}
	if lower {
		copy(op.Min, c.Data)
	} else {
		copy(op.Max, c.Data)
	}
	return n.emit(op, n.in(0))
}

// channelwise reports whether a constant has one element for each channel of a tensor.
func channelwise(constant, tensor []int) bool {
	if len(tensor) < 2 || len(constant) != len(tensor) && len(constant) != len(tensor)-1 {
		return false
	}
	at := len(constant) - len(tensor) + 1 // the channel axis of the constant
	for i, d := range constant {
		if i != at && d != 1 || i == at && d != tensor[1] {
			return false
		}
	}
	return true
}

// integerLimit narrows each channel of a quantized tensor.
func (n *node) integerLimit(t integerTensor, lower bool) error {
	c, err := n.constant(1)
	if err != nil {
		return err
	}
	shape := n.im.net.Values[t.source].Shape
	if c == nil || c.Ints == nil || n.im.types[c.Name] != t.typ || !channelwise(c.Shape, shape) {
		return fmt.Errorf("limit %q is not one %v for each channel", n.in(1), t.typ)
	}
	if lower {
		t.lowest = c.Ints
	} else {
		t.highest = c.Ints
	}
	n.im.integers[n.Outputs[0]] = t
	return nil
}

// clipChannels adds the clip that limits for the channels of a quantized tensor are, in front of its quantizer, and
// returns what that is to read.
func (n *node) clipChannels(t integerTensor, q *quant.Quantizer) (string, error) {
	if t.lowest == nil && t.highest == nil {
		return t.source, nil
	}
	if len(q.Scale) != 1 {
		return "", n.unsupported("limits and scales for each channel")
	}
	source := n.im.net.Values[t.source]
	channels := source.Shape[1]
	op := ChannelClip{slices.Repeat([]float32{-math.MaxFloat32}, channels), slices.Repeat([]float32{math.MaxFloat32}, channels)}
	for c, v := range t.lowest {
		op.Min[c] = q.Dequantize(int32(v), 0)
	}
	for c, v := range t.highest {
		op.Max[c] = q.Dequantize(int32(v), 0)
	}
	out := n.im.net.uniqueName(t.source + "_clipped")
	return out, n.add(&Layer{Name: t.node + "_clip", Op: op, In: []string{t.source}, Out: []string{out}})
}
