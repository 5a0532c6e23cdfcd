package nn

import (
	"fmt"
	"math"
	"testing"

	"zaq/internal/onnx"
)

// graphBuilder writes ONNX models for tests.
type graphBuilder struct {
	model *onnx.Model
	opset int64
	names int
}

func newGraph(opset int64) *graphBuilder {
	return &graphBuilder{opset: opset, model: &onnx.Model{
		IRVersion: irVersionOf(opset),
		Opsets:    []onnx.Opset{{Version: opset}},
		Graph:     &onnx.Graph{Name: "test"},
	}}
}

// irVersionOf returns the IR version of the first ONNX release with an opset.
func irVersionOf(opset int64) int64 {
	for i, last := range []int64{8, 9, 10, 11, 14, 18, 20, 22, 23, 24, 25} {
		if opset <= last {
			return []int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}[i]
		}
	}
	return 13
}

func (b *graphBuilder) name(base string) string {
	b.names++
	return fmt.Sprintf("%s%d", base, b.names)
}

// input adds an input with a symbolic batch.
func (b *graphBuilder) input(name string, shape ...int64) string {
	dims := []onnx.Dim{{Size: -1, Param: "N"}}
	for _, d := range shape {
		dims = append(dims, onnx.Dim{Size: d})
	}
	b.model.Graph.Inputs = append(b.model.Graph.Inputs, &onnx.ValueInfo{Name: name, Type: onnx.Float, Shape: dims})
	return name
}

// output makes a float tensor an output.
func (b *graphBuilder) output(name string) {
	b.model.Graph.Outputs = append(b.model.Graph.Outputs, &onnx.ValueInfo{Name: name, Type: onnx.Float})
}

// constant adds an initializer.
func (b *graphBuilder) constant(t *onnx.Tensor) string {
	b.model.Graph.Initializers = append(b.model.Graph.Initializers, t)
	if b.model.IRVersion < 4 { // where every initializer had to be an input too
		dims := []onnx.Dim{}
		for _, d := range t.Dims {
			dims = append(dims, onnx.Dim{Size: d})
		}
		b.model.Graph.Inputs = append(b.model.Graph.Inputs, &onnx.ValueInfo{Name: t.Name, Type: t.Type, Shape: dims})
	}
	return t.Name
}

// floats adds a float constant with the given elements.
func (b *graphBuilder) floats(dims []int64, v ...float32) string {
	return b.constant(onnx.NewFloats(b.name("f"), dims, v))
}

// weights adds a float constant of a shape with elements of both signs.
func (b *graphBuilder) weights(dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return b.floats(dims, waves(int(n), float64(b.names))...)
}

// list adds a constant list of int64.
func (b *graphBuilder) list(v ...int64) string {
	return b.constant(onnx.NewInts(b.name("i"), onnx.Int64, []int64{int64(len(v))}, v))
}

// levels adds an integer constant.
func (b *graphBuilder) levels(typ onnx.DataType, dims []int64, v ...int64) string {
	return b.constant(onnx.NewInts(b.name("q"), typ, dims, v))
}

// node adds a node and returns the name of its output. in is a list of names and attributes.
func (b *graphBuilder) node(op string, args ...any) string {
	n := &onnx.Node{Name: b.name("n"), OpType: op, Outputs: []string{b.name("t")}}
	for _, a := range args {
		switch a := a.(type) {
		case string:
			n.Inputs = append(n.Inputs, a)
		case *onnx.Attribute:
			n.Attributes = append(n.Attributes, a)
		default:
			panic(fmt.Sprintf("argument %v of %s", a, op))
		}
	}
	b.model.Graph.Nodes = append(b.model.Graph.Nodes, n)
	return n.Outputs[0]
}

func (b *graphBuilder) mustImport(t *testing.T) *Network {
	t.Helper()
	n, err := Import(b.model)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waves returns n numbers between -1 and 1 that look like no others of another phase.
func waves(n int, phase float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(1.7*float64(i)+phase) * math.Cos(0.31*float64(i)+2*phase))
	}
	return v
}
