package operator

import (
	"slices"

	"zaq/internal/onnx"
)

// outlines are the operators whose output's type and shape follow from those of their inputs alone. (Of Resize's they
// follow from the scales or sizes, too.)
var outlines = map[string]function{
	"Resize":       outlineResize,
	"Upsample":     outlineResize,
	"Transpose":    outlineTranspose,
	"DepthToSpace": outlineBlocks,
	"SpaceToDepth": outlineBlocks,
}

func init() {
	for name := range functions {
		outlines[name] = outlineSame
	}
	for _, name := range []string{"Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "Pow", "PRelu"} {
		outlines[name] = outlineStretched
	}
}

// Outline returns what Eval would, without elements, for operators that need not be run for that; nil for others. Inputs
// that are computed need no elements either: it is for those that are too large to try.
func Outline(n *onnx.Node, opset int64, in []*Tensor) (out []*Tensor, err error) {
	rule := outlines[n.OpType]
	if rule == nil || !Known(n.Domain, n.OpType) {
		return nil, nil
	}
	defer recovered(&err)
	out = rule(&call{n, opset, in})
	for _, t := range out {
		for _, d := range t.Shape {
			if d < 0 {
				fail("output of shape %v", t.Shape)
			}
		}
	}
	return out, nil
}

func outlineSame(c *call) []*Tensor {
	x := c.arg(0)
	return one(&Tensor{Type: x.Type, Shape: x.Shape})
}

func outlineStretched(c *call) []*Tensor {
	shape := c.arg(0).Shape
	for i := 1; i < len(c.in); i++ {
		shape = broadcast(shape, c.arg(i).Shape)
	}
	return one(&Tensor{Type: c.arg(0).Type, Shape: shape})
}

func outlineResize(c *call) []*Tensor {
	x := c.arg(0)
	return one(&Tensor{Type: x.Type, Shape: newResizing(c, x).out})
}

func outlineTranspose(c *call) []*Tensor {
	x := c.arg(0)
	var shape []int
	for _, a := range c.permutation(len(x.Shape)) {
		shape = append(shape, x.Shape[a])
	}
	return one(&Tensor{Type: x.Type, Shape: shape})
}

// outlineBlocks is of the operators that make channels of blocks of pixels, and the other way round.
func outlineBlocks(c *call) []*Tensor {
	x, b := c.arg(0), c.int("blocksize", 1)
	if len(x.Shape) != 4 || b < 1 {
		fail("blocks of %d of %v", b, x.Shape)
	}
	shape := slices.Clone(x.Shape)
	whole := shape[2]%b == 0 && shape[3]%b == 0
	if c.node.OpType == "DepthToSpace" {
		whole = shape[1]%(b*b) == 0
		shape[1], shape[2], shape[3] = shape[1]/(b*b), shape[2]*b, shape[3]*b
	} else {
		shape[1], shape[2], shape[3] = shape[1]*b*b, shape[2]/b, shape[3]/b
	}
	if !whole {
		fail("blocks of %d of %v", b, x.Shape)
	}
	return one(&Tensor{Type: x.Type, Shape: shape})
}
