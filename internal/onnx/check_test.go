package onnx

import (
	"slices"
	"strings"
	"testing"
)

// small returns a valid model: y = Relu(Conv(x, w)).
func small() *Model {
	return &Model{
		IRVersion: 8,
		Opsets:    []Opset{{Version: 17}},
		Graph: &Graph{
			Name:         "small",
			Initializers: []*Tensor{NewFloats("w", []int64{1, 1, 1, 1}, []float32{2})},
			Inputs:       []*ValueInfo{{Name: "x", Type: Float, Shape: []Dim{{Size: -1, Param: "N"}, {Size: 1}, {Size: 8}, {Size: 8}}}},
			Outputs:      []*ValueInfo{{Name: "y", Type: Float}},
			Nodes: []*Node{
				{Name: "conv", OpType: "Conv", Inputs: []string{"x", "w", ""}, Outputs: []string{"h"},
					Attributes: []*Attribute{AttrIs("kernel_shape", 1, 1), AttrS("auto_pad", "NOTSET")}},
				{Name: "relu", OpType: "Relu", Inputs: []string{"h"}, Outputs: []string{"y", ""}},
			},
		},
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Model)
		want  []string // in the error; none: valid
	}{
		{"valid", func(m *Model) {}, nil},
		{"initializer is also an input", func(m *Model) { m.Graph.Inputs = append(m.Graph.Inputs, &ValueInfo{Name: "w"}) }, nil},
		{"output is an input", func(m *Model) { m.Graph.Outputs[0].Name = "x" }, nil},
		{"ai.onnx is the default domain", func(m *Model) { m.Opsets[0].Domain = "ai.onnx" }, nil},
		{"sparse initializer", func(m *Model) {
			m.Graph.Initializers = nil
			m.Graph.unknown = lenField(15, lenField(1, strField(8, "w")))
		}, nil},
		{"unloaded external data", func(m *Model) {
			m.Graph.Initializers[0] = &Tensor{Name: "w", Type: Float, Dims: []int64{9}, external: []Property{{}}}
		}, nil},
		{"IR version", func(m *Model) { m.IRVersion = 0 }, []string{"IR version"}},
		{"no opset", func(m *Model) { m.Opsets = nil }, []string{"no operator set"}},
		{"opset version", func(m *Model) { m.Opsets[0].Version = 0 }, []string{"no version"}},
		{"opset twice", func(m *Model) { m.Opsets = append(m.Opsets, m.Opsets[0]) }, []string{"twice"}},
		{"domain", func(m *Model) { m.Graph.Nodes[1].Domain = "com.example" }, []string{`"relu"`, `"com.example"`}},
		{"no graph", func(m *Model) { m.Graph = nil }, []string{"no graph"}},
		{"no operator", func(m *Model) { m.Graph.Nodes[1].OpType = "" }, []string{`"relu"`, "no operator"}},
		{"undefined input", func(m *Model) { m.Graph.Nodes[0].Inputs[1] = "v" }, []string{`"conv"`, `"v"`, "nothing defines"}},
		{"order", func(m *Model) { slices.Reverse(m.Graph.Nodes) }, []string{`"relu"`, `"h"`, `before node "conv"`}},
		{"own output", func(m *Model) { m.Graph.Nodes[0].Inputs[0] = "h" }, []string{`"conv"`, `"h"`, "before"}},
		{"output twice", func(m *Model) { m.Graph.Nodes[1].Outputs[1] = "h" }, []string{`"h"`, `node "relu"`, `node "conv"`}},
		{"output is an initializer", func(m *Model) { m.Graph.Nodes[0].Outputs[0] = "w" }, []string{`"w"`, "an initializer"}},
		{"output is an input", func(m *Model) { m.Graph.Nodes[0].Outputs[0] = "x" }, []string{`"x"`, "a graph input"}},
		{"inputs", func(m *Model) { m.Graph.Inputs = append(m.Graph.Inputs, m.Graph.Inputs[0]) }, []string{`"x"`, "twice"}},
		{"nameless input", func(m *Model) { m.Graph.Inputs[0].Name = "" }, []string{"graph input 0"}},
		{"initializers", func(m *Model) { m.Graph.Initializers = append(m.Graph.Initializers, m.Graph.Initializers[0]) }, []string{`"w"`, "twice"}},
		{"nameless initializer", func(m *Model) { m.Graph.Initializers[0].Name = "" }, []string{"no name"}},
		{"attributes", func(m *Model) { m.Graph.Nodes[0].Attributes[0].Name = "auto_pad" }, []string{`"conv"`, `"auto_pad"`, "twice"}},
		{"nameless attribute", func(m *Model) { m.Graph.Nodes[0].Attributes[0].Name = "" }, []string{`"conv"`, "no name"}},
		{"missing output", func(m *Model) { m.Graph.Outputs[0].Name = "z" }, []string{`"z"`, "nothing produces"}},
		{"no outputs", func(m *Model) { m.Graph.Outputs = nil }, []string{"no outputs"}},
		{"outputs", func(m *Model) { m.Graph.Outputs = append(m.Graph.Outputs, m.Graph.Outputs[0]) }, []string{`"y"`, "twice"}},
		{"values", func(m *Model) { m.Graph.Values = []*ValueInfo{{Name: "h"}, {Name: "h"}} }, []string{`"h"`, "twice"}},
		{"dims", func(m *Model) { m.Graph.Initializers[0].Dims[0] = 2 }, []string{`"w"`, "4 bytes of data", "takes 8"}},
		{"negative dims", func(m *Model) { m.Graph.Initializers[0].Dims[0] = -1 }, []string{`"w"`, "negative"}},
		{"tensor type", func(m *Model) { m.Graph.Initializers[0].Type = Undefined }, []string{`"w"`, "no element type"}},
		{"attribute's tensor", func(m *Model) {
			m.Graph.Nodes[0].Attributes[0] = AttrT("value", NewFloats("k", []int64{2}, []float32{1}))
		}, []string{`"conv"`, `"value"`, `"k"`}},
		{"attribute without tensor", func(m *Model) { m.Graph.Nodes[0].Attributes[0] = AttrT("value", nil) }, []string{`"conv"`, `"value"`, "no tensor"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := small()
			test.spoil(m)
			err := Check(m)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("error is %v, want %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error is %q, want %q in it", err, want)
				}
			}
		})
	}
}

