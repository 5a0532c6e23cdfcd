package nn

import (
	"math"
	"testing"

	"zaq/internal/onnx"
)

// TestImportMutations damages every form of every operator in every place, one at a time. Import must
// refuse the result or return a network that can be evaluated; it must not panic.
func TestImportMutations(t *testing.T) {
	accepted, refused := 0, 0
	for _, opset := range []int64{7, 10, 13, 21} {
		for _, f := range forms {
			if !f.in(opset) {
				continue
			}
			// Each call of build makes the same graph anew; a mutation is found again by its number.
			for i := 0; ; i++ {
				b := formsGraph(opset, []form{f})
				if !mutate(b.model.Graph, i) {
					break
				}
				n, err := Import(b.model)
				if err != nil {
					refused++
					continue
				}
				accepted++
				checkEvaluates(t, f.name, i, n)
			}
		}
	}
	if accepted < 100 || refused < 1000 {
		t.Errorf("%d mutations accepted, %d refused: the mutations do little", accepted, refused)
	}
}

// TestImportPortMutations damages networks whose inputs have channels last, bytes or float16. What is accepted,
// and not refused by Export, makes a file that can be read again.
func TestImportPortMutations(t *testing.T) {
	accepted, refused := 0, 0
	for _, typ := range []onnx.DataType{onnx.Float, onnx.Uint8, onnx.Float16} {
		for _, f := range channelsLastForms {
			for i := 0; ; i++ {
				b := channelsLastModel(typ, f.size, func(b *graphBuilder) string {
					if typ == onnx.Uint8 { // behind a Cast, of which forms know nothing
						b.model.Graph.Nodes = append(b.model.Graph.Nodes, &onnx.Node{OpType: "Cast", Inputs: []string{"bytes"}, Outputs: []string{"x"}, Attributes: []*onnx.Attribute{num("to", int64(onnx.Float))}})
						b.model.Graph.Inputs[0].Name = "bytes"
					}
					return f.build(b)
				})
				if !mutate(b.model.Graph, i) {
					break
				}
				n, err := Import(b.model)
				if err != nil {
					refused++
					continue
				}
				accepted++
				checkEvaluates(t, f.name, i, n)
				if m, err := Export(n, ExportOptions{}); err != nil {
					t.Logf("%v %s, mutation %d: %v", typ, f.name, i, err)
				} else if err := onnx.Check(m); err != nil {
					t.Errorf("%v %s, mutation %d: the file is wrong: %v", typ, f.name, i, err)
				} else if _, err := Import(m); err != nil {
					t.Errorf("%v %s, mutation %d: the file is not read again: %v", typ, f.name, i, err)
				}
			}
		}
	}
	if accepted < 500 || refused < 500 {
		t.Errorf("%d mutations accepted, %d refused: the mutations do little", accepted, refused)
	}
}

// mutate makes the i-th change to g, if there are so many.
func mutate(g *onnx.Graph, i int) bool {
	nth := func(f func()) {
		if i == 0 {
			f()
		}
		i--
	}
	names := []string{"x", "v"}
	for _, c := range g.Initializers {
		names = append(names, c.Name)
	}
	for _, n := range g.Nodes {
		nth(func() { n.OpType = "Relu" })
		for k := range n.Inputs {
			nth(func() { n.Inputs = n.Inputs[:k] })
			for _, name := range append(names, "") {
				nth(func() { n.Inputs[k] = name })
			}
		}
		for k, a := range n.Attributes {
			nth(func() { n.Attributes = append(n.Attributes[:k], n.Attributes[k+1:]...) })
			nth(func() { a.Ints = nil })
			nth(func() { a.Tensor = nil })
			nth(func() { a.String = []byte("VALID") })
			nth(func() { a.Float = float32(math.Inf(1)) })
			for _, v := range []int64{-1, 0, 1, 2, 3, math.MaxInt64, math.MinInt64} {
				nth(func() { a.Int = v })
				for k := range a.Ints {
					nth(func() { a.Ints[k] = v })
				}
			}
		}
	}
	for _, c := range g.Initializers {
		for _, dims := range [][]int64{nil, {0}, {1}, {2}, {4}, {2, 0}, {6, 6}, {4, 1, 1, 1}} {
			nth(func() { *c = *onnx.NewFloats(c.Name, dims, waves(count(dims), 1)) })
			for _, typ := range []onnx.DataType{onnx.Int64, onnx.Int8, onnx.Uint8} {
				nth(func() { *c = *onnx.NewInts(c.Name, typ, dims, make([]int64, count(dims))) })
			}
		}
		for _, v := range []int64{-1, math.MaxInt64, math.MinInt64} {
			nth(func() { *c = *onnx.NewInts(c.Name, onnx.Int64, []int64{2}, []int64{v, v}) })
		}
	}
	return i < 0
}

func count(dims []int64) int {
	n := 1
	for _, d := range dims {
		n *= int(d)
	}
	return n
}

// checkEvaluates evaluates n, where that is not too much, and compares sizes with shapes.
func checkEvaluates(t *testing.T, form string, mutation int, n *Network) {
	t.Helper()
	inputs := make(map[string][]float32)
	for _, v := range n.Values {
		if size(v.Shape) > 1e5 {
			return
		}
	}
	for _, name := range n.Inputs {
		inputs[name] = waves(2*size(n.Values[name].Shape), 1)
	}
	values, err := Reference(n, inputs, 2)
	if err != nil {
		t.Errorf("%s, mutation %d: %v", form, mutation, err)
	}
	for name, x := range values {
		shape := n.Values[name].Shape
		if shape == nil { // not known
			continue
		}
		if want := size(withBatch(shape, 2)); len(x) != want {
			t.Errorf("%s, mutation %d: %q has %d elements, want %d", form, mutation, name, len(x), want)
		}
	}
}
