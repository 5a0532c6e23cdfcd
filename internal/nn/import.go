package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// The operator sets whose operators mean what the importer takes them to mean.
const (
	minOpset = 7
	MaxOpset = 25
)

// UnsupportedError reports an operator, or a use of one, that a Network has no layer for.
type UnsupportedError struct {
	Node   string // name of the node
	Op     string // operator
	Domain string // its domain, "" for ONNX's own
	Reason string // "" where the operator as such is unknown
	Advice string // what can be done, "" where nobody knows
}

// Hint returns the advice.
func (e *UnsupportedError) Hint() string { return e.Advice }

func (e *UnsupportedError) Error() string {
	op := e.Op
	if e.Domain != "" {
		op = e.Domain + "." + op
	}
	reason := e.Reason
	if reason == "" {
		reason = "operator not supported"
	}
	return fmt.Sprintf("node %q (%s): %s", e.Node, op, reason)
}

// Import reads the graph of m into a Network and infers all shapes.
//
// Operators with several spellings come out in one: padding resolved, Gemm's weights as [M,K], indices not
// negative, pooling over the whole plane as GlobalAveragePool. Nodes that do nothing at inference are dropped,
// and so is what only computes a constant. QuantizeLinear and DequantizeLinear around a tensor become one
// FakeQuant; DequantizeLinear of a constant becomes a constant on a grid. The names of inputs and outputs stay; inputs
// that are no float32 tensors, or images with channels last, become such (Port).
//
// The batch axis must be symbolic or 1; a baked-in 1 is generalised (BatchDim is then ""). Other axes must be
// known. An operator outside this package's set is an *UnsupportedError; contradictory shapes and constants
// that are not finite are errors that name the node.
func Import(m *onnx.Model) (*Network, error) {
	m, err := m.InOrder()
	if err != nil {
		return nil, err
	}
	if err := onnx.Check(m); err != nil {
		return nil, err
	}
	opset := m.Opset()
	if opset < minOpset || opset > MaxOpset {
		return nil, fmt.Errorf("opset %d is not supported: want %d to %d", opset, minOpset, MaxOpset)
	}
	g, err := withCaptures(m.Graph)
	if err != nil {
		return nil, err
	}
	im := newImporter(m, g, opset)
	if im.functions, err = m.Functions(); err != nil {
		return nil, err
	}
	if err := im.inputs(); err != nil {
		return nil, err
	}
	for i, on := range g.Nodes {
		if err := im.node(i, on); err != nil {
			return nil, err
		}
	}
	if err := im.outputs(); err != nil {
		return nil, err
	}
	return im.net, im.net.Check()
}

// importer is the state of one Import.
type importer struct {
	net          *Network
	graph        *onnx.Graph
	opset        int64
	bakedBatch   bool // inputs have batch 1, literally
	initializers map[string]*onnx.Tensor
	uses         map[string]int  // how many node inputs and graph outputs read a tensor
	defined      map[string]bool // every tensor name of the graph
	nodeNames    map[string]bool // given out

	alias      map[string]string            // a tensor that is another under a second name
	types      map[string]onnx.DataType     // element types of constants
	axes       map[string]int               // channel axes of per-channel quantized constants, until used
	integers   map[string]integerTensor     // activations between QuantizeLinear and DequantizeLinear
	quantizers map[gridKey]*quant.Quantizer // made so far, so that equal grids of a file are one
	unbiased   map[string]bool              // outputs of layers whose bias an Add can still become
	phased     map[string]*phased           // outputs of transposed convolutions
	batched    map[string]*twice            // constants that depend on the batch size
	images     map[string]string            // of these, constants that all images have
	batchless  map[string]bool              // tensors from which the file has taken the batch of 1, and the network has not
	reasons    map[string]error             // why a layer is an Operator, by its name
	opsets     map[string]int64             // by domain
	functions  []onnx.Function              // that the model defines itself

	channelsLast map[string]bool   // tensors that the file has as [N, H, W, C] and the network as [N, C, H, W]
	transposed   map[string]string // of these, made [N, H, W, C] again
	half         bool              // the file computes in float16, the network in float32

	foreign map[string]onnx.DataType // of inputs of uint8 or float64, moved perhaps: the network has them as float32
}

