package nn

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// importers read one node each, found by operator. Each knows every form that its operator had from opset
// minOpset to MaxOpset.
var importers = map[string]func(*node) error{
	"Add":                importAdd,
	"AveragePool":        importAveragePool,
	"BatchNormalization": importBatchNorm,
	"Cast":               importCast,
	"Clip":               importClip,
	"Concat":             importConcat,
	"Conv":               importConv,
	"ConvTranspose":      importConvTranspose,
	"DequantizeLinear":   importDequantize,
	"Dropout":            importDropout,
	"Expand":             importExpand,
	"Flatten":            importFlatten,
	"Gemm":               importGemm,
	"GlobalAveragePool":  importGlobalAveragePool,
	"GlobalMaxPool":      importGlobalMaxPool,
	"GroupNormalization": importGroupNorm,
	"Hardmax":            importSoftmax,
	"Identity":           importIdentity,
	"LeakyRelu":          importLeakyRelu,
	"LogSoftmax":         importSoftmax,
	"MatMul":             importMatMul,
	"Max":                importChannelLimit,
	"MaxPool":            importMaxPool,
	"Mean":               importSum,
	"Min":                importChannelLimit,
	"Pad":                importPad,
	"Pow":                importPow,
	"QuantizeLinear":     importQuantize,
	"ReduceMean":         importReduceMean,
	"Relu":               importRelu,
	"Reshape":            importReshape,
	"Resize":             importResize,
	"Slice":              importSlice,
	"Softmax":            importSoftmax,
	"Split":              importSplit,
	"Squeeze":            importSqueeze,
	"Sum":                importSum,
	"Unsqueeze":          importUnsqueeze,
}

// readsIntegers has the operators that may follow QuantizeLinear.
var readsIntegers = map[string]bool{"Clip": true, "DequantizeLinear": true, "Max": true, "Min": true}

// node is a node of the file as its importer sees it.
type node struct {
	*onnx.Node
	im   *importer
	name string // unique
}

// unsupported returns an *UnsupportedError about n. An empty format blames the operator as such.
func (n *node) unsupported(format string, args ...any) error {
	domain := n.Domain
	if domain == "ai.onnx" {
		domain = ""
	}
	return &UnsupportedError{Node: n.name, Op: n.OpType, Domain: domain, Reason: fmt.Sprintf(format, args...)}
}

// advised returns an *UnsupportedError about n with advice on what can be done.
func (n *node) advised(advice, format string, args ...any) error {
	err := n.unsupported(format, args...).(*UnsupportedError)
	err.Advice = advice
	return err
}

// wrap adds the node to an error that does not name it yet.
func (n *node) wrap(err error) error {
	var unsupported *UnsupportedError
	if errors.As(err, &unsupported) {
		return err
	}
	return fmt.Errorf("node %q (%s): %w", n.name, n.OpType, err)
}

// in returns the name of the i-th input, or "" where it is left out.
func (n *node) in(i int) string {
	if i >= len(n.Inputs) {
		return ""
	}
	return n.im.resolve(n.Inputs[i])
}

// inputs returns the names of the first count inputs, without those left out at the end.
func (n *node) inputs(count int) []string {
	var in []string
	for i := range min(count, len(n.Inputs)) {
		in = append(in, n.in(i))
	}
	for len(in) > 0 && in[len(in)-1] == "" {
		in = in[:len(in)-1]
	}
	return in
}

// shape returns the shape of the i-th input, which must be there.
func (n *node) shape(i int) ([]int, error) {
	c, err := n.constant(i)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return c.Shape, nil
	}
	v := n.im.net.Values[n.in(i)]
	if v == nil {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	return v.Shape, nil
}

// constant returns the i-th input if it is a constant, else nil.
func (n *node) constant(i int) (*Value, error) {
	if n.in(i) == "" {
		return nil, nil
	}
	return n.im.constant(n.in(i))
}

// weight returns the i-th input, which must be a float constant.
func (n *node) weight(i int) (*Value, error) {
	v, err := n.constant(i)
	switch {
	case err != nil:
		return nil, err
	case i >= len(n.Inputs) || n.Inputs[i] == "":
		return nil, fmt.Errorf("input %d is missing", i)
	case v == nil:
		return nil, n.unsupported("input %q is computed, only constants are supported there", n.Inputs[i])
	case v.Data == nil:
		return nil, fmt.Errorf("input %q is %v, want float32", n.Inputs[i], n.im.types[v.Name])
	}
	return v, nil
}

// scalar returns the i-th input, a float constant of one element, or def where it is left out.
func (n *node) scalar(i int, def float32) (float32, error) {
	if n.in(i) == "" {
		return def, nil
	}
	v, err := n.weight(i)
	if err != nil {
		return 0, err
	}
	if len(v.Data) != 1 {
		return 0, fmt.Errorf("input %q has shape %v, want a scalar", v.Name, v.Shape)
	}
	if v.Data[0] != v.Data[0] {
		return 0, fmt.Errorf("constant %q is NaN", v.Name)
	}
	return v.Data[0], nil
}

