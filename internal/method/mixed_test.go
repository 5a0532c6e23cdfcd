package method

import (
	"context"
	"math"
	"strings"
	"testing"

	"zaq/internal/quant"
)

// The choice is the best of all that keep the budget.
func TestChoose(t *testing.T) {
	sizes := []int{10, 40, 25}
	omega := make([][]float64, len(sizes))
	for i := range omega {
		for bits := quant.MinBits; bits <= quant.MaxBits; bits++ {
			omega[i] = append(omega[i], float64(3*i+1)*math.Exp2(-float64(bits)*(1+0.3*float64(i))))
		}
	}
	for _, b := range []*Budget{{MeanBits: 4}, {MeanBits: 2}, {MeanBits: 7.3}, {Bytes: 50, Packed: true}, {Bytes: 75}} {
		got, err := choose(omega, sizes, b, 75)
		if err != nil {
			t.Fatal(err)
		}
		sum := func(bits []int) (loss, cost float64) {
			for i, k := range bits {
				loss += omega[i][k-quant.MinBits]
				cost += b.cost(sizes[i], k)
			}
			return loss, cost
		}
		loss, cost := sum(got)
		if cost > b.total(75) {
			t.Errorf("%+v: %v costs %g of %g", b, got, cost, b.total(75))
		}
		for i := range 7 * 7 * 7 {
			other := []int{2 + i%7, 2 + i/7%7, 2 + i/49}
			if l, c := sum(other); c <= b.total(75)*0.999 && l < loss-1e-12 {
				t.Errorf("%+v: %v has %g, %v %g", b, got, loss, other, l)
				break
			}
		}
	}
	if _, err := choose(omega, sizes, &Budget{Bytes: 30, Packed: true}, 75); err == nil || !strings.Contains(err.Error(), "at least") {
		t.Errorf("a budget that is too small: %v", err)
	}
}

// Layers get bits by what they do to the answers, and all together keep the budget.
func TestMixedPrecision(t *testing.T) {
	o := tiny(t)
	o.Images, o.Budget = noise(16), &Budget{MeanBits: 4}
	o.KeepBias = true // the statistics of a network that was not trained are not true
	r, err := RTN(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	checkCalibrated(t, r)
	bits, n, differ := 0, 0, false
	for _, w := range r.Placement.Weights {
		bits, n = bits+w.Quantizer.Bits*len(w.Value.Data), n+len(w.Value.Data)
		differ = differ || w.Quantizer.Bits != 4
	}
	if mean := float64(bits) / float64(n); mean > 4 || mean < 3.5 || !differ {
		t.Errorf("%g bits on average, differ %v", mean, differ)
	}
	o.Budget = nil
	even, err := RTN(context.Background(), tinyNet(t), o)
	if err != nil {
		t.Fatal(err)
	}
	x := noise(16)
	want := reference(t, tinyNet(t), x, 16)["logits"]
	mixed := divergence(want, reference(t, r.Net, x, 16)["logits"], 5)
	same := divergence(want, reference(t, even.Net, x, 16)["logits"], 5)
	if mixed > same {
		t.Errorf("off by %g with bits by layer, %g with 4 each", mixed, same)
	}
}
