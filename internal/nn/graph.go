package nn

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"zaq/internal/quant"
)

// Producer returns the layer that makes the named tensor, or nil for inputs and constants.
func (n *Network) Producer(name string) *Layer {
	for _, l := range n.Layers {
		if slices.Contains(l.Out, name) {
			return l
		}
	}
	return nil
}

// Consumers returns the layers that read the named tensor, in order. A layer that reads it twice is listed
// once; being an output of the network does not count.
func (n *Network) Consumers(name string) []*Layer {
	var ls []*Layer
	for _, l := range n.Layers {
		if slices.Contains(l.In, name) {
			ls = append(ls, l)
		}
	}
	return ls
}

// soleConsumer returns the one layer that reads the named tensor, and reads it once. It returns nil where
// there are more or the network hands the tensor out.
func (n *Network) soleConsumer(name string) *Layer {
	var sole *Layer
	for _, l := range n.Layers {
		for _, in := range l.In {
			if in != name {
				continue
			}
			if sole != nil {
				return nil
			}
			sole = l
		}
	}
	if slices.Contains(n.Outputs, name) {
		return nil
	}
	return sole
}

// Layer returns the layer of that name, or nil.
func (n *Network) Layer(name string) *Layer {
	for _, l := range n.Layers {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Input returns the i-th input of l, or nil where it is left out.
func (n *Network) Input(l *Layer, i int) *Value {
	if i >= len(l.In) || l.In[i] == "" {
		return nil
	}
	return n.Values[l.In[i]]
}

// Output returns the value that l makes.
func (n *Network) Output(l *Layer) *Value { return n.Values[l.Out[0]] }

// ImageInput returns the name of the only input and its channels, height and width. It is an error if there are more
// inputs than one, or if it is not [N, C, H, W] with fixed C, H and W.
func (n *Network) ImageInput() (name string, c, h, w int, err error) {
	if len(n.Inputs) != 1 {
		return "", 0, 0, 0, fmt.Errorf("%d inputs: a network of one image input is needed", len(n.Inputs))
	}
	name = n.Inputs[0]
	s := n.Values[name].Shape
	if len(s) != 4 || s[1] < 1 || s[2] < 1 || s[3] < 1 {
		return "", 0, 0, 0, fmt.Errorf("input %q has the shape %v: [N, C, H, W] with fixed C, H, W is needed", name, s)
	}
	return name, s[1], s[2], s[3], nil
}

// Weights iterates over the layers with weights (Conv and Gemm) and those weights, in order. A weight that
// two layers share comes twice.
func (n *Network) Weights() iter.Seq2[*Layer, *Value] {
	return func(yield func(*Layer, *Value) bool) {
		for _, l := range n.Layers {
			if hasWeights(l) && !yield(l, n.Values[l.In[1]]) {
				return
			}
		}
	}
}

// hasWeights reports whether l multiplies its input by weights, with one output channel for each index of
// the weights' first axis.
func hasWeights(l *Layer) bool {
	switch l.Op.(type) {
	case Conv, Gemm:
		return true
	}
	return false
}

// Clone returns a deep copy. Quantizers that several tensors share are shared by their copies.
func (n *Network) Clone() *Network {
	c := &Network{
		Name:    n.Name,
		Inputs:  slices.Clone(n.Inputs),
		Outputs: slices.Clone(n.Outputs),
		Layers:  make([]*Layer, len(n.Layers)),
		Values:  make(map[string]*Value, len(n.Values)),

		Ports:    maps.Clone(n.Ports),
		Opset:    n.Opset,
		Domains:  maps.Clone(n.Domains),
		Metadata: maps.Clone(n.Metadata),
		BatchDim: n.BatchDim,
		Integers: n.Integers,
	}
	quantizers := make(map[*quant.Quantizer]*quant.Quantizer)
	cloneQuantizer := func(q *quant.Quantizer) *quant.Quantizer {
		if q == nil {
			return nil
		}
		if quantizers[q] == nil {
			quantizers[q] = q.Clone()
		}
		return quantizers[q]
	}
	for i, l := range n.Layers {
		op := l.Op
		switch o := op.(type) {
		case FakeQuant:
			op = FakeQuant{cloneQuantizer(o.Q)}
		case Slice:
			op = Slice{slices.Clone(o.Starts), slices.Clone(o.Ends), slices.Clone(o.Axes), slices.Clone(o.Steps)}
		case ChannelClip:
			op = ChannelClip{slices.Clone(o.Min), slices.Clone(o.Max)}
		case Pad:
			op = Pad{slices.Clone(o.Pads), o.Value, o.Mode}
		case Reshape:
			op = Reshape{slices.Clone(o.Shape)}
		}
		c.Layers[i] = &Layer{l.Name, op, slices.Clone(l.In), slices.Clone(l.Out)}
	}
	for name, v := range n.Values {
		w := v.clone()
		w.Quant = cloneQuantizer(v.Quant)
		c.Values[name] = w
	}
	return c
}

// clone copies v and everything it holds except the quantizer, which the copy shares.
func (v *Value) clone() *Value {
	c := *v
	c.Shape = slices.Clone(v.Shape)
	c.Data = slices.Clone(v.Data)
	c.Ints = slices.Clone(v.Ints)
	c.Sums = slices.Clone(v.Sums)
	if v.Stats != nil {
		c.Stats = &Stats{slices.Clone(v.Stats.Mean), slices.Clone(v.Stats.Std)}
	}
	return &c
}

// uniqueName returns name, or name with a number where the network has a value of that name.
func (n *Network) uniqueName(name string) string {
	unique := name
	for i := 1; n.Values[unique] != nil; i++ {
		unique = name + "_" + strconv.Itoa(i)
	}
	return unique
}

// addConstant adds a float constant under name, made unique, and returns it.
func (n *Network) addConstant(name string, shape []int, data []float32) *Value {
	v := &Value{Name: n.uniqueName(name), Shape: shape, Data: data}
	n.Values[v.Name] = v
	return v
}

// own returns the i-th input of l, a constant, as one that no other layer reads: the constant itself or
// a copy that replaces it there.
func (n *Network) own(l *Layer, i int) *Value {
	v := n.Values[l.In[i]]
	if n.soleConsumer(v.Name) == l {
		return v
	}
	c := v.clone()
	if v.Quant != nil {
		c.Quant = v.Quant.Clone()
	}
	c.Name = n.uniqueName(v.Name)
	n.Values[c.Name] = c
	l.In[i] = c.Name
	return c
}

// prune drops the values that no layer reads or makes and that are no input or output.
func (n *Network) prune() {
	used := make(map[string]bool, len(n.Values))
	for _, names := range [][]string{n.Inputs, n.Outputs} {
		for _, name := range names {
			used[name] = true
		}
	}
	for _, l := range n.Layers {
		for _, names := range [][]string{l.In, l.Out} {
			for _, name := range names {
				used[name] = true
			}
		}
	}
	maps.DeleteFunc(n.Values, func(name string, _ *Value) bool { return !used[name] })
}
