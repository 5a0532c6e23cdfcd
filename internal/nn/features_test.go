package nn

import (
	"slices"
	"testing"
)

func TestFeatures(t *testing.T) {
	for _, test := range []struct {
		name string
		n    *Network
		want []string
		last string
	}{
		{"sums", sketch(t, []string{"d"}, "relu x > a", "add a x > b", "relu b > c", "add c a > d"), []string{"c", "d"}, "d"},
		{"activations", sketch(t, []string{"e"}, "conv x > a", "leaky a > b", "conv b > c", "relu c > d", "gap d > e"), []string{"b", "d"}, "d"},
		{"convolutions", sketch(t, []string{"d"}, "conv x > a", "bn a > b", "conv b > c", "gap c > d"), []string{"b", "c"}, "c"},
		{"read twice", sketch(t, []string{"a", "b"}, "conv x > a", "bn a > b"), []string{"a", "b"}, "b"},
		{"nothing", sketch(t, []string{"c"}, "gap x > a", "flatten a > b", "gemm b > c"), nil, ""},
		{"behind sums", sketch(t, []string{"f"}, "relu x > a", "add a x > b", "conv b > c", "relu c > d", "gap d > e", "relu e > f"), []string{"b"}, "d"},
	} {
		if got := Features(test.n); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if got := LastBlock(test.n); got != test.last {
			t.Errorf("%s: the last block makes %q, want %q", test.name, got, test.last)
		}
	}
}
