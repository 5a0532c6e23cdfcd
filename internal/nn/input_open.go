package nn

import (
	"errors"
	"fmt"

	"zaq/internal/onnx"
)

// OpenSizeError reports an input with an axis, other than the batch, that the file leaves open. All shapes follow from it, and
// with them what images are generated and what is folded.
type OpenSizeError struct {
	Input string
	Axis  int
	Image bool // the axis is the height or the width of an image, which SetInputSize settles
}

func (e *OpenSizeError) Error() string {
	return fmt.Sprintf("input %q: size of axis %d must be known", e.Input, e.Axis)
}

// HasOpenSize reports whether m leaves the height or the width of an image open.
func HasOpenSize(m *onnx.Model) bool { return len(openImages(m.Graph)) > 0 }

// SetInputSize gives all images among the inputs of m, [N, C, H, W] or [N, H, W, C], the height and the width that the file leaves
// open. It is an error if one of them has a side of another size or, where none is open, any image has.
func SetInputSize(m *onnx.Model, size [2]int) (err error) {
	images, open := false, openImages(m.Graph)
	eachSide(m.Graph, func(v *onnx.ValueInfo, side, axis int) {
		images = true
		switch have := v.Shape[axis].Size; {
		case have < 1:
			v.Shape[axis] = onnx.Dim{Size: int64(size[side])}
		case have != int64(size[side]) && (open[v.Name] || len(open) == 0) && err == nil:
			err = fmt.Errorf("input %q: axis %d is fixed to %d, not %d", v.Name, axis, have, size[side])
		}
	})
	if !images {
		return errors.New("no input has a height and a width")
	}
	return err
}

// openImages has the images among the inputs of g of which a side is open.
func openImages(g *onnx.Graph) map[string]bool {
	open := make(map[string]bool)
	eachSide(g, func(v *onnx.ValueInfo, _, axis int) {
		if v.Shape[axis].Size < 1 {
			open[v.Name] = true
		}
	})
	return open
}

// eachSide calls f with the axes of the height (side 0) and the width (1) of each image among the inputs of g.
func eachSide(g *onnx.Graph, f func(v *onnx.ValueInfo, side, axis int)) {
	last := channelsLastInputs(g)
	for _, v := range g.Inputs {
		if len(v.Shape) != 4 || g.Initializer(v.Name) != nil {
			continue
		}
		for side := range 2 {
			f(v, side, sideAxis(last[v.Name], side))
		}
	}
}

// sideAxis is the axis that has the height (side 0) or the width (1) of an image.
func sideAxis(channelsLast bool, side int) int {
	if channelsLast {
		return 1 + side
	}
	return 2 + side
}
