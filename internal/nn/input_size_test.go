package nn

import (
	"slices"
	"strings"
	"testing"
)

// Inputs are maps or vectors, in the order of the file; what no layer reads does not count, other shapes are refused by name.
func TestInputSizes(t *testing.T) {
	network := func(shapes map[string][]int, inputs ...string) *Network {
		n := &Network{Inputs: inputs, Values: map[string]*Value{}}
		for name, s := range shapes {
			n.Values[name] = &Value{Name: name, Shape: s}
		}
		for _, name := range inputs {
			if name != "unread" {
				n.Layers = append(n.Layers, &Layer{Op: Relu{}, In: []string{name}})
			}
		}
		return n
	}
	shapes := map[string][]int{
		"image": {Batch, 3, 8, 6}, "depth": {Batch, 1, 4, 4}, "features": {Batch, 5}, "sequence": {Batch, 7, 5}, "unread": {Batch},
	}
	got, err := network(shapes, "features", "image", "unread", "depth").InputSizes()
	want := []InputSize{{"features", 5, 1, 1, true}, {"image", 3, 8, 6, false}, {"depth", 1, 4, 4, false}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, c := range []struct {
		inputs []string
		want   string
	}{
		{[]string{"image", "sequence"}, `input "sequence" has the shape [-1 7 5]`},
		{[]string{"features"}, `input "features" has the shape [-1 5]`},
		{[]string{"features", "unread"}, "none of the inputs features, unread is an image"},
	} {
		if _, err := network(shapes, c.inputs...).InputSizes(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.inputs, err)
		}
	}
}
