package nn

import (
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// moveForms are what may stand between two convolutions and moves elements: from y [N,8,12,10] on.
var moveForms = []struct {
	name       string
	since, end int64
	build      func(b *graphBuilder, y string) string
}{
	{"resize axes to sizes, linear", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", "", b.list(18, 15), nums("axes", 2, 3), text("mode", "linear"))
	}},
	{"resize axes by scales, linear", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", b.floats([]int64{2}, 2, 1.5), nums("axes", 2, 3), text("mode", "linear"))
	}},
	{"resize axes to sizes, nearest", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", "", b.list(20, 24), nums("axes", 3, 2), text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor"))
	}},
	{"resize an axis from the end", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", b.floats([]int64{1}, 0.5), nums("axes", -1))
	}},
	{"resize within bounds", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", "", b.list(6, 9), nums("axes", 2, 3), text("mode", "linear"), text("keep_aspect_ratio_policy", "not_larger"))
	}},
	{"resize beyond bounds", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", "", b.list(24, 5), nums("axes", 2, 3), text("keep_aspect_ratio_policy", "not_smaller"))
	}},
	{"resize by scales, linear", 11, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", b.floats([]int64{4}, 1, 1, 2, 2), text("mode", "linear"))
	}},
	{"resize to a size", 11, 0, func(b *graphBuilder, y string) string {
		return b.node("Resize", y, "", "", batchAnd(b, "x", 8, 17, 20))
	}},
	{"upsample", 9, 9, func(b *graphBuilder, y string) string {
		return b.node("Upsample", y, b.floats([]int64{4}, 1, 1, 2, 2), text("mode", "nearest"))
	}},
	{"slice of channels", 10, 0, func(b *graphBuilder, y string) string { return b.node("Slice", y, b.list(2), b.list(7), b.list(1)) }},
	{"slice of pixels", 10, 0, func(b *graphBuilder, y string) string {
		return b.node("Slice", y, b.list(1, -8), b.list(11, 9), b.list(-2, 3), b.list(2, 1))
	}},
	{"slice backwards", 10, 0, func(b *graphBuilder, y string) string {
		return b.node("Slice", y, b.list(-1), b.list(-1<<60), b.list(3), b.list(-1))
	}},
	{"pad", 11, 0, func(b *graphBuilder, y string) string { return b.node("Pad", y, b.list(0, 0, 1, 2, 0, 0, 2, 0)) }},
	{"pad axes", 18, 0, func(b *graphBuilder, y string) string { return b.node("Pad", y, b.list(1, 2, 0, 1), "", b.list(2, 3)) }},
	{"pad axes from the end", 18, 0, func(b *graphBuilder, y string) string {
		return b.node("Pad", y, b.list(1, 2), b.floats(nil, 0.5), b.list(-2))
	}},
	{"concat", 7, 0, func(b *graphBuilder, y string) string {
		return b.node("Concat", y, b.node("MaxPool", y, nums("kernel_shape", 3, 3), nums("pads", 1, 1, 1, 1)), num("axis", 1))
	}},
	{"concat along the width", 7, 0, func(b *graphBuilder, y string) string { return b.node("Concat", y, y, num("axis", -1)) }},
	{"split", 13, 17, func(b *graphBuilder, y string) string { return splitIn(b, y, b.list(3, 5)) }},
	{"split in two", 18, 0, func(b *graphBuilder, y string) string { return splitIn(b, y, "", num("num_outputs", 2)) }},
	{"gather", 7, 0, func(b *graphBuilder, y string) string { return b.node("Gather", y, b.list(5, 0, 3, 3), num("axis", 1)) }},
	{"gather of rows", 7, 0, func(b *graphBuilder, y string) string {
		return b.node("Gather", y, b.list(5, 0, 3, 3, 1), num("axis", -2))
	}},
	{"max pool", 8, 0, func(b *graphBuilder, y string) string {
		return b.node("MaxPool", y, nums("kernel_shape", 3, 2), nums("strides", 2, 2), nums("pads", 1, 0, 0, 1), num("ceil_mode", 1))
	}},
	{"depth to space", 7, 0, func(b *graphBuilder, y string) string { return b.node("DepthToSpace", y, num("blocksize", 2)) }},
	{"depth to space, by columns", 11, 0, func(b *graphBuilder, y string) string {
		return b.node("DepthToSpace", y, num("blocksize", 2), text("mode", "CRD"))
	}},
	{"space to depth", 7, 0, func(b *graphBuilder, y string) string { return b.node("SpaceToDepth", y, num("blocksize", 2)) }},
	{"shuffle of channels", 7, 0, func(b *graphBuilder, y string) string {
		y = b.node("Transpose", b.node("Reshape", y, b.list(0, 2, 4, 12, 10)), nums("perm", 0, 2, 1, 3, 4))
		return b.node("Reshape", y, b.list(0, 8, 12, 10))
	}},
	{"turned", 7, 0, func(b *graphBuilder, y string) string { return b.node("Transpose", y, nums("perm", 0, 1, 3, 2)) }},
	{"tile", 7, 0, func(b *graphBuilder, y string) string { return b.node("Tile", y, b.list(1, 2, 1, 3)) }},
	{"expand", 8, 0, func(b *graphBuilder, y string) string {
		return b.node("Expand", b.node("GlobalMaxPool", y), b.list(1, 8, 6, 5))
	}},
	{"squeeze and unsqueeze", 13, 0, func(b *graphBuilder, y string) string {
		y = b.node("Squeeze", b.node("Slice", y, b.list(3), b.list(4), b.list(2)), b.list(2))
		return b.node("Unsqueeze", y, b.list(-1))
	}},
}

