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
	n := &nn.Network{Inputs: []string{"x"}, Outputs: []string{"y"}, Opset: 13, BatchDim: "N", Values: map[string]*nn.Value{}}
	r := rand.New(rand.NewPCG(3, 1))
	tensor := func(name string, shape ...int) {
		n.Values[name] = &nn.Value{Name: name, Shape: append([]int{nn.Batch}, shape...)}
	}
	layer := func(op nn.Op, in, out string, constants ...[]int) {
		l := &nn.Layer{Name: "node_" + out, Op: op, In: []string{in}, Out: []string{out}}
		for i, shape := range constants {
			name := fmt.Sprint(out, "_", i)
			v := &nn.Value{Name: name, Shape: shape, Data: make([]float32, elements(shape))}
			for k := range v.Data {
				v.Data[k] = float32(r.NormFloat64())
				if i == 3 { // a variance
					v.Data[k] = 0.1 + v.Data[k]*v.Data[k]
				}
			}
			n.Values[name] = v
			l.In = append(l.In, name)
		}
		n.Layers = append(n.Layers, l)
	}
	norm := func(in, out string, c int) {
		layer(nn.BatchNorm{Epsilon: 1e-5}, in, out, []int{c}, []int{c}, []int{c}, []int{c})
	}
	tensor("x", 3, 8, 10)
	tensor("conv", 6, 8, 10)
	layer(nn.Conv{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Groups: 1}, "x", "conv", []int{6, 3, 3, 3}, []int{6})
	tensor("relu", 6, 8, 10)
	layer(nn.Relu{}, "conv", "relu")
	tensor("norm", 6, 8, 10)
	norm("relu", "norm", 6)
	tensor("again", 6, 8, 10)
	layer(nn.Relu{}, "norm", "again")
	tensor("pool", 6, 4, 5)
	layer(nn.MaxPool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}}, "again", "pool")
	tensor("flat", 120)
	layer(nn.Flatten{}, "pool", "flat")
	tensor("normal", 120)
	norm("flat", "normal", 120)
	tensor("y", 5)
	layer(nn.Gemm{}, "normal", "y", []int{5, 120}, []int{5})
	return n
}

// Normalizations that follow no convolution are integer kernels at all bits of weights, and outputs those of ONNX Runtime
// to the bit. What is reshaped before a convolution lies as its windows read it.
func TestNormalizedFirst(t *testing.T) {
	for _, bits := range []int{2, 4, 8} {
		path := filepath.Join(t.TempDir(), "q.onnx")
		if err := deploy(t, normalizedFirst(), bits, 8).WriteFile(path); err != nil {
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
			t.Errorf("%d bits: %v, ONNX Runtime has %v", bits, got, want)
		}
	}
}
