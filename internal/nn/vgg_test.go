package nn

import (
	"slices"
	"testing"
)

// Trainable numbers are those that 16 convolutions without bias, their BatchNorms and a linear layer of 512 x 10 have.
func TestVGG19(t *testing.T) {
	n, err := VGG19(VGGConfig{Image: [3]int{3, 32, 32}, Classes: 10, Width: 64}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	if parameters := trainable(n); parameters != 20035018 {
		t.Errorf("%d parameters", parameters)
	}
	if got, want := countKind(n, "Conv"), 16; got != want {
		t.Errorf("%d convolutions, want %d", got, want)
	}
	if v := n.Values["stage5.pool"]; v == nil || !slices.Equal(v.Shape, []int{Batch, 512, 1, 1}) {
		t.Errorf("the last pooling makes %v", v)
	}
}

func TestVGG19Refused(t *testing.T) {
	for _, c := range []VGGConfig{
		{Image: [3]int{3, 32, 32}, Width: 16},
		{Image: [3]int{0, 32, 32}, Classes: 10, Width: 16},
		{Image: [3]int{3, 32, 32}, Classes: 10},
		{Image: [3]int{3, 16, 32}, Classes: 10, Width: 16},
	} {
		if _, err := VGG19(c, 0); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