func newImporter(m *onnx.Model, g *onnx.Graph, opset int64) *importer {
	im := &importer{
		net: &Network{
			Name:   g.Name,
			Values: make(map[string]*Value),
			Ports:  make(map[string]Port),
			Opset:  opset,
		},
		graph:        g,
		opset:        opset,
		initializers: make(map[string]*onnx.Tensor),
		uses:         make(map[string]int),
		defined:      make(map[string]bool),
		nodeNames:    make(map[string]bool),
		alias:        make(map[string]string),
		types:        make(map[string]onnx.DataType),
		axes:         make(map[string]int),
		integers:     make(map[string]integerTensor),
		quantizers:   make(map[gridKey]*quant.Quantizer),
		unbiased:     make(map[string]bool),
		phased:       make(map[string]*phased),
		batched:      make(map[string]*twice),
		images:       make(map[string]string),
		batchless:    make(map[string]bool),
		reasons:      make(map[string]error),
		opsets:       map[string]int64{"": opset},

		channelsLast: channelsLastInputs(g),
		transposed:   make(map[string]string),
		foreign:      make(map[string]onnx.DataType),
		half:         isHalf(g),
	}
	if len(m.Metadata) > 0 {
		im.net.Metadata = make(map[string]string)
		for _, p := range m.Metadata {
			im.net.Metadata[p.Key] = p.Value
		}
	}
	for _, o := range m.Opsets {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			continue
		}
		if im.net.Domains == nil {
			im.net.Domains = make(map[string]int64)
		}
		im.net.Domains[o.Domain], im.opsets[o.Domain] = o.Version, o.Version
	}
	for _, t := range g.Initializers {
		im.initializers[t.Name] = t
		im.defined[t.Name] = true
	}
	for _, v := range g.Inputs {
		im.defined[v.Name] = true
	}
	for _, v := range g.Outputs {
		im.uses[v.Name]++
	}
	for _, n := range g.Nodes {
		for _, name := range n.Inputs {
			im.uses[name]++
		}
		for _, name := range n.Outputs {
			im.defined[name] = true
		}
	}
	return im
}

// node imports the i-th node of the graph.
func (im *importer) node(i int, on *onnx.Node) error {
	n := &node{Node: on, im: im, name: im.nodeName(i, on)}
	if slices.Contains(im.functions, onnx.Function{Domain: on.Domain, Name: on.OpType}) { // which would not be in the file that is written
		return n.advised("inline the model's functions first (onnx.inliner.inline_local_functions)", "is a function that the model defines itself")
	}
	n.nameFirst()
	if err := n.widen(); err != nil {
		return n.wrap(err)
	}
	if err := n.read(); err != nil {
		return n.wrap(err)
	}
	return nil
}

// read makes of n a constant, a layer of its own kind, or an Operator.
func (n *node) read() error {
	im := n.im
	if len(n.Outputs) == 0 || n.Outputs[0] == "" {
		return errors.New("has no output")
	}
	for i, name := range n.Inputs {
		// Only the two operators that end a run of integers may read one.
		if _, ok := im.integers[name]; ok && !(i == 0 && readsIntegers[n.OpType]) {
			return n.unsupported("reads the integer tensor %q", name)
		}
	}
	if err := n.foreign(); err != nil {
		return err
	}
	n.oneImage()
	if dropped, err := n.channelsFirst(); dropped || err != nil {
		return err
	}
	if fold, err := n.foldable(); err != nil {
		return err
	} else if fold {
		return n.foldNode()
	}
	typed := importers[n.OpType]
	if typed == nil || n.Domain != "" && n.Domain != "ai.onnx" {
		return n.fallback(n.unsupported(""))
	}
	if n.in(0) == "" {
		return errors.New("has no input")
	}
	if reason := n.stranger(); reason != nil {
		if n.weighs() {
			return reason
		}
		return n.anyOperator(reason)
	}
	for _, name := range n.Outputs[1:] {
		if im.uses[name] > 0 && name != "" && n.OpType != "Split" {
			return n.anyOperator(n.unsupported("its output %q is used", name))
		}
	}
	// A reader that gives up may have replaced constants by then.
	undo := im.remember(n.Inputs)
	var err error
	if n.ofRows() {
		err = n.asRows(typed)
	} else {
		err = typed(n)
	}
	if errors.As(err, new(*UnsupportedError)) {
		undo()
		return n.fallback(err)
	}
	return err
}

// remember returns a function that gives back the constants of the given names, as they are now.
func (im *importer) remember(names []string) (undo func()) {
	var values []*Value
	var axes []int
	for _, name := range names {
		name = im.resolve(name)
		values = append(values, im.net.Values[name])
		axis, ok := im.axes[name]
		if !ok {
			axis = -1
		}
		axes = append(axes, axis)
	}
	return func() {
		for i, name := range names {
			name = im.resolve(name)
			if v := values[i]; v != nil && v.Const() {
				im.net.Values[name] = v
			}
			if axes[i] >= 0 {
				im.axes[name] = axes[i]
			}
		}
	}
}

// nodeName returns the name of the i-th node, or one made of its operator and index where it has none or
// shares it.
func (im *importer) nodeName(i int, on *onnx.Node) string {
	name := on.Name
	if name == "" {
		name = on.OpType + "_" + strconv.Itoa(i)
	}
	for im.nodeNames[name] {
		name += "_" + strconv.Itoa(i)
	}
	im.nodeNames[name] = true
	return name
}

