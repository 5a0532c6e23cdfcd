package nn

import (
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// branch returns a graph of one node, which may read whatever is around it, as an attribute.
func branch(name, op string, inputs ...string) *onnx.Attribute {
	out := name + "_" + op
	return onnx.AttrG(name, &onnx.Graph{
		Name: name, Nodes: []*onnx.Node{{OpType: op, Inputs: inputs, Outputs: []string{out}}}, Outputs: []*onnx.ValueInfo{{Name: out, Type: onnx.Float}},
	})
}

// repeated adds a Loop that adds what to start as many times as trips says.
func repeated(b *graphBuilder, trips, start, what string) string {
	body := &onnx.Graph{
		Name:   "body",
		Inputs: []*onnx.ValueInfo{{Name: "at", Type: onnx.Int64, Shape: []onnx.Dim{}}, {Name: "go", Type: onnx.Bool, Shape: []onnx.Dim{}}, {Name: "sum", Type: onnx.Float}},
		Nodes: []*onnx.Node{
			{OpType: "Add", Inputs: []string{"sum", what}, Outputs: []string{"more"}},
			{OpType: "Identity", Inputs: []string{"go"}, Outputs: []string{"goes"}},
		},
		Outputs: []*onnx.ValueInfo{{Name: "goes", Type: onnx.Bool}, {Name: "more", Type: onnx.Float}},
	}
	return b.node("Loop", trips, "", start, onnx.AttrG("body", body))
}

// What bodies read from outside is there for them, by the name that it then has.
func TestBodiesThatCapture(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opset int64
		to    int64
		build func(b *graphBuilder)
	}{
		{"tensor of the trunk", 13, 0, func(b *graphBuilder) {
			y := conv(b)
			largest := b.node("ReduceMax", y, num("keepdims", 0))
			b.output(b.node("If", b.node("Greater", largest, b.floats(nil, 0)), branch("then_branch", "Neg", y), branch("else_branch", "Exp", y)))
		}},
		{"constants, one that is a weight", 13, 21, func(b *graphBuilder) {
			y := conv(b)
			w, half := b.weights(5, 4, 1, 1), b.floats(nil, 0.5)
			b.output(b.node("Conv", y, w))
			b.output(b.node("If", b.levels(onnx.Bool, nil, 1), branch("then_branch", "Mul", w, half), branch("else_branch", "Add", half, half)))
		}},
		{"constant that is computed", 11, 13, func(b *graphBuilder) {
			c := b.node("Add", b.floats([]int64{2}, 1, 2), b.floats(nil, 3))
			b.output(conv(b))
			b.output(b.node("If", b.levels(onnx.Bool, nil, 0), branch("then_branch", "Neg", c), branch("else_branch", "Abs", c)))
		}},
		{"another name of a tensor", 13, 0, func(b *graphBuilder) {
			y := conv(b)
			b.output(b.node("If", b.levels(onnx.Bool, nil, 1), branch("then_branch", "Neg", b.node("Dropout", y)), branch("else_branch", "Abs", y)))
		}},
		{"loop", 13, 21, func(b *graphBuilder) {
			y := conv(b)
			b.output(repeated(b, b.levels(onnx.Int64, nil, 3), b.node("Relu", y), b.node("Sigmoid", y)))
		}},
		{"as many times as there are images", 13, 0, func(b *graphBuilder) {
			y := conv(b)
			trips := b.node("Squeeze", b.node("Slice", b.node("Shape", y), b.list(0), b.list(1)))
			b.output(repeated(b, trips, y, b.floats(nil, 1)))
		}},
		{"body in a body", 13, 0, func(b *graphBuilder) {
			y := conv(b)
			inner := &onnx.Graph{
				Name:    "outer",
				Nodes:   []*onnx.Node{{OpType: "If", Inputs: []string{"always"}, Outputs: []string{"inner"}}},
				Outputs: []*onnx.ValueInfo{{Name: "inner", Type: onnx.Float}},
			}
			same := b.node("Dropout", y)
			inner.Nodes[0].Attributes = []*onnx.Attribute{branch("then_branch", "Neg", same), branch("else_branch", "Abs", y)}
			b.constant(onnx.NewInts("always", onnx.Bool, nil, []int64{1}))
			b.output(b.node("If", "always", onnx.AttrG("then_branch", inner), branch("else_branch", "Exp", y)))
		}},
		{"scan", 13, 21, func(b *graphBuilder) {
			y := b.node("Transpose", b.node("Flatten", conv(b)), nums("perm", 1, 0))
			body := &onnx.Graph{
				Name:    "row",
				Inputs:  []*onnx.ValueInfo{{Name: "row", Type: onnx.Float}},
				Nodes:   []*onnx.Node{{OpType: "Mul", Inputs: []string{"row", b.floats(nil, 0.5)}, Outputs: []string{"scaled"}}},
				Outputs: []*onnx.ValueInfo{{Name: "scaled", Type: onnx.Float}},
			}
			b.output(b.node("Scan", y, num("num_scan_inputs", 1), onnx.AttrG("body", body)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newGraph(tt.opset)
			b.input("x", 4, 6, 7)
			tt.build(b)
			sameTail(t, b, tt.to)
		})
	}
}

// A tensor that a body reads is on its grid there, too, and an image with channels last as the file has it.
func TestBodyOfQuantized(t *testing.T) {
	b := channelsLastModel(onnx.Float, []int64{8, 6, 3}, func(b *graphBuilder) string { return b.first("x") })
	y := b.model.Graph.Outputs[0].Name
	b.output(b.node("If", b.levels(onnx.Bool, nil, 1), branch("then_branch", "Add", y, y), branch("else_branch", "Neg", y)))
	shaped := b.node("ReduceMax", y, num("keepdims", 0))
	b.output(b.node("If", b.node("Less", shaped, b.floats(nil, 1e9)), branch("then_branch", "Neg", "x"), branch("else_branch", "Abs", "x")))
	n := b.mustImport(t)
	trunk, tail := Cut(n)
	declared, x := imagesFor(n, 2)
	quantize(t, trunk, PlaceOptions{Scheme: Deploy, WBits: 4, ABits: 8}, x, 2)
	whole, err := Join(trunk, tail)
	if err != nil {
		t.Fatal(err)
	}
	path, _ := write(t, whole, ExportOptions{})
	for _, level := range []string{oracle.Disabled, oracle.All} {
		out := oracle.RunORT(t, path, []*onnx.Tensor{declared}, oracle.ORTOptions{Level: level})
		once, twice := floats(t, out[0]), floats(t, out[1])
		for i := range once {
			if twice[i] != 2*once[i] {
				t.Fatalf("level %s: the body reads another tensor than is handed out", level)
			}
		}
		negative := floats(t, out[2])
		for i, v := range floats(t, declared) {
			if negative[i] != -v {
				t.Fatalf("level %s: the body reads another input than the file has", level)
			}
		}
	}
}

// A body has no tensor that its node might come to read by the same name.
func TestBodyOwnsName(t *testing.T) {
	b := newGraph(13)
	b.input("x", 4, 6, 7)
	y := conv(b)
	own := &onnx.Graph{
		Nodes: []*onnx.Node{
			{OpType: "Neg", Inputs: []string{b.node("Dropout", y)}, Outputs: []string{y}},
		},
		Outputs: []*onnx.ValueInfo{{Name: y, Type: onnx.Float}},
	}
	b.output(b.node("If", b.levels(onnx.Bool, nil, 1), onnx.AttrG("then_branch", own), branch("else_branch", "Abs", y)))
	n := b.mustImport(t)
	if last := n.Layers[len(n.Layers)-1]; !slices.Contains(last.In, y) {
		t.Errorf("the body reads %v", last.In)
	}
	_, err := Export(n, ExportOptions{})
	if err == nil || !strings.Contains(err.Error(), "a body has a tensor") {
		t.Errorf("error %v", err)
	}
}
