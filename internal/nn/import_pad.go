package nn

import (
	"fmt"
	"slices"
)

// importPad reads Pad, whose amounts were attributes before opset 11. Negative ones cut off.
func importPad(n *node) error {
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	mode := n.text("mode", "constant")
	switch {
	case mode == "constant":
		mode = ""
	case mode != "reflect" && mode != "edge" && (mode != "wrap" || n.im.opset < 19):
		return n.unsupported("mode %q", mode)
	}
	pads, _, err := n.list("pads", 1, 11)
	if err != nil {
		return err
	}
	var value float32
	if n.im.opset < 11 {
		value, err = n.float("value", 0)
	} else {
		value, err = n.scalar(2, 0)
	}
	if err != nil {
		return err
	}
	if mode != "" {
		value = 0
	} else if value-value != 0 {
		return n.unsupported("pads with %v", value)
	}
	if axes, ok, err := n.list("", 3, 18); err != nil {
		return err
	} else if ok {
		if pads, err = spreadPads(pads, axes, len(x)); err != nil {
			return err
		}
	}
	if len(pads) != 2*len(x) {
		return fmt.Errorf("has %d pads for input %v", len(pads), x)
	}
	var layers []Op
	if slices.ContainsFunc(pads, func(p int) bool { return p < 0 }) {
		if mode == "wrap" { // around what was there before or what is there after? implementations differ
			return n.unsupported("negative pads %v", pads)
		}
		layers = append(layers, cut(pads, x))
	}
	if slices.ContainsFunc(pads, func(p int) bool { return p != 0 }) {
		layers = append(layers, Pad{pads, value, mode})
	}
	if len(layers) == 0 {
		return n.forward(n.in(0))
	}
	return n.chain(layers, n.inputs(1))
}

// cut returns the Slice of x that negative pads are, and sets them to 0.
func cut(pads, x []int) (s Slice) {
	for a, d := range x {
		before, after := min(pads[a], 0), min(pads[len(x)+a], 0)
		if before == 0 && after == 0 {
			continue
		}
		s.Axes, s.Steps = append(s.Axes, a), append(s.Steps, 1)
		s.Starts, s.Ends = append(s.Starts, -before), append(s.Ends, d+after)
		pads[a], pads[len(x)+a] = max(pads[a], 0), max(pads[len(x)+a], 0)
	}
	return s
}

// spreadPads turns pads of some axes into pads of all of them.
func spreadPads(pads, axes []int, rank int) ([]int, error) {
	axes, err := resolveAxes(axes, rank)
	if err != nil {
		return nil, err
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("has %d pads for %d axes", len(pads), len(axes))
	}
	all := make([]int, 2*rank)
	for i, a := range axes {
		all[a], all[rank+a] = pads[i], pads[len(axes)+i]
	}
	return all, nil
}
