package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"zaq/internal/quant"
)

// FoldBatchNorm folds every BatchNorm into the Conv or Gemm whose output only it reads:
//
//	f = gamma / sqrt(variance + epsilon)     w' = f*w     b' = beta + (b - mean)*f
//
// computed in float64. The layer takes over the name of the BatchNorm's output, the values of every other
// tensor stay but for rounding, and the output keeps the statistics (see AttachStats) that the BatchNorm knew.
//
// Quantized weights stay on their grid: each channel's scale takes in |f| and the integers stay the same (for
// f < 0 they change sign, as in PositiveGamma; for f = 0 they become the zero point). Weights with one scale for
// all channels have no such grid, so they are to be folded before they are quantized; else it fails.
//
// A BatchNorm elsewhere, or after weights that another layer shares, becomes a depthwise 1x1 Conv; one of vectors [N,C] that
// of maps of one pixel. A network on which it failed is of no more use.
func FoldBatchNorm(n *Network) error {
	var kept []*Layer
	for _, l := range n.Layers {
		bn, ok := l.Op.(BatchNorm)
		if !ok {
			kept = append(kept, l)
			continue
		}
		factor, shift := n.affine(l, bn.Epsilon)
		n.attachStats(l)
		conv := n.normalized(l)
		if conv == nil || n.soleConsumer(conv.In[1]) != conv {
			x := n.Input(l, 0).Shape
			if len(x) != 4 && len(x) != 2 {
				return fmt.Errorf("node %q (%s): follows no Conv or Gemm it could be folded into, and %v is neither [N,C,H,W] nor [N,C]", l.Name, l.Op.Kind(), x)
			}
			n.depthwise(l, factor, shift)
			if len(x) == 2 {
				kept = append(kept, n.ofMaps(l)...)
			} else {
				kept = append(kept, l)
			}
			continue
		}
		if err := scaleChannels(n.Input(conv, 1), factor); err != nil {
			return fmt.Errorf("node %q: weight %q: %w", conv.Name, conv.In[1], err)
		}
		n.foldShift(conv, factor, shift)
		delete(n.Values, conv.Out[0])
		conv.Out[0] = l.Out[0]
	}
	n.Layers = kept
	n.prune()
	return nil
}

// affine returns BatchNorm as factor*x + shift for each channel.
func (n *Network) affine(bn *Layer, epsilon float32) (factor, shift []float64) {
	gamma, beta, mean, variance := n.Input(bn, 1).Data, n.Input(bn, 2).Data, n.Input(bn, 3).Data, n.Input(bn, 4).Data
	factor, shift = make([]float64, len(gamma)), make([]float64, len(gamma))
	for c := range gamma {
		factor[c] = float64(gamma[c]) / math.Sqrt(float64(variance[c])+float64(epsilon))
		shift[c] = float64(beta[c]) - float64(float64(mean[c])*factor[c])
	}
	return factor, shift
}

// foldShift makes the bias of conv b*factor + shift, with a new constant where there was none.
func (n *Network) foldShift(conv *Layer, factor, shift []float64) {
	if n.Input(conv, 2) == nil {
		name := strings.TrimSuffix(conv.In[1], ".weight") + ".bias"
		b := n.addConstant(name, []int{len(shift)}, make([]float32, len(shift)))
		conv.In = append(conv.In[:2:2], b.Name)
	}
	bias := n.own(conv, 2)
	for c, b := range bias.Data {
		bias.Data[c] = float32(float64(float64(b)*factor[c]) + shift[c])
	}
}

// depthwise makes a 1x1 Conv, one channel to a group, of the BatchNorm l.
func (n *Network) depthwise(l *Layer, factor, shift []float64) {
	channels := len(factor)
	w := n.addConstant(l.Name+".weight", []int{channels, 1, 1, 1}, narrowed(factor))
	b := n.addConstant(l.Name+".bias", []int{channels}, narrowed(shift))
	l.Op = Conv{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: channels}
	l.In = []string{l.In[0], w.Name, b.Name}
}

// ofMaps returns l, a 1x1 Conv that stands where vectors [N,C] are, between a Reshape to [N,C,1,1] and a Flatten.
func (n *Network) ofMaps(l *Layer) []*Layer {
	x, y := n.Input(l, 0), n.Output(l)
	shape := []int{x.Shape[0], x.Shape[1], 1, 1}
	pixel := &Value{Name: n.uniqueName(x.Name + "_pixel"), Shape: shape}
	n.Values[pixel.Name] = pixel
	scaled := &Value{Name: n.uniqueName(y.Name + "_pixel"), Shape: slices.Clone(shape), Stats: y.Stats}
	n.Values[scaled.Name] = scaled
	before := &Layer{Name: n.uniqueLayer(l.Name + "_pixel"), Op: Reshape{shape}, In: []string{x.Name}, Out: []string{pixel.Name}}
	after := &Layer{Name: n.uniqueLayer(l.Name + "_vector"), Op: Flatten{}, In: []string{scaled.Name}, Out: []string{y.Name}}
	l.In[0], l.Out[0] = pixel.Name, scaled.Name
	return []*Layer{before, l, after}
}

// uniqueLayer returns name, or name with underscores where a layer has it.
func (n *Network) uniqueLayer(name string) string {
	for n.Layer(name) != nil {
		name += "_"
	}
	return name
}

func narrowed(v []float64) []float32 {
	f := make([]float32, len(v))
	for i := range v {
		f[i] = float32(v[i])
	}
	return f
}

// scaleChannels multiplies output channel c of the weights w by factor[c], in place, on their grid where
// they have one.
func scaleChannels(w *Value, factor []float64) error {
	if w.Quant == nil {
		for c, f := range factor {
			channel := w.channel(c)
			for i, v := range channel {
				channel[i] = float32(float64(v) * f)
			}
		}
		return nil
	}
	if len(w.Quant.Scale) != len(factor) {
		return fmt.Errorf("quantized with one scale for all channels: fold BatchNormalization before quantizing")
	}
	w.Quant = w.Quant.Clone()
	for c, f := range factor {
		channel := w.channel(c)
		if f < 0 {
			if err := negateChannel(w, c); err != nil {
				return err
			}
		}
		scale, zero := w.Quant.Scale[c], w.Quant.Zero[c]
		scaled := float32(float64(scale) * math.Abs(f))
		if scaled < quant.MinScale { // a dead channel
			clear(channel)
			continue
		}
		for i, v := range channel {
			channel[i] = float32(w.Quant.Quantize(v, c)-zero) * scaled
		}
		w.Quant.Scale[c] = scaled
	}
	return nil
}
