package nn

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// How weights of at most four bits are stored.
const (
	Int4Packed = "packed" // two to a byte, as ONNX's int4 and uint4, followed by a Cast to 8 bits
	Int4Wide   = "int8"   // one to a byte, for runtimes that cannot cast int4
)

// The operator sets that exported files need at least: 13 has quantization per channel, 21 has int4.
const (
	baseOpset = 13
	int4Opset = 21
)

// ExportOptions say how a network is written.
type ExportOptions struct {
	Opset       int64  // 0: 13, or 21 where int4 is stored, or that of the source where it is higher
	Int4Storage string // Int4Packed, the default, or Int4Wide

	Metadata        []onnx.Property // added to the network's own, or in place of them
	ProducerName    string
	ProducerVersion string
}

// Export writes a network as an ONNX model. It leaves n alone.
//
// A FakeQuant becomes QuantizeLinear and DequantizeLinear, with a Clip of the integers between them where
// fewer levels are used than uint8 or int8 have. A weight with a quantizer is stored in integers and
// followed by DequantizeLinear; where the layer's input is quantized too, so that integer kernels can run
// it, its bias is stored as int32 with the scale of the accumulators. (A float bias there would be rounded
// to that grid by ONNX Runtime, and the file would not mean what it says.) Names of tensors are those that
// ONNX Runtime's quantizer would give: <t>_QuantizeLinear_Output, <t>_DequantizeLinear_Output,
// <w>_quantized, <w>_scale and <w>_zero_point.
//
// Inputs are declared as in the source (Port); what leads from there to the network's own form comes first.
//
// Two things are changed on the way. A Clip (ReLU6) that only a FakeQuant reads goes into the bounds of its
// integers, which is the same function. And a channel whose int32 bias would overflow gets coarser weights.
func Export(n *Network, o ExportOptions) (*onnx.Model, error) {
	e := &exporter{
		n:         n,
		o:         o,
		g:         &onnx.Graph{Name: cmp.Or(n.Name, "graph")},
		producer:  make(map[string]*Layer),
		consumers: make(map[string][]*Layer),
		tensors:   make(map[string]bool),
		nodes:     make(map[string]bool),
		written:   make(map[string]string),
		grids:     make(map[string]*quant.Quantizer),
		folded:    make(map[*Layer]*Layer),
		shared:    make(map[*quant.Quantizer]gridNames),
	}
	if err := e.prepare(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	opset, err := e.opset()
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	e.version = opset
	e.border()
	for _, l := range n.Layers {
		if err := e.layer(l); err != nil {
			return nil, fmt.Errorf("export: node %q (%s): %w", l.Name, l.Op.Kind(), err)
		}
	}
	if err := e.ports(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &onnx.Model{
		IRVersion:       irVersion(opset),
		Opsets:          e.opsets(opset),
		ProducerName:    o.ProducerName,
		ProducerVersion: o.ProducerVersion,
		Graph:           e.g,
		Metadata:        e.metadata(),
	}, nil
}

// exporter is the state of one Export.
type exporter struct {
	n *Network
	o ExportOptions
	g *onnx.Graph

	version   int64 // of the operator set that is written
	producer  map[string]*Layer
	consumers map[string][]*Layer
	tensors   map[string]bool // names of tensors in use
	nodes     map[string]bool // names of nodes in use

	written map[string]string           // constants written: what their readers are to read
	grids   map[string]*quant.Quantizer // of the quantized weights, with room for biases
	folded  map[*Layer]*Layer           // FakeQuants with the clip that goes into their bounds
	shared  map[*quant.Quantizer]gridNames
}

// gridNames are the constants of a grid.
type gridNames struct{ scale, zero string }

// prepare relates tensors and layers, reserves their names, and settles the grids.
func (e *exporter) prepare() error {
	for name := range e.n.Values {
		e.tensors[name] = true
	}
	for _, l := range e.n.Layers {
		e.nodes[l.Name] = true
		for _, t := range l.Out {
			e.producer[t] = l
		}
		for _, t := range l.In {
			e.consumers[t] = append(e.consumers[t], l)
		}
	}
	for _, l := range e.n.Layers {
		f, ok := l.Op.(FakeQuant)
		if !ok {
			continue
		}
		if err := f.Q.Validate(); err != nil {
			return fmt.Errorf("tensor %q: %w", l.In[0], err)
		}
		if p := e.producer[l.In[0]]; p != nil && e.onlyReader(l, l.In[0]) {
			switch p.Op.(type) {
			case Clip, ChannelClip:
				if len(f.Q.Scale) == 1 {
					e.folded[l] = p
				}
			}
		}
	}
	return e.settleGrids()
}

// onlyReader reports whether nothing but l reads t.
func (e *exporter) onlyReader(l *Layer, t string) bool {
	c := e.consumers[t]
	return len(c) == 1 && c[0] == l && !slices.Contains(e.n.Outputs, t)
}

// opset returns the operator set to write.
func (e *exporter) opset() (int64, error) {
	switch e.o.Int4Storage {
	case "", Int4Packed, Int4Wide:
	default:
		return 0, fmt.Errorf("int4 storage %q: want %s or %s", e.o.Int4Storage, Int4Packed, Int4Wide)
	}
	least, why := int64(baseOpset), "quantization per channel"
	for _, q := range e.grids {
		if e.packed(q) {
			least, why = int4Opset, "packed int4 weights"
		}
	}
	if e.n.Opset > least {
		least, why = e.n.Opset, "the source model"
	}
	if e.o.Opset == 0 {
		return least, nil
	}
	if e.o.Opset < least {
		return 0, fmt.Errorf("opset %d: %s needs %d", e.o.Opset, why, least)
	}
	return e.o.Opset, nil
}

// opsets lists the default operator set and those of other domains.
func (e *exporter) opsets(version int64) []onnx.Opset {
	list := []onnx.Opset{{Version: version}}
	for _, domain := range slices.Sorted(maps.Keys(e.n.Domains)) {
		list = append(list, onnx.Opset{Domain: domain, Version: e.n.Domains[domain]})
	}
	return list
}

// irVersion returns the version of the file format that came with an operator set.
func irVersion(opset int64) int64 {
	for _, v := range []struct{ opset, ir int64 }{{25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9}, {15, 8}} {
		if opset >= v.opset {
			return v.ir
		}
	}
	return 7
}

// metadata returns the network's metadata in order of keys, then the options' in theirs.
func (e *exporter) metadata() []onnx.Property {
	var ps []onnx.Property
	for _, key := range slices.Sorted(maps.Keys(e.n.Metadata)) {
		if !slices.ContainsFunc(e.o.Metadata, func(p onnx.Property) bool { return p.Key == key }) {
			ps = append(ps, onnx.Property{Key: key, Value: e.n.Metadata[key]})
		}
	}
	return append(ps, e.o.Metadata...)
}

// border declares the inputs and outputs.
func (e *exporter) border() {
	for _, name := range e.n.Inputs {
		shape, typ := e.n.Declared(name)
		e.g.Inputs = append(e.g.Inputs, e.info(name, shape, typ))
	}
	for _, name := range e.n.Outputs {
		e.g.Outputs = append(e.g.Outputs, e.valueInfo(name, name, e.n.Values[name].elementType()))
	}
}

// valueInfo declares a tensor with the shape that the network knows of the tensor named like.
func (e *exporter) valueInfo(name, like string, t onnx.DataType) *onnx.ValueInfo {
	return e.info(name, e.n.Values[like].Shape, t)
}

// info declares a tensor.
func (e *exporter) info(name string, shape []int, t onnx.DataType) *onnx.ValueInfo {
	info := &onnx.ValueInfo{Name: name, Type: t}
	for _, d := range shape {
		dim := onnx.Dim{Size: int64(d)}
		switch {
		case d == Batch && e.n.BatchDim == "":
			dim.Size = 1
		case d == Batch:
			dim = onnx.Dim{Size: -1, Param: e.n.BatchDim}
		}
		info.Shape = append(info.Shape, dim)
	}
	return info
}

// node adds a node. Its outputs are tensors of the network or made by e.tensor.
func (e *exporter) node(name, op string, in, out []string, attrs ...*onnx.Attribute) {
	e.g.Nodes = append(e.g.Nodes, &onnx.Node{Name: name, OpType: op, Inputs: in, Outputs: out, Attributes: attrs})
}

// declare records the type of an inner tensor.
func (e *exporter) declare(name, like string, t onnx.DataType) {
	if v := e.n.Values[like]; v != nil && v.Shape != nil && !slices.Contains(e.n.Outputs, name) {
		e.g.Values = append(e.g.Values, e.valueInfo(name, like, t))
	}
}

// tensor reserves a name for a new tensor.
func (e *exporter) tensor(name string) string { return reserve(e.tensors, name) }

// nodeName reserves a name for a new node.
func (e *exporter) nodeName(name string) string { return reserve(e.nodes, name) }

func reserve(used map[string]bool, name string) string {
	unique := name
	for i := 1; used[unique]; i++ {
		unique = name + "_" + strconv.Itoa(i)
	}
	used[unique] = true
	return unique
}

// initializer adds a constant and returns its name.
func (e *exporter) initializer(t *onnx.Tensor) string {
	e.g.Initializers = append(e.g.Initializers, t)
	return t.Name
}

// floats adds a float constant, a scalar where dims is nil.
func (e *exporter) floats(name string, dims []int64, v []float32) string {
	return e.initializer(onnx.NewFloats(e.tensor(name), dims, v))
}

// ints adds an integer constant, a scalar where dims is nil.
func (e *exporter) ints(name string, t onnx.DataType, dims []int64, v []int64) string {
	return e.initializer(onnx.NewInts(e.tensor(name), t, dims, v))
}

// baseName returns the name that a tensor had before it was quantized.
func baseName(name string) string { return strings.TrimSuffix(name, "_DequantizeLinear_Output") }

// dims returns a shape as ONNX has it.
func dims(shape []int) []int64 { return widen(shape...) }

func widen[T int | int32](v ...T) []int64 {
	w := make([]int64, len(v))
	for i, x := range v {
		w[i] = int64(x)
	}
	return w
}

// bounded reports whether a limit is one.
func bounded(limit float32) bool { return math.Abs(float64(limit)) < math.MaxFloat32 }
