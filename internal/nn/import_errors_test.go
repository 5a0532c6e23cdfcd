package nn

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// TestImportErrors pins what Import refuses and how it says so.
func TestImportErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tests := []struct {
		name        string
		want        string // in the error
		unsupported bool
		build       func(b *graphBuilder) string
	}{
		{"operator", `node "n1" (Det): operator not supported`, true, func(b *graphBuilder) string { return b.node("Det", "x") }},
		{"domain", `(com.microsoft.Relu): operator not supported`, true, func(b *graphBuilder) string {
			y := b.node("Relu", "x")
			b.model.Graph.Nodes[0].Domain = "com.microsoft"
			b.model.Opsets = append(b.model.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
			return y
		}},
		{"operator of a tail in the trunk", `(LRN): only supported after the last layer with weights`, true, func(b *graphBuilder) string {
			return b.node("Conv", b.node("LRN", "x", num("size", 3)), b.weights(1, 4, 1, 1))
		}},
		{"hardmax in the trunk", `(Hardmax): only supported after the last layer with weights`, true, func(b *graphBuilder) string {
			b.model.Opsets[0].Version = 12
			return b.node("Conv", b.node("Hardmax", "x"), b.weights(1, 4, 1, 1))
		}},
		{"softmax over images", `(Softmax): mixes the images of a batch`, true, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Softmax", "x", num("axis", 0)), b.weights(2, 4, 1, 1))
		}},
		{"mean over images", `(ReduceMean): mixes the images of a batch`, true, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Mul", "x", b.node("ReduceMean", "x", nums("axes", 0))), b.weights(2, 4, 1, 1))
		}},
		{"mean of a softmax in the trunk", `(Conv): of a Softmax`, true, func(b *graphBuilder) string {
			y := b.node("Conv", b.node("Softmax", "x", num("axis", 1)), b.weights(1, 4, 1, 1))
			return b.node("Conv", y, b.weights(2, 1, 1, 1))
		}},
		{"normalization of computed gains", `(LayerNormalization): its scales or axes are computed`, true, func(b *graphBuilder) string {
			b.model.Opsets[0].Version = 17
			y := b.node("LayerNormalization", "x", b.node("ReduceMean", "x", nums("axes", 1, 2)), b.weights(7))
			return b.node("Conv", y, b.weights(2, 4, 1, 1))
		}},
		{"deviations of a normalization", `is used`, true, func(b *graphBuilder) string {
			b.model.Opsets[0].Version = 17
			y := b.node("LayerNormalization", "x", b.weights(7), b.weights(7))
			b.model.Graph.Nodes[0].Outputs = append(b.model.Graph.Nodes[0].Outputs, "", "deviation")
			return b.node("Conv", b.node("Mul", y, "deviation"), b.weights(2, 4, 1, 1))
		}},
		{"scalar input", `input "k" is a scalar: inputs need a batch axis`, false, func(b *graphBuilder) string {
			b.model.Graph.Inputs = append(b.model.Graph.Inputs, &onnx.ValueInfo{Name: "k", Type: onnx.Float, Shape: []onnx.Dim{}})
			return b.node("Add", "x", "k")
		}},
		{"transposed convolution of a huge stride", `strides of [30000 30000] make`, true, func(b *graphBuilder) string {
			y := b.node("ConvTranspose", b.node("GlobalAveragePool", "x"), b.weights(4, 4, 2, 2), nums("strides", 30000, 30000))
			return b.node("Conv", y, b.weights(1, 4, 1, 1))
		}},
		{"transposed convolution of a stride beyond reason", `strides of [1073741824 1073741824] make`, true, func(b *graphBuilder) string {
			y := b.node("ConvTranspose", b.node("GlobalAveragePool", "x"), b.weights(4, 4, 2, 2), nums("strides", 2000000000, 2000000000))
			return b.node("Conv", y, b.weights(1, 4, 1, 1))
		}},
		{"transposed convolution of no kernel, dilated", `has shape [4 4 0 3]`, true, func(b *graphBuilder) string {
			y := b.node("ConvTranspose", "x", b.floats([]int64{4, 4, 0, 3}), nums("strides", 2, 2), nums("dilations", 2, 2))
			return b.node("Conv", y, b.weights(1, 4, 1, 1))
		}},
		{"resize to a huge size", `has more than 268435456 elements`, false, func(b *graphBuilder) string {
			y := b.node("Resize", "x", "", "", b.constant(onnx.NewInts("huge", onnx.Int64, []int64{4}, []int64{1, 4, 1, 1 << 30})))
			return b.node("Conv", y, b.weights(1, 4, 1, 1))
		}},
		{"resize that keeps an aspect ratio but for rounding up", `(Resize): axes [2 3]: no scales make its sizes`, true, func(b *graphBuilder) string {
			b.model.Opsets[0].Version = 18
			y := b.node("Resize", "x", "", "", b.list(4, 7), nums("axes", 2, 3), text("keep_aspect_ratio_policy", "not_larger"), text("mode", "linear"))
			return b.node("Conv", y, b.weights(1, 4, 1, 1))
		}},
		{"NaN weight", `node "n3" (Conv): constant "w": element 2 is NaN`, false, func(b *graphBuilder) string {
			b.names = 2
			return b.node("Conv", "x", b.constant(onnx.NewFloats("w", []int64{1, 4, 1, 1}, []float32{1, 2, nan, 4})))
		}},
		{"infinite bias", `element 0 is -Inf`, false, func(b *graphBuilder) string {
			return b.node("Gemm", "v", b.weights(6, 1), b.floats([]int64{1}, float32(math.Inf(-1))))
		}},
		{"NaN added", `node "n2" (Add): constant "f1": element 0 is NaN`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Add", "x", b.floats(nil, nan)), b.weights(1, 4, 1, 1))
		}},
		{"NaN added to a bias", `element 0 is NaN`, false, func(b *graphBuilder) string {
			return b.node("Add", b.node("Conv", "x", b.weights(1, 4, 1, 1)), b.floats([]int64{1, 1, 1, 1}, nan))
		}},
		{"infinite factor of a channel", `(Mul): constant "f1": element 2 is +Inf`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Mul", b.floats([]int64{4, 1, 1}, 1, 2, inf, 4), "x"), b.weights(1, 4, 1, 1))
		}},
		{"infinite difference", `(Sub): constant "f1": element 0 is -Inf`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Sub", "x", b.floats(nil, -inf)), b.weights(1, 4, 1, 1))
		}},
		{"infinite slope", `(PRelu): constant "f1": element 0 is +Inf`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("PRelu", "x", b.floats([]int64{1}, inf)), b.weights(1, 4, 1, 1))
		}},
		{"exponent that is none", `(Pow): constant "f1": element 0 is NaN`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Pow", "x", b.floats(nil, nan)), b.weights(1, 4, 1, 1))
		}},
		{"the largest of infinity", `(Max): constant "f1": element 0 is +Inf`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Max", "x", b.floats(nil, inf)), b.weights(1, 4, 1, 1))
		}},
		{"limits of channels that are none", `(Min): constant "f1": element 1 is -Inf`, false, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Min", "x", b.floats([]int64{1, 4, 1, 1}, inf, -inf, 1, 1)), b.weights(1, 4, 1, 1))
		}},
		{"padding of nothing, more than a window", `(Pad): pads with -Inf, and no MaxPool`, true, func(b *graphBuilder) string {
			y := b.node("Pad", "x", b.list(0, 0, 3, 0, 0, 0, 0, 0), b.floats(nil, -inf))
			return b.node("Conv", b.node("MaxPool", y, nums("kernel_shape", 3, 3)), b.weights(1, 4, 1, 1))
		}},
		{"padding of the lowest", `(Pad): pads with -3.4028235e+38, and no MaxPool`, true, func(b *graphBuilder) string {
			return b.node("Conv", b.node("Pad", "x", b.list(0, 0, 1, 0, 0, 0, 0, 0), b.floats(nil, -math.MaxFloat32)), b.weights(1, 4, 1, 1))
		}},
		{"padding of infinity", `(Pad): pads with +Inf`, true, func(b *graphBuilder) string {
			y := b.node("Pad", "x", b.list(0, 0, 1, 0, 0, 0, 0, 0), b.floats(nil, inf))
			return b.node("Conv", b.node("MaxPool", y, nums("kernel_shape", 3, 3)), b.weights(1, 4, 1, 1))
		}},
		{"NaN limit", `is NaN`, false, func(b *graphBuilder) string { return b.node("Clip", "x", b.floats(nil, nan)) }},
		{"limits crossed", `are no range`, false, func(b *graphBuilder) string {
			return b.node("Clip", "x", b.floats(nil, 2), b.floats(nil, 1))
		}},
		{"NaN epsilon", `epsilon is NaN`, false, func(b *graphBuilder) string {
			w := b.weights(4)
			return b.node("BatchNormalization", "x", w, w, w, w, flt("epsilon", nan))
		}},
		{"negative variance", `variance of channel 1 is -1`, false, func(b *graphBuilder) string {
			w := b.weights(4)
			return b.node("BatchNormalization", "x", w, w, w, b.floats([]int64{4}, 1, -1, 1, 1))
		}},
		{"training before opset 14", `(BatchNormalization): is in training mode`, true, func(b *graphBuilder) string {
			w := b.weights(4)
			y := b.node("BatchNormalization", "x", w, w, w, w)
			n := b.model.Graph.Nodes[0]
			n.Outputs = append(n.Outputs, "mean", "variance", "saved_mean", "saved_variance")
			return y
		}},
		{"training", `is in training mode`, true, func(b *graphBuilder) string {
			w := b.weights(4)
			return b.node("BatchNormalization", "x", w, w, w, w, num("training_mode", 1))
		}},
		{"channels of a conv", `node "n2" (Conv): weight [3 5 1 1] takes 5 channels per group, input has 4 in 1 groups`, false, func(b *graphBuilder) string {
			return b.node("Conv", "x", b.weights(3, 5, 1, 1))
		}},
		{"groups", `3 groups`, false, func(b *graphBuilder) string { return b.node("Conv", "x", b.weights(3, 1, 1, 1), num("group", 3)) }},
		{"bias of a conv", `bias has shape [4], want [3]`, false, func(b *graphBuilder) string {
			return b.node("Conv", "x", b.weights(3, 4, 1, 1), b.weights(4))
		}},
		{"kernel", `does not have kernel [3 3]`, false, func(b *graphBuilder) string {
			return b.node("Conv", "x", b.weights(3, 4, 1, 1), nums("kernel_shape", 3, 3))
		}},
		{"window", `does not fit`, false, func(b *graphBuilder) string { return b.node("Conv", "x", b.weights(3, 4, 9, 9)) }},
		{"stride", `out of range`, false, func(b *graphBuilder) string {
			return b.node("Conv", "x", b.weights(3, 4, 1, 1), nums("strides", 0, 1))
		}},
		{"stride, same", `stride is [0 1]`, false, func(b *graphBuilder) string {
			return b.node("Conv", "x", b.weights(3, 4, 1, 1), nums("strides", 0, 1), text("auto_pad", "SAME_UPPER"))
		}},
		{"pool stride, ceil", `out of range`, false, func(b *graphBuilder) string {
			return b.node("MaxPool", "x", nums("kernel_shape", 2, 2), nums("strides", 0, 0), num("ceil_mode", 1))
		}},
		{"huge padding", `more than 1073741824 elements`, false, func(b *graphBuilder) string {
			return b.node("Pad", "x", b.list(0, 0, 1<<40, 1<<40, 0, 0, 0, 0))
		}},
		{"computed weight", `is computed`, true, func(b *graphBuilder) string { return b.node("Conv", "x", "x") }},
		{"1-D conv", `only two spatial axes`, true, func(b *graphBuilder) string { return b.node("Conv", "x", b.weights(3, 4, 1)) }},
		{"integer weight", `is int8, want float32`, false, func(b *graphBuilder) string {
			return b.node("Conv", "x", b.levels(onnx.Int8, []int64{1, 4, 1, 1}, 1, 2, 3, 4))
		}},
		{"missing weight", `input 1 is missing`, false, func(b *graphBuilder) string { return b.node("Conv", "x") }},
		{"no inputs", `input 0 is missing`, false, func(b *graphBuilder) string { return b.node("Relu") }},
		{"pads of a pool", `reach past kernel`, false, func(b *graphBuilder) string {
			return b.node("MaxPool", "x", nums("kernel_shape", 2, 2), nums("dilations", 2, 2), nums("pads", 2, 0, 0, 0))
		}},
		{"dilated average", `with padding that does not count`, true, func(b *graphBuilder) string {
			return b.node("AveragePool", "x", nums("kernel_shape", 2, 2), nums("dilations", 2, 1), nums("pads", 1, 0, 0, 0))
		}},
		{"dilated pool", `has nothing of input`, false, func(b *graphBuilder) string {
			x := b.node("Slice", "x", b.list(0, 0), b.list(2, 2), b.list(2, 3))
			return b.node("MaxPool", x, nums("kernel_shape", 2, 2), nums("dilations", 3, 3), nums("pads", 1, 1, 1, 1))
		}},
		{"shapes of a sum", `(Add): shapes differ`, false, func(b *graphBuilder) string { return b.node("Add", "x", "v") }},
		{"gemm", `does not fit weight`, false, func(b *graphBuilder) string { return b.node("Gemm", "v", b.weights(5, 7)) }},
		{"gemm of a transpose", `transA`, true, func(b *graphBuilder) string { return b.node("Gemm", "v", b.weights(6, 7), num("transA", 1)) }},
		{"reshape to other size", `cannot reshape`, false, func(b *graphBuilder) string { return b.node("Reshape", "x", b.list(0, 7)) }},
		{"reshape without batch", `cannot reshape`, false, func(b *graphBuilder) string { return b.node("Reshape", "x", b.list(2, -1)) }},
		{"empty slice", `is empty`, false, func(b *graphBuilder) string { return b.node("Slice", "x", b.list(3), b.list(3), b.list(1)) }},
		{"slice axis", `axis 4 is outside 4 axes`, false, func(b *graphBuilder) string { return b.node("Slice", "x", b.list(0), b.list(1), b.list(4)) }},
		{"pads", `has 3 pads`, false, func(b *graphBuilder) string { return b.node("Pad", "x", b.list(0, 1, 2)) }},
		{"reflection", `mode reflect has 5 elements`, false, func(b *graphBuilder) string {
			return b.node("Pad", "x", b.list(0, 0, 1, 1, 0, 0, 6, 1), text("mode", "reflect"))
		}},
		{"mode of padding", `mode "mirror"`, true, func(b *graphBuilder) string {
			return b.node("Pad", "x", b.list(0, 0, 1, 1, 0, 0, 1, 1), text("mode", "mirror"))
		}},
		{"outputs are constants", `is not computed from the inputs`, false, func(b *graphBuilder) string { return b.node("Identity", b.weights(3)) }},
		{"output is an integer", `is not computed from the inputs`, false, func(b *graphBuilder) string {
			return b.node("QuantizeLinear", "x", b.floats(nil, 1))
		}},
		{"body before weights", `node "n2" (If): operator not supported`, true, func(b *graphBuilder) string {
			g := &onnx.Graph{Nodes: []*onnx.Node{{OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"r"}}}, Outputs: []*onnx.ValueInfo{{Name: "r"}}}
			return b.node("If", b.levels(onnx.Bool, nil, 1), onnx.AttrG("then_branch", g), bodyOf("else_branch", 1))
		}},
		{"integers read", `reads the integer tensor`, true, func(b *graphBuilder) string {
			return b.node("MaxPool", b.node("QuantizeLinear", "x", b.floats(nil, 1)), nums("kernel_shape", 2, 2))
		}},
		{"scale", `element 0 is -1`, false, func(b *graphBuilder) string {
			s := b.floats(nil, -1)
			return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", s), s)
		}},
		{"scales differ", `differ from those of "n`, true, func(b *graphBuilder) string {
			return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", b.floats(nil, 1)), b.floats(nil, 2))
		}},
		{"zero points differ", `differ from those of "n`, true, func(b *graphBuilder) string {
			s := b.floats(nil, 1)
			return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", s, b.levels(onnx.Uint8, nil, 3)), s)
		}},
		{"number of scales", `do not fit axis 1`, false, func(b *graphBuilder) string {
			s := b.floats([]int64{3}, 1, 2, 3)
			return b.node("DequantizeLinear", b.node("QuantizeLinear", "x", s), s)
		}},
		{"activation in 16 bits", `to uint16`, true, func(b *graphBuilder) string {
			return b.node("QuantizeLinear", "x", b.floats(nil, 1), b.levels(onnx.Uint16, nil, 3))
		}},
		{"axis of a weight", `is quantized along axis 1, its output channels are axis 0`, true, func(b *graphBuilder) string {
			w := b.node("DequantizeLinear", b.levels(onnx.Int8, []int64{2, 4, 1, 1}, 1, 2, 3, 4, 5, 6, 7, 8), b.floats([]int64{4}, 1, 2, 3, 4))
			return b.node("Conv", "x", w)
		}},
		{"cycle", `which is computed from its own output`, false, func(b *graphBuilder) string {
			y := b.node("Add", "x", "later")
			b.model.Graph.Nodes = append(b.model.Graph.Nodes, &onnx.Node{OpType: "Relu", Inputs: []string{y}, Outputs: []string{"later"}})
			return y
		}},
		{"old opset", `opset 6 is not supported`, false, func(b *graphBuilder) string {
			b.model.Opsets[0].Version = 6
			return b.node("Relu", "x")
		}},
		{"newer opset", "opset 26 is not supported: want 7 to 25", false, func(b *graphBuilder) string {
			b.model.Opsets[0].Version = 26
			return b.node("Relu", "x")
		}},
		{"integer input", `input "k": elements are int64`, false, func(b *graphBuilder) string {
			b.input("k", 3)
			b.model.Graph.Inputs[2].Type = onnx.Int64
			return b.node("Relu", "x")
		}},
		{"unknown size", `size of axis 2 must be known`, false, func(b *graphBuilder) string {
			b.model.Graph.Inputs[0].Shape[2] = onnx.Dim{Size: -1, Param: "height"}
			return b.node("Relu", "x")
		}},
		{"batch of four", `batch is fixed to 4`, false, func(b *graphBuilder) string {
			b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 4}
			return b.node("Relu", "x")
		}},
		{"batches differ", `batch axis "M" differs from "N"`, false, func(b *graphBuilder) string {
			b.model.Graph.Inputs[1].Shape[0].Param = "M"
			return b.node("Relu", "x")
		}},
		{"dropout mask", `is used`, true, func(b *graphBuilder) string {
			y := b.node("Dropout", "x")
			b.model.Graph.Nodes[0].Outputs = append(b.model.Graph.Nodes[0].Outputs, "mask")
			b.output("mask")
			return y
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newGraph(13)
			b.input("x", 4, 6, 7)
			b.input("v", 6)
			b.output(test.build(b))
			_, err := Import(b.model)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
			if got := errors.As(err, new(*UnsupportedError)); got != test.unsupported {
				t.Errorf("error %v is an UnsupportedError: %v, want %v", err, got, test.unsupported)
			}
		})
	}
}

