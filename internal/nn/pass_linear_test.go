package nn

import (
	"slices"
	"testing"
)

// A convolution that is a linear layer becomes one, with the same results, and nothing else does.
func TestLinearHeads(t *testing.T) {
	head := func(kernel int64, size int64, shared, given bool, softmax bool) *Network {
		b := newGraph(13)
		x := b.input("x", 4, size, size)
		w := b.weights(3, 4, kernel, kernel)
		y := b.node("Conv", x, w, b.floats([]int64{3}, 0.5, -1, 2))
		flat := b.node("Flatten", y)
		if shared {
			b.output(b.node("Conv", x, w))
		}
		if given {
			b.output(y)
		}
		if softmax {
			flat = b.node("Softmax", flat)
		}
		b.output(flat)
		return b.mustImport(t)
	}
	for name, c := range map[string]struct {
		net    *Network
		linear bool
	}{
		"one pixel":             {head(1, 1, false, false, false), true},
		"before softmax":        {head(1, 1, false, false, true), true},
		"several pixels":        {head(1, 2, false, false, false), false},
		"3x3":                   {head(3, 3, false, false, false), false},
		"shared weights":        {head(1, 1, true, false, false), false},
		"handed out unflattend": {head(1, 1, false, true, false), false},
	} {
		t.Run(name, func(t *testing.T) {
			image := size(c.net.Values[c.net.Inputs[0]].Shape[1:])
			x := map[string][]float32{c.net.Inputs[0]: waves(2*image, 0.3)}
			want, err := Reference(c.net, x, 2)
			if err != nil {
				t.Fatal(err)
			}
			n := c.net.Clone()
			LinearHeads(n)
			if err := n.Check(); err != nil {
				t.Fatal(err)
			}
			if got := countKind(n, "Gemm") == 1; got != c.linear {
				t.Fatalf("linear: %v, want %v", got, c.linear)
			}
			if c.linear && (countKind(n, "Conv") != 0 || countKind(n, "Flatten") != 1) {
				t.Errorf("%d Conv, %d Flatten", countKind(n, "Conv"), countKind(n, "Flatten"))
			}
			got, err := Reference(n, x, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, out := range n.Outputs {
				if !slices.Equal(got[out], want[out]) {
					t.Errorf("%s: %v, want %v", out, got[out], want[out])
				}
			}
		})
	}
}
