package nn

// Normalization is what a network does to an input before anything else: scale*x + shift in each channel.
type Normalization struct {
	Tensor       string // what comes of it; the input itself where nothing is done
	Scale, Shift []float64
}

// Normalization follows an input through the arithmetic with constants, and through BatchNorms, by which networks standardize
// their images themselves. ok is false where there is none.
func (n *Network) Normalization(input string) (z Normalization, ok bool) {
	z.Tensor = input
	for {
		l := n.soleConsumer(z.Tensor)
		if l == nil {
			return z, ok
		}
		x, scale, shift := n.channelAffine(l)
		if bn, is := l.Op.(BatchNorm); is {
			x = l.In[0]
			scale, shift = n.affine(l, bn.Epsilon)
		}
		if x != z.Tensor || ok && len(scale) != len(z.Scale) {
			return z, ok
		}
		if !ok {
			z.Scale, z.Shift, ok = scale, shift, true
		} else {
			for c, s := range scale {
				z.Scale[c], z.Shift[c] = z.Scale[c]*s, float64(z.Shift[c]*s)+shift[c]
			}
		}
		z.Tensor = l.Out[0]
	}
}
