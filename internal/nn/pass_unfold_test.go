package nn

import (
	"math"
	"testing"
)

// What Unfold computes is tested with all passes. Here: channels get unit length, but where layers share them, and a network
// that has BatchNorm stays as it is.
func TestUnfold(t *testing.T) {
	for name, n := range passNetworks(t) {
		t.Run(name, func(t *testing.T) {
			before := len(n.Layers)
			if Unfold(n); len(n.Layers) != before {
				t.Errorf("%d layers, %d before", len(n.Layers), before)
			}
			if err := FoldBatchNorm(n); err != nil {
				t.Fatal(err)
			}
			before = len(n.Layers)
			Unfold(n)
			unfolded := 0
			for l, w := range n.Weights() {
				if n.soleConsumer(l.In[1]) != l {
					continue
				}
				unfolded++
				for c := range w.Shape[0] {
					sum := 0.0
					for _, v := range w.channel(c) {
						sum += float64(v) * float64(v)
					}
					if sum != 0 && math.Abs(sum-1) > 1e-5 { // a gamma of 0 leaves nothing
						t.Errorf("%s: the squares of channel %d sum to %v", l.Name, c, sum)
					}
				}
			}
			if len(n.Layers) != before+unfolded {
				t.Errorf("%d layers unfolded, %d layers more", unfolded, len(n.Layers)-before)
			}
		})
	}
}
