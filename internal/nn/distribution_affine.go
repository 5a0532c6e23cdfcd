package nn

import "slices"

// scaled returns what is known of a tensor times a number for each channel, or plus one, as networks do that normalize pixels
// themselves; nil where l does something else.
func (n *Network) scaled(l *Layer, known map[string]*Distribution) *Distribution {
	name, scale, shift := n.channelAffine(l)
	if x := known[name]; x != nil && len(x.Mean) == len(scale) {
		return x.affine(scale, shift)
	}
	return nil
}

// channelAffine returns the tensor x of which l makes scale*x + shift, one constant of each for a channel, and these; "" where
// l is no Add, Sub, Mul or Div that does so.
func (n *Network) channelAffine(l *Layer) (x string, scale, shift []float64) {
	op, ok := l.Op.(Operator)
	if !ok || op.Domain != "" || len(l.In) != 2 {
		return "", nil, nil
	}
	at := 0
	if v := n.Input(l, 0); v != nil && v.Const() {
		at = 1
	}
	numbers := n.channelNumbers(l, 1-at)
	if numbers == nil {
		return "", nil, nil
	}
	scale, shift = slices.Repeat([]float64{1}, len(numbers)), make([]float64, len(numbers))
	for c, v := range numbers {
		switch {
		case op.Type == "Add":
			shift[c] = v
		case op.Type == "Sub" && at == 0:
			shift[c] = -v
		case op.Type == "Sub":
			scale[c], shift[c] = -1, v
		case op.Type == "Mul":
			scale[c] = v
		case op.Type == "Div" && at == 0 && v != 0:
			scale[c] = 1 / v
		default:
			return "", nil, nil
		}
	}
	return l.In[at], scale, shift
}

// channelNumbers returns the i-th input of l, a constant of one number or of one for each channel, as one for each channel of
// l's output; nil where it is another.
func (n *Network) channelNumbers(l *Layer, i int) []float64 {
	c, shape := n.Input(l, i), n.Output(l).Shape
	if c == nil || c.Data == nil || len(shape) < 2 || len(c.Shape) > len(shape) {
		return nil
	}
	wide := slices.Concat(slices.Repeat([]int{1}, len(shape)-len(c.Shape)), c.Shape)
	if each := size(wide); each != 1 && (wide[1] != shape[1] || each != shape[1]) {
		return nil
	}
	numbers := make([]float64, shape[1])
	for k := range numbers {
		numbers[k] = float64(c.Data[k%len(c.Data)])
	}
	return numbers
}

// affine returns scale*d + shift, channel by channel.
func (d *Distribution) affine(scale, shift []float64) *Distribution {
	y := newDistribution(len(d.Mean))
	for c, s := range scale {
		y.Mean[c], y.Std[c] = float64(s*d.Mean[c])+shift[c], max(s, -s)*d.Std[c]
		if s == 0 { // times a limit that is infinite it would be no number
			y.Lo[c], y.Hi[c] = shift[c], shift[c]
			continue
		}
		a, b := float64(s*d.Lo[c])+shift[c], float64(s*d.Hi[c])+shift[c]
		y.Lo[c], y.Hi[c] = min(a, b), max(a, b)
	}
	return y
}