// What constructors make is found again after a round trip.
func TestAttributes(t *testing.T) {
	m := small()
	n := m.Graph.Nodes[0]
	n.Attributes = []*Attribute{AttrF("f", 0), AttrI("i", -3), AttrS("s", ""), AttrT("t", NewInts("", Int64, nil, []int64{7})),
		AttrFs("fs", 1, 2), AttrIs("is"), AttrSs("ss", "a", "")}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Decode(b); err != nil {
		t.Fatal(err)
	}
	n = m.Graph.Nodes[0]
	if len(n.Attributes) != 7 {
		t.Fatalf("%d attributes", len(n.Attributes))
	}
	if a := n.Attr("f"); a.Type != AttrFloat || a.Float != 0 {
		t.Errorf("f: %+v", a)
	}
	if a := n.Attr("i"); a.Type != AttrInt || a.Int != -3 {
		t.Errorf("i: %+v", a)
	}
	if a := n.Attr("s"); a.Type != AttrString || len(a.String) != 0 {
		t.Errorf("s: %+v", a)
	}
	if v, err := n.Attr("t").Tensor.Int64s(); err != nil || !slices.Equal(v, []int64{7}) {
		t.Errorf("t: %v, error %v", v, err)
	}
	if a := n.Attr("fs"); a.Type != AttrFloats || !slices.Equal(a.Floats, []float32{1, 2}) {
		t.Errorf("fs: %+v", a)
	}
	if a := n.Attr("is"); a.Type != AttrInts || len(a.Ints) != 0 {
		t.Errorf("is: %+v", a)
	}
	if a := n.Attr("ss"); a.Type != AttrStrings || len(a.Strings) != 2 || string(a.Strings[0]) != "a" {
		t.Errorf("ss: %+v", a)
	}
	if a := n.Attr("none"); a != nil {
		t.Errorf("none: %+v", a)
	}
	if m.Graph.Initializer("w") != m.Graph.Initializers[0] || m.Graph.Initializer("x") != nil {
		t.Error("Initializer finds the wrong tensor")
	}
	if m.Opset() != 17 {
		t.Errorf("opset %d", m.Opset())
	}
}
