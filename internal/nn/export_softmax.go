package nn

import (
	"slices"

	"zaq/internal/onnx"
)

// misread reports whether l is a Softmax that ONNX Runtime would get wrong: between Dequantize and Quantize it makes a QLinearSoftmax of
// it, which in version 1.30 is that of another axis where its own is not the last one, and loses logits on a fine grid: those of a scale
// of 0.003 come out at 5 to 15 dB.
func (e *exporter) misread(l *Layer, op Operator) bool {
	if op.Type != "Softmax" || op.Domain != "" {
		return false
	}
	if in := e.producer[l.In[0]]; in == nil || !isFakeQuant(in) {
		return false
	}
	return slices.ContainsFunc(e.consumers[l.Out[0]], isFakeQuant)
}

func isFakeQuant(l *Layer) bool {
	_, ok := l.Op.(FakeQuant)
	return ok
}

// logarithms makes of a Softmax the LogSoftmax and the Exp that are the same, and have no integer kernels.
func (e *exporter) logarithms(node *onnx.Node) (*onnx.Node, *onnx.Node) {
	logs := *node
	logs.OpType, logs.Name = "LogSoftmax", e.nodeName(node.Name+"_LogSoftmax")
	logs.Outputs = []string{e.tensor(node.Outputs[0] + "_Exp_Input")}
	return &logs, &onnx.Node{Name: node.Name, OpType: "Exp", Inputs: logs.Outputs, Outputs: node.Outputs}
}
