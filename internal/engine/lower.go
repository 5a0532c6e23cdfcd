package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"zaq/internal/kernel"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/operator"
	"zaq/internal/quant"
)

// LowerOptions say how a network becomes operations.
type LowerOptions struct {
	// TrainBN normalizes with the statistics of the batch and tracks running ones; otherwise they are frozen.
	TrainBN bool
	// RoundWeights derives the grid of every weight that has a quantizer anew from its master weights, by Fit;
	// otherwise constants are used as they are.
	RoundWeights bool
	// Fit writes scale and zero point of a weight w [..., channels] on the grid of q; nil: min/max.
	Fit func(q *quant.Quantizer, w []float32, channels int, scale []float32, zero []int32)
	// Share takes parameters and quantizers from an earlier lowering of the same network: the same numbers in
	// another graph. Its other options then say nothing about weights.
	Share *Lowered
	// PassThrough lets gradients pass outside of quantizers' ranges.
	PassThrough bool
	// Prefix comes before the names of tensors, which profiles show.
	Prefix string
}

// Lowered is a network as part of a graph.
type Lowered struct {
	Tensors map[string]*Tensor // by the name of the network's value
	Params  []*Param           // everything trainable, in layer order
	Weights map[string]*Weight // by the name of the constant
	Sites   []*Site            // activation quantizers, in layer order
	// PreNorm are the tensors that enter a batch normalization, with what it knows of them.
	PreNorm []PreNorm

	net    *nn.Network
	stores []func() // write parameters back into the constants
}

// Site is an activation quantizer of the network with its place in the graph. Tied sites share Quantizer.
type Site struct {
	*ActQuant
	Quantizer *quant.Quantizer
}

// PreNorm is a tensor that a batch normalization reads.
type PreNorm struct {
	Tensor *Tensor
	Stats  *Stats
}

// Lower adds net to g, reading its inputs from the given tensors.
func Lower(g *Graph, net *nn.Network, inputs map[string]*Tensor, o LowerOptions) (*Lowered, error) {
	if g.fast && net.Integers {
		return nil, errors.New("a network in integers, whose sums must be exact, in a graph for training")
	}
	l := &lowering{
		g: g, o: o, params: map[string]*Param{}, onGrid: map[*Tensor]*quant.Quantizer{},
		Lowered: &Lowered{Tensors: map[string]*Tensor{}, Weights: map[string]*Weight{}, net: net},
	}
	if s := o.Share; s != nil {
		l.Params, l.Weights, l.sites = s.Params, s.Weights, s.Sites
		for _, p := range s.Params {
			l.params[p.Name] = p
		}
	}
	for name, t := range inputs {
		l.Tensors[name] = t
	}
	for _, layer := range net.Layers {
		if err := l.layer(layer); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", layer.Name, layer.Op.Kind(), err)
		}
	}
	return l.Lowered, nil
}

// Store writes the parameters back into the constants of the network that was lowered.
func (l *Lowered) Store() {
	for _, f := range l.stores {
		f()
	}
}

type lowering struct {
	*Lowered
	g      *Graph
	o      LowerOptions
	params map[string]*Param // by the name of the constant
	sites  []*Site           // shared ones that are still to come
	onGrid map[*Tensor]*quant.Quantizer
}

func (l *lowering) layer(layer *nn.Layer) error {
	if len(layer.Out) == 0 {
		return nil
	}
	name := layer.Out[0]
	x := l.Tensors[layer.In[0]]
	if op, ok := layer.Op.(nn.Operator); ok && x == nil {
		y, err := l.operator(layer, op, l.o.Prefix+name)
		l.Tensors[name] = y
		return err
	}
	if x == nil {
		return fmt.Errorf("input %q is not a computed tensor", layer.In[0])
	}
	y, err := l.op(layer, l.o.Prefix+name, x)
	if err != nil {
		return err
	}
	l.Tensors[name] = y
	if q := l.onGrid[x]; q != nil && nn.Moves(layer.Op) && y != x {
		l.onGrid[y] = q
	}
	return nil
}

