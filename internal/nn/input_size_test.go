package nn

import (
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// Inputs are maps or vectors, in the order of the file; what no layer reads does not count, other shapes are refused by name.
func TestInputSizes(t *testing.T) {
	network := func(shapes map[string][]int, inputs ...string) *Network {
		n := &Network{Inputs: inputs, Values: map[string]*Value{}, Ports: map[string]Port{
			"depth": {Type: onnx.Uint8}, "bytes": {Type: onnx.Uint8}, "flags": {Type: onnx.Uint8},
		}}
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
		"bytes": {Batch, 2, 4, 4}, "flags": {Batch, 5},
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
		{[]string{"image", "bytes"}, `input "bytes" of shape [-1 2 4 4] is uint8`},
		{[]string{"image", "flags"}, `input "flags" of shape [-1 5] is uint8`},
		{[]string{"features"}, `input "features" has the shape [-1 5]`},
		{[]string{"features", "unread"}, "none of the inputs features, unread is an image"},
	} {
		if _, err := network(shapes, c.inputs...).InputSizes(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.inputs, err)
		}
	}
}
