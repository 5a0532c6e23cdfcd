package nn

import "math"

// energy is what is known of a channel between the layers of a pair.
type energy struct {
	into   float64 // sum of squares of what one element of the first layer's output is made of
	square float64 // mean square of the channel
	top    float64 // its largest value
	power  float64 // sum of squares of the weights that read it
	reads  int     // their number
}

// energies returns what is known of the channels; nil where that is not enough.
func (p *pair) energies(known map[string]*Distribution) []energy {
	x, y := known[p.first.In[0]], known[p.next.In[0]]
	if x == nil || y == nil || p.each != 1 {
		return nil
	}
	w := p.n.Input(p.first, 1)
	e := make([]energy, w.Shape[0])
	groups, taps := 1, 1
	if conv, ok := p.first.Op.(Conv); ok {
		groups, taps = conv.Groups, conv.Kernel[0]*conv.Kernel[1]
	}
	for c := range e {
		first := c / (len(e) / groups) * w.Shape[1]
		for i := range w.Shape[1] {
			e[c].into += float64(taps) * x.meanSquare(first+i)
		}
		e[c].square = y.meanSquare(c)
		e[c].top = max(0, min(y.Hi[c], y.Mean[c]+Sigmas*y.Std[c]))
		p.column(c, func(_ int, w []float32) {
			for _, v := range w {
				e[c].power += float64(v) * float64(v)
			}
			e[c].reads += len(w)
		})
	}
	return e
}

func (d *Distribution) meanSquare(c int) float64 {
	m, v := d.Moments(c)
	return float64(m*m) + v
}

// noise returns the expected power of what rounding adds at the second layer's output, summed over its channels, if the
// channels between the layers are divided by s. Rounding to a step D has the variance D^2/12. Weights W1/s make noise
// that the second layer sees as s times as large; so does rounding of the activation x/s; rounding of W2*s is
// multiplied by x/s:
//
//	sum over c of |W2_c|^2 s_c^2 (D1^2 E[in^2] + Dx^2)/12 + D2^2/12 * reads_c * E[x_c^2]/s_c^2.
func (p *pair) noise(s []float64, e []energy, g Grids) (sum float64) {
	weights, activations := math.Exp2(float64(g.WBits))-1, math.Exp2(float64(g.ABits))-1
	r1, r2 := make([]float64, len(s)), make([]float64, len(s))
	var most1, most2, top float64
	for c, f := range s {
		if !p.alive[c] {
			continue
		}
		r1[c], r2[c] = p.ranges(c)
		r1[c], r2[c] = r1[c]/f, r2[c]*f
		most1, most2 = max(most1, r1[c]), max(most2, r2[c])
		top = max(top, e[c].top/f)
	}
	for c, f := range s {
		if !p.alive[c] {
			continue
		}
		step1, step2, step := 2*most1/weights, 2*most2/weights, top/activations
		if !g.PerTensor {
			step1 = 2 * r1[c] / weights
		}
		sum += e[c].power*f*f*(step1*step1*e[c].into+step*step)/12 + step2*step2/12*float64(e[c].reads)*e[c].square/(f*f)
	}
	return sum
}