// splitIn splits y in two and joins the parts the other way round.
func splitIn(b *graphBuilder, y, sizes string, attrs ...any) string {
	first := b.node("Split", append([]any{y, sizes, num("axis", 1)}, attrs...)...)
	second := b.name("t")
	n := b.model.Graph.Nodes[len(b.model.Graph.Nodes)-1]
	n.Outputs = append(n.Outputs, second)
	if sizes == "" {
		n.Inputs = n.Inputs[:1]
	}
	return b.node("Concat", second, first, num("axis", 1))
}

// What moves elements between quantized convolutions runs in ONNX Runtime at the level that it has by default, on which it
// moves channels behind the other axes and all operators with them; up to opset 20 more of them.
func TestORTMoves(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	const batch = 2
	for _, f := range moveForms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			opset := max(f.since, 13)
			if f.end > 0 {
				opset = f.end
			}
			b := newGraph(opset)
			y := b.node("Relu", b.node("Conv", b.input("x", 3, 12, 10), b.weights(8, 3, 3, 3), nums("pads", 1, 1, 1, 1)))
			y = f.build(b, y)
			y = b.node("Relu", b.node("Conv", y, b.weights(16, channelsOf(t, b, y), 3, 3), nums("pads", 1, 1, 1, 1)))
			b.output(b.node("Conv", y, b.weights(2, 16, 1, 1)))
			n := b.mustImport(t)
			out, images := n.Outputs[0], waves(batch*size(n.Values["x"].Shape), 0.4)
			float := evaluate(t, n, images, batch)[out]
			if strings.HasPrefix(f.name, "resize") { // the others are read as they are, or have forms of their own
				source := oracle.RunORT(t, sourceFile(t, b), input(n, images), oracle.ORTOptions{Level: oracle.Disabled})
				if d := distance(float, floats(t, source[0])); !(d <= 1e-5) {
					t.Errorf("the network is off by %g", d)
				}
			}
			quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, images, batch)
			for _, to := range []int64{max(opset, 13), 21} {
				path, back := write(t, n, ExportOptions{Opset: to})
				InIntegers(back)
				want := evaluate(t, back, images, batch)[out]
				if db := quant.SQNR(float, want); db < 22 {
					t.Errorf("8 bits have %.1f dB", db)
				}
				got := oracle.RunORT(t, path, input(n, images), oracle.ORTOptions{Level: oracle.All})
				if db := quant.SQNR(floats(t, got[0]), want); db < 40 {
					t.Errorf("opset %d: %.1f dB between ONNX Runtime and the network in integers", to, db)
				}
			}
		})
	}
}

// channelsOf returns the number of channels of a tensor of the graph so far.
func channelsOf(t *testing.T, b *graphBuilder, tensor string) int64 {
	t.Helper()
	m := *b.model
	g := *m.Graph
	g.Outputs = slices.Concat(g.Outputs, []*onnx.ValueInfo{{Name: tensor, Type: onnx.Float}})
	m.Graph = &g
	n, err := Import(&m)
	if err != nil {
		t.Fatal(err)
	}
	return int64(n.Values[tensor].Shape[1])
}
