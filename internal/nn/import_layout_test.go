package nn

import (
	"slices"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// channelsLastForms are ways in which networks begin with images [N, H, W, C].
var channelsLastForms = []struct {
	name  string
	size  []int64 // of x: height, width, channels
	build func(b *graphBuilder) string
	left  map[string]int // operators of the network before its first layer with weights
}{
	{"transposed at once", []int64{8, 6, 3}, func(b *graphBuilder) string { return b.first("x") }, nil},
	{"normalized by channel", []int64{8, 6, 3}, func(b *graphBuilder) string {
		x := b.node("Sub", "x", b.floats([]int64{3}, 0.2, -0.1, 0.3))
		return b.first(b.node("Mul", x, b.floats([]int64{1, 1, 1, 3}, 1.5, 2, 0.5)))
	}, map[string]int{"Sub": 1, "Mul": 1}},
	{"the constant first", []int64{8, 6, 3}, func(b *graphBuilder) string {
		return b.first(b.node("Sub", b.floats([]int64{1, 3}, 1, 2, 3), "x"))
	}, map[string]int{"Sub": 1}},
	{"normalized by position", []int64{8, 6, 3}, func(b *graphBuilder) string { return b.first(b.node("Sub", "x", b.weights(8, 6, 3))) }, map[string]int{"Sub": 1}},
	{"a constant of two readers", []int64{8, 6, 3}, func(b *graphBuilder) string {
		w := b.weights(3)
		return b.first(b.node("Mul", b.node("Sub", "x", w), w))
	}, map[string]int{"Sub": 1, "Mul": 1}},
	{"a computed constant", []int64{8, 6, 3}, func(b *graphBuilder) string {
		return b.first(b.node("Div", "x", b.node("Sqrt", b.floats([]int64{3}, 1, 2, 4))))
	}, map[string]int{"Div": 1}},
	{"a scalar, and limits", []int64{8, 6, 3}, func(b *graphBuilder) string {
		return b.first(b.node("Clip", b.node("Tanh", b.node("Mul", "x", b.floats(nil, 3))), b.floats(nil, -0.5), b.floats(nil, 0.8)))
	}, map[string]int{"Mul": 1, "Tanh": 1, "Clip": 1}},
	{"padded", []int64{8, 6, 3}, func(b *graphBuilder) string {
		return b.first(b.node("Pad", "x", b.list(0, 1, 2, 0, 0, 3, 4, 0)))
	}, map[string]int{"Pad": 1}},
	{"read twice", []int64{8, 6, 3}, func(b *graphBuilder) string {
		return b.node("Concat", b.first("x"), b.first(b.node("Mul", "x", "x")), num("axis", 1))
	}, map[string]int{"Mul": 1, "Concat": 1}},
	{"channels in reverse", []int64{8, 6, 3}, func(b *graphBuilder) string {
		return b.first(b.node("Gather", "x", b.list(2, 1, 0), num("axis", 3)))
	}, map[string]int{"Transpose": 2, "Gather": 1}},
	{"a part, normalized", []int64{8, 6, 3}, func(b *graphBuilder) string {
		x := b.node("Slice", b.node("Add", "x", b.weights(3)), b.list(1), b.list(7), b.list(1))
		return b.first(b.node("Mul", x, b.weights(3)))
	}, map[string]int{"Add": 1, "Transpose": 2, "Slice": 1, "Mul": 1}},
	{"one channel, reshaped", []int64{8, 6, 1}, func(b *graphBuilder) string {
		return b.node("Reshape", b.node("Mul", "x", b.floats([]int64{1}, 2)), b.list(-1, 1, 8, 6))
	}, map[string]int{"Mul": 1}},
	{"reshaped by its shape", []int64{8, 6, 3}, func(b *graphBuilder) string {
		height := b.node("Gather", b.node("Shape", "x"), b.list(1))
		target := b.node("Concat", b.list(0), b.list(3), height, b.list(-1), num("axis", 0))
		return b.node("Reshape", b.first("x"), target)
	}, nil},
}

// first adds the Transpose to channels first.
func (b *graphBuilder) first(x string) string {
	return b.node("Transpose", x, nums("perm", 0, 3, 1, 2))
}

// channelsLastModel has a network of two layers behind a form.
func channelsLastModel(t onnx.DataType, size []int64, build func(b *graphBuilder) string) *graphBuilder {
	b := newGraph(13)
	b.input("x", size...)
	b.model.Graph.Inputs[0].Type = t
	x := build(b)
	channels := int64(3)
	if size[2] == 1 {
		channels = 1
	} else if last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]; last.OpType == "Concat" {
		channels = 6
	}
	x = b.node("Relu", b.node("Conv", x, b.weights(5, channels, 3, 3), b.weights(5)))
	b.output(b.node("Conv", x, b.weights(4, 5, 1, 1)))
	return b
}

