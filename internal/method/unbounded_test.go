package method

import (
	"context"
	"strings"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
)

// What is not finite is an error that names where it begins, also where an activation hides NaN, but not where one takes an infinity back.
func TestUnbounded(t *testing.T) {
	root := func(op, back string, in ...string) []*nn.Layer {
		return []*nn.Layer{
			{Name: "negative", Op: nn.Operator{Type: "Neg", Opset: 13}, In: in[:1], Out: []string{"below"}},
			{Name: "root", Op: nn.Operator{Type: op, Opset: 13}, In: []string{"below"}, Out: []string{"infinite"}},
			{Name: "back", Op: nn.Operator{Type: back, Opset: 13}, In: []string{"infinite"}, Out: []string{"strange"}},
		}
	}
	for _, tt := range []struct{ op, back, want string }{
		{"Sqrt", "Neg", `node "root" (Sqrt): makes NaN of an image`},
		{"Reciprocal", "Neg", `node "root" (Reciprocal): makes -Inf of an image`},
		{"Reciprocal", "Tanh", ""}, // as good as before
		{"Abs", "Neg", ""},
	} {
		o := tiny(t)
		o.Images, o.Source = noise(8), SourceGiven
		net := tinyNet(t)
		for i, l := range net.Layers { // behind the first Relu
			if _, ok := l.Op.(nn.Relu); !ok {
				continue
			}
			x := l.Out[0]
			for _, reader := range net.Layers[i+1:] {
				for k, name := range reader.In {
					if name == x {
						reader.In[k] = "strange"
					}
				}
			}
			for _, name := range []string{"below", "infinite", "strange"} {
				net.Values[name] = &nn.Value{Name: name, Shape: net.Values[x].Shape, Type: onnx.Float}
			}
			net.Layers = append(net.Layers[:i+1:i+1], append(root(tt.op, tt.back, x), net.Layers[i+1:]...)...)
			break
		}
		if err := net.Check(); err != nil {
			t.Fatal(err)
		}
		_, err := RTN(context.Background(), net, o)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: error %v, want one with %q", tt.op, tt.back, err, tt.want)
		}
	}
}
