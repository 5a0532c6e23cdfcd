package nn

import (
	"reflect"
	"slices"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// TestImportNames pins which names survive: those of inputs, outputs and tensors always, those of nodes
// where they are there and not shared.
func TestImportNames(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4)
	y := b.node("Relu", b.node("LeakyRelu", b.node("Relu", b.node("Identity", "x"))))
	b.output(b.node("Identity", y))
	for i, name := range []string{"", "act", "act", "act", ""} {
		b.model.Graph.Nodes[i].Name = name
	}
	b.model.Metadata = []onnx.Property{{Key: "org.example.key", Value: "kept"}}
	n := b.mustImport(t)
	var names []string
	for _, l := range n.Layers {
		names = append(names, l.Name)
	}
	if want := []string{"act", "act_2", "act_3", "Identity_4"}; !slices.Equal(names, want) {
		t.Errorf("layers %q, want %q", names, want)
	}
	if !slices.Equal(n.Inputs, []string{"x"}) || n.Outputs[0] != b.model.Graph.Outputs[0].Name {
		t.Errorf("inputs %q, outputs %q", n.Inputs, n.Outputs)
	}
	if n.Metadata["org.example.key"] != "kept" || n.Opset != 13 || n.Name != "test" || n.BatchDim != "N" {
		t.Errorf("metadata %v, opset %d, name %q, batch %q", n.Metadata, n.Opset, n.Name, n.BatchDim)
	}
}

// TestImportBakedBatch reads a graph for one image, Reshape included, as one for any number.
func TestImportBakedBatch(t *testing.T) {
	for _, target := range [][]int64{{1, -1}, {1, 8}, {-1, 8}, {0, -1}} {
		b := newGraph(13)
		b.input("x", 2, 2, 2)
		b.model.Graph.Inputs[0].Shape[0] = onnx.Dim{Size: 1}
		b.output(b.node("Reshape", "x", b.list(target...)))
		n := b.mustImport(t)
		if n.BatchDim != "" {
			t.Errorf("batch axis is %q", n.BatchDim)
		}
		if got := n.Values[n.Outputs[0]].Shape; !slices.Equal(got, []int{Batch, 8}) {
			t.Errorf("target %v: shape %v", target, got)
		}
	}
}