// imagesFor makes a batch for a network, as its files want it and as it wants it itself.
func imagesFor(n *Network, batch int) (declared *onnx.Tensor, values []float32) {
	shape, typ := n.Declared(n.Inputs[0])
	shape[0] = batch
	x := waves(size(shape), 0.7)
	tensor := onnx.NewFloats(n.Inputs[0], dims(shape), x)
	switch typ {
	case onnx.Uint8:
		ints := make([]int64, len(x))
		for i := range x {
			ints[i] = int64(127.5 + 127*x[i])
			x[i] = float32(ints[i])
		}
		tensor = onnx.NewInts(n.Inputs[0], typ, dims(shape), ints)
	case onnx.Double:
		tensor = onnx.NewFloatsOf(n.Inputs[0], typ, dims(shape), x)
	case onnx.Float16:
		n.Port(n.Inputs[0]).Round(x)
		tensor = onnx.NewFloatsOf(n.Inputs[0], typ, dims(shape), x)
	}
	if !n.Port(n.Inputs[0]).ChannelsLast {
		return tensor, x
	}
	h, w, c := shape[1], shape[2], shape[3]
	values = make([]float32, len(x))
	for i, v := range x {
		pixel := i / c
		values[((pixel/(h*w)*c+i%c)*h+pixel/w%h)*w+pixel%w] = v
	}
	return tensor, values
}

// A network whose file has channels last is one with channels first, and its file, float or quantized, has them last again:
// ONNX Runtime computes the same of the same images.
func TestChannelsLast(t *testing.T) {
	for _, tt := range channelsLastForms {
		t.Run(tt.name, func(t *testing.T) {
			b := channelsLastModel(onnx.Float, tt.size, tt.build)
			source := sourceFile(t, b)
			n := b.mustImport(t)
			if want := []int{Batch, int(tt.size[2]), int(tt.size[0]), int(tt.size[1])}; !slices.Equal(n.Values["x"].Shape, want) {
				t.Errorf("the input has shape %v, want %v", n.Values["x"].Shape, want)
			}
			left := make(map[string]int)
			for _, l := range n.Layers[:slices.IndexFunc(n.Layers, hasWeights)] {
				left[l.Op.Kind()]++
			}
			for _, op := range []string{"Transpose", "Reshape", "Identity", "Sub", "Mul", "Pad", "Gather", "Slice", "Concat", "Clip"} {
				if left[op] != tt.left[op] {
					t.Errorf("%d %s before the first convolution, want %d", left[op], op, tt.left[op])
				}
			}
			comparePorts(t, source, n)
		})
	}
}

// comparePorts compares the source of n, what n computes, and its files, with integers and without, on the same images.
func comparePorts(t *testing.T, source string, n *Network) {
	t.Helper()
	comparePortsTo(t, source, n, 100)
}

