package nn

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// integerTensor is a computed tensor between its QuantizeLinear and its DequantizeLinear.
type integerTensor struct {
	node        string // name of the QuantizeLinear
	source      string // the real tensor
	scale, zero string // constants, zero may be ""
	typ         onnx.DataType
	axis        int
	lo, hi      int64 // integers in use

	lowest, highest []int64 // narrower limits of each channel; nil: none
}

// gridKey tells grids of computed tensors apart by the constants that make them.
type gridKey struct {
	scale, zero string
	typ         onnx.DataType
	lo, hi      int64
}

// storageType reports whether t is a type that quantized tensors are stored in.
func storageType(t onnx.DataType) bool {
	switch t {
	case onnx.Int8, onnx.Uint8, onnx.Int4, onnx.Uint4, onnx.Int2, onnx.Uint2:
		return true
	}
	return false
}

// importQuantize notes that its output is its input in integers; DequantizeLinear makes the layer. For
// a constant it computes the integers.
func importQuantize(n *node) error {
	t := integerTensor{node: n.name, source: n.in(0), scale: n.in(1), zero: n.in(2), typ: onnx.Uint8, axis: n.int("axis", 1)}
	if n.int("block_size", 0) != 0 {
		return n.unsupported("block_size")
	}
	zero, err := n.constant(2)
	if err != nil {
		return err
	}
	if zero != nil {
		t.typ = n.im.types[zero.Name]
	} else if out := n.int("output_dtype", 0); out != 0 {
		t.typ = onnx.DataType(out)
	}
	if !storageType(t.typ) {
		return n.unsupported("to %v", t.typ)
	}
	t.lo, t.hi, _ = integerRange(t.typ)
	c, err := n.constant(0)
	if err != nil {
		return err
	}
	if c != nil {
		return n.quantizeConstant(c, t)
	}
	if _, err := n.shape(0); err != nil {
		return err
	}
	n.im.integers[n.Outputs[0]] = t
	return nil
}

// quantizeConstant makes n's output the integers of the float constant c.
func (n *node) quantizeConstant(c *Value, t integerTensor) error {
	if c.Data == nil {
		return fmt.Errorf("constant %q is %v, want float32", c.Name, n.im.types[c.Name])
	}
	if err := checkFinite(c); err != nil {
		return err
	}
	g, err := n.grid(t.typ, t.axis, c.Shape)
	if err != nil {
		return err
	}
	q, err := g.quantizer(t.typ, t.lo, t.hi)
	if err != nil {
		return err
	}
	ints := make([]int64, len(c.Data))
	for i, x := range c.Data {
		ints[i] = int64(q.Quantize(x, g.channel(i)))
	}
	return n.fold(&Value{Shape: c.Shape, Ints: ints}, t.typ)
}

// importIntegerClip narrows the integers in use: a Clip between QuantizeLinear and DequantizeLinear is how
// a file says that a tensor has fewer bits than its type.
func importIntegerClip(n *node) error {
	t := n.im.integers[n.in(0)]
	for i, limit := range []*int64{&t.lo, &t.hi} {
		if n.in(i+1) == "" {
			continue
		}
		c, err := n.integers(i + 1)
		if err != nil {
			return err
		}
		if len(c.Ints) != 1 || n.im.types[c.Name] != t.typ {
			return fmt.Errorf("limit %q is not one %v", c.Name, t.typ)
		}
		if i == 0 {
			*limit = max(*limit, c.Ints[0])
		} else {
			*limit = min(*limit, c.Ints[0])
		}
	}
	if t.lo >= t.hi {
		return fmt.Errorf("limits %d and %d are no range", t.lo, t.hi)
	}
	n.im.integers[n.Outputs[0]] = t
	return nil
}

func importDequantize(n *node) error {
	if n.int("block_size", 0) != 0 {
		return n.unsupported("block_size")
	}
	if t, ok := n.im.integers[n.in(0)]; ok {
		return n.fakeQuant(t)
	}
	c, err := n.constant(0)
	if err != nil {
		return err
	}
	if c == nil || c.Ints == nil {
		return n.unsupported("input %q is neither a constant of integers nor made by QuantizeLinear", n.Inputs[0])
	}
	return n.dequantizeConstant(c)
}