// A batch of 1 that is taken away cannot be given back where something reads what is left; the node that takes it is named.
func TestDroppedBatch(t *testing.T) {
	for name, build := range map[string]func(b *graphBuilder, y string) string{
		"squeezed": func(b *graphBuilder, y string) string { return b.node("MatMul", b.node("Squeeze", y), b.weights(4, 3)) },
		"squeezed by axes": func(b *graphBuilder, y string) string {
			return b.node("MatMul", b.node("Squeeze", y, b.list(0, 2, 3)), b.weights(4, 3))
		},
		"reshaped": func(b *graphBuilder, y string) string {
			return b.node("MatMul", b.node("Reshape", y, b.list(-1)), b.weights(4, 3))
		},
	} {
		b := newGraph(13)
		b.input("x", 4, 6, 7)
		b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
		b.output(build(b, b.node("GlobalAveragePool", "x")))
		_, err := Import(b.model)
		var unsupported *UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), "drops the batch axis of [1 4 1 1]") || unsupported.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One that is given back at once was never gone.
func TestBatchGivenBack(t *testing.T) {
	for name, build := range map[string]func(b *graphBuilder, y string) string{
		"squeezed":                func(b *graphBuilder, y string) string { return b.node("Unsqueeze", b.node("Squeeze", y), b.list(0)) },
		"squeezed, then reshaped": func(b *graphBuilder, y string) string { return b.node("Reshape", b.node("Squeeze", y), b.list(1, -1)) },
		"reshaped": func(b *graphBuilder, y string) string {
			return b.node("Unsqueeze", b.node("Reshape", y, b.list(-1)), b.list(0))
		},
		"reshaped twice": func(b *graphBuilder, y string) string {
			return b.node("Reshape", b.node("Reshape", y, b.list(8)), b.list(1, 8))
		},
	} {
		b := newGraph(13)
		b.input("x", 4, 6, 7)
		b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
		y := b.node("GlobalAveragePool", b.node("Conv", "x", b.weights(8, 4, 3, 3)))
		b.output(b.node("Gemm", build(b, y), b.weights(8, 3)))
		n := b.mustImport(t)
		x := waves(4*6*7, 0.3)
		want := oracle.RunORT(t, sourceFile(t, b), []*onnx.Tensor{onnx.NewFloats("x", []int64{1, 4, 6, 7}, x)}, oracle.ORTOptions{Level: oracle.Disabled})
		if d := distance(evaluate(t, n, x, 1)[n.Outputs[0]], floats(t, want[0])); !(d <= 1e-5) {
			t.Errorf("%s: off by %g from ONNX Runtime", name, d)
		}
		if shape := n.Values[n.Outputs[0]].Shape; shape[0] != Batch {
			t.Errorf("%s: the output has shape %v", name, shape)
		}
	}
}

// A function of the model's own would not be in the file that is written: it is refused by that name.
func TestModelFunction(t *testing.T) {
	b := newGraph(17)
	y := b.node("Own", b.input("x", 4, 6, 7))
	b.model.Graph.Nodes[0].Domain = "pkg.own"
	b.model.Opsets = append(b.model.Opsets, onnx.Opset{Domain: "pkg.own", Version: 1})
	b.output(y)
	encoded, err := b.model.Encode()
	if err != nil {
		t.Fatal(err)
	}
	body := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "Own")
	body = protowire.AppendString(protowire.AppendTag(body, 10, protowire.BytesType), "pkg.own")
	m, err := onnx.Decode(protowire.AppendBytes(protowire.AppendTag(encoded, 25, protowire.BytesType), body))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Import(m)
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), "(pkg.own.Own): is a function that the model defines itself") || unsupported.Hint() == "" {
		t.Errorf("error %v", err)
	}
}