// comparePortsTo is comparePorts of a source that computes with less precision.
func comparePortsTo(t *testing.T, source string, n *Network, precision float64) {
	t.Helper()
	declared, x := imagesFor(n, 2)
	out := n.Outputs[0]
	float := evaluate(t, n, x, 2)[out]
	run := func(path string) []float32 {
		t.Helper()
		return floats(t, oracle.RunORT(t, path, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: oracle.Extended})[0])
	}
	if db := quant.SQNR(run(source), float); db < precision {
		t.Errorf("%.1f dB between the source and the network", db)
	}
	path, back := write(t, n, ExportOptions{})
	if db := quant.SQNR(float, run(path)); db < precision {
		t.Errorf("%.1f dB between the network and its file", db)
	}
	if len(back.Layers) != len(n.Layers) {
		t.Errorf("%d layers when read again, were %d", len(back.Layers), len(n.Layers))
	}
	q := n.Clone()
	quantize(t, q, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, x, 2)
	path, back = write(t, q, ExportOptions{})
	was, _ := onnx.ReadFile(source)
	is, _ := onnx.ReadFile(path)
	if a, b := was.Graph.Inputs[0], is.Graph.Inputs[0]; a.Name != b.Name || a.Type != b.Type || !slices.EqualFunc(a.Shape, b.Shape, sameOrSet) {
		t.Errorf("the input was %v, is %v", a, b)
	}
	if a, b := was.Graph.Outputs[0], is.Graph.Outputs[0]; a.Name != b.Name || a.Type != b.Type {
		t.Errorf("the output was %v, is %v", a, b)
	}
	InIntegers(back)
	want := evaluate(t, back, x, 2)[out]
	if db := quant.SQNR(run(path), want); db < 40 {
		t.Errorf("%.1f dB between ONNX Runtime and the network in integers", db)
	}
	if db := quant.SQNR(float, want); db < 25 {
		t.Errorf("8 bits have %.1f dB", db)
	}
}

// sameOrSet compares an axis as a source and as a file of it declare it: it may have got the size that was open.
func sameOrSet(was, is onnx.Dim) bool { return was == is || was.Size < 1 && is.Size > 0 }

// What looks like channels last and is not stays as it is.
func TestNotChannelsLast(t *testing.T) {
	for name, build := range map[string]func(b *graphBuilder) string{
		"a convolution reads the input, too": func(b *graphBuilder) string {
			b.output(b.node("Conv", "x", b.weights(2, 8, 1, 1)))
			return b.node("Conv", b.first("x"), b.weights(2, 3, 1, 1))
		},
		"another order": func(b *graphBuilder) string {
			return b.node("Conv", b.node("Transpose", "x", nums("perm", 0, 3, 2, 1)), b.weights(2, 3, 1, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newGraph(13)
			b.input("x", 8, 6, 3)
			b.output(build(b))
			n := b.mustImport(t)
			if want := []int{Batch, 8, 6, 3}; !slices.Equal(n.Values["x"].Shape, want) || n.Port("x").ChannelsLast {
				t.Errorf("the input has shape %v, want %v", n.Values["x"].Shape, want)
			}
		})
	}
}

// Outputs with channels last are carried through: the Transpose belongs to the tail, or is one of the integers.
func TestChannelsLastOutput(t *testing.T) {
	b := channelsLastModel(onnx.Float, []int64{8, 6, 3}, func(b *graphBuilder) string { return b.first("x") })
	b.model.Graph.Outputs = nil
	last := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1].Outputs[0]
	b.output(b.node("Transpose", last, nums("perm", 0, 2, 3, 1)))
	source := sourceFile(t, b)
	n := b.mustImport(t)
	if want := []int{Batch, 6, 4, 4}; !slices.Equal(n.Values[n.Outputs[0]].Shape, want) {
		t.Errorf("the output has shape %v, want %v", n.Values[n.Outputs[0]].Shape, want)
	}
	comparePorts(t, source, n)
}
