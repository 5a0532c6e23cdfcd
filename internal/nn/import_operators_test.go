package nn

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/operator"
	"zaq/internal/oracle"
)

// conv adds a convolution, so that what follows is a tail.
func conv(b *graphBuilder) string { return b.node("Conv", "x", b.weights(4, 4, 1, 1)) }

// split adds a Split with a second output and returns the difference of both.
func split(b *graphBuilder, args ...any) string {
	first := b.node("Split", args...)
	n := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
	n.Outputs = append(n.Outputs, first+"_rest")
	return b.node("Sub", first, first+"_rest")
}

// batchAnd adds a list of the batch of x and the given sizes.
func batchAnd(b *graphBuilder, x string, sizes ...int64) string {
	return b.node("Concat", b.node("Slice", b.node("Shape", x), b.list(0), b.list(1)), b.list(sizes...), num("axis", 0))
}

// operatorForms are those of operators that have no layer of their own, or of uses that theirs does not cover.
var operatorForms = []form{
	{"transposed convolution, 2x2 at 2", 7, 0, "Conv DepthToSpace", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 2, 2), b.weights(3), nums("strides", 2, 2))
	}},
	{"transposed convolution, 4x4 at 2", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 4, 4), nums("strides", 2, 2), nums("pads", 1, 1, 1, 1))
	}},
	{"transposed convolution, 3x3 at 2", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), b.weights(3), nums("strides", 2, 2), nums("pads", 1, 1, 1, 1), nums("output_padding", 1, 1))
	}},
	{"transposed convolution, kernel below the stride", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 2, 1), b.weights(3), nums("strides", 3, 3))
	}},
	{"transposed convolution, asymmetric", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 2, 5, 3), nums("strides", 3, 3), nums("pads", 0, 2, 3, 1))
	}},
	{"transposed convolution, depthwise", 11, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 1, 4, 4), b.weights(4), nums("strides", 2, 2), nums("pads", 1, 1, 1, 1), num("group", 4))
	}},
	{"transposed convolution in groups", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 2), b.weights(6), nums("strides", 2, 2), nums("pads", 1, 0, 0, 0), num("group", 2))
	}},
	{"transposed convolution, stride 1", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), nums("pads", 1, 1, 1, 1))
	}},
	{"transposed convolution, dilated", 7, 0, "Conv", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), b.weights(3), nums("dilations", 2, 1))
	}},
	{"transposed convolution, dilated at 2", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 2), b.weights(3), nums("strides", 2, 2), nums("dilations", 2, 3), nums("pads", 1, 1, 1, 1))
	}},
	{"transposed convolution of a size", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), nums("strides", 2, 2), nums("output_shape", 12, 15))
	}},
	{"transposed convolution, same upper", 7, 0, "Conv DepthToSpace", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), nums("strides", 2, 2), text("auto_pad", "SAME_UPPER"))
	}},
	{"transposed convolution, same lower", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), nums("strides", 2, 2), text("auto_pad", "SAME_LOWER"))
	}},
	{"transposed convolution, pads beyond the kernel", 7, 0, "Conv DepthToSpace Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 2, 2), nums("strides", 2, 2), nums("pads", 3, 2, 3, 2))
	}},
	{"transposed convolution, limited twice", 11, 0, "Conv Clip DepthToSpace Sigmoid", func(b *graphBuilder) string {
		up := b.node("Relu", b.node("ConvTranspose", "x", b.weights(4, 3, 2, 2), nums("strides", 2, 2)))
		return b.node("Sigmoid", b.node("Clip", up, b.floats(nil, 0), b.floats(nil, 0.5)))
	}},
	{"row convolution, limited twice", 11, 0, "Reshape Reshape Conv Clip Reshape Sigmoid", func(b *graphBuilder) string {
		y := b.node("Relu", b.node("Conv", b.node("Reshape", "x", b.list(0, 4, 42)), b.weights(3, 4, 3)))
		return b.node("Sigmoid", b.node("Clip", y, "", b.floats(nil, 0.5)))
	}},
	{"transposed convolution, normalized and clipped", 11, 0, "Conv BatchNormalization Relu LeakyRelu Clip DepthToSpace Slice", func(b *graphBuilder) string {
		up := b.node("ConvTranspose", "x", b.weights(4, 3, 4, 4), nums("strides", 2, 2), nums("pads", 1, 1, 1, 1))
		normal := b.node("BatchNormalization", up, b.weights(3), b.weights(3), b.weights(3), b.floats([]int64{3}, 1, 2, 3))
		leaky := b.node("LeakyRelu", b.node("Relu", b.node("Identity", normal)))
		return b.node("Clip", leaky, b.floats(nil, 0), b.floats(nil, 0.5))
	}},
	{"transposed convolution of groups, normalized", 11, 0, "Conv BatchNormalization DepthToSpace", func(b *graphBuilder) string {
		up := b.node("ConvTranspose", "x", b.weights(4, 3, 2, 2), b.weights(6), nums("strides", 2, 2), num("group", 2))
		return b.node("BatchNormalization", up, b.weights(6), b.weights(6), b.weights(6), b.floats([]int64{6}, 1, 2, 3, 4, 5, 6))
	}},
	{"transposed convolution, a bias added", 7, 0, "Conv Relu DepthToSpace", func(b *graphBuilder) string {
		return b.node("Relu", b.node("Add", b.node("ConvTranspose", "x", b.weights(4, 3, 2, 2), nums("strides", 2, 2)), b.weights(3, 1, 1)))
	}},
	{"transposed convolution, read twice", 7, 0, "Conv DepthToSpace Relu Add", func(b *graphBuilder) string {
		up := b.node("Identity", b.node("ConvTranspose", "x", b.weights(4, 3, 2, 2), nums("strides", 2, 2)))
		return b.node("Add", up, b.node("Relu", up))
	}},
	{"transposed convolution, 1x4 at 1 and 2", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 1, 4), b.weights(3), nums("strides", 1, 2), nums("pads", 0, 1, 0, 1))
	}},
	{"transposed convolution, 3x1 at 3 and 1", 7, 0, "Conv Reshape Transpose Reshape", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 1), nums("strides", 3, 1))
	}},
	{"transposed convolution, 3x3 at 2 and 1", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 3), b.weights(3), nums("strides", 2, 1), nums("pads", 1, 2, 0, 1), nums("output_padding", 1, 0))
	}},
	{"transposed convolution, 4x5 at 3 and 2 in groups", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 4, 5), b.weights(6), nums("strides", 3, 2), nums("pads", 2, 0, 1, 3), num("group", 2))
	}},
	{"transposed convolution, depthwise at 1 and 4", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 1, 3, 8), nums("strides", 1, 4), nums("pads", 1, 2, 1, 2), num("group", 4))
	}},
	{"transposed convolution, dilated at 2 and 1", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 2, 3), nums("strides", 2, 1), nums("dilations", 3, 2), nums("pads", 1, 1, 0, 2))
	}},
	{"transposed convolution, dilated at 2 and 3", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 2, 3, 2), b.weights(4), nums("strides", 2, 3), nums("dilations", 2, 4), nums("pads", 1, 0, 1, 1), num("group", 2))
	}},
	{"transposed convolution, of a size at 1 and 2", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 3, 5), nums("strides", 1, 2), nums("output_shape", 7, 15))
	}},
	{"transposed convolution, same upper at 1 and 2", 11, 0, "Conv Reshape Transpose Reshape", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 1, 3), nums("strides", 1, 2), text("auto_pad", "SAME_UPPER"))
	}},
	{"transposed convolution, same lower at 3 and 1", 11, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 4, 3), nums("strides", 3, 1), text("auto_pad", "SAME_LOWER"))
	}},
	{"transposed convolution, valid at 1 and 2", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 2, 3), nums("strides", 1, 2), text("auto_pad", "VALID"))
	}},
	{"transposed convolution, pads beyond the kernel at 1 and 2", 7, 0, "Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", "x", b.weights(4, 3, 1, 2), nums("strides", 1, 2), nums("pads", 1, 3, 2, 2))
	}},
	{"transposed convolution at 1 and 2, normalized", 11, 0, "Conv BatchNormalization Relu Reshape Transpose Reshape", func(b *graphBuilder) string {
		up := b.node("ConvTranspose", "x", b.weights(4, 3, 1, 2), b.weights(6), nums("strides", 1, 2), num("group", 2))
		return b.node("Relu", b.node("BatchNormalization", up, b.weights(6), b.weights(6), b.weights(6), b.floats([]int64{6}, 1, 2, 3, 4, 5, 6)))
	}},
	{"transposed convolution at 2 and 1, a bias added", 7, 0, "Conv Reshape Transpose Reshape", func(b *graphBuilder) string {
		return b.node("Add", b.node("ConvTranspose", "x", b.weights(4, 3, 2, 1), nums("strides", 2, 1)), b.weights(3, 1, 1))
	}},
	{"padding of nothing, pooled", 11, 0, "MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", b.node("Pad", "x", b.list(0, 0, 1, 0, 0, 0, 1, 2), b.floats(nil, float32(math.Inf(-1)))), nums("kernel_shape", 3, 3), nums("strides", 2, 2))
	}},
	{"padding of the lowest, pooled in ceil mode", 11, 0, "MaxPool", func(b *graphBuilder) string {
		y := b.node("Pad", "x", b.list(0, 0, 0, 1, 0, 0, 1, 0), b.floats(nil, -math.MaxFloat32))
		return b.node("MaxPool", y, nums("kernel_shape", 4, 4), nums("strides", 3, 3), nums("pads", 1, 0, 0, 1), num("ceil_mode", 1))
	}},
	{"padding of less than a limit, pooled", 11, 0, "Relu MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", b.node("Pad", b.node("Relu", "x"), b.list(0, 0, 1, 1, 0, 0, 1, 1), b.floats(nil, -1)), nums("kernel_shape", 3, 3), nums("strides", 2, 2))
	}},
	{"padding of -1, pooled", 11, 0, "Pad MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", b.node("Pad", "x", b.list(0, 0, 1, 1, 0, 0, 1, 1), b.floats(nil, -1)), nums("kernel_shape", 3, 3), nums("strides", 2, 2))
	}},
	{"padding of the lowest, more than a window", 11, 0, "Pad MaxPool", func(b *graphBuilder) string {
		return b.node("MaxPool", b.node("Pad", "x", b.list(0, 0, 2, 2, 0, 0, 2, 2), b.floats(nil, -1e6)), nums("kernel_shape", 2, 2), nums("strides", 2, 2))
	}},
	{"sigmoid", 7, 0, "Sigmoid", func(b *graphBuilder) string { return b.node("Sigmoid", "x") }},
	{"tanh", 7, 0, "Tanh", func(b *graphBuilder) string { return b.node("Tanh", "x") }},
	{"hard sigmoid", 7, 0, "HardSigmoid", func(b *graphBuilder) string { return b.node("HardSigmoid", "x", flt("alpha", 0.3)) }},
	{"hard swish", 14, 0, "HardSwish", func(b *graphBuilder) string { return b.node("HardSwish", "x") }},
	{"mish", 18, 0, "Mish", func(b *graphBuilder) string { return b.node("Mish", "x") }},
	{"exp", 7, 0, "Exp", func(b *graphBuilder) string { return b.node("Exp", "x") }},
	{"sqrt", 7, 0, "Abs Sqrt", func(b *graphBuilder) string { return b.node("Sqrt", b.node("Abs", "x")) }},
	{"pow", 7, 0, "Pow", func(b *graphBuilder) string { return b.node("Pow", "x", b.floats(nil, 2)) }},
	{"swish", 7, 0, "Sigmoid Mul", func(b *graphBuilder) string { return b.node("Mul", "x", b.node("Sigmoid", "x")) }},
	{"squeeze and excite", 7, 0, "GlobalAveragePool Sigmoid Mul", func(b *graphBuilder) string {
		return b.node("Mul", b.node("Sigmoid", b.node("GlobalAveragePool", "x")), "x")
	}},
	{"prelu", 7, 0, "PRelu", func(b *graphBuilder) string { return b.node("PRelu", "x", b.weights(4, 1, 1)) }},
	{"add, stretched", 7, 0, "GlobalAveragePool Add", func(b *graphBuilder) string {
		return b.node("Add", "x", b.node("GlobalAveragePool", "x"))
	}},
	{"add a constant", 7, 0, "Add", func(b *graphBuilder) string { return b.node("Add", "x", b.weights(4, 1, 1)) }},
	{"constants around", 7, 0, "Sub Div Sub", func(b *graphBuilder) string {
		return b.node("Sub", b.floats(nil, 1), b.node("Div", b.node("Sub", "x", b.weights(4, 1, 1)), b.floats(nil, 3)))
	}},
	{"pow by integers", 12, 0, "Pow Pow", func(b *graphBuilder) string {
		return b.node("Pow", b.node("Pow", "x", b.levels(onnx.Int64, nil, 2)), b.levels(onnx.Int32, []int64{7}, 0, 1, 2, 3, 1, 2, 1))
	}},
	{"of one tensor each", 8, 0, "Relu", func(b *graphBuilder) string {
		return b.node("Relu", b.node("Max", b.node("Min", b.node("Mean", b.node("Sum", "x")))))
	}},
	{"scalars that are computed", 12, 17, "Mul Mul Add", func(b *graphBuilder) string {
		y := b.node("Mul", "x", b.node("Constant", flt("value_float", 1.5)))
		y = b.node("Mul", b.node("Gather", b.weights(3), b.levels(onnx.Int64, nil, 1)), y)
		return b.node("Add", y, b.node("ReduceMean", b.weights(4), num("keepdims", 0)))
	}},
	{"sum of three", 8, 0, "Relu Sum", func(b *graphBuilder) string { return b.node("Sum", "x", b.node("Relu", "x"), b.weights(1)) }},
	{"min and max", 8, 0, "Min Max", func(b *graphBuilder) string {
		return b.node("Max", b.node("Min", "x", b.floats(nil, 0.5)), b.floats([]int64{7}, 0, -1, 0.2, 0, 0.1, -0.5, 0))
	}},
	{"concat", 7, 0, "Relu Concat", func(b *graphBuilder) string { return b.node("Concat", "x", b.node("Relu", "x"), "x", num("axis", -3)) }},
	{"split by sizes", 7, 12, "Slice Slice Sub", func(b *graphBuilder) string {
		return split(b, "x", num("axis", 1), nums("split", 2, 2))
	}},
	{"split by an input", 13, 17, "Slice Slice Sub", func(b *graphBuilder) string { return split(b, "x", b.list(2, 2), num("axis", 1)) }},
	{"split in two", 18, 0, "Slice Slice Sub", func(b *graphBuilder) string {
		return split(b, "x", num("axis", 1), num("num_outputs", 2))
	}},
	{"slice backwards", 10, 0, "Slice", func(b *graphBuilder) string {
		return b.node("Slice", "x", b.list(-1), b.list(-9), b.list(2), b.list(-2))
	}},
	{"gather", 7, 0, "Gather", func(b *graphBuilder) string { return b.node("Gather", "x", b.list(3, 0, 3), num("axis", 1)) }},
	{"expand", 8, 0, "GlobalAveragePool Expand", func(b *graphBuilder) string {
		return b.node("Expand", b.node("GlobalAveragePool", "x"), b.list(1, 1, 2, 3))
	}},
	{"tile", 7, 0, "Tile", func(b *graphBuilder) string { return b.node("Tile", "x", b.list(1, 2, 1, 3)) }},
	{"max pool of a row, padded before", 11, 0, "AveragePool Relu Pad Reshape MaxPool Reshape", func(b *graphBuilder) string {
		y := b.node("Pad", b.node("Relu", b.node("AveragePool", "x", nums("kernel_shape", 6, 1))), b.list(0, 0, 0, 1, 0, 0, 0, 1), b.floats(nil, -1))
		return b.node("MaxPool", b.node("Reshape", y, b.list(0, 4, -1)), nums("kernel_shape", 3), nums("strides", 2))
	}},
	{"max pool of a row, the row padded with nothing", 11, 0, "Reshape Reshape MaxPool Reshape", func(b *graphBuilder) string {
		y := b.node("Pad", b.node("Reshape", "x", b.list(0, 4, -1)), b.list(0, 0, 1, 0, 0, 2), b.floats(nil, float32(math.Inf(-1))))
		return b.node("MaxPool", y, nums("kernel_shape", 3), nums("strides", 2))
	}},
	{"max pool of a row, the row padded with less", 11, 0, "Reshape Relu Reshape MaxPool Reshape", func(b *graphBuilder) string {
		y := b.node("Pad", b.node("Relu", b.node("Reshape", "x", b.list(0, 4, -1))), b.list(0, 0, 1, 0, 0, 2), b.floats(nil, -1))
		return b.node("MaxPool", y, nums("kernel_shape", 3), nums("strides", 2))
	}},
	{"max pool of a row, the row padded with more than a window", 11, 0, "Reshape Reshape Pad MaxPool Reshape", func(b *graphBuilder) string {
		y := b.node("Pad", b.node("Reshape", "x", b.list(0, 4, -1)), b.list(0, 0, 4, 0, 0, 2), b.floats(nil, -1))
		return b.node("MaxPool", y, nums("kernel_shape", 3), nums("strides", 2))
	}},
	{"squeeze of a row", 7, 12, "MaxPool Squeeze", func(b *graphBuilder) string {
		return b.node("Squeeze", b.node("MaxPool", "x", nums("kernel_shape", 6, 1)), nums("axes", 2))
	}},
	{"unsqueeze", 7, 12, "Unsqueeze", func(b *graphBuilder) string { return b.node("Unsqueeze", "x", nums("axes", 1, 4)) }},
	{"unsqueeze by an input", 13, 0, "Unsqueeze", func(b *graphBuilder) string { return b.node("Unsqueeze", "x", b.list(1, 4)) }},
	{"channel shuffle", 7, 0, "Reshape Transpose Reshape", func(b *graphBuilder) string {
		y := b.node("Transpose", b.node("Reshape", "x", b.list(0, 2, 2, 6, 7)), nums("perm", 0, 2, 1, 3, 4))
		return b.node("Reshape", y, b.list(-1, 4, 6, 7))
	}},
	{"transpose", 7, 0, "Transpose", func(b *graphBuilder) string { return b.node("Transpose", "x", nums("perm", 0, 2, 3, 1)) }},
	{"depth to space", 7, 0, "DepthToSpace", func(b *graphBuilder) string { return b.node("DepthToSpace", "x", num("blocksize", 2)) }},
	{"depth to space, by columns", 11, 0, "DepthToSpace", func(b *graphBuilder) string {
		return b.node("DepthToSpace", "x", num("blocksize", 2), text("mode", "CRD"))
	}},
	{"global max pool", 7, 0, "MaxPool", func(b *graphBuilder) string { return b.node("GlobalMaxPool", "x") }},
	{"upsample", 7, 8, "Upsample", func(b *graphBuilder) string {
		return b.node("Upsample", "x", onnx.AttrFs("scales", 1, 1, 2, 3), text("mode", "nearest"))
	}},
	{"upsample by an input", 9, 9, "Upsample", func(b *graphBuilder) string {
		return b.node("Upsample", "x", b.floats([]int64{4}, 1, 1, 2, 2), text("mode", "linear"))
	}},
	{"resize", 10, 10, "Resize", func(b *graphBuilder) string { return b.node("Resize", "x", b.floats([]int64{4}, 1, 1, 2, 0.5)) }},
	{"resize, nearest", 11, 0, "Resize", func(b *graphBuilder) string {
		return b.node("Resize", "x", b.floats([]int64{0}), b.floats([]int64{4}, 1, 1, 2, 2), text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor"))
	}},
	{"resize, linear", 11, 0, "Resize", func(b *graphBuilder) string {
		return b.node("Resize", "x", b.floats([]int64{0}), b.floats([]int64{4}, 1, 1, 2, 1.5), text("mode", "linear"))
	}},
	{"resize to a size", 13, 0, "Resize", func(b *graphBuilder) string {
		return b.node("Resize", "x", "", b.floats([]int64{4}, 1, 1, 1.5, 2), text("mode", "linear"), text("coordinate_transformation_mode", "align_corners"))
	}},
	{"resize to the batch and a size", 11, 0, "Resize", func(b *graphBuilder) string {
		return b.node("Resize", "x", b.floats([]int64{0}), b.floats([]int64{0}), batchAnd(b, "x", 4, 13, 16), text("coordinate_transformation_mode", "asymmetric"),
			text("mode", "nearest"), text("nearest_mode", "floor"))
	}},
	{"resize to the size of a skip, linear", 11, 0, "AveragePool Resize Concat", func(b *graphBuilder) string {
		small := b.node("AveragePool", "x", nums("kernel_shape", 2, 2), nums("strides", 2, 2))
		n := b.node("Slice", b.node("Shape", small), b.list(0), b.list(2))
		size := b.node("Slice", b.node("Shape", "x"), b.list(2), b.list(4))
		y := b.node("Resize", small, b.floats([]int64{0}), b.floats([]int64{0}), b.node("Concat", n, size, num("axis", 0)), text("mode", "linear"),
			text("coordinate_transformation_mode", "pytorch_half_pixel"))
		return b.node("Concat", "x", y, num("axis", 1))
	}},
	{"resize by corners to a size", 11, 0, "Resize", func(b *graphBuilder) string {
		return b.node("Resize", "x", b.floats([]int64{0}), b.floats([]int64{0}), batchAnd(b, "x", 4, 11, 9), text("mode", "linear"),
			text("coordinate_transformation_mode", "align_corners"))
	}},
	{"expand to the batch and a size", 11, 0, "GlobalAveragePool Expand", func(b *graphBuilder) string {
		return b.node("Expand", b.node("GlobalAveragePool", "x"), batchAnd(b, "x", 4, 2, 3))
	}},

	{"transposed conv", 7, 0, "Conv Conv Reshape Transpose Reshape Slice", func(b *graphBuilder) string {
		return b.node("ConvTranspose", conv(b), b.weights(4, 2, 3, 2), b.weights(4), num("group", 2), nums("strides", 2, 1), nums("pads", 1, 0, 0, 1),
			nums("output_padding", 1, 0))
	}},
	{"softmax of all behind", 7, 12, "Conv Flatten Softmax", func(b *graphBuilder) string { return b.node("Softmax", b.node("Flatten", conv(b))) }},
	{"softmax of maps", 7, 12, "Conv Reshape Softmax Reshape", func(b *graphBuilder) string { return b.node("Softmax", conv(b)) }},
	{"hardmax of maps", 7, 12, "Conv Reshape Hardmax Reshape", func(b *graphBuilder) string { return b.node("Hardmax", conv(b), num("axis", 2)) }},
	{"softmax of an axis", 13, 0, "Conv Softmax", func(b *graphBuilder) string { return b.node("Softmax", conv(b), num("axis", 1)) }},
	{"log softmax", 7, 0, "Conv Flatten LogSoftmax", func(b *graphBuilder) string {
		return b.node("LogSoftmax", b.node("Flatten", conv(b)), num("axis", 1))
	}},
	{"mean over channels", 7, 17, "Conv ReduceMean", func(b *graphBuilder) string { return b.node("ReduceMean", conv(b), nums("axes", 1)) }},
	{"mean over channels by an input", 18, 0, "Conv ReduceMean", func(b *graphBuilder) string { return b.node("ReduceMean", conv(b), b.list(1)) }},
	{"reflection", 7, 10, "Conv Pad", func(b *graphBuilder) string {
		return b.node("Pad", conv(b), nums("pads", 0, 0, 1, 2, 0, 0, 2, 1), text("mode", "reflect"))
	}},
	{"reflection by an input", 11, 0, "Conv Pad", func(b *graphBuilder) string {
		return b.node("Pad", conv(b), b.list(0, 0, 1, 2, 0, 0, 2, 1), text("mode", "reflect"))
	}},
	{"best class", 7, 0, "Conv ArgMax Cast", func(b *graphBuilder) string {
		return b.node("Cast", b.node("ArgMax", conv(b), num("axis", 1)), num("to", 1))
	}},
	{"clip of a tail", 7, 10, "Conv Sigmoid Clip", func(b *graphBuilder) string {
		return b.node("Clip", b.node("Sigmoid", conv(b)), flt("min", 0.4), flt("max", 0.6))
	}},
	{"grid of anchors", 9, 0, "Conv Transpose Reshape Mul Add", func(b *graphBuilder) string {
		y := b.node("Reshape", b.node("Transpose", conv(b), nums("perm", 0, 2, 3, 1)), b.list(0, -1, 4))
		anchors := b.node("ConstantOfShape", b.list(42, 4), onnx.AttrT("value", onnx.NewFloats("", []int64{1}, []float32{0.25})))
		return b.node("Add", b.node("Mul", y, b.floats(nil, 0.1)), anchors)
	}},
	{"zeros for each image", 9, 0, "Conv Add", func(b *graphBuilder) string {
		y := conv(b)
		return b.node("Add", y, b.node("ConstantOfShape", b.node("Shape", y)))
	}},
	{"batch of a shape", 7, 0, "Conv Reshape", func(b *graphBuilder) string {
		y := conv(b)
		n := b.node("Gather", b.node("Shape", y), b.list(0))
		return b.node("Reshape", y, b.node("Concat", n, b.list(2, 84), num("axis", 0)))
	}},
	{"batch of a shape, read twice", 9, 0, "Conv Reshape Add Reshape Add", func(b *graphBuilder) string {
		y := conv(b)
		target := b.node("Concat", b.node("Gather", b.node("Shape", y), b.list(0)), b.list(2, 84), num("axis", 0))
		sum := b.node("Add", b.node("ConstantOfShape", target), b.node("Reshape", y, b.list(0, 2, 84)))
		return b.node("Add", sum, b.node("Reshape", y, target))
	}},
}

