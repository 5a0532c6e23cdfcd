package main

import (
	"zaq/internal/onnx"
)

// severalInputs are the kinds of models with more than one input, see writeModel.
var severalInputs = map[string]func(b *builder) (inputs []*onnx.ValueInfo){
	"pair": func(b *builder) []*onnx.ValueInfo {
		left, right := b.convolution("conv1", "left", 3, 8, 2), b.convolution("conv2", "right", 3, 8, 2)
		b.classify(b.convolution("conv3", b.node("Concat", "both", []string{left, right}, onnx.AttrI("axis", 1)), 16, 16, 2))
		return []*onnx.ValueInfo{batchOf("left", 3, 32, 32), batchOf("right", 3, 32, 32)}
	},
	"features": func(b *builder) []*onnx.ValueInfo {
		x := b.convolution("conv1", "image", 3, 8, 2)
		x = b.node("Flatten", "flatten", []string{b.node("GlobalAveragePool", "pool", []string{x})})
		x = b.node("Concat", "both", []string{"features", x}, onnx.AttrI("axis", 1))
		b.node("Gemm", "logits", []string{x, b.random("fc.weight", 1, 12, 10), b.constant("fc.bias", 0, 10)})
		return []*onnx.ValueInfo{batchOf("features", 4), batchOf("image", 3, 32, 32)}
	},
	"sequence": func(b *builder) []*onnx.ValueInfo {
		x := b.classify(b.convolution("conv1", "image", 3, 16, 2))
		s := b.node("Flatten", "row", []string{"words"})
		b.nodes[len(b.nodes)-2].Outputs[0] = "scores"
		s = b.node("Gemm", "moved", []string{s, b.random("words.weight", 1, 35, 10)})
		b.node("Add", x, []string{"scores", s}) // in the place of what classify made
		return []*onnx.ValueInfo{batchOf("image", 3, 32, 32), batchOf("words", 7, 5)}
	},
}

// classify ends a network with 16 channels in ten classes.
func (b *builder) classify(x string) string {
	x = b.node("Flatten", "flatten", []string{b.node("GlobalAveragePool", "pool", []string{x})})
	return b.node("Gemm", "logits", []string{x, b.random("fc.weight", 1, 16, 10), b.constant("fc.bias", 0, 10)})
}

// batchOf describes a tensor of any batch.
func batchOf(name string, shape ...int64) *onnx.ValueInfo {
	dims := []onnx.Dim{{Size: -1, Param: "N"}}
	for _, d := range shape {
		dims = append(dims, onnx.Dim{Size: d})
	}
	return &onnx.ValueInfo{Name: name, Type: onnx.Float, Shape: dims}
}

// writeSeveral writes a model of several inputs with ten classes.
func writeSeveral(b *builder, kind, path string) error {
	inputs := severalInputs[kind](b)
	m := &onnx.Model{
		IRVersion: 7, Opsets: []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{Name: kind, Nodes: b.nodes, Initializers: b.constants, Inputs: inputs, Outputs: []*onnx.ValueInfo{batchOf("logits", 10)}},
	}
	return m.WriteFile(path)
}
