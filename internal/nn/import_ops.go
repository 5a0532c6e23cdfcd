package nn

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
	"zaq/internal/operator"
)

func importConv(n *node) error {
	w, err := n.weight(1)
	if err != nil {
		return err
	}
	if len(w.Shape) != 4 {
		return n.unsupported("weight %q has shape %v, only two spatial axes are supported", w.Name, w.Shape)
	}
	if w.Shape[0] == 1 && w.Shape[2] == 1 && w.Shape[3] == 1 && n.im.isSoftmax(n.in(0)) {
		// The mean of what a detector thinks of a side of a box: arithmetic on probabilities, which has learnt nothing.
		return n.anyOperator(n.unsupported("of a Softmax"))
	}
	x, err := n.shape(0)
	if err != nil {
		return err
	}
	op := Conv{Groups: n.int("group", 1)}
	if op.Kernel, err = n.pair("kernel_shape", [2]int{w.Shape[2], w.Shape[3]}); err != nil {
		return err
	}
	if op.Stride, err = n.pair("strides", [2]int{1, 1}); err != nil {
		return err
	}
	if op.Dilation, err = n.pair("dilations", [2]int{1, 1}); err != nil {
		return err
	}
	if op.Pads, err = n.pads(x, op.Kernel, op.Stride, op.Dilation); err != nil {
		return err
	}
	if err := n.im.useChannels(n, w, 0); err != nil {
		return err
	}
	in := n.inputs(3)
	n.im.biasable(n, in)
	return n.emit(op, in...)
}

// isSoftmax reports whether a tensor is what a Softmax makes, its elements moved perhaps.
func (im *importer) isSoftmax(name string) bool {
	l := im.net.Producer(name)
	for l != nil && Moves(l.Op) {
		l = im.net.Producer(l.In[0])
	}
	return l != nil && l.Op.Kind() == "Softmax"
}

// pads returns the padding of a sliding window over x [N,C,H,W], with auto_pad resolved.
func (n *node) pads(x []int, kernel, stride, dilation [2]int) (pads [4]int, err error) {
	if len(x) != 4 {
		return pads, n.unsupported("input has shape %v, only [N,C,H,W] is supported", x)
	}
	mode := n.text("auto_pad", "NOTSET")
	switch mode {
	case "NOTSET", "":
		a := n.Attr("pads")
		if a == nil {
			return pads, nil
		}
		if len(a.Ints) != 4 {
			return pads, fmt.Errorf("pads %v: want 4 numbers", a.Ints)
		}
		for i, p := range a.Ints {
			pads[i] = saturate(p)
		}
		return pads, nil
	case "VALID":
		return pads, nil
	case "SAME_UPPER", "SAME_LOWER":
	default:
		return pads, fmt.Errorf("auto_pad is %q", mode)
	}
	for i := range 2 {
		if stride[i] < 1 {
			return pads, fmt.Errorf("stride is %v", stride)
		}
		windows := (x[i+2] + stride[i] - 1) / stride[i]
		total := max(0, (windows-1)*stride[i]+(kernel[i]-1)*dilation[i]+1-x[i+2])
		pads[i], pads[i+2] = total/2, total-total/2
		if mode == "SAME_LOWER" {
			pads[i], pads[i+2] = pads[i+2], pads[i]
		}
	}
	return pads, nil
}

func importBatchNorm(n *node) error {
	if n.int("spatial", 1) != 1 {
		return n.unsupported("normalizes each position by itself (spatial=0)")
	}
	// Before opset 14 it is the outputs for statistics, read or not, that say so.
	outputs := slices.ContainsFunc(n.Outputs[1:], func(t string) bool { return t != "" })
	if n.int("training_mode", 0) != 0 || outputs && n.im.opset < 14 {
		return n.advised("export the network in evaluation mode (in PyTorch: model.eval() before, training=TrainingMode.EVAL)",
			"is in training mode: it normalizes by the statistics of the batch")
	}
	epsilon, err := n.float("epsilon", 1e-5)
	if err != nil {
		return err
	}
	for i := 1; i < 5; i++ {
		if _, err := n.weight(i); err != nil {
			return err
		}
	}
	if err := n.each(BatchNorm{epsilon}, n.inputs(5)...); err != nil {
		return err
	}
	variance, _ := n.weight(4)
	for c, v := range variance.Data {
		if v+epsilon <= 0 {
			return fmt.Errorf("constant %q: variance of channel %d is %v", variance.Name, c, v)
		}
	}
	return nil
}

func importRelu(n *node) error { return n.limit(0, math.MaxFloat32) }

func importLeakyRelu(n *node) error {
	alpha, err := n.float("alpha", 0.01)
	if err != nil {
		return err
	}
	return n.each(LeakyRelu{alpha}, n.inputs(1)...)
}