func (l *lowering) op(layer *nn.Layer, name string, x *Tensor) (*Tensor, error) {
	switch op := layer.Op.(type) {
	case nn.Conv:
		return l.conv(layer, op, name, x)
	case nn.Gemm:
		return l.gemm(layer, name, x)
	case nn.BatchNorm:
		return l.batchNorm(layer, op, name, x)
	case nn.Relu:
		return l.g.Activate(name, x, Activation{Kind: kernel.ActReLU}), nil
	case nn.LeakyRelu:
		return l.g.Activate(name, x, Activation{Kind: kernel.ActLeakyReLU, Alpha: op.Alpha}), nil
	case nn.Clip:
		return l.g.Activate(name, x, Activation{Kind: kernel.ActClip, Lo: op.Min, Hi: op.Max}), nil
	case nn.ChannelClip:
		return l.g.ClipChannels(name, x, op.Min, op.Max), nil
	case nn.Add:
		other := l.Tensors[layer.In[1]]
		if other == nil {
			return nil, fmt.Errorf("input %q is not a computed tensor", layer.In[1])
		}
		if other.H != x.H || other.W != x.W || other.C != x.C {
			return nil, fmt.Errorf("sum of %v and %v", x, other)
		}
		return l.g.Add(name, x, other), nil
	case nn.IntegerAdd:
		other := l.Tensors[layer.In[1]]
		if other == nil {
			return nil, fmt.Errorf("input %q is not a computed tensor", layer.In[1])
		}
		return l.g.Combine(name, x, other, operator.Pair{
			Value: func(a, b float64) float64 { return float64(op.Sum(float32(a), float32(b))) },
		})
	case nn.AveragePool:
		return l.g.AveragePool(name, x, Pool{Kernel: op.Kernel, Stride: op.Stride, Dilation: [2]int{1, 1}, Pads: op.Pads, CountIncludePad: op.CountIncludePad}), nil
	case nn.MaxPool:
		return l.g.MaxPool(name, x, Pool{Kernel: op.Kernel, Stride: op.Stride, Dilation: op.Dilation, Pads: op.Pads}), nil
	case nn.GlobalAveragePool:
		return l.g.GlobalAveragePool(name, x), nil
	case nn.Flatten, nn.Identity:
		// A flattened map keeps its NHWC order; what reads it permutes its weights instead.
		return x, nil
	case nn.Slice:
		return l.slice(layer, op, name, x)
	case nn.Pad:
		return l.pad(layer, op, name, x)
	case nn.Reshape:
		return l.reshape(layer, op, name)
	case nn.Concat:
		return l.concat(layer, op, name)
	case nn.Scale:
		return l.scale(op, name, x), nil
	case nn.Operator:
		return l.operator(layer, op, name)
	case nn.FakeQuant:
		return l.fakeQuant(op, name, x)
	}
	return nil, errors.New("the engine cannot compute this operator")
}

func (l *lowering) fakeQuant(op nn.FakeQuant, name string, x *Tensor) (*Tensor, error) {
	q := op.Q
	if q.PerChannel {
		return nil, errors.New("activations quantized per channel")
	}
	var site *Site
	if len(l.sites) > 0 {
		site, l.sites = l.sites[0], l.sites[1:]
	} else {
		site = &Site{Quantizer: q, ActQuant: &ActQuant{Name: name, QMin: q.QMin, QMax: q.QMax, PassThrough: l.o.PassThrough}}
		site.Load()
	}
	l.Sites = append(l.Sites, site)
	if l.onGrid[x] == q {
		return x, nil // was rounded to this grid, and only moved since
	}
	y := l.g.FakeQuant(name, x, site.ActQuant)
	l.onGrid[y] = q
	return y, nil
}

// Load takes scale and zero point from the quantizer, where it has them, and switches rounding on.
func (s *Site) Load() {
	if q := s.Quantizer; q.Scale != nil {
		s.Scale, s.Zero, s.On = q.Scale[0], q.Zero[0], true
	}
}

// constant returns the elements of a constant of the given length.
func (l *lowering) constant(name string, n int) (*nn.Value, error) {
	v := l.net.Values[name]
	if v == nil || v.Data == nil {
		return nil, fmt.Errorf("%q is not a float constant", name)
	}
	if len(v.Data) != n {
		return nil, fmt.Errorf("%q has %d elements, not %d", name, len(v.Data), n)
	}
	return v, nil
}

