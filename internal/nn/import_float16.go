package nn

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// A network of half precision, its weights stored as float16, is read as one of float32: every float16 of it is a float32,
// and quantization computes in float32 or in integers. Its inputs and outputs remain float16 in files.

// isHalf reports whether a graph computes in float16: an input is of this type, or weights are.
func isHalf(g *onnx.Graph) bool {
	for _, v := range g.Inputs {
		if v.Type == onnx.Float16 {
			return true
		}
	}
	half := make(map[string]bool)
	for _, t := range g.Initializers {
		half[t.Name] = t.Type == onnx.Float16
	}
	return slices.ContainsFunc(g.Nodes, func(n *onnx.Node) bool {
		switch n.OpType {
		case "Conv", "ConvTranspose", "Gemm", "MatMul":
			return len(n.Inputs) > 1 && half[n.Inputs[1]]
		}
		return false
	})
}

// widened returns a type with float32 in the place of float16, in a network of half precision.
func (im *importer) widened(t onnx.DataType) onnx.DataType {
	if im.half && t == onnx.Float16 {
		return onnx.Float
	}
	return t
}

// widen returns a node of a network of half precision that makes float32 where it made float16.
func (n *node) widen() error {
	if !n.im.half {
		return nil
	}
	if bodies, err := n.Bodies(); err != nil {
		return err
	} else if len(bodies) > 0 {
		return n.unsupported("has a body, which is not converted from float16 to float32")
	}
	clone := *n.Node
	clone.Attributes = slices.Clone(n.Attributes)
	for i, a := range clone.Attributes {
		switch {
		case a.Type == onnx.AttrInt && (a.Name == "to" || a.Name == "dtype" || a.Name == "output_dtype") && a.Int == int64(onnx.Float16):
			clone.Attributes[i] = onnx.AttrI(a.Name, int64(onnx.Float))
		case a.Type == onnx.AttrTensor && a.Tensor != nil && a.Tensor.Type == onnx.Float16:
			v, err := a.Tensor.Floats()
			if err != nil {
				return err
			}
			clone.Attributes[i] = onnx.AttrT(a.Name, onnx.NewFloats(a.Tensor.Name, a.Tensor.Dims, v))
		}
	}
	n.Node = &clone
	return nil
}

// narrowOutput has the network hand out an output of the graph as float16, by a Cast. Where its last node only kept the name of
// the output, as a Cast to float16 there does, the Cast takes its place.
func (im *importer) narrowOutput(output string) error {
	cast := Operator{Type: "Cast", Opset: im.opset, Attributes: []*onnx.Attribute{onnx.AttrI("to", int64(onnx.Float16))}}
	l := im.net.Producer(output)
	if l == nil {
		return fmt.Errorf("output %q is an input", output)
	}
	if _, ok := l.Op.(Identity); ok && len(im.net.Consumers(output)) == 0 {
		l.Op = cast
		return im.net.inferShape(l)
	}
	last := &Layer{Name: im.freeNodeName(output + "_Cast"), Op: cast, In: []string{im.setAside(output, "_float32")}, Out: []string{output}}
	im.net.Layers = append(im.net.Layers, last)
	return im.net.inferShape(last)
}

// setAside gives a tensor another name, with a suffix, and returns it: the graph hands something else out under the old one.
func (im *importer) setAside(output, suffix string) string {
	v := im.net.Values[output]
	delete(im.net.Values, output)
	v.Name = im.uniqueName(output + suffix)
	im.net.Values[v.Name] = v
	for _, l := range im.net.Layers {
		for _, names := range [][]string{l.In, l.Out} {
			for i, t := range names {
				if t == output {
					names[i] = v.Name
				}
			}
		}
	}
	return v.Name
}
