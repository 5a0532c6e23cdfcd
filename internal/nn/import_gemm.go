package nn

import (
	"fmt"
	"slices"
)

// importGemm reads Gemm: alpha*x*w + beta*b, x [N,K], w [M,K] (transB) or [K,M], b anything that stretches
// to [N,M] alike for all N. alpha and beta are multiplied into the constants.
func importGemm(n *node) error {
	if n.int("transA", 0) != 0 {
		return n.unsupported("transA would move the batch axis")
	}
	alpha, err := n.float("alpha", 1)
	if err != nil {
		return err
	}
	beta, err := n.float("beta", 1)
	if err != nil {
		return err
	}
	w, err := n.linearWeight(n.int("transB", 0) != 0)
	if err != nil {
		return err
	}
	if alpha != 1 {
		if w, err = n.scaled(w, alpha); err != nil {
			return err
		}
	}
	in := []string{n.in(0), w.Name}
	if n.in(2) != "" && beta != 0 {
		b, err := n.weight(2)
		if err != nil {
			return err
		}
		if b, err = n.channelVector(b, []int{1, w.Shape[0]}); err != nil {
			return err
		}
		if beta != 1 {
			if b, err = n.scaled(b, beta); err != nil {
				return err
			}
		}
		in = append(in, b.Name)
	}
	return n.emit(Gemm{}, in...)
}

// importMatMul reads the product of x [N,K] and a constant [K,M].
func importMatMul(n *node) error {
	if n.pixelwise() {
		return importPixelwise(n)
	}
	if n.ofComputed() {
		return n.anyOperator(nil)
	}
	w, err := n.linearWeight(false)
	if err != nil {
		return err
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	if len(x) != 2 {
		if l := n.im.net.Producer(n.in(0)); l != nil && n.im.reasons[l.Name] != nil { // such as a LayerNormalization
			return n.im.reasons[l.Name]
		}
		return n.unsupported("input has shape %v, only [N,K] is supported", x)
	}
	in := []string{n.in(0), w.Name}
	n.im.biasable(n, in)
	return n.emit(Gemm{}, in...)
}

// linearWeight returns input 1 as [M,K].
func (n *node) linearWeight(transposed bool) (*Value, error) {
	w, err := n.weight(1)
	if err != nil {
		return nil, err
	}
	if len(w.Shape) != 2 {
		return nil, n.unsupported("weight %q has shape %v, want a matrix", w.Name, w.Shape)
	}
	if transposed {
		return w, n.im.useChannels(n, w, 0)
	}
	if err := n.im.useChannels(n, w, 1); err != nil {
		return nil, err
	}
	k, m := w.Shape[0], w.Shape[1]
	data := make([]float32, len(w.Data))
	for i := range k {
		for j := range m {
			data[j*k+i] = w.Data[i*m+j]
		}
	}
	return n.derived(w, []int{m, k}, data), nil
}

// derived returns a constant made from c by this node: in c's place where nothing else reads c, else under
// a name of its own.
func (n *node) derived(c *Value, shape []int, data []float32) *Value {
	v := &Value{Name: c.Name, Shape: shape, Data: data, Quant: c.Quant}
	if n.im.uses[c.Name] != 1 {
		v.Name = n.im.uniqueName(c.Name + "_" + n.name)
		n.im.uses[v.Name] = 1
	}
	n.im.net.Values[v.Name] = v
	n.im.types[v.Name] = n.im.types[c.Name]
	delete(n.im.axes, v.Name) // its channels are axis 0 now
	return v
}

// uniqueName returns name, or name with an underscore or more where the graph has a tensor of that name.
func (im *importer) uniqueName(name string) string {
	for im.defined[name] || im.net.Values[name] != nil {
		name += "_"
	}
	return name
}

// scaled returns the constant c times factor.
func (n *node) scaled(c *Value, factor float32) (*Value, error) {
	if c.Quant != nil && factor <= 0 {
		return nil, n.unsupported("multiplies quantized weights by %v", factor)
	}
	data := slices.Clone(c.Data)
	for i := range data {
		data[i] *= factor
	}
	v := n.derived(c, c.Shape, data)
	if c.Quant != nil {
		v.Quant = c.Quant.Clone()
		for i := range v.Quant.Scale {
			v.Quant.Scale[i] *= factor
		}
	}
	return v, nil
}

// channelVector returns c, which ONNX would stretch to the shape out with its channels on axis 1 ([1,M] or
// [1,C,H,W]), as a vector with one element for each channel.
func (n *node) channelVector(c *Value, out []int) (*Value, error) {
	channels := out[1]
	if slices.Equal(c.Shape, []int{channels}) && len(out) == 2 {
		return c, nil
	}
	aligned := slices.Concat(slices.Repeat([]int{1}, max(0, len(out)-len(c.Shape))), c.Shape)
	if len(aligned) != len(out) || !broadcastable(out, aligned) {
		return nil, fmt.Errorf("constant %q has shape %v, which does not fit %d channels", c.Name, c.Shape, channels)
	}
	data := c.Data
	switch size(aligned) {
	case 1:
		data = slices.Repeat(data, channels)
	case aligned[1]:
	default:
		return nil, n.unsupported("constant %q of shape %v is not one number for each channel", c.Name, c.Shape)
	}
	return n.derived(c, []int{channels}, data), nil
}

// biasable notes that n, which becomes a layer with inputs in, has no bias and that a constant added to its
// output can be that bias: where nothing else sees the output.
func (im *importer) biasable(n *node, in []string) {
	if len(in) == 2 && im.uses[n.Outputs[0]] == 1 {
		im.unbiased[n.Outputs[0]] = true
	}
}

// addBias makes the constant c, which the Add n adds to the tensor named x, the bias of the layer that
// makes x.
func (im *importer) addBias(n *node, x string, c *Value) error {
	if !im.unbiased[x] || im.uses[x] != 1 {
		return n.unsupported("adds the constant %q to something else than the output of a Conv or MatMul", c.Name)
	}
	if c.Data == nil {
		return fmt.Errorf("constant %q is %v, want float32", c.Name, im.types[c.Name])
	}
	if err := checkFinite(c); err != nil {
		return err
	}
	b, err := n.channelVector(c, im.net.Values[x].Shape)
	if err != nil {
		return err
	}
	if p := im.phased[x]; p != nil {
		if b, err = n.phases(p, b); err != nil {
			return err
		}
		p.layers[0].In = append(p.layers[0].In, b.Name)
		return n.rename(p)
	}
	l := im.net.Producer(x)
	delete(im.net.Values, x)
	l.In = append(l.In, b.Name)
	l.Out[0] = n.Outputs[0]
	return im.net.inferShape(l)
}
