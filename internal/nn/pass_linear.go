package nn

import "slices"

// LinearHeads makes of every 1x1 convolution of a single pixel that is then flattened the linear layer that it is:
// Flatten before it, and Gemm. A runtime's integer Gemm may give real numbers, its integer convolution only integers;
// and a classifier whose thousand logits lie on 256 levels no longer knows which of its favourites is the first.
// The tensor behind the Flatten keeps its name and its values.
func LinearHeads(n *Network) {
	for i := 0; i < len(n.Layers); i++ {
		conv := n.Layers[i]
		flatten := n.pointwiseHead(conv)
		if flatten == nil {
			continue
		}
		x, w := n.Input(conv, 0), n.Input(conv, 1)
		flat := n.uniqueName(x.Name + "_flat")
		n.Values[flat] = &Value{Name: flat, Shape: []int{x.Shape[0], x.Shape[1]}, Type: x.Type}
		w.Shape = w.Shape[:2]
		delete(n.Values, conv.Out[0])
		conv.Op, conv.In[0], conv.Out[0] = Gemm{}, flat, flatten.Out[0]
		n.Layers = slices.DeleteFunc(n.Layers, func(l *Layer) bool { return l == flatten })
		n.Layers = slices.Insert(n.Layers, i, &Layer{Name: flatten.Name, Op: Flatten{}, In: []string{x.Name}, Out: []string{flat}})
	}
}

// pointwiseHead returns the Flatten that alone reads what l makes, if l is a 1x1 convolution of a single pixel, and its
// weights are its own.
func (n *Network) pointwiseHead(l *Layer) *Layer {
	conv, ok := l.Op.(Conv)
	if !ok || conv.Kernel != [2]int{1, 1} || conv.Pads != [4]int{} || conv.Groups != 1 || n.soleConsumer(l.In[1]) != l {
		return nil
	}
	x, w := n.Input(l, 0), n.Input(l, 1)
	if len(x.Shape) != 4 || x.Shape[2] != 1 || x.Shape[3] != 1 || w == nil || w.Data == nil || w.Quant != nil {
		return nil
	}
	flatten := n.soleConsumer(l.Out[0])
	if flatten == nil {
		return nil
	}
	if _, ok := flatten.Op.(Flatten); !ok {
		return nil
	}
	return flatten
}