// importClip reads Clip, whose limits were attributes before opset 11.
func importClip(n *node) error {
	if _, ok := n.im.integers[n.in(0)]; ok {
		return importIntegerClip(n)
	}
	lo, hi := float32(-math.MaxFloat32), float32(math.MaxFloat32)
	if n.im.opset < 11 {
		if a := n.Attr("min"); a != nil {
			lo = a.Float
		}
		if a := n.Attr("max"); a != nil {
			hi = a.Float
		}
	} else {
		var err error
		if lo, err = n.scalar(1, lo); err != nil {
			return err
		}
		if hi, err = n.scalar(2, hi); err != nil {
			return err
		}
	}
	if !(lo <= hi) {
		return fmt.Errorf("limits %v and %v are no range", lo, hi)
	}
	return n.limit(lo, hi)
}

// limit keeps n's input within lo and hi. Of two limits in a row it makes one: ONNX Runtime has no integer kernel for a Conv and both.
func (n *node) limit(lo, hi float32) error {
	x := n.in(0)
	l := n.im.net.Producer(x)
	if p := n.im.phased[x]; p != nil {
		l = p.computes()
	}
	least, most, ok := limitsOf(l)
	if !ok || n.im.uses[x] != 1 {
		return n.each(limitOp(lo, hi), x)
	}
	l.Op = limitOp(min(max(lo, least), hi), min(max(lo, most), hi))
	return n.forward(x)
}

// limitsOf returns the limits that l keeps its input within, if it does that.
func limitsOf(l *Layer) (least, most float32, ok bool) {
	if l == nil {
		return 0, 0, false
	}
	switch op := l.Op.(type) {
	case Relu:
		return 0, math.MaxFloat32, true
	case Clip:
		return op.Min, op.Max, true
	}
	return 0, 0, false
}

// limitOp is a Relu where the limits are zero from below and none above.
func limitOp(lo, hi float32) Op {
	if lo == 0 && isUnbounded(hi) {
		return Relu{}
	}
	return Clip{lo, hi}
}

// isUnbounded reports whether a limit is none: infinite, or the largest float32, which ONNX takes for it.
func isUnbounded(x float32) bool { return math.Abs(float64(x)) >= math.MaxFloat32 }

// importAdd reads the sum of two computed tensors, or a constant for each channel added to the output of a
// Conv or MatMul: that is a bias.
func importAdd(n *node) error {
	for i := range 2 {
		if n.im.batched[n.in(i)] != nil {
			return n.unsupported("adds a constant that depends on the batch size")
		}
		c, err := n.constant(i)
		if err != nil {
			return err
		}
		if c != nil {
			return n.im.addBias(n, n.in(1-i), c)
		}
	}
	a, err := n.shape(0)
	if err != nil {
		return err
	}
	b, err := n.shape(1)
	if err != nil {
		return err
	}
	if !slices.Equal(a, b) && broadcastable(a, b) {
		return n.unsupported("broadcasts %v and %v", a, b)
	}
	return n.emit(Add{}, n.in(0), n.in(1))
}

// broadcastable reports whether ONNX would stretch a and b to one shape.
func broadcastable(a, b []int) bool {
	for i := 1; i <= min(len(a), len(b)); i++ {
		x, y := a[len(a)-i], b[len(b)-i]
		if x != y && x != 1 && y != 1 {
			return false
		}
	}
	return true
}

func importIdentity(n *node) error {
	return n.forward(n.in(0))
}

// importSum drops a Sum, Mean, Max or Min of one tensor.
func importSum(n *node) error {
	if _, ok := n.im.integers[n.in(0)]; ok || len(n.Inputs) != 1 {
		return n.unsupported("")
	}
	return n.forward(n.in(0))
}

// importPow reads integers for exponents as floats: the power has the type of its base.
func importPow(n *node) error {
	c, err := n.constant(1)
	if err != nil {
		return err
	}
	if c == nil || c.Ints == nil {
		return n.unsupported("")
	}
	data := make([]float32, len(c.Ints))
	for i, v := range c.Ints {
		data[i] = float32(v)
	}
	float := n.im.uniqueName(c.Name + "_float32")
	n.im.addConstant(float, operator.Floats(data, c.Shape...))
	pow := &onnx.Node{Name: n.Name, OpType: "Pow", Inputs: []string{n.Inputs[0], float}, Outputs: n.Outputs}
	return (&node{Node: pow, im: n.im, name: n.name}).anyOperator(nil)
}

// importDropout drops Dropout, which passes its input on at inference.
func importDropout(n *node) error {
	if training, err := n.constant(2); err != nil {
		return err
	} else if n.in(2) != "" && (training == nil || slices.ContainsFunc(training.Ints, func(v int64) bool { return v != 0 })) {
		return n.advised("export the network in evaluation mode", "is in training mode")
	}
	return n.forward(n.in(0))
}
