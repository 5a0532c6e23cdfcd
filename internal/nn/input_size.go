package nn

import (
	"fmt"
	"slices"
	"strings"

	"zaq/internal/onnx"
)

// InputSize is what an input of a network takes for one image: a map [C, H, W], or a vector [C], which is one of 1 x 1.
type InputSize struct {
	Name    string
	C, H, W int
	Vector  bool
}

// Len is how many numbers that are.
func (s InputSize) Len() int { return s.C * s.H * s.W }

// InputSizes returns those of all inputs that layers read, in the order of the network; of an only input in any case. It is an
// error if one has a shape other than [N, C, H, W] and [N, C], with fixed sizes, if one is of bytes that are no pixels, or if
// none is [N, C, H, W]: that network takes no images.
func (n *Network) InputSizes() ([]InputSize, error) {
	if len(n.Inputs) < 2 {
		name, c, h, w, err := n.ImageInput()
		if err != nil {
			return nil, err
		}
		return []InputSize{{Name: name, C: c, H: h, W: w}}, nil
	}
	var sizes []InputSize
	images := false
	for _, name := range n.Inputs {
		if !slices.ContainsFunc(n.Layers, func(l *Layer) bool { return slices.Contains(l.In, name) }) {
			continue // what reads it lies behind the network, or nothing does
		}
		s := n.Values[name].Shape
		switch {
		case len(s) < 2 || slices.Min(s[1:]) < 1 || len(s) != 2 && len(s) != 4:
			return nil, fmt.Errorf("input %q has the shape %v: [N, C, H, W] or [N, C] with fixed sizes is needed", name, s)
		case n.Port(name).Type == onnx.Uint8 && (len(s) == 2 || s[1] != 1 && s[1] != 3):
			return nil, fmt.Errorf("input %q of shape %v is uint8: that is supported of pictures, of 1 or 3 channels, alone", name, s)
		case len(s) == 2:
			sizes = append(sizes, InputSize{Name: name, C: s[1], H: 1, W: 1, Vector: true})
		default:
			images = true
			sizes = append(sizes, InputSize{Name: name, C: s[1], H: s[2], W: s[3]})
		}
	}
	if !images {
		return nil, fmt.Errorf("none of the inputs %s is an image: one of shape [N, C, H, W] is needed", strings.Join(n.Inputs, ", "))
	}
	return sizes, nil
}
