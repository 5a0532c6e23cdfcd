package nn

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// form is one way to write an operator: build adds it to a graph with inputs x [N,4,6,7] and v [N,6] and
// returns the name of the result.
type form struct {
	name       string
	since, end int64 // opsets that have it; end 0 for all since
	kinds      string
	build      func(b *graphBuilder) string
}

// Short names for attributes.
var (
	num  = onnx.AttrI
	nums = onnx.AttrIs
	flt  = onnx.AttrF
	text = onnx.AttrS
)

var forms = []form{
	{"conv", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Conv", "x", b.weights(5, 4, 3, 3), b.weights(5))
	}},
	{"conv with everything", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Conv", "x", b.weights(6, 2, 3, 2), num("group", 2), nums("kernel_shape", 3, 2), nums("strides", 2, 1),
			nums("dilations", 1, 2), nums("pads", 1, 0, 2, 1))
	}},
	{"conv same upper", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Conv", "x", b.weights(3, 4, 3, 4), text("auto_pad", "SAME_UPPER"), nums("strides", 2, 2))
	}},
	{"conv same lower", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Conv", "x", b.weights(3, 4, 2, 4), text("auto_pad", "SAME_LOWER"))
	}},
	{"conv valid", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Conv", "x", b.weights(3, 4, 2, 2), text("auto_pad", "VALID"), nums("strides", 2, 3))
	}},
	{"depthwise conv", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Conv", "x", b.weights(8, 1, 3, 3), num("group", 4))
	}},
	{"conv, constant added", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("Add", b.node("Conv", "x", b.weights(3, 4, 1, 1)), b.weights(3, 1, 1))
	}},
	{"batch norm", 7, 0, "BatchNormalization", func(b *graphBuilder) string {
		return b.node("BatchNormalization", "x", b.weights(4), b.weights(4), b.weights(4), b.floats([]int64{4}, 1, 0.5, 2, 0.1),
			flt("epsilon", 0.01))
	}},
	{"relu", 7, 0, "Relu", func(b *graphBuilder) string { return b.node("Relu", "x") }},
	{"leaky relu", 7, 0, "LeakyRelu", func(b *graphBuilder) string { return b.node("LeakyRelu", "x", flt("alpha", 0.2)) }},
	{"leaky relu, default", 7, 0, "LeakyRelu", func(b *graphBuilder) string { return b.node("LeakyRelu", "x") }},
	{"clip attributes", 7, 10, "Clip", func(b *graphBuilder) string { return b.node("Clip", "x", flt("min", -0.25), flt("max", 0.5)) }},
	{"clip attribute", 7, 10, "Clip", func(b *graphBuilder) string { return b.node("Clip", "x", flt("max", 0.25)) }},
	{"clip inputs", 11, 0, "Clip", func(b *graphBuilder) string { return b.node("Clip", "x", b.floats(nil, 0), b.floats(nil, 0.5)) }},
	{"clip input", 11, 0, "Clip", func(b *graphBuilder) string { return b.node("Clip", "x", "", b.floats(nil, 0.25)) }},
	{"limits in a row", 11, 0, "Clip Identity", func(b *graphBuilder) string {
		below := b.node("Clip", b.node("Relu", b.node("Relu", "x")), "", b.floats(nil, 0.5))
		return b.node("Clip", below, b.floats(nil, -1), b.floats(nil, 0.25))
	}},
	{"limits apart", 11, 0, "Clip Identity", func(b *graphBuilder) string {
		return b.node("Clip", b.node("Clip", "x", "", b.floats(nil, -0.25)), b.floats(nil, 0.25))
	}},
	{"a limit that is read twice", 11, 0, "Relu Clip Add", func(b *graphBuilder) string {
		r := b.node("Relu", "x")
		return b.node("Add", r, b.node("Clip", r, b.floats(nil, 0), b.floats(nil, 0.25)))
	}},
	{"clip as relu", 11, 0, "Relu", func(b *graphBuilder) string { return b.node("Clip", "x", b.floats(nil, 0)) }},
	{"add to what others read, too, by another name", 7, 0, "Conv Add Add", func(b *graphBuilder) string {
		y := b.node("Identity", b.node("Conv", "x", b.weights(3, 4, 1, 1)))
		return b.node("Add", y, b.node("Add", y, b.weights(3, 1, 1)))
	}},
	{"add", 7, 0, "Relu Add", func(b *graphBuilder) string { return b.node("Add", "x", b.node("Relu", "x")) }},
	{"average pool", 7, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 2), nums("strides", 2, 2), nums("pads", 1, 0, 1, 1))
	}},
	{"average pool with padding", 7, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 2, 2), nums("pads", 1, 1, 0, 1), num("count_include_pad", 1))
	}},
	{"average pool, ceil", 10, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 3), nums("strides", 2, 3), num("ceil_mode", 1))
	}},
	{"average pool of the plane", 7, 0, "GlobalAveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 6, 7), nums("strides", 6, 7))
	}},
	{"max pool", 7, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 3, 3), nums("strides", 2, 2), nums("pads", 1, 1, 1, 1))
	}},
	{"max pool, same", 7, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 2, 2), nums("strides", 2, 2), text("auto_pad", "SAME_UPPER"))
	}},
	{"max pool, ceil", 10, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 2, 3), nums("strides", 3, 3), nums("pads", 0, 1, 1, 0), num("ceil_mode", 1))
	}},
	{"max pool, dilated", 10, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 3, 2), nums("dilations", 2, 3), nums("strides", 1, 2), nums("pads", 2, 1, 1, 1))
	}},
	{"max pool, dilated, ceil", 10, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 2, 2), nums("dilations", 3, 2), nums("strides", 4, 3), nums("pads", 1, 1, 0, 0), num("ceil_mode", 1))
	}},
	{"max pool, dilated, valid", 10, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 3, 2), nums("dilations", 2, 2), nums("strides", 2, 3), text("auto_pad", "VALID"), num("ceil_mode", 1))
	}},
	{"max pool, dilated, same", 10, 0, "MaxPool MaxPool Add", func(b *graphBuilder) string {
		windows := []any{"x", nums("kernel_shape", 2, 3), nums("dilations", 4, 2)}
		return b.node("Add", b.node("MaxPool", append(windows, text("auto_pad", "SAME_UPPER"))...), b.node("MaxPool", append(windows, text("auto_pad", "SAME_LOWER"))...))
	}},
	{"max pool, dilated, same, at 2", 10, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 3, 2), nums("dilations", 2, 4), nums("strides", 2, 2), text("auto_pad", "SAME_LOWER"))
	}},
	{"max pool, same, ceil", 10, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", "x", nums("kernel_shape", 3, 3), nums("strides", 2, 2), text("auto_pad", "SAME_UPPER"), num("ceil_mode", 1))
	}},
	{"average pool, valid, ceil", 10, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 2), nums("strides", 2, 3), text("auto_pad", "VALID"), num("ceil_mode", 1))
	}},
	{"average pool, dilated", 19, 0, "Gather AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 2), nums("dilations", 1, 3), nums("strides", 1, 2), nums("pads", 2, 0, 1, 0))
	}},
	{"average pool of the plane, dilated", 19, 0, "Gather Gather AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 4), nums("dilations", 2, 2))
	}},
	{"average pool, dilated, padding counted", 19, 0, "Pad Gather Gather AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 3), nums("dilations", 2, 2), nums("pads", 1, 1, 1, 0), num("count_include_pad", 1))
	}},
	{"average pool, padding counted, ceil", 19, 0, "Pad AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 2, 3), nums("strides", 2, 2), nums("pads", 1, 1, 0, 1), num("count_include_pad", 1), num("ceil_mode", 1))
	}},
	{"average pool, dilated, padding counted, ceil", 19, 0, "Pad Gather AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 3), nums("strides", 3, 1), nums("dilations", 1, 2), nums("pads", 1, 1, 0, 0), num("count_include_pad", 1), num("ceil_mode", 1))
	}},
	{"average pool, no padding to count, ceil", 19, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 2), nums("strides", 2, 3), num("count_include_pad", 1), num("ceil_mode", 1))
	}},
	{"average pool, same, padding counted", 7, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 3, 3), nums("strides", 2, 2), text("auto_pad", "SAME_LOWER"), num("count_include_pad", 1))
	}},
	{"average pool, kernel below the stride, same", 19, 0, "AveragePool", func(b *graphBuilder) string {
		return b.node("AveragePool", "x", nums("kernel_shape", 2, 2), nums("strides", 3, 4), text("auto_pad", "SAME_UPPER"))
	}},
	{"global average pool", 7, 0, "GlobalAveragePool", func(b *graphBuilder) string { return b.node("GlobalAveragePool", "x") }},
	{"reduce mean", 7, 17, "GlobalAveragePool", func(b *graphBuilder) string { return b.node("ReduceMean", "x", nums("axes", 2, 3)) }},
	{"reduce mean, flat", 11, 17, "GlobalAveragePool Flatten", func(b *graphBuilder) string {
		return b.node("ReduceMean", "x", nums("axes", -1, -2), num("keepdims", 0))
	}},
	{"reduce mean over an input", 18, 0, "GlobalAveragePool Flatten", func(b *graphBuilder) string {
		return b.node("ReduceMean", "x", b.list(-2, 3), num("keepdims", 0))
	}},
	{"flatten", 7, 0, "Flatten", func(b *graphBuilder) string { return b.node("Flatten", "x") }},
	{"flatten from the end", 11, 0, "Flatten", func(b *graphBuilder) string { return b.node("Flatten", "x", num("axis", -3)) }},
	{"reshape, 0 and -1", 7, 0, "Flatten", func(b *graphBuilder) string { return b.node("Reshape", "x", b.list(0, -1)) }},
	{"reshape, -1 and size", 7, 0, "Flatten", func(b *graphBuilder) string { return b.node("Reshape", "x", b.list(-1, 168)) }},
	{"reshape, computed", 7, 12, "Flatten", func(b *graphBuilder) string {
		batch := b.node("Gather", b.node("Shape", "x"), b.constant(onnx.NewInts(b.name("i"), onnx.Int64, nil, []int64{0})))
		return b.node("Reshape", "x", b.node("Concat", b.node("Unsqueeze", batch, nums("axes", 0)), b.list(-1), num("axis", 0)))
	}},
	{"reshape, computed", 13, 0, "Flatten", func(b *graphBuilder) string {
		batch := b.node("Slice", b.node("Shape", "x"), b.list(0), b.list(1))
		batch = b.node("Cast", batch, num("to", int64(onnx.Int64)))
		return b.node("Reshape", "x", b.node("Concat", batch, b.list(-1), num("axis", 0)))
	}},
	{"squeeze", 7, 12, "GlobalAveragePool Flatten", func(b *graphBuilder) string {
		return b.node("Squeeze", b.node("GlobalAveragePool", "x"), nums("axes", 3, 2))
	}},
	{"squeeze by an input", 13, 0, "GlobalAveragePool Flatten", func(b *graphBuilder) string {
		return b.node("Squeeze", b.node("GlobalAveragePool", "x"), b.list(-1, 2))
	}},
	{"gemm", 11, 0, "Gemm", func(b *graphBuilder) string { return b.node("Gemm", "v", b.weights(6, 5)) }},
	{"gemm with everything", 7, 0, "Gemm", func(b *graphBuilder) string {
		return b.node("Gemm", "v", b.weights(5, 6), b.weights(1, 5), flt("alpha", 0.5), flt("beta", -2), num("transB", 1))
	}},
	{"gemm, one bias", 7, 0, "Gemm", func(b *graphBuilder) string {
		return b.node("Gemm", "v", b.weights(6, 5), b.weights(1), flt("alpha", -1))
	}},
	{"matmul", 7, 0, "Gemm", func(b *graphBuilder) string { return b.node("MatMul", "v", b.weights(6, 3)) }},
	{"matmul and bias", 7, 0, "Gemm", func(b *graphBuilder) string {
		return b.node("Add", b.weights(3), b.node("MatMul", "v", b.weights(6, 3)))
	}},
	{"matmuls with one weight", 7, 0, "Gemm Gemm Add", func(b *graphBuilder) string {
		w := b.node("Identity", b.weights(6, 6))
		return b.node("Add", b.node("MatMul", "v", w), b.node("Gemm", "v", w, b.weights(6), num("transB", 1)))
	}},
	{"slice attributes", 7, 9, "Slice", func(b *graphBuilder) string {
		return b.node("Slice", "x", nums("starts", 1, -3), nums("ends", 1000, -1), nums("axes", 1, 3))
	}},
	{"slice inputs", 10, 0, "Slice", func(b *graphBuilder) string {
		return b.node("Slice", "x", b.list(0, -6, 0), b.list(1<<62, 5, 7), b.list(-2, 3, 0+1), b.list(2, 3, 1))
	}},
	{"slice of leading axes", 10, 0, "Slice", func(b *graphBuilder) string {
		return b.node("Slice", "x", b.list(0, 1), b.list(1<<62, 3))
	}},
	{"pad attributes", 7, 10, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", nums("pads", 0, 1, 0, 2, 0, 0, 3, 0), flt("value", 0.5))
	}},
	{"pad inputs", 11, 0, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(0, 1, 0, 2, 0, 0, 3, 0), b.floats(nil, -1), text("mode", "constant"))
	}},
	{"pad axes", 18, 0, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(1, 0, 0, 2), "", b.list(-1, 1))
	}},
	{"pad by reflection, attributes", 7, 10, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", nums("pads", 0, 0, 1, 2, 0, 0, 2, 1), text("mode", "reflect"))
	}},
	{"pad by reflection", 11, 0, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(0, 1, 5, 2, 0, 3, 2, 6), text("mode", "reflect"))
	}},
	{"pad by the edge", 11, 0, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(0, 0, 7, 2, 0, 0, 2, 9), b.floats(nil, 3), text("mode", "edge"))
	}},
	{"pad around", 19, 0, "Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(6, 2, 1, 7), "", b.list(2, 3), text("mode", "wrap"))
	}},
	{"pad and cut", 11, 0, "Slice Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(0, 1, -1, 2, 0, 0, 3, -2), b.floats(nil, -1))
	}},
	{"pad by reflection and cut", 11, 0, "Slice Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(0, 0, -2, 3, 0, 0, 3, -1), text("mode", "reflect"))
	}},
	{"pad by the edge and cut", 11, 0, "Slice Pad", func(b *graphBuilder) string {
		return b.node("Pad", "x", b.list(0, 0, -2, 2, 0, 0, 4, 1), text("mode", "edge"))
	}},
	{"cut by a pad", 11, 0, "Slice", func(b *graphBuilder) string { return b.node("Pad", "x", b.list(0, 0, -2, 0, 0, -1, 0, -1)) }},
	{"identity", 7, 0, "Relu", func(b *graphBuilder) string {
		return b.node("Relu", b.node("Identity", b.node("Identity", "x")))
	}},
	{"identity of an input", 7, 0, "Identity", func(b *graphBuilder) string { return b.node("Identity", "x") }},
	{"dropout", 7, 11, "Relu Identity", func(b *graphBuilder) string {
		return b.node("Dropout", b.node("Relu", "x"), flt("ratio", 0.5))
	}},
	{"dropout inputs", 12, 0, "Relu", func(b *graphBuilder) string {
		return b.node("Relu", b.node("Dropout", "x", b.floats(nil, 0.5)))
	}},
	{"constants by nodes", 7, 0, "Conv", func(b *graphBuilder) string {
		w := onnx.NewFloats("", []int64{2, 4, 1, 1}, waves(8, 3))
		return b.node("Conv", "x", b.node("Constant", onnx.AttrT("value", w)))
	}},
	{"constants by value", 12, 0, "Clip", func(b *graphBuilder) string {
		return b.node("Clip", "x", b.node("Constant", flt("value_float", -0.5)), b.node("Constant", flt("value_float", 0.5)))
	}},
	{"constants cast", 7, 0, "Gemm", func(b *graphBuilder) string {
		return b.node("MatMul", "v", b.node("Cast", b.levels(onnx.Int32, []int64{6, 2}, 1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6), num("to", 1)))
	}},
	{"constants reshaped", 7, 0, "Gemm", func(b *graphBuilder) string {
		return b.node("MatMul", "v", b.node("Reshape", b.weights(2, 1, 9), b.list(6, -1)))
	}},

	{"quantized", 10, 0, "FakeQuant", func(b *graphBuilder) string {
		grid := []any{b.floats(nil, 0.07), b.levels(onnx.Uint8, nil, 9)}
		return b.node("DequantizeLinear", append([]any{b.node("QuantizeLinear", append([]any{"x"}, grid...)...)}, grid...)...)
	}},
	{"quantized signed", 10, 0, "FakeQuant", func(b *graphBuilder) string {
		s, z := b.floats(nil, 0.004), b.levels(onnx.Int8, nil, 0)
		return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", s, z), s, z)
	}},
	{"quantized without zero point", 10, 0, "FakeQuant", func(b *graphBuilder) string {
		s := b.floats(nil, 0.05)
		return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", s), s)
	}},
	{"quantized in 4 bits", 12, 0, "FakeQuant", func(b *graphBuilder) string {
		s, z := b.floats(nil, 0.08), b.levels(onnx.Uint8, nil, 3)
		q := b.node("Clip", b.node("QuantizeLinear", "x", s, z), b.levels(onnx.Uint8, nil, 0), b.levels(onnx.Uint8, nil, 15))
		return b.node("DequantizeLinear", q, s, z)
	}},
	{"quantized by channel", 13, 0, "FakeQuant", func(b *graphBuilder) string {
		s, z := b.floats([]int64{4}, 0.01, 0.02, 0.03, 0.04), b.levels(onnx.Uint8, []int64{4}, 0, 100, 128, 7)
		return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", s, z), s, z)
	}},
	{"int8 weights", 13, 0, "Conv", func(b *graphBuilder) string {
		w := b.node("DequantizeLinear", b.levels(onnx.Int8, []int64{2, 4, 1, 1}, 1, -2, 3, -127, 5, 6, 7, 127),
			b.floats([]int64{2}, 0.5, 0.01), b.levels(onnx.Int8, []int64{2}, 0, 0), num("axis", 0))
		bias := b.node("DequantizeLinear", b.levels(onnx.Int32, []int64{2}, 100000, -3), b.floats(nil, 1e-4))
		return b.node("Conv", "x", w, bias)
	}},
	{"uint8 weights of a matmul", 13, 0, "Gemm", func(b *graphBuilder) string {
		w := b.node("DequantizeLinear", b.levels(onnx.Uint8, []int64{6, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 250, 12),
			b.floats([]int64{2}, 0.5, 0.01), b.levels(onnx.Uint8, []int64{2}, 4, 128), num("axis", -1))
		return b.node("MatMul", "v", w)
	}},
	{"weights quantized in the graph", 10, 0, "Gemm", func(b *graphBuilder) string {
		s, z := b.floats(nil, 0.007), b.levels(onnx.Int8, nil, 0)
		return b.node("MatMul", "v", b.node("DequantizeLinear", b.node("QuantizeLinear", b.weights(6, 4), s, z), s, z))
	}},
	{"int4 weights", 21, 0, "Gemm", func(b *graphBuilder) string {
		w := b.levels(onnx.Int4, []int64{3, 6}, 1, -7, 7, 0, 2, 3, -1, 4, 5, 6, -6, -5, 3, 3, 3, 0, 0, 1)
		s, z := b.floats([]int64{3}, 0.1, 0.2, 0.3), b.levels(onnx.Int4, []int64{3}, 0, 0, 0)
		return b.node("Gemm", "v", b.node("DequantizeLinear", w, s, z, num("axis", 0)), num("transB", 1))
	}},
	{"uint4 weights, cast", 21, 0, "Conv", func(b *graphBuilder) string {
		w := b.node("Cast", b.levels(onnx.Uint4, []int64{2, 4, 1, 1}, 0, 15, 7, 8, 1, 2, 3, 4), num("to", int64(onnx.Uint8)))
		s, z := b.floats([]int64{2}, 0.1, 0.2), b.levels(onnx.Uint8, []int64{2}, 7, 3)
		return b.node("Conv", "x", b.node("DequantizeLinear", w, s, z, num("axis", 0)))
	}},
}