// freeNodeName returns a name for a second layer of a node, which no node of the file has.
func (im *importer) freeNodeName(name string) string {
	for im.nodeNames[name] || slices.ContainsFunc(im.graph.Nodes, func(n *onnx.Node) bool { return n.Name == name }) {
		name += "_"
	}
	im.nodeNames[name] = true
	return name
}

// outputs checks that outputs of the graph are computed and drops the constants that no layer reads. An output that is a
// constant, such as the anchors beside a detector's boxes, is handed out by an operator that copies it.
func (im *importer) outputs() error {
	constants := 0
	for _, v := range im.graph.Outputs {
		if err := im.compute(v.Name); err != nil {
			return err
		}
		c, err := im.constant(v.Name)
		if err != nil {
			return err
		}
		if c != nil {
			if err := im.copyConstant(c, v.Name); err != nil {
				return err
			}
			constants++
		}
		if t := im.foreign[v.Name]; t != onnx.Undefined {
			return fmt.Errorf("output %q has the elements of an input of %v", v.Name, t)
		}
		if im.channelsLast[v.Name] && !slices.Contains(im.net.Inputs, v.Name) {
			if err := im.handOutDeclared(v.Name); err != nil {
				return err
			}
		}
		if im.net.Values[v.Name] == nil || constants == len(im.graph.Outputs) {
			return fmt.Errorf("output %q is not computed from the inputs", v.Name)
		}
		if im.half && v.Type == onnx.Float16 && im.net.Values[v.Name].elementType() == onnx.Float {
			if err := im.narrowOutput(v.Name); err != nil {
				return err
			}
		}
		im.net.Outputs = append(im.net.Outputs, v.Name)
	}
	if len(im.net.Outputs) == 0 {
		return errors.New("graph has no outputs")
	}
	im.net.prune()
	if err := im.checkOperators(); err != nil {
		return err
	}
	if err := im.net.checkOperands(); err != nil {
		return err
	}
	return im.settleQuant()
}

// copyConstant makes an output of the graph that is the constant c, perhaps under another name, an Identity of it, which
// is computed.
func (im *importer) copyConstant(c *Value, output string) error {
	if c.Name == output {
		delete(im.net.Values, output)
		c.Name = im.uniqueName(output + "_constant")
		im.net.Values[c.Name] = c
		for _, l := range im.net.Layers {
			for i, in := range l.In {
				if in == output {
					l.In[i] = c.Name
				}
			}
		}
	}
	l := &Layer{Name: im.freeNodeName(c.Name), Op: Operator{Type: "Identity", Opset: im.opset}, In: []string{c.Name}, Out: []string{output}}
	im.net.Layers = append(im.net.Layers, l)
	return im.net.inferShape(l)
}

// resolve follows names of dropped nodes to the tensor that is meant.
func (im *importer) resolve(name string) string {
	if to, ok := im.alias[name]; ok {
		return to
	}
	return name
}

// constant returns the named constant, or nil where the tensor is computed.
func (im *importer) constant(name string) (*Value, error) {
	name = im.resolve(name)
	if v := im.net.Values[name]; v != nil {
		if !v.Const() {
			return nil, nil
		}
		return v, nil
	}
	if im.batched[name] != nil {
		return nil, &UnsupportedError{Node: name, Op: im.batched[name].node.OpType, Reason: "depends on the batch size"}
	}
	t := im.initializers[name]
	if t == nil {
		return nil, nil
	}
	return im.addTensor(name, t)
}

// addTensor adds the constant t under a name.
func (im *importer) addTensor(name string, t *onnx.Tensor) (*Value, error) {
	v := &Value{Name: name, Shape: make([]int, len(t.Dims)), Type: im.widened(t.Type)}
	for i, d := range t.Dims {
		v.Shape[i] = saturate(d)
	}
	var err error
	switch t.Type {
	case onnx.Float, onnx.Double, onnx.Float16, onnx.BFloat16:
		v.Data, err = t.Floats()
	default:
		v.Ints, err = t.Int64s()
	}
	if err != nil {
		return nil, err
	}
	im.net.Values[name] = v
	im.types[name] = v.Type
	return v, nil
}

// saturate narrows a number of the file to one that sums and shapes cannot overflow.
func saturate(v int64) int {
	return int(min(max(v, -maxElements), maxElements))
}

// checkFinite returns an error that names the first element of v that is no number.
func checkFinite(v *Value) error { return checkLimits(v, "") }

// checkLimits is checkFinite for a constant that an operator reads; to Max and Min, an infinity may be no limit.
func checkLimits(v *Value, op string) error {
	none := float32(0)
	switch op {
	case "Max":
		none = float32(math.Inf(-1))
	case "Min":
		none = float32(math.Inf(1))
	}
	for i, x := range v.Data {
		if x-x != 0 && x != none {
			return fmt.Errorf("constant %q: element %d is %v", v.Name, i, x)
		}
	}
	return nil
}
