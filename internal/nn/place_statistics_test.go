package nn

import (
	"slices"
	"testing"
)

// A normalization that is spelt out has a quantizer before it and one behind it; so has what is made of it by moves.
func TestPlaceNormalization(t *testing.T) {
	for name, build := range map[string]func(b *graphBuilder, y string) string{
		"pixels": func(b *graphBuilder, y string) string { return pixelNorm(b, y, 1, 4, 1, 1) },
		"groups": func(b *graphBuilder, y string) string {
			z := b.node("InstanceNormalization", b.node("Reshape", y, b.list(0, 2, -1)), b.weights(2), b.weights(2))
			return b.node("Add", b.node("Mul", b.node("Reshape", z, b.list(-1, 4, 6, 7)), b.weights(4, 1, 1)), b.weights(4, 1, 1))
		},
		"mean of squares": func(b *graphBuilder, y string) string {
			return b.node("Div", y, b.node("Sqrt", b.node("ReduceMean", b.node("Mul", y, y), nums("axes", 1))))
		},
		"lengths": func(b *graphBuilder, y string) string {
			length := b.node("Clip", b.node("ReduceL2", y, nums("axes", 1)), b.floats(nil, 1e-12))
			return b.node("Div", y, b.node("Expand", length, b.list(1, 4, 6, 7)))
		},
	} {
		b := newGraph(13)
		c1 := b.node("Conv", b.input("x", 4, 6, 7), b.weights(4, 4, 1, 1))
		norm := build(b, c1)
		c2 := b.node("Conv", norm, b.weights(2, 4, 1, 1))
		b.output(c2)
		n := b.mustImport(t)
		p, err := Place(n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range p.Activations {
			if !s.Tied {
				got = append(got, s.Tensor)
			}
		}
		if want := []string{"x", c1, norm, c2 + "_QuantizeLinear_Input"}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// A statistic that integer kernels read is quantized: of attention, and of what is multiplied.
func TestPlaceStatistics(t *testing.T) {
	b := newGraph(13)
	c1 := b.node("Conv", b.input("x", 4, 6, 7), b.weights(4, 4, 1, 1))
	mean, most := b.node("ReduceMean", c1, nums("axes", 1)), b.node("ReduceMax", c1, nums("axes", 1))
	both := b.node("Concat", mean, most, num("axis", 1))
	product := b.node("Mul", c1, mean)
	b.output(b.node("Add", b.node("Conv", both, b.weights(4, 2, 1, 1)), b.node("Conv", product, b.weights(4, 4, 1, 1))))
	n := b.mustImport(t)
	p, err := Place(n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{mean, most, both, product} {
		if !slices.ContainsFunc(p.Activations, func(s *Site) bool { return s.Tensor == want }) {
			t.Errorf("%q has no quantizer", want)
		}
	}
}

// Between quantizers a Softmax goes into the file as LogSoftmax and Exp; one that ends a network stays.
func TestSoftmaxByLogarithms(t *testing.T) {
	for _, axis := range []int64{1, 3} {
		b := newGraph(13)
		inside := b.node("Softmax", b.node("Conv", b.input("x", 4, 6, 7), b.weights(4, 4, 1, 1)), num("axis", axis))
		last := b.node("Softmax", b.node("Conv", inside, b.weights(2, 4, 1, 1)), num("axis", axis))
		b.output(last)
		n := b.mustImport(t)
		quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, waves(4*6*7, 0.5), 1)
		made := map[string]string{}
		for _, node := range export(t, n, ExportOptions{}).Graph.Nodes {
			made[node.Outputs[0]] = node.OpType
		}
		if made[inside] != "Exp" || made[last] != "Softmax" {
			t.Errorf("axis %d: inside %s, at the end %s", axis, made[inside], made[last])
		}
	}
}
