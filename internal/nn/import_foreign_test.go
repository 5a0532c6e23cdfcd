package nn

import (
	"path/filepath"
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// Inputs of bytes or float64 are float32 in the network, and what they were in its files.
func TestForeignInput(t *testing.T) {
	float := num("to", int64(onnx.Float))
	for _, tt := range []struct {
		name  string
		build func(b *graphBuilder) string
	}{
		{"made floats, normalized, transposed", func(b *graphBuilder) string {
			x := b.node("Mul", b.node("Cast", "x", float), b.floats(nil, 1./64))
			return b.first(b.node("Sub", x, b.floats([]int64{3}, 2, 1.8, 1.5)))
		}},
		{"transposed, made floats", func(b *graphBuilder) string {
			return b.node("Div", b.node("Cast", b.first("x"), float), b.floats(nil, 255))
		}},
		{"channels in reverse, then made floats", func(b *graphBuilder) string {
			x := b.node("Cast", b.first(b.node("Gather", "x", b.list(2, 1, 0), num("axis", -1))), float)
			return b.node("Mul", x, b.floats([]int64{1}, 1./255))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, typ := range []onnx.DataType{onnx.Uint8, onnx.Double} {
				b := channelsLastModel(typ, []int64{8, 6, 3}, tt.build)
				comparePorts(t, sourceFile(t, b), b.mustImport(t))
			}
		})
	}
	t.Run("channels first", func(t *testing.T) {
		b := newGraph(13)
		b.input("x", 3, 8, 6)
		b.model.Graph.Inputs[0].Type = onnx.Uint8
		x := b.node("Mul", b.node("Cast", "x", float), b.floats(nil, 1./64))
		b.output(b.node("Conv", b.node("Relu", b.node("Conv", x, b.weights(5, 3, 3, 3))), b.weights(4, 5, 1, 1)))
		comparePorts(t, sourceFile(t, b), b.mustImport(t))
	})
}

// sourceFile writes the model of b.
func sourceFile(t *testing.T, b *graphBuilder) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source.onnx")
	if err := b.model.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// What computes in bytes is refused by its name: floats would not wrap.
func TestForeignInputErrors(t *testing.T) {
	for _, tt := range []struct {
		want  string
		build func(b *graphBuilder) string
	}{
		{`node "n1" (Add): reads the uint8 input "x": only a Cast to float32`, func(b *graphBuilder) string { return b.node("Add", "x", "x") }},
		{`node "n1" (Cast): reads the uint8 input`, func(b *graphBuilder) string { return b.node("Cast", "x", num("to", int64(onnx.Int32))) }},
		{`node "n2" (Sub): reads the uint8 input "x"`, func(b *graphBuilder) string {
			return b.node("Cast", b.node("Sub", "x", b.levels(onnx.Uint8, nil, 3)), num("to", int64(onnx.Float)))
		}},
		{`node "n3" (Max): reads the uint8 input "t2"`, func(b *graphBuilder) string { return b.node("Max", b.first("x")) }},
		{`node "n3" (DequantizeLinear): reads the uint8 input`, func(b *graphBuilder) string {
			b.names++
			return b.node("DequantizeLinear", "x", b.floats(nil, 0.5))
		}},
		{`output "t2" has the elements of an input of uint8`, func(b *graphBuilder) string {
			y := b.node("Identity", "x")
			b.typed(y, onnx.Uint8)
			return b.node("Cast", y, num("to", int64(onnx.Float)))
		}},
	} {
		b := newGraph(13)
		b.input("x", 3, 8, 6)
		b.model.Graph.Inputs[0].Type = onnx.Uint8
		b.output(b.node("Conv", tt.build(b), b.weights(4, 3, 1, 1)))
		if _, err := Import(b.model); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}