// fakeQuant makes the layer that QuantizeLinear, a Clip if there is one, and this DequantizeLinear are.
func (n *node) fakeQuant(t integerTensor) error {
	shape := n.im.net.Values[t.source].Shape
	g, err := n.grid(t.typ, t.axis, shape)
	if err != nil {
		return err
	}
	if same, err := n.sameGrid(t); err != nil {
		return err
	} else if !same {
		return n.unsupported("scale or zero point differ from those of %q", t.node)
	}
	if len(g.scale) > 1 && g.axis != 1 {
		return n.unsupported("scales along axis %d, only channels are supported", g.axis)
	}
	key := gridKey{t.scale, t.zero, t.typ, t.lo, t.hi}
	q := n.im.quantizers[key]
	if q == nil {
		if q, err = g.quantizer(t.typ, t.lo, t.hi); err != nil {
			return err
		}
		n.im.quantizers[key] = q
	}
	source, err := n.clipChannels(t, q)
	if err != nil {
		return err
	}
	return n.add(&Layer{Name: t.node, Op: FakeQuant{q}, In: []string{source}, Out: []string{n.Outputs[0]}})
}

// sameGrid reports whether n's scale and zero point are those of t.
func (n *node) sameGrid(t integerTensor) (bool, error) {
	for i, name := range []string{t.scale, t.zero} {
		if n.in(i+1) == name {
			continue
		}
		a, err := n.im.constant(name)
		if err != nil {
			return false, err
		}
		b, err := n.constant(i + 1)
		if err != nil {
			return false, err
		}
		if i == 1 && (a == nil || b == nil) { // a zero point left out is 0
			a, b = orZero(a), orZero(b)
		}
		if a == nil || b == nil || !slices.Equal(a.Data, b.Data) || !slices.Equal(a.Ints, b.Ints) {
			return false, nil
		}
	}
	return true, nil
}

func orZero(v *Value) *Value {
	if v == nil || !slices.ContainsFunc(v.Ints, func(z int64) bool { return z != 0 }) {
		return &Value{}
	}
	return v
}

// dequantizeConstant makes n's output the constant c times its scale: on a grid if it is stored in 8 bits or
// less, a plain constant if it is the int32 bias of an integer convolution.
func (n *node) dequantizeConstant(c *Value) error {
	typ := n.im.types[c.Name]
	if !storageType(typ) && typ != onnx.Int32 {
		return n.unsupported("of %v", typ)
	}
	g, err := n.grid(typ, n.int("axis", 1), c.Shape)
	if err != nil {
		return err
	}
	v := &Value{Shape: c.Shape, Data: make([]float32, len(c.Ints))}
	if typ == onnx.Int32 {
		v.Sums = make([]int32, len(c.Ints))
	}
	for i, q := range c.Ints {
		k := g.channel(i)
		q -= int64(g.zero[k])
		v.Data[i] = float32(q) * g.scale[k]
		if v.Sums != nil {
			v.Sums[i] = int32(q)
		}
	}
	name := n.Outputs[0]
	if w, ok := strings.CutSuffix(n.in(1), "_scale"); ok && w != "" && !n.im.defined[w] && n.im.net.Values[w] == nil {
		// The name that the float constant had before it was quantized.
		n.im.alias[name] = w
		n.im.uses[w] = n.im.uses[name]
		name = w
	}
	v.Name = name
	n.im.net.Values[name] = v
	n.im.types[name] = onnx.Float
	if typ == onnx.Int32 || len(c.Ints) == 0 {
		return nil
	}
	// Weights of few bits may be stored in a wider type; and where none is the most negative integer, none
	// will be.
	lo, hi := narrowest(typ, append(widened(g.zero), slices.Min(c.Ints), slices.Max(c.Ints)))
	if signed(typ) && slices.Min(c.Ints) > lo {
		lo++
	}
	if v.Quant, err = g.quantizer(typ, lo, hi); err != nil {
		return err
	}
	if v.Quant.PerChannel {
		n.im.axes[name] = g.axis
	}
	return nil
}

func widened(v []int32) []int64 {
	w := make([]int64, len(v))
	for i, x := range v {
		w[i] = int64(x)
	}
	return w
}

func signed(t onnx.DataType) bool { lo, _, _ := integerRange(t); return lo < 0 }

