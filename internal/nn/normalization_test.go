package nn

import (
	"math"
	"testing"
)

func TestNormalization(t *testing.T) {
	n := sketch(t, []string{"y"}, "Sub x > s", "Div s > d", "bn d > b", "conv b > c", "Sub c > y")
	z, ok := n.Normalization("x")
	if !ok || z.Tensor != "b" || len(z.Scale) != 4 {
		t.Fatalf("%v %+v", ok, z)
	}
	const x = 0.7
	for c := range z.Scale {
		at := func(name string) float64 { return float64(n.Values[name].Data[c]) }
		want := (x - at("s.c")) / at("d.c")
		want = (want-at("b.mean"))/math.Sqrt(at("b.var")+float64(float32(1e-5)))*at("b.gamma") + at("b.beta")
		if got := z.Scale[c]*x + z.Shift[c]; math.Abs(got-want) > 1e-9 {
			t.Errorf("channel %d: %v, want %v", c, got, want)
		}
	}
	for _, lines := range [][]string{{"conv x > y"}, {"Sub x > s", "conv x > c", "add s c > y"}} {
		if z, ok := sketch(t, []string{"y"}, lines...).Normalization("x"); ok || z.Tensor != "x" {
			t.Errorf("%v: %v %+v", lines, ok, z)
		}
	}
}
