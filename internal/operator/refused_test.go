package operator

import (
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// Attributes and inputs that make no sense are named; what no check knows of says at least nothing of this program's own.
func TestRefused(t *testing.T) {
	image, vector := New(onnx.Float, 2, 8, 4, 6), New(onnx.Float, 8)
	for _, tt := range []struct {
		op   string
		want string
		in   *Tensor
		attr *onnx.Attribute
	}{
		{"DepthToSpace", "blocks of 0 of [2 8 4 6]", image, onnx.AttrI("blocksize", 0)},
		{"DepthToSpace", "blocks of 3 of [2 8 4 6]", image, onnx.AttrI("blocksize", 3)},
		{"DepthToSpace", "blocks of 2 of [8]", vector, onnx.AttrI("blocksize", 2)},
		{"SpaceToDepth", "blocks of 4 of [2 8 4 6]", image, onnx.AttrI("blocksize", 4)},
		{"EyeLike", "an input of shape [8], not a matrix", vector, onnx.AttrI("k", 0)},
		{"GatherND", "its inputs or attributes do not fit it", vector, onnx.AttrI("batch_dims", 5)},
	} {
		in := []*Tensor{tt.in}
		if tt.op == "GatherND" {
			in = append(in, New(onnx.Int64, 1))
		}
		_, err := Eval(&onnx.Node{OpType: tt.op, Attributes: []*onnx.Attribute{tt.attr}}, 13, in)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%s: error %v, want one with %q", tt.op, err, tt.want)
		}
	}
}
