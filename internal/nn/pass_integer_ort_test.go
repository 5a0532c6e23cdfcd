package nn

import (
	"slices"
	"testing"

	"zaq/internal/oracle"
)

// agrees holds what a file computes in integers against ONNX Runtime: where one integer is another, outputs are farther apart
// than floats are rounded.
func agrees(t *testing.T, n *Network, x []float32, batch int) {
	t.Helper()
	path, back := write(t, n, ExportOptions{})
	InIntegers(back)
	want := evaluate(t, back, x, batch)
	for _, level := range []string{oracle.Basic, oracle.Extended, oracle.All} {
		for _, y := range oracle.RunORT(t, path, input(back, x), oracle.ORTOptions{Level: level}) {
			if d := distance(floats(t, y), want[y.Name]); d > 1e-6 {
				t.Errorf("level %s: output %s of ONNX Runtime is %g away", level, y.Name, d)
			}
		}
	}
}

// A Clip or Relu after anything that computes goes into the bounds of the next grid, without one in front.
func TestORTClipped(t *testing.T) {
	b := newGraph(13)
	x := b.node("Conv", b.input("x", 3, 6, 8), b.weights(4, 3, 3, 3), nums("pads", 1, 1, 1, 1))
	for _, y := range []string{
		b.node("Concat", x, x, num("axis", 1)), b.node("AveragePool", x, nums("kernel_shape", 2, 2)), b.node("Add", x, b.floats(nil, 0.1)),
		b.node("Sub", x, b.weights(4, 1, 1)), b.node("Mul", x, b.node("Sigmoid", x)), b.node("GlobalAveragePool", x),
		b.node("Resize", x, "", b.floats([]int64{4}, 1, 1, 2, 2), text("mode", "linear")),
	} {
		channels := int64(4)
		if len(b.model.Graph.Outputs) == 0 {
			channels = 8
		}
		y = b.node("Clip", y, b.floats(nil, -0.2), b.floats(nil, 0.3))
		b.output(b.node("Flatten", b.node("GlobalAveragePool", b.node("Conv", y, b.weights(5, channels, 1, 1)))))
	}
	n := b.mustImport(t)
	images := waves(4*3*6*8, 1)
	for _, bits := range []int{8, 4} {
		q := n.Clone()
		quantize(t, q, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: bits}, images, 4)
		agrees(t, q, images, 4)
	}
}

// A Relu that stands between two grids is computed in float: what lies in the middle between two integers then falls to the
// side that a division of real values says.
func TestORTRelu(t *testing.T) {
	b := newGraph(13)
	x := b.node("Conv", b.input("x", 3, 6, 8), b.weights(4, 3, 3, 3), nums("pads", 1, 1, 1, 1))
	x = b.node("MaxPool", x, nums("kernel_shape", 2, 2), nums("strides", 2, 2))
	b.output(b.node("Flatten", b.node("Conv", b.node("Relu", x), b.weights(5, 4, 1, 1))))
	n := b.mustImport(t)
	images := waves(8*3*6*8, 10)
	quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 4}, images, 8)
	for _, l := range n.Layers {
		f, ok := l.Op.(FakeQuant)
		if !ok || l.In[0] == "x" {
			continue
		}
		if _, relu := n.Producer(l.In[0]).Op.(Relu); relu {
			f.Q.Scale[0], f.Q.Zero[0] = 0.63, 0
		} else {
			f.Q.Scale[0], f.Q.Zero[0] = 0.105, 128
		}
	}
	if !slices.ContainsFunc(n.Layers, func(l *Layer) bool { return l.Op == Op(Relu{}) }) {
		t.Fatal("no Relu")
	}
	agrees(t, n, images, 8)
}
