package nn

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// maxBias is the largest int32 bias, half of what the accumulator holds: the sum of products needs room
// as well.
const maxBias = 1 << 30

// storage returns the 8-bit type of a grid's integers.
func storage(q *quant.Quantizer) (t onnx.DataType, least, most int32) {
	if q.Signed {
		return onnx.Int8, math.MinInt8, math.MaxInt8
	}
	return onnx.Uint8, 0, math.MaxUint8
}

// fakeQuant writes a FakeQuant of t: QuantizeLinear, Clip where the grid has fewer levels than its storage,
// DequantizeLinear. Tensors that share a quantizer share its constants, named after the first.
func (e *exporter) fakeQuant(l *Layer) {
	f := l.Op.(FakeQuant)
	q := f.Q
	in, t := l.In[0], baseName(l.Out[0])
	if clip := e.folded[l]; clip != nil {
		in = clip.In[0]
		if c, ok := clip.Op.(Clip); ok {
			q = tighten(q, c)
		}
	}
	typ, least, most := storage(q)
	grid, ok := e.shared[f.Q]
	if !ok {
		grid.scale, grid.zero = e.grid(t, q)
		e.shared[f.Q] = grid
	}
	var axis []*onnx.Attribute
	if q.PerChannel {
		axis = []*onnx.Attribute{onnx.AttrI("axis", 1)}
	}

	integers := e.tensor(t + "_QuantizeLinear_Output")
	e.node(e.quantizerName(l, t+"_QuantizeLinear"), "QuantizeLinear", []string{in, grid.scale, grid.zero}, []string{integers}, axis...)
	e.declare(integers, l.Out[0], typ)
	if q.QMin > least || q.QMax < most {
		clipped := e.tensor(t + "_Clip_Output")
		e.node(e.nodeName(t+"_Clip"), "Clip", []string{
			integers,
			e.ints(t+"_qmin", typ, nil, widen(q.QMin)),
			e.ints(t+"_qmax", typ, nil, widen(q.QMax)),
		}, []string{clipped})
		e.declare(clipped, l.Out[0], typ)
		integers = clipped
	}
	if clip := e.folded[l]; clip != nil {
		if c, ok := clip.Op.(ChannelClip); ok {
			integers = e.integerClip(t, l.Out[0], integers, q, typ, c)
		}
	}
	e.node(e.nodeName(t+"_DequantizeLinear"), "DequantizeLinear", []string{integers, grid.scale, grid.zero}, l.Out, axis...)
	e.declare(l.Out[0], l.Out[0], onnx.Float)
}

// quantizerName returns the name for the QuantizeLinear of l, which may be the layer's own.
func (e *exporter) quantizerName(l *Layer, name string) string {
	if l.Name == name {
		return name
	}
	return e.nodeName(name)
}

// tighten returns a per-tensor q with a clip of the real values folded into its bounds. Rounding is
// monotonic, so clipping before it or after it comes to the same.
func tighten(q *quant.Quantizer, c Clip) *quant.Quantizer {
	q = q.Clone()
	q.QMin, q.QMax = q.Quantize(c.Min, 0), q.Quantize(c.Max, 0)
	return q
}

// grid writes scale and zero point of a grid as <name>_scale and <name>_zero_point and returns their
// names. They are scalars, or have one element per channel.
func (e *exporter) grid(name string, q *quant.Quantizer) (scale, zero string) {
	var d []int64
	if q.PerChannel {
		d = []int64{int64(len(q.Scale))}
	}
	t, _, _ := storage(q)
	return e.floats(name+"_scale", d, q.Scale), e.ints(name+"_zero_point", t, d, widen(q.Zero...))
}

// packed reports whether integers of q are stored in four bits.
func (e *exporter) packed(q *quant.Quantizer) bool { return q.Bits <= 4 && e.o.Int4Storage != Int4Wide }

// weight writes a weight once and returns what its layers are to read.
func (e *exporter) weight(name string) string {
	v, q := e.n.Values[name], e.grids[name]
	if q == nil {
		return e.constant(name)
	}
	if e.written[name] != "" {
		return e.written[name]
	}
	base := baseName(name)
	t, _, _ := storage(q)
	stored := t
	if e.packed(q) {
		stored = onnx.Uint4
		if q.Signed {
			stored = onnx.Int4
		}
	}
	integers := e.ints(base+"_quantized", stored, dims(v.Shape), quantized(v, q))
	if stored != t {
		cast := e.tensor(base + "_Cast_Output")
		e.node(e.nodeName(base+"_Cast"), "Cast", []string{integers}, []string{cast}, onnx.AttrI("to", int64(t)))
		integers = cast
	}
	scale, zero := e.grid(base, q)
	out := name
	if out == base {
		out = e.tensor(base + "_DequantizeLinear_Output")
	}
	e.dequantize(base, []string{integers, scale, zero}, out, q.PerChannel)
	e.written[name] = out
	return out
}

