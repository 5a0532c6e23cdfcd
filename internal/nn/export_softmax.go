package nn

import "zaq/internal/onnx"

// misread reports whether l is a Softmax that ONNX Runtime would get wrong: between Dequantize and Quantize it makes a QLinearSoftmax of
// it, which in version 1.30 is that of another axis where its own is not the last one.
func (e *exporter) misread(l *Layer, op Operator) bool {
	if op.Type != "Softmax" || op.Domain != "" {
		return false
	}
	in, out := e.producer[l.In[0]], e.consumers[l.Out[0]]
	line, ok := e.n.lineOf(l, op)
	if in == nil || len(out) == 0 || !ok || len(line.Axes) != 1 || line.Axes[0] == len(line.Shape)-1 {
		return false
	}
	_, dequantized := in.Op.(FakeQuant)
	quantized := false
	for _, c := range out {
		if _, ok := c.Op.(FakeQuant); ok {
			quantized = true
		}
	}
	return dequantized && quantized
}

// logarithms makes of a Softmax the LogSoftmax and the Exp that are the same, and have no integer kernels.
func (e *exporter) logarithms(node *onnx.Node) (*onnx.Node, *onnx.Node) {
	logs := *node
	logs.OpType, logs.Name = "LogSoftmax", e.nodeName(node.Name+"_LogSoftmax")
	logs.Outputs = []string{e.tensor(node.Outputs[0] + "_Exp_Input")}
	return &logs, &onnx.Node{Name: node.Name, OpType: "Exp", Inputs: logs.Outputs, Outputs: node.Outputs}
}