// symbolic returns the i-th input, a constant list of integers that may have batch sizes in it. ok is false
// where it is left out.
func (n *node) symbolic(i int) (list []int64, ok bool, err error) {
	if n.in(i) == "" {
		return nil, false, nil
	}
	if t := n.im.batched[n.in(i)]; t != nil {
		if list, ok := t.symbolicList(); ok {
			return list, true, nil
		}
		return nil, false, n.unsupported("input %q is computed from the batch size", n.Inputs[i])
	}
	v, err := n.constant(i)
	switch {
	case err != nil:
		return nil, false, err
	case v == nil:
		return nil, false, n.unsupported("input %q is computed, only constants are supported there", n.Inputs[i])
	case v.Ints == nil || len(v.Shape) > 1:
		return nil, false, fmt.Errorf("input %q is not a list of integers", v.Name)
	}
	return v.Ints, true, nil
}

// list returns a list of integers that is the i-th input from opset since on, and before that the attribute
// attr. ok is false where it is left out.
func (n *node) list(attr string, i int, since int64) (list []int, ok bool, err error) {
	var ints []int64
	if n.im.opset < since {
		if a := n.Attr(attr); a != nil {
			ints, ok = a.Ints, true
		}
	} else if ints, ok, err = n.symbolic(i); err != nil {
		return nil, false, err
	}
	for _, v := range ints {
		if v == symbolicBatch {
			return nil, false, n.unsupported("%s depends on the batch", attr)
		}
		list = append(list, saturate(v))
	}
	return list, ok, nil
}

// float returns a float attribute.
func (n *node) float(name string, def float32) (float32, error) {
	a := n.Attr(name)
	if a == nil {
		return def, nil
	}
	if a.Float-a.Float != 0 {
		return 0, fmt.Errorf("%s is %v", name, a.Float)
	}
	return a.Float, nil
}

// int returns an integer attribute.
func (n *node) int(name string, def int) int {
	if a := n.Attr(name); a != nil {
		return saturate(a.Int)
	}
	return def
}

// text returns a string attribute.
func (n *node) text(name, def string) string {
	if a := n.Attr(name); a != nil {
		return string(a.String)
	}
	return def
}

// pair returns an attribute that has one number for height and one for width.
func (n *node) pair(name string, def [2]int) ([2]int, error) {
	a := n.Attr(name)
	if a == nil {
		return def, nil
	}
	if len(a.Ints) != 2 {
		return def, n.unsupported("%s %v: only two spatial axes are supported", name, a.Ints)
	}
	return [2]int{saturate(a.Ints[0]), saturate(a.Ints[1])}, nil
}

// nameFirst gives n's first output a name where the file leaves it out and only has others, such as the last state of an LSTM: layers have a
// first output.
func (n *node) nameFirst() {
	if len(n.Outputs) < 2 || n.Outputs[0] != "" {
		return
	}
	clone := *n.Node
	clone.Outputs = slices.Clone(n.Outputs)
	clone.Outputs[0] = n.im.uniqueName(n.name + "_output")
	n.im.defined[clone.Outputs[0]] = true
	n.Node = &clone
}

// emit adds the layer that n is.
func (n *node) emit(op Op, in ...string) error {
	return n.add(&Layer{Name: n.name, Op: op, In: in, Out: []string{n.Outputs[0]}})
}

// add adds a layer, infers its output's shape and sees to it that its constants are finite.
func (n *node) add(l *Layer) error {
	net := n.im.net
	for i, name := range l.In {
		if name == "" {
			continue
		}
		v, err := n.im.constant(name)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if !hasParameters(l.Op) || i == 0 {
			return n.unsupported("input %q is a constant", name)
		}
		if err := checkFinite(v); err != nil {
			return err
		}
	}
	if err := net.inferShape(l); err != nil {
		return err
	}
	net.Layers = append(net.Layers, l)
	return nil
}

// forward makes n's output another name of the tensor src. Where the graph hands it out, the name must
// stay and an Identity keeps it.
func (n *node) forward(src string) error {
	for _, v := range n.im.graph.Outputs {
		if v.Name != n.Outputs[0] {
			continue
		}
		if n.im.net.Values[src].elementType() != onnx.Float { // which no layer of the network's own makes
			return n.emit(Operator{Type: "Identity", Opset: n.im.opset}, src)
		}
		return n.emit(Identity{}, src)
	}
	n.im.rename(n.Outputs[0], src)
	return nil
}

// rename makes name, the output of a node that reads src, another name of src.
func (im *importer) rename(name, src string) {
	im.alias[name] = src
	im.uses[src] += im.uses[name] - 1
}

// fold makes n's output a constant.
func (n *node) fold(v *Value, typ onnx.DataType) error {
	v.Name, v.Type = n.Outputs[0], typ
	n.im.net.Values[v.Name] = v
	n.im.types[v.Name] = typ
	return nil
}
