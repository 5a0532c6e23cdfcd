package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"zaq/internal/quant"
)

// In integers, a network computes the same: on every grid the same integers, but for a rare one that a rounding
// of the real network moved, and the same outputs. Weights and sums are whole.
func TestInIntegers(t *testing.T) {
	networks := passNetworks(t)
	networks["every operator"] = everyOp(t)
	for _, o := range []PlaceOptions{
		{Scheme: Deploy, WBits: 8, ABits: 8},
		{Scheme: Deploy, WBits: 4, ABits: 5, PerTensor: true},
		{Scheme: Deploy, WBits: 2, ABits: 3},
		{Scheme: Paper, WBits: 8, ABits: 8},
		{Scheme: Paper, WBits: 3, ABits: 4},
	} {
		for name, n := range networks {
			t.Run(fmt.Sprintf("%s/%s w%da%d", name, o.Scheme, o.WBits, o.ABits), func(t *testing.T) {
				n := n.Clone()
				if err := FoldBatchNorm(n); err != nil {
					t.Fatal(err)
				}
				const batch = 3
				x := noise(n, batch)
				quantize(t, n, o, x, batch)
				n = reimport(t, export(t, n, ExportOptions{})) // biases are on their grids now
				want := evaluate(t, n, x, batch)
				ints := n.Clone()
				InIntegers(ints)
				if err := ints.Check(); err != nil {
					t.Fatal(err)
				}
				got := evaluate(t, ints, x, batch)

				sums := 0
				for _, l := range ints.Layers {
					if w := ints.Input(l, 1); hasWeights(l) && w.Quant == nil && strings.Contains(w.Name, "_integers") {
						sums++
						for what, values := range map[string][]float32{"weight": w.Data, "sum": got[l.Out[0]]} {
							if what == "sum" && o.Scheme == Paper { // an average of integers is none
								continue
							}
							if i := slices.IndexFunc(values, func(v float32) bool { return v != float32(math.Round(float64(v))) }); i >= 0 {
								t.Fatalf("node %q: %s %d is %v", l.Name, what, i, values[i])
							}
						}
					}
				}
				if o.Scheme == Deploy && sums != len(slices.Collect(inIntegers(n))) {
					t.Errorf("%d layers compute with integers", sums)
				}
				for _, l := range n.Layers {
					f, ok := l.Op.(FakeQuant)
					if !ok {
						continue
					}
					scale := float64(f.Q.Scale[0])
					if slices.Contains(n.Outputs, l.Out[0]) {
						scale = 1 // outputs are real
					}
					compare(t, l.Out[0], f.Q, want[l.Out[0]], got[l.Out[0]], scale)
				}
				for _, name := range n.Outputs {
					if d := distance(got[name], want[name]); d > 0.02 {
						t.Errorf("output %q: distance %g", name, d)
					}
				}
			})
		}
	}
}

// inIntegers lists the layers with weights, but for normalizations of what is on no grid.
func inIntegers(n *Network) func(func(*Layer) bool) {
	return func(yield func(*Layer) bool) {
		for l := range n.Weights() {
			if (!n.scalesChannels(l) || n.onGrid(l.In[0])) && !yield(l) {
				return
			}
		}
	}
}

// compare holds what is scale times got against want, both on the grid of q: a few in a hundred may be a step apart.
func compare(t *testing.T, name string, q *quant.Quantizer, want, got []float32, scale float64) {
	t.Helper()
	moved := 0
	for i := range want {
		switch d := math.Abs(scale*float64(got[i])-float64(want[i])) / float64(q.Scale[0]); {
		case d > 1.001:
			t.Fatalf("%s: element %d is %v steps away", name, i, d)
		case d > 0.001:
			moved++
		}
	}
	if moved > 1+len(want)/50 {
		t.Errorf("%s: %d of %d integers are others", name, moved, len(want))
	}
}