// TestImportGrids pins the quantizers that QuantizeLinear and DequantizeLinear become.
func TestImportGrids(t *testing.T) {
	b := newGraph(25)
	b.input("x", 2, 2, 2)
	s := b.floats(nil, 0.5)
	activation := func(typ onnx.DataType, zero int64, limits ...int64) string {
		z := b.levels(typ, nil, zero)
		q := b.node("QuantizeLinear", "x", s, z)
		if limits != nil {
			q = b.node("Clip", q, b.levels(typ, nil, limits[0]), b.levels(typ, nil, limits[1]))
		}
		return b.node("DequantizeLinear", q, s, z)
	}
	weight := func(typ onnx.DataType, zero int64, levels ...int64) string {
		w := b.levels(typ, []int64{2, 2, 1, 1}, levels...)
		z := b.levels(typ, []int64{2}, zero, zero)
		return b.node("DequantizeLinear", w, b.floats([]int64{2}, 0.5, 0.25), z, num("axis", 0))
	}
	byte8 := quant.Scheme{Bits: 8}
	tests := []struct {
		tensor     string
		scheme     quant.Scheme
		qmin, qmax int32
	}{
		{activation(onnx.Uint8, 0), byte8, 0, 255},
		{activation(onnx.Uint8, 7, 0, 15), quant.Scheme{Bits: 4}, 0, 15},
		{activation(onnx.Uint8, 0, 0, 200), byte8, 0, 200},
		{activation(onnx.Uint8, 0, 10, 12), quant.Scheme{Bits: 4}, 10, 12},
		{activation(onnx.Uint8, 100, 0, 3), quant.Scheme{Bits: 7}, 0, 3},
		{activation(onnx.Int8, 0), quant.Scheme{Bits: 8, Signed: true, Symmetric: true}, -128, 127},
		{activation(onnx.Int8, 0, -7, 7), quant.Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true}, -7, 7},
		{activation(onnx.Int8, -3, -4, 3), quant.Scheme{Bits: 3, Signed: true}, -4, 3},

		{weight(onnx.Int8, 0, -7, 7, 3, 1), quant.Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, -7, 7},
		{weight(onnx.Int8, 0, -8, 7, 3, 1), quant.Scheme{Bits: 4, Signed: true, Symmetric: true, PerChannel: true}, -8, 7},
		{weight(onnx.Int8, 0, -8, 100, 3, 1), quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, -127, 127},
		{weight(onnx.Int4, 0, -3, 3, 3, 1), quant.Scheme{Bits: 3, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, -3, 3},
		{weight(onnx.Uint4, 2, 0, 3, 1, 2), quant.Scheme{Bits: 2, PerChannel: true}, 0, 3},
		{weight(onnx.Uint2, 1, 0, 3, 1, 2), quant.Scheme{Bits: 2, PerChannel: true}, 0, 3},
		{weight(onnx.Int2, 0, -1, 1, 0, 0), quant.Scheme{Bits: 2, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}, -1, 1},
		{weight(onnx.Uint8, 128, 0, 3, 1, 2), quant.Scheme{Bits: 8, PerChannel: true}, 0, 255},
	}
	for _, test := range tests {
		x, w := test.tensor, ""
		if test.scheme.PerChannel {
			x, w = "x", test.tensor
		} else {
			w = b.weights(1, 2, 1, 1)
		}
		b.output(b.node("Conv", x, w))
	}
	n := b.mustImport(t)
	for i, test := range tests {
		conv := n.Producer(n.Outputs[i])
		q := n.Input(conv, 1).Quant
		if source := n.Producer(conv.In[0]); source != nil {
			q = source.Op.(FakeQuant).Q
		}
		if q == nil || q.Scheme != test.scheme || q.QMin != test.qmin || q.QMax != test.qmax {
			t.Errorf("%d: quantizer %+v, want %+v from %d to %d", i, q, test.scheme, test.qmin, test.qmax)
		}
	}
	if w := n.Input(n.Producer(n.Outputs[8]), 1); !reflect.DeepEqual(w.Data, []float32{-3.5, 3.5, 0.75, 0.25}) {
		t.Errorf("weights %v", w.Data)
	}
}

// TestImportSharedGrid reads two tensors on one grid as sharing its quantizer, and gives constants the
// names they had before quantization.
func TestImportSharedGrid(t *testing.T) {
	b := newGraph(21)
	b.input("x", 2)
	s := b.constant(onnx.NewFloats("x_scale", nil, []float32{0.5}))
	z := b.levels(onnx.Uint8, nil, 0)
	q := func(x string) string { return b.node("DequantizeLinear", b.node("QuantizeLinear", x, s, z), s, z) }
	ws := b.constant(onnx.NewFloats("fc.weight_scale", []int64{2}, []float32{1, 2}))
	packed := b.constant(onnx.NewInts("fc.weight_quantized", onnx.Int4, []int64{2, 2}, []int64{1, 2, 3, -4}))
	w := b.node("DequantizeLinear", b.node("Cast", packed, num("to", int64(onnx.Int8))), ws, b.levels(onnx.Int8, []int64{2}, 0, 0), num("axis", 0))
	b.output(q(b.node("Gemm", q("x"), w, num("transB", 1))))
	n := b.mustImport(t)
	var grids []*quant.Quantizer
	for _, l := range n.Layers {
		if f, ok := l.Op.(FakeQuant); ok {
			grids = append(grids, f.Q)
		}
	}
	if len(grids) != 2 || grids[0] != grids[1] {
		t.Errorf("grids %v are not one shared by two", grids)
	}
	fc := n.Layers[1]
	if fc.In[1] != "fc.weight" || !slices.Equal(n.Input(fc, 1).Data, []float32{1, 2, 6, -8}) {
		t.Errorf("weight %q is %v", fc.In[1], n.Input(fc, 1).Data)
	}
}
