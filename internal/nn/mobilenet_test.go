package nn

import (
	"slices"
	"testing"
)

// Trainable numbers are those of PyTorch's network of this form, whose strides do not matter to them.
func TestMobileNet(t *testing.T) {
	n, err := MobileNet(MobileNetConfig{Image: [3]int{3, 32, 32}, Classes: 10}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	if parameters := trainable(n); parameters != 2236682 {
		t.Errorf("%d parameters", parameters)
	}
	for name, want := range map[string][]int{"stage2.0.add": nil, "stage2.1.add": {Batch, 24, 32, 32}, "head": {Batch, 1280, 4, 4}, "logits": {Batch, 10}} {
		v := n.Values[name]
		if want == nil && v != nil || want != nil && !slices.Equal(v.Shape, want) {
			t.Errorf("%s: %v, want %v", name, v, want)
		}
	}
	if got := len(Features(n)); got != 10 {
		t.Errorf("%d residual sums, want 10", got)
	}
}

func TestMobileNetRefused(t *testing.T) {
	for _, c := range []MobileNetConfig{
		{Image: [3]int{3, 32, 32}},
		{Image: [3]int{0, 32, 32}, Classes: 10},
		{Image: [3]int{3, 32, 32}, Classes: 10, Stem: -1},
		{Image: [3]int{3, 0, 32}, Classes: 10},
		{Image: [3]int{3, 32, 32}, Classes: 10, Stages: []MobileNetStage{{1, 16, 1, 0}}},
	} {
		if _, err := MobileNet(c, 0); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