// vector returns a constant of one element per channel as a parameter; uses of one constant share it.
func (l *lowering) vector(name string, n int) (*Param, error) {
	v, err := l.constant(name, n)
	if err != nil {
		return nil, err
	}
	if p := l.params[name]; p != nil {
		return p, nil
	}
	p := NewParam(name, append([]float32(nil), v.Data...), false)
	l.params[name] = p
	l.Params = append(l.Params, p)
	l.stores = append(l.stores, func() { copy(v.Data, p.Data) })
	return p, nil
}

// weight returns the constant as a weight whose layout is to(position of the constant) and whose last axis is the
// output channels.
func (l *lowering) weight(name string, n, channels int, to func(i int) int) (*Weight, error) {
	v, err := l.constant(name, n)
	if err != nil {
		return nil, err
	}
	if w := l.Weights[name]; w != nil {
		return w, nil
	}
	data := make([]float32, n)
	for i, e := range v.Data {
		data[to(i)] = e
	}
	w := NewWeight(name, data, channels, l.grid(v.Quant, channels))
	l.Weights[name] = w
	l.Params = append(l.Params, w.Param)
	l.stores = append(l.stores, func() {
		for i := range v.Data {
			v.Data[i] = w.Data[to(i)]
		}
		if w.Grid != nil {
			w.Value()
			v.Quant.Scale = append([]float32(nil), w.Grid.Scale...)
			v.Quant.Zero = append([]int32(nil), w.Grid.Zero...)
		}
	})
	return w, nil
}

func (l *lowering) grid(q *quant.Quantizer, channels int) *WeightGrid {
	if q == nil || !l.o.RoundWeights {
		return nil
	}
	n := 1
	if q.PerChannel {
		n = channels
	}
	fit := l.o.Fit
	if fit == nil {
		fit = fitMinMax
	}
	return &WeightGrid{
		QMin: q.QMin, QMax: q.QMax, Scale: make([]float32, n), Zero: make([]int32, n), PassThrough: l.o.PassThrough,
		Fit: func(w []float32, scale []float32, zero []int32) { fit(q, w, channels, scale, zero) },
	}
}

func (l *lowering) conv(layer *nn.Layer, op nn.Conv, name string, x *Tensor) (*Tensor, error) {
	v := l.net.Values[layer.In[1]]
	if v == nil || len(v.Shape) != 4 {
		return nil, fmt.Errorf("weight %q is not a constant of four axes", layer.In[1])
	}
	cout, cin, kh, kw := v.Shape[0], v.Shape[1], v.Shape[2], v.Shape[3]
	// OIHW to HWIO.
	w, err := l.weight(layer.In[1], cout*cin*kh*kw, cout, func(i int) int {
		o, c, y, x := i/(cin*kh*kw), i/(kh*kw)%cin, i/kw%kh, i%kw
		return ((y*kw+x)*cin+c)*cout + o
	})
	if err != nil {
		return nil, err
	}
	s := kernel.ConvShape{
		Cout: cout, KH: kh, KW: kw, StrideH: op.Stride[0], StrideW: op.Stride[1], DilH: op.Dilation[0], DilW: op.Dilation[1],
		PadTop: op.Pads[0], PadLeft: op.Pads[1], PadBottom: op.Pads[2], PadRight: op.Pads[3], Groups: op.Groups,
	}
	if len(layer.In) < 3 || layer.In[2] == "" {
		return l.g.Conv(name, x, w, s)
	}
	bias, err := l.vector(layer.In[2], cout)
	if err != nil {
		return nil, err
	}
	y, err := l.g.Conv(name+" before bias", x, w, s)
	if err != nil {
		return nil, err
	}
	return l.g.Bias(name, y, bias), nil
}

func (l *lowering) gemm(layer *nn.Layer, name string, x *Tensor) (*Tensor, error) {
	v := l.net.Values[layer.In[1]]
	if v == nil || len(v.Shape) != 2 {
		return nil, fmt.Errorf("weight %q is not a constant matrix", layer.In[1])
	}
	m, k := v.Shape[0], v.Shape[1]
	if k != x.Len() {
		return nil, fmt.Errorf("%d inputs where %q has %d columns", x.Len(), layer.In[1], k)
	}
	// [M, K] with K in NCHW order to [K, M] with K in NHWC order.
	hw := x.H * x.W
	w, err := l.weight(layer.In[1], m*k, m, func(i int) int {
		c, at := i%k/hw, i%k%hw
		return (at*x.C+c)*m + i/k
	})
	if err != nil {
		return nil, err
	}
	var bias *Param
	if len(layer.In) > 2 && layer.In[2] != "" {
		if bias, err = l.vector(layer.In[2], m); err != nil {
			return nil, err
		}
	}
	return l.g.Linear(name, x, w, bias, 1, 1, m)
}