func (f form) in(opset int64) bool { return f.since <= opset && (f.end == 0 || opset <= f.end) }

// formsGraph returns a graph with the given forms, one output each.
func formsGraph(opset int64, fs []form) *graphBuilder {
	b := newGraph(opset)
	b.input("x", 4, 6, 7)
	b.input("v", 6)
	for _, f := range fs {
		b.output(f.build(b))
	}
	return b
}

// TestForms imports every way to write an operator, at every opset that changed one, and compares its
// values with those that ONNX Runtime computes of the same file.
func TestForms(t *testing.T) {
	const batch = 2
	x, v := waves(batch*4*6*7, 0.5), waves(batch*6, 0.7)
	for _, opset := range []int64{7, 9, 10, 11, 12, 13, 18, 21, 25} {
		t.Run(fmt.Sprint("opset ", opset), func(t *testing.T) {
			t.Parallel()
			var fs []form
			for _, f := range forms {
				if !f.in(opset) {
					continue
				}
				fs = append(fs, f)
				var kinds []string
				for _, l := range formsGraph(opset, []form{f}).mustImport(t).Layers {
					kinds = append(kinds, l.Op.Kind())
				}
				if got := strings.Join(kinds, " "); got != f.kinds {
					t.Errorf("%s: layers %s, want %s", f.name, got, f.kinds)
				}
			}
			b := formsGraph(opset, fs)
			n := b.mustImport(t)
			values, err := Reference(n, map[string][]float32{"x": x, "v": v}, batch)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "forms.onnx")
			if err := b.model.WriteFile(path); err != nil {
				t.Fatal(err)
			}
			want := oracle.RunORT(t, path, []*onnx.Tensor{
				onnx.NewFloats("x", []int64{batch, 4, 6, 7}, x), onnx.NewFloats("v", []int64{batch, 6}, v),
			}, oracle.ORTOptions{Level: oracle.Disabled})
			for i, f := range fs {
				name := b.model.Graph.Outputs[i].Name
				y, err := want[i].Floats()
				if err != nil {
					t.Fatal(err)
				}
				if d := distance(values[name], y); !(d <= 1e-6) {
					t.Errorf("%s: off by %g from ONNX Runtime", f.name, d)
				}
				shape := n.Values[name].Shape
				if got := append([]int64{batch}, dims64(shape[1:])...); shape[0] != Batch || !slices.Equal(got, want[i].Dims) {
					t.Errorf("%s: shape %v, ONNX Runtime has %v", f.name, shape, want[i].Dims)
				}
			}
		})
	}
}

func dims64(shape []int) []int64 {
	d := make([]int64, len(shape))
	for i := range d {
		d[i] = int64(shape[i])
	}
	return d
}
