package nn

import (
	"slices"

	"zaq/internal/onnx"
)

// An operator of one spatial axis is read as that of two on maps of height 1: a Reshape before it and one behind it, which exporters of
// attention over channels write themselves. What does the same to all elements of a channel is done before the second one (phased).

// rows are the operators that have a form of one spatial axis.
var rows = map[string]bool{
	"AveragePool": true, "BatchNormalization": true, "Conv": true, "GlobalAveragePool": true, "GlobalMaxPool": true, "MaxPool": true,
}

// ofRows reports whether n is one of these and has an input [N, C, L].
func (n *node) ofRows() bool {
	v := n.im.net.Values[n.in(0)]
	if !rows[n.OpType] || v == nil || len(v.Shape) != 3 || v.Shape[0] != Batch {
		return false
	}
	return n.OpType != "BatchNormalization" || n.im.phased[n.in(0)] == nil || n.im.uses[n.in(0)] != 1
}

// asRows reads n, one of these, by the reader of its form of two axes.
func (n *node) asRows(read func(*node) error) error {
	x, err := n.row()
	if err != nil {
		return err
	}
	out := n.im.uniqueName(n.Outputs[0] + "_row")
	inner := &node{Node: &onnx.Node{OpType: n.OpType, Domain: n.Domain, Inputs: slices.Clone(n.Inputs), Outputs: []string{out}}, im: n.im, name: n.name}
	inner.Inputs[0] = x
	if inner.Attributes, err = n.widened(); err != nil {
		return err
	}
	if n.OpType == "Conv" {
		w, err := n.weight(1)
		if err != nil {
			return err
		}
		if len(w.Shape) != 3 {
			return n.unsupported("weight %q has shape %v for an input of three axes", w.Name, w.Shape)
		}
		if err := n.im.useChannels(n, w, 0); err != nil {
			return err
		}
		inner.Inputs[1] = n.derived(w, []int{w.Shape[0], w.Shape[1], 1, w.Shape[2]}, w.Data).Name
	}
	n.im.uses[out] = 1
	if err := read(inner); err != nil {
		return err
	}
	l := n.im.net.Producer(out)
	if l == nil { // read as nothing
		return n.unsupported("does nothing")
	}
	shape := n.im.net.Values[out].Shape
	if err := n.emit(Reshape{[]int{Batch, shape[1], shape[3]}}, out); err != nil {
		return err
	}
	back := n.im.net.Layers[len(n.im.net.Layers)-1]
	back.Name = n.im.freeNodeName(n.name + "_Reshape")
	if hasWeights(l) {
		n.im.unbiased[n.Outputs[0]] = n.im.unbiased[out] && n.im.uses[n.Outputs[0]] == 1
		n.im.phased[n.Outputs[0]] = &phased{transposed{groups: 1, perGroup: shape[1], stride: [2]int{1, 1}}, []*Layer{l, back}}
	}
	return nil
}

// row returns the name of n's input as [N, C, 1, L].
func (n *node) row() (string, error) {
	im, x := n.im, n.in(0)
	if l := im.net.Producer(x); l != nil {
		if _, ok := l.Op.(Reshape); ok {
			if s, to := im.net.Values[l.In[0]].Shape, im.net.Values[x].Shape; len(s) == 4 && s[1] == to[1] && s[2] == 1 {
				return l.In[0], nil
			}
		}
	}
	padding, pads := n.ownPadding(x)
	if pads { // behind the Reshape, where the windows may take it over
		l := im.net.Producer(x)
		im.net.Layers = slices.DeleteFunc(im.net.Layers, func(other *Layer) bool { return other == l })
		delete(im.net.Values, x)
		x = l.In[0]
	}
	s := im.net.Values[x].Shape
	l := &Layer{
		Name: im.freeNodeName(n.name + "_row"), Op: Reshape{[]int{Batch, s[1], 1, s[2]}},
		In: []string{x}, Out: []string{im.uniqueName(x + "_row")},
	}
	if err := n.add(l); err != nil {
		return "", err
	}
	im.uses[l.Out[0]] = 2 // or more: it is nobody's own
	if !pads {
		return l.Out[0], nil
	}
	padding.Pads = slices.Insert(slices.Insert(slices.Clone(padding.Pads), 5, 0), 2, 0)
	padded, err := n.before(padding, l.Out[0])
	im.uses[padded] = 1
	return padded, err
}

// ownPadding returns the padding that makes x, which only n reads, if n is a MaxPool and may take it over.
func (n *node) ownPadding(x string) (pad Pad, ok bool) {
	l := n.im.net.Producer(x)
	if l == nil || n.OpType != "MaxPool" || n.im.uses[x] != 1 || len(n.im.net.Consumers(x)) > 0 {
		return pad, false
	}
	pad, ok = l.Op.(Pad)
	return pad, ok && pad.Mode == ""
}

// widened returns n's attributes with a height of 1 before each length.
func (n *node) widened() ([]*onnx.Attribute, error) {
	var list []*onnx.Attribute
	for _, a := range n.Attributes {
		switch a.Name {
		case "kernel_shape", "strides", "dilations":
			if len(a.Ints) != 1 {
				return nil, n.unsupported("%s %v for an input of three axes", a.Name, a.Ints)
			}
			a = onnx.AttrIs(a.Name, 1, a.Ints[0])
		case "pads":
			if len(a.Ints) != 2 {
				return nil, n.unsupported("pads %v for an input of three axes", a.Ints)
			}
			a = onnx.AttrIs(a.Name, 0, a.Ints[0], 0, a.Ints[1])
		}
		list = append(list, a)
	}
	return list, nil
}