// dequantize writes the DequantizeLinear of a constant whose axis 0 is the channel.
func (e *exporter) dequantize(base string, in []string, out string, perChannel bool) {
	var attrs []*onnx.Attribute
	if perChannel {
		attrs = append(attrs, onnx.AttrI("axis", 0))
	}
	e.node(e.nodeName(base+"_DequantizeLinear"), "DequantizeLinear", in, []string{out}, attrs...)
}

// quantized returns the integers of a weight.
func quantized(v *Value, q *quant.Quantizer) []int64 {
	ints := make([]int64, len(v.Data))
	block := max(len(v.Data)/len(q.Scale), 1)
	for i, x := range v.Data {
		ints[i] = int64(q.Quantize(x, i/block))
	}
	return ints
}

// bias writes the bias of a Conv or Gemm and returns what the layer is to read: int32 on the grid of the
// accumulators where there is one, else the float constant. A bias that two layers share is written for
// each, because their accumulators differ.
func (e *exporter) bias(l *Layer) string {
	x, ok := e.accumulates(l)
	if !ok {
		return e.constant(l.In[2])
	}
	v, q := e.n.Values[l.In[2]], e.grids[l.In[1]]
	base := baseName(l.In[2])
	scale := make([]float32, len(q.Scale))
	for c, s := range q.Scale {
		scale[c] = x * s
	}
	ints := make([]int64, len(v.Data))
	for c, b := range v.Data {
		i := math.RoundToEven(float64(b) / float64(scale[min(c, len(scale)-1)]))
		ints[c] = int64(min(max(i, math.MinInt32), math.MaxInt32))
	}
	var d []int64
	if q.PerChannel {
		d = []int64{int64(len(scale))}
	}
	out := e.tensor(base + "_DequantizeLinear_Output")
	e.dequantize(base, []string{
		e.ints(base+"_quantized", onnx.Int32, dims(v.Shape), ints),
		e.floats(base+"_scale", d, scale),
		e.ints(base+"_zero_point", onnx.Int32, d, make([]int64, len(scale))),
	}, out, q.PerChannel)
	return out
}

// accumulates returns the scale of the layer's input where integer kernels can run the layer: its weights
// are quantized, and so is its input, per tensor.
func (e *exporter) accumulates(l *Layer) (x float32, ok bool) {
	q := e.grids[l.In[1]]
	p := e.producer[l.In[0]]
	if q == nil || p == nil {
		return 0, false
	}
	f, ok := p.Op.(FakeQuant)
	if !ok || len(f.Q.Scale) != 1 {
		return 0, false
	}
	return f.Q.Scale[0], true
}

// settleGrids chooses the grids that weights are written with: their quantizers, with coarser steps in
// channels whose bias would not fit int32.
func (e *exporter) settleGrids() error {
	rooms := make(map[string]*room)
	for l, w := range e.n.Weights() {
		if w == nil || w.Quant == nil {
			continue
		}
		q := w.Quant
		if err := q.Validate(); err != nil {
			return fmt.Errorf("weights %q: %w", w.Name, err)
		}
		if c := len(q.Scale); len(w.Shape) == 0 || c > 1 && c != w.Shape[0] {
			return fmt.Errorf("weights %q have shape %v and %d scales", w.Name, w.Shape, c)
		}
		e.grids[w.Name] = q
		if x, ok := e.accumulates(l); ok {
			if rooms[w.Name] == nil {
				rooms[w.Name] = &room{bias: make([]float64, len(q.Scale))}
			}
			rooms[w.Name].add(float64(x), e.n.Input(l, 2))
		}
	}
	for name, r := range rooms {
		e.grids[name] = r.make(e.n.Values[name])
	}
	return nil
}

// room is what the accumulators of the layers that share a weight ask of its scales.
type room struct {
	bias  []float64 // least scale of each channel at which biases fit
	floor float64   // least scale at which the scale of the accumulators is a normal number
}

// add takes in a layer whose input has scale x; its bias may be nil.
func (r *room) add(x float64, bias *Value) {
	r.floor = max(r.floor, quant.MinScale/x)
	if bias == nil {
		return
	}
	for c, b := range bias.Data {
		c = min(c, len(r.bias)-1)
		r.bias[c] = max(r.bias[c], math.Abs(float64(b))/(x*maxBias))
	}
}

// make returns the quantizer of weight w with its scales raised where they must be. A dead channel, whose
// weights are all zero, takes exactly the scale it needs: there is nothing but the bias to be precise about.
func (r *room) make(w *Value) *quant.Quantizer {
	const slack = 1 + 0x1p-20 // a bias that fitted still does when it is read back and written again
	q := w.Quant.Clone()
	block := len(w.Data) / len(q.Scale)
	for c, s := range q.Scale {
		channel := w.Data[c*block : (c+1)*block]
		dead := !slices.ContainsFunc(channel, func(x float32) bool { return q.Quantize(x, c) != q.Zero[c] })
		if dead && r.bias[c] > 0 || r.bias[c] > slack*float64(s) {
			s = float32(r.bias[c])
		}
		q.Scale[c] = max(s, float32(r.floor))
	}
	return q
}
