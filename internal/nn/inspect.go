package nn

// LayerInfo is what a reader of a network wants to know of one layer.
type LayerInfo struct {
	Name       string
	Kind       string
	Output     []int // shape, Batch for the batch axis
	Parameters int   // elements of its constants
	MACs       int64 // multiply-accumulate operations for one image

	BatchNorm BatchNormState // of a Conv or Gemm

	WeightBits     int // of the weights, 32 for float; 0 without weights
	ActivationBits int // of the first input, 32 for float
}

// BatchNormState says what became of the BatchNormalization after a layer.
type BatchNormState string

// The states of a BatchNormalization.
const (
	NoBatchNorm     BatchNormState = ""       // none, or folded before the file was written
	BatchNormAfter  BatchNormState = "after"  // the next layer is one
	BatchNormFolded BatchNormState = "folded" // FoldBatchNorm was here
)

// floatBits is the size of what is not quantized.
const floatBits = 32

// Summary describes every layer, in order.
func (n *Network) Summary() []LayerInfo {
	infos := make([]LayerInfo, 0, len(n.Layers))
	for _, l := range n.Layers {
		info := LayerInfo{
			Name:           l.Name,
			Kind:           l.Op.Kind(),
			Output:         n.Output(l).Shape,
			MACs:           n.macs(l),
			ActivationBits: n.bitsOf(l),
		}
		for i := range l.In {
			if v := n.Input(l, i); v != nil && v.Const() {
				info.Parameters += len(v.Data) + len(v.Ints)
			}
		}
		if hasWeights(l) {
			info.WeightBits = floatBits
			if q := n.Input(l, 1).Quant; q != nil {
				info.WeightBits = q.Bits
			}
			info.BatchNorm = n.batchNormState(l)
		}
		infos = append(infos, info)
	}
	return infos
}

// macs counts the multiplications by weights, padding included.
func (n *Network) macs(l *Layer) int64 {
	if !hasWeights(l) {
		return 0
	}
	w := n.Input(l, 1).Shape
	return int64(size(n.Output(l).Shape)) * int64(size(w[1:]))
}

func (n *Network) bitsOf(l *Layer) int {
	source := n.Producer(l.In[0])
	if source == nil {
		return floatBits
	}
	if fq, ok := source.Op.(FakeQuant); ok {
		return fq.Q.Bits
	}
	return floatBits
}

func (n *Network) batchNormState(l *Layer) BatchNormState {
	for _, c := range n.Consumers(l.Out[0]) {
		if _, ok := c.Op.(BatchNorm); ok {
			return BatchNormAfter
		}
	}
	if n.Output(l).Stats != nil {
		return BatchNormFolded
	}
	return NoBatchNorm
}