func init() { forms = append(forms, operatorForms...) }

// What operators have by rules, because their inputs are too large to try, is what trying finds out.
func TestOutlines(t *testing.T) {
	ruled := make(map[string]bool)
	for _, opset := range []int64{7, 9, 10, 11, 13, 18} {
		for _, f := range operatorForms {
			if !f.in(opset) {
				continue
			}
			n := formsGraph(opset, []form{f}).mustImport(t)
			for _, l := range n.Layers {
				op, ok := l.Op.(Operator)
				if !ok {
					continue
				}
				var in []*operator.Tensor
				for _, name := range l.In {
					var x *operator.Tensor
					if v := n.Values[name]; v != nil && v.Const() {
						x = v.tensor()
					} else if v != nil {
						x = &operator.Tensor{Type: v.elementType(), Shape: withBatch(v.Shape, 1)}
					}
					in = append(in, x)
				}
				out, err := operator.Outline(op.Node(l), opset, in)
				if err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
				if out == nil {
					continue
				}
				ruled[op.Type] = true
				if want := n.Output(l); !slices.Equal(out[0].Shape, withBatch(want.Shape, 1)) || out[0].Type != want.Type {
					t.Errorf("opset %d, %s: %v %v, tried %v %v", opset, f.name, out[0].Type, out[0].Shape, want.Type, want.Shape)
				}
			}
		}
	}
	if len(ruled) < 20 {
		t.Errorf("rules were tried of %d operators only", len(ruled))
	}
}

