package operator

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// Conversion is a node in the form of another operator set.
type Conversion struct {
	Node      *onnx.Node
	Constants map[int]*Tensor // inputs that were attributes, by position
	Names     map[int]string  // of these
}

// versions lists the operator sets in which an operator changed, from 8 on, where this changed more than the types it
// takes. An operator that is not listed reads the same in all.
var versions = map[string][]int64{
	"AveragePool": {10, 19}, "BatchNormalization": {9, 14}, "Clip": {11}, "DequantizeLinear": {13, 21}, "Dropout": {12}, "Hardmax": {13},
	"LogSoftmax": {13}, "MaxPool": {8, 10}, "OneHot": {11}, "Pad": {11}, "QuantizeLinear": {13, 21}, "ReduceL1": {18}, "ReduceL2": {18},
	"ReduceLogSum": {18}, "ReduceLogSumExp": {18}, "ReduceMax": {18}, "ReduceMean": {18}, "ReduceMin": {18}, "ReduceProd": {18},
	"ReduceSum": {13}, "ReduceSumSquare": {18}, "Resize": {11, 18}, "RoiAlign": {16}, "Scatter": {11}, "Slice": {10}, "Softmax": {13}, "Split": {13, 18},
	"Squeeze": {13}, "TopK": {10}, "Unsqueeze": {13}, "Upsample": {9, 10},

	"DFT": {20}, "GridSample": {20},

	// What has changed of these is not converted.
	"GroupNormalization": {21}, "Scan": {9},
}

// Same reports whether a node of one operator set reads the same in a newer one.
func Same(op string, from, to int64) bool {
	return !slices.ContainsFunc(versions[op], func(v int64) bool { return from < v && v <= to })
}

// Convert returns n, of an operator set, in the form of a newer one. shape is that of its first input; nil where it is
// not known.
func Convert(n *onnx.Node, from, to int64, shape []int) (*Conversion, error) {
	c := &Conversion{
		Node:      &onnx.Node{Name: n.Name, OpType: n.OpType, Inputs: slices.Clone(n.Inputs), Outputs: n.Outputs, Attributes: slices.Clone(n.Attributes)},
		Constants: make(map[int]*Tensor), Names: make(map[int]string),
	}
	switch n.OpType {
	case "Softmax", "LogSoftmax", "Hardmax":
		if from < 13 {
			return c, c.softmax(shape)
		}
	case "Upsample", "Resize":
		return c, c.resize(from, to)
	case "Split":
		return c, c.split(n, from, to, shape)
	case "RoiAlign": // the default was another
		if from < 16 && n.Attr("coordinate_transformation_mode") == nil {
			c.set(onnx.AttrS("coordinate_transformation_mode", "output_half_pixel"))
		}
	case "Scatter":
		c.Node.OpType = "ScatterElements"
	case "BatchNormalization":
		if len(n.Outputs) > 1 {
			return nil, errors.New("it trains")
		}
		c.drop("spatial")
	case "Dropout": // the ratio means nothing at inference
		c.drop("ratio")
	case "DFT": // the axis was an attribute with another default
		a := n.Attr("axis")
		if a == nil {
			a = onnx.AttrI("axis", 1)
		}
		c.drop("axis")
		c.Constants[2], c.Names[2] = Integers([]int64{a.Int}), "axis"
	case "GridSample": // modes had the names of two axes
		switch a := n.Attr("mode"); {
		case a == nil:
		case string(a.String) == "bilinear":
			c.set(onnx.AttrS("mode", "linear"))
		case string(a.String) == "bicubic":
			c.set(onnx.AttrS("mode", "cubic"))
		}
	case "GroupNormalization", "Scan":
		return nil, errors.New("it is not converted")
	}
	for name, p := range parameters[n.OpType] {
		a := n.Attr(name)
		if from >= p.since || to < p.since || a == nil {
			continue
		}
		c.drop(name)
		c.Names[p.input] = name
		switch a.Type {
		case onnx.AttrInts:
			c.Constants[p.input] = Integers(a.Ints, len(a.Ints))
		case onnx.AttrInt:
			c.Constants[p.input] = Integers([]int64{a.Int}, 1)
		case onnx.AttrFloats:
			c.Constants[p.input] = Floats(a.Floats, len(a.Floats))
		default:
			c.Constants[p.input] = Floats([]float32{a.Float})
		}
	}
	return c, nil
}

func (c *Conversion) drop(name string) {
	c.Node.Attributes = slices.DeleteFunc(c.Node.Attributes, func(a *onnx.Attribute) bool { return a.Name == name })
}

func (c *Conversion) set(a *onnx.Attribute) {
	c.drop(a.Name)
	c.Node.Attributes = append(c.Node.Attributes, a)
}

// softmax is over all axes from its own on before opset 13, over that one since: the same where the others are 1.
func (c *Conversion) softmax(shape []int) error {
	a := 1
	if at := c.Node.Attr("axis"); at != nil {
		a = int(at.Int)
	}
	if a < 0 {
		a += len(shape)
	}
	if shape == nil || a < 0 || a >= len(shape) {
		return fmt.Errorf("axis %d of %v", a, shape)
	}
	for i := a + 1; i < len(shape); i++ {
		if shape[i] == 1 {
			continue
		}
		if shape[a] != 1 {
			return fmt.Errorf("it runs over axes %d to %d of %v", a, len(shape)-1, shape)
		}
		a = i
	}
	c.set(onnx.AttrI("axis", int64(a)))
	return nil
}

// resize makes a Resize of Upsample and of opset 10's Resize: asymmetric coordinates, rounded down.
func (c *Conversion) resize(from, to int64) error {
	n := c.Node
	if n.OpType == "Resize" && from >= 11 {
		return nil // later attributes have defaults
	}
	scales := ""
	if a := n.Attr("scales"); a != nil && n.OpType == "Upsample" {
		c.drop("scales")
		c.Constants[2], c.Names[2] = Floats(a.Floats, len(a.Floats)), "scales"
	} else if len(n.Inputs) > 1 {
		scales = n.Inputs[1]
	}
	if to < 11 {
		return errors.New("want opset 11 or later")
	}
	n.OpType = "Resize"
	n.Inputs = []string{n.Inputs[0], "", scales}
	c.set(onnx.AttrS("coordinate_transformation_mode", "asymmetric"))
	c.set(onnx.AttrS("nearest_mode", "floor"))
	return nil
}

// split writes the sizes, or since opset 18 the number, of parts.
func (c *Conversion) split(n *onnx.Node, from, to int64, shape []int) error {
	if a := n.Attr("split"); a != nil && from < 13 {
		c.drop("split")
		c.Constants[1], c.Names[1] = Integers(a.Ints, len(a.Ints)), "split"
	} else if to >= 18 && (len(n.Inputs) < 2 || n.Inputs[1] == "") && n.Attr("num_outputs") == nil {
		c.set(onnx.AttrI("num_outputs", int64(len(n.Outputs))))
	}
	return nil
}