// list returns a list of integers as operators take it.
func list(v []int) *operator.Tensor {
	t := operator.New(onnx.Int64, len(v))
	for i, e := range v {
		t.Ints[i] = int64(e)
	}
	return t
}

// axis maps the axes of NCHW to those of a map, height, width and channels.
var axis = map[int]int{1: 2, 2: 0, 3: 1}

func (l *lowering) slice(layer *nn.Layer, op nn.Slice, name string, x *Tensor) (*Tensor, error) {
	if v := l.net.Values[layer.In[0]]; v != nil && v.Shape != nil && len(v.Shape) != 4 {
		return l.move(layer, name, 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
			return first(operator.Eval(&onnx.Node{OpType: "Slice"}, newestOpset,
				append(numbers, list(op.Starts), list(op.Ends), list(op.Axes), list(op.Steps))))
		})
	}
	w := Window{Step: [3]int{1, 1, 1}, Count: [3]int{x.H, x.W, x.C}}
	for i, a := range op.Axes {
		to, ok := axis[a]
		if !ok || op.Steps[i] < 1 {
			return nil, fmt.Errorf("slice of axis %d with step %d", a, op.Steps[i])
		}
		w.Start[to], w.Step[to] = op.Starts[i], op.Steps[i]
		w.Count[to] = (op.Ends[i] - op.Starts[i] + op.Steps[i] - 1) / op.Steps[i]
	}
	return l.g.Window(name, x, w)
}

func (l *lowering) pad(layer *nn.Layer, op nn.Pad, name string, x *Tensor) (*Tensor, error) {
	if op.Mode != "" {
		return l.move(layer, name, 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
			node := &onnx.Node{OpType: "Pad", Attributes: []*onnx.Attribute{onnx.AttrS("mode", op.Mode)}}
			return first(operator.Eval(node, newestOpset, append(numbers, list(op.Pads))))
		})
	}
	w := Window{Step: [3]int{1, 1, 1}, Count: [3]int{x.H, x.W, x.C}, Value: op.Value}
	if len(op.Pads) != 8 || op.Pads[0] != 0 || op.Pads[4] != 0 {
		return nil, fmt.Errorf("pads %v", op.Pads)
	}
	for from, to := range axis {
		w.Before[to], w.After[to] = op.Pads[from], op.Pads[4+from]
	}
	return l.g.Window(name, x, w)
}

// Ranges are the smallest and the largest weight of each grid. They are lent: Free gives them back.
type Ranges struct{ Lo, Hi []float32 }

var spareRanges = sync.Pool{New: func() any { return new(Ranges) }}

// WeightRanges returns the ranges of the weights w [..., channels] for so many grids: one for every channel, or one for
// all.
func WeightRanges(w []float32, channels, grids int) *Ranges {
	r := spareRanges.Get().(*Ranges)
	r.Lo, r.Hi = slices.Grow(r.Lo[:0], grids)[:grids], slices.Grow(r.Hi[:0], grids)[:grids]
	if grids == 1 {
		r.Lo[0], r.Hi[0] = kernel.MinMax(w)
		return r
	}
	clear(r.Lo) // ranges are widened to include 0
	clear(r.Hi)
	kernel.ChannelMinMax(r.Lo, r.Hi, w, channels)
	return r
}

// Free must be the last use of r.
func (r *Ranges) Free() { spareRanges.Put(r) }

// fitMinMax spans the grid over the range of the weights, per channel or over all: the plain rounding of RQ.
func fitMinMax(q *quant.Quantizer, w []float32, channels int, scale []float32, zero []int32) {
	r := WeightRanges(w, channels, len(scale))
	defer r.Free()
	for c := range scale {
		scale[c], zero[c] = q.Params(r.Lo[c], r.Hi[c])
	}
}
