//go:build !noasm && !race

package infer

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// normalizedFirst is a network of normalizations that follow no convolution: one of maps, one of the vectors that maps are
// flattened to.
func normalizedFirst() *nn.Network {
	s := newSketch(3, 8, 10)
	s.conv(6)
	s.layer(nn.Relu{}, s.shape)
	s.norm()
	s.layer(nn.Relu{}, s.shape)
	s.layer(nn.MaxPool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}}, []int{6, 4, 5})
	s.layer(nn.Flatten{}, []int{120})
	s.norm()
	s.layer(nn.Gemm{}, []int{5}, []int{5, 120}, []int{5})
	return s.n
}

// windows is a network of windows and moves that reach for what is not beside them, and of the phases that a transposed
// convolution with strides of 1 and 2 becomes.
func windows() *nn.Network {
	s := newSketch(3, 9, 10)
	s.conv(8)
	s.layer(nn.Relu{}, s.shape)
	s.layer(nn.MaxPool{Kernel: [2]int{2, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{3, 2}, Pads: [4]int{1, 2, 0, 1}}, []int{8, 7, 9})
	s.layer(nn.Pad{Pads: []int{0, 0, 2, 1, 0, 0, 0, 3}, Mode: "reflect"}, []int{8, 9, 13})
	s.conv(8)
	s.layer(nn.Reshape{Shape: []int{nn.Batch, 4, 1, 2, 9, 13}}, []int{4, 1, 2, 9, 13})
	s.layer(nn.Operator{Type: "Transpose", Opset: 13, Attributes: []*onnx.Attribute{onnx.AttrIs("perm", 0, 1, 4, 2, 5, 3)}}, []int{4, 9, 1, 13, 2})
	s.layer(nn.Reshape{Shape: []int{nn.Batch, 4, 9, 26}}, []int{4, 9, 26})
	s.layer(nn.Pad{Pads: []int{0, 0, 0, 1, 0, 0, 2, 0}, Mode: "edge"}, []int{4, 11, 27})
	s.conv(5)
	return s.n
}

// sketch is a network of layers in a row, with random constants.
type sketch struct {
	n     *nn.Network
	r     *rand.Rand
	shape []int // of an image's part of the last output
}

func newSketch(shape ...int) *sketch {
	x := &nn.Value{Name: "x", Shape: append([]int{nn.Batch}, shape...)}
	n := &nn.Network{Inputs: []string{"x"}, Outputs: []string{"x"}, Opset: 13, BatchDim: "N", Values: map[string]*nn.Value{"x": x}}
	return &sketch{n, rand.New(rand.NewPCG(3, 1)), shape}
}

// layer adds a layer with constants of the given shapes; a fourth is a variance.
func (s *sketch) layer(op nn.Op, shape []int, constants ...[]int) {
	out := fmt.Sprint("t", len(s.n.Layers))
	l := &nn.Layer{Name: "node_" + out, Op: op, In: []string{s.n.Outputs[0]}, Out: []string{out}}
	for i, c := range constants {
		v := &nn.Value{Name: fmt.Sprint(out, "_", i), Shape: c, Data: make([]float32, elements(c))}
		for k := range v.Data {
			v.Data[k] = float32(s.r.NormFloat64())
			if i == 3 {
				v.Data[k] = 0.1 + v.Data[k]*v.Data[k]
			}
		}
		s.n.Values[v.Name] = v
		l.In = append(l.In, v.Name)
	}
	s.n.Values[out] = &nn.Value{Name: out, Shape: append([]int{nn.Batch}, shape...)}
	s.n.Layers, s.n.Outputs, s.shape = append(s.n.Layers, l), []string{out}, shape
}

// conv adds a 3x3 convolution that keeps the size.
func (s *sketch) conv(channels int) {
	op := nn.Conv{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 1}
	s.layer(op, []int{channels, s.shape[1], s.shape[2]}, []int{channels, s.shape[0], 3, 3}, []int{channels})
}

func (s *sketch) norm() {
	c := []int{s.shape[0]}
	s.layer(nn.BatchNorm{Epsilon: 1e-5}, s.shape, c, c, c, c)
}

// Normalizations that follow no convolution are integer kernels at all bits of weights. What is reshaped before a convolution lies as
// its windows read it.
func TestNormalizedFirst(t *testing.T) {
	for _, bits := range []int{2, 4, 8} {
		integersAsORT(t, deploy(t, normalizedFirst(), bits, 8))
	}
}

func TestWindows(t *testing.T) {
	integersAsORT(t, deploy(t, windows(), 8, 8))
}

// integersAsORT checks that all steps of a file are integer kernels, and its outputs those of ONNX Runtime to the bit.
func integersAsORT(t *testing.T, m *onnx.Model) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "q.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.steps {
		if _, ok := s.(*floatStep); ok {
			t.Errorf("step %q (%s) is not in integers", s.about().Name, s.about().Op)
		}
	}
	in := inputOf(p, 3, 7)
	given := onnx.NewFloatsOf("x", onnx.Float, widened(in[0].Shape), in[0].Data)
	want, err := oracle.RunORT(t, path, []*onnx.Tensor{given}, oracle.ORTOptions{Level: oracle.Extended})[0].Floats()
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, p, in); !slices.Equal(got, want) {
		t.Errorf("%v, ONNX Runtime has %v", got, want)
	}
}