// Maps too large to try operators on are read, and where an operator has no rule it is named.
func TestLargeMaps(t *testing.T) {
	large := func(build func(b *graphBuilder, x string) string) (*Network, error) {
		b := newGraph(13)
		x := b.node("Conv", b.input("x", 3, 1024, 1024), b.weights(64, 3, 1, 1))
		b.output(b.node("Conv", build(b, x), b.weights(1, 64, 1, 1)))
		return Import(b.model)
	}
	n, err := large(func(b *graphBuilder, x string) string {
		y := b.node("PRelu", b.node("Mul", x, b.node("Sigmoid", x)), b.weights(64, 1, 1))
		y = b.node("Resize", b.node("AveragePool", y, nums("kernel_shape", 2, 2), nums("strides", 2, 2)), "", b.floats([]int64{4}, 1, 1, 2, 2))
		return b.node("Add", b.node("GlobalAveragePool", x), b.node("Transpose", y, nums("perm", 0, 1, 3, 2)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Values[n.Outputs[0]].Shape; !slices.Equal(got, []int{Batch, 1, 1024, 1024}) {
		t.Errorf("output has shape %v", got)
	}
	_, err = large(func(b *graphBuilder, x string) string {
		return b.node("Gather", x, b.levels(onnx.Int64, []int64{64}, make([]int64, 64)...), num("axis", 1))
	})
	if want := `(Gather): its input "t3" is too large, [-1 64 1024 1024], to find out`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %s", err, want)
	}
}

// TestFormsExported writes every form of every opset in opset 13, or its own where that is higher, and in opset 21.
// ONNX Runtime computes of the files what their source means.
func TestFormsExported(t *testing.T) {
	const batch = 2
	x, v := waves(batch*4*6*7, 0.5), waves(batch*6, 0.7)
	inputs := []*onnx.Tensor{onnx.NewFloats("x", []int64{batch, 4, 6, 7}, x), onnx.NewFloats("v", []int64{batch, 6}, v)}
	for _, from := range []int64{7, 9, 10, 11, 13, 18, 21, 25} {
		for _, to := range []int64{13, 21} {
			t.Run(fmt.Sprintf("%d to %d", from, to), func(t *testing.T) {
				t.Parallel()
				var fs []form
				for _, f := range forms {
					if f.in(from) {
						fs = append(fs, f)
					}
				}
				n := formsGraph(from, fs).mustImport(t)
				values, err := Reference(n, map[string][]float32{"x": x, "v": v}, batch)
				if err != nil {
					t.Fatal(err)
				}
				m := export(t, n, ExportOptions{Opset: max(to, from)})
				path := filepath.Join(t.TempDir(), "forms.onnx")
				if err := m.WriteFile(path); err != nil {
					t.Fatal(err)
				}
				got := oracle.RunORT(t, path, inputs, oracle.ORTOptions{Level: oracle.Disabled})
				for i, f := range fs {
					if d := distance(floats(t, got[i]), values[n.Outputs[i]]); !(d <= 1e-6) {
						t.Errorf("%s: off by %g", f.name, d)
					}
				}
				back := reimport(t, m)
				again, err := Reference(back, map[string][]float32{"x": x, "v": v}, batch)
				if err != nil {
					t.Fatal(err)
				}
				for i, f := range fs {
					if d := distance(again[back.Outputs[i]], values[n.Outputs[i]]); !(d <= 1e-6) {
						t.Errorf("%s: read back it is off by %g", f.name, d)
					}
				}
			})
		}
	}
}