// narrowest returns the range of the integers of fewest bits, two or more and signed as typ is, that has
// all of levels in it.
func narrowest(typ onnx.DataType, levels []int64) (lo, hi int64) {
	for b := quant.MinBits; b <= quant.MaxBits; b++ {
		bmin, bmax := quant.Scheme{Bits: b, Signed: signed(typ)}.Bounds()
		lo, hi = int64(bmin), int64(bmax)
		if lo <= slices.Min(levels) && slices.Max(levels) <= hi {
			break
		}
	}
	return lo, hi
}

// useChannels says that n takes the output channels of the constant w from an axis. A per-channel quantizer
// must have its scales along it.
func (im *importer) useChannels(n *node, w *Value, axis int) error {
	if at, ok := im.axes[w.Name]; ok && at != axis {
		return n.unsupported("weight %q is quantized along axis %d, its output channels are axis %d", w.Name, at, axis)
	}
	return nil
}

// settleQuant keeps the grids of weights, whose scales must run along axis 0, and drops those of other
// constants: a bias is just numbers.
func (im *importer) settleQuant() error {
	for _, l := range im.net.Layers {
		for i, name := range l.In {
			v := im.net.Values[name]
			if v == nil || v.Quant == nil {
				continue
			}
			if i != 1 || !hasWeights(l) {
				v.Quant = nil
			} else if axis := im.axes[name]; axis != 0 {
				return &UnsupportedError{Node: l.Name, Op: l.Op.Kind(),
					Reason: fmt.Sprintf("weight %q is quantized along axis %d", name, axis)}
			}
		}
	}
	return nil
}

// grid is the scale and zero point of a node in numbers.
type grid struct {
	scale  []float32
	zero   []int32
	axis   int // that scale runs along, if there is more than one
	stride int // elements from one index of axis to the next
}

// channel returns which scale the i-th element has.
func (g *grid) channel(i int) int { return i / g.stride % len(g.scale) }

// grid reads inputs 1 and 2 of n as the scale and zero point of a tensor of a type and shape.
func (n *node) grid(typ onnx.DataType, axis int, shape []int) (*grid, error) {
	scale, err := n.weight(1)
	if err != nil {
		return nil, err
	}
	if len(scale.Shape) > 1 {
		return nil, n.unsupported("scale %q has shape %v", scale.Name, scale.Shape)
	}
	for i, s := range scale.Data {
		if !(s > 0) || s-s != 0 {
			return nil, fmt.Errorf("scale %q: element %d is %v", scale.Name, i, s)
		}
	}
	g := &grid{scale: scale.Data, zero: make([]int32, len(scale.Data)), stride: 1}
	if len(g.scale) != 1 {
		if axis < 0 {
			axis += len(shape)
		}
		if axis < 0 || axis >= len(shape) || len(g.scale) != shape[axis] {
			return nil, fmt.Errorf("scale %q has %d elements, which do not fit axis %d of %v", scale.Name, len(g.scale), axis, shape)
		}
		g.axis, g.stride = axis, size(shape[axis+1:])
	}
	zero, err := n.constant(2)
	if err != nil {
		return nil, err
	}
	if zero == nil {
		if n.in(2) != "" {
			return nil, n.unsupported("zero point %q is computed", n.in(2))
		}
		return g, nil
	}
	if n.im.types[zero.Name] != typ || len(zero.Ints) != len(g.zero) {
		return nil, fmt.Errorf("zero point %q does not fit: it is %d %v", zero.Name, len(zero.Ints), n.im.types[zero.Name])
	}
	for i, z := range zero.Ints {
		g.zero[i] = int32(z)
	}
	return g, nil
}

// quantizer returns the quantizer of the integers lo to hi of a type, with as many bits as they and the
// zero points need.
func (g *grid) quantizer(typ onnx.DataType, lo, hi int64) (*quant.Quantizer, error) {
	least, most := narrowest(typ, append(widened(g.zero), lo, hi))
	s := quant.Scheme{
		Bits:       bits.Len64(uint64(most - least)),
		Signed:     signed(typ),
		Symmetric:  signed(typ) && !slices.ContainsFunc(g.zero, func(z int32) bool { return z != 0 }),
		PerChannel: len(g.scale) > 1,
	}
	s.Narrow = s.Signed && lo == least+1 && !slices.Contains(g.zero, int32(least))
	q := &quant.Quantizer{Scheme: s, Scale: slices.Clone(g.scale), Zero: g.zero, QMin: int32(lo), QMax: int32(hi)}
	return q, q.Validate()
}
