package nn

import (
	"fmt"
	"math"

	"zaq/internal/random"
)

// classifier appends the layers of an untrained network for small images. Its methods return the name of the tensor
// that they make.
type classifier struct {
	net    *Network
	seed   uint64
	image  [2]int // height and width of its input
	shrunk int    // factor by which shortcuts have made it smaller so far
}

// newClassifier begins a network with the tensor "input" of [N, channels, height, width].
func newClassifier(name string, image [3]int, seed uint64) *classifier {
	b := &classifier{seed: seed, image: [2]int{image[1], image[2]}, shrunk: 1, net: &Network{
		Name: name, Inputs: []string{"input"}, Outputs: []string{"logits"},
		Values: map[string]*Value{}, Opset: 13, BatchDim: "N",
	}}
	b.add(&Value{Name: "input", Shape: append([]int{Batch}, image[:]...)})
	return b
}

// classify ends the network: global average pooling and a linear layer to the logits.
func (b *classifier) classify(x string, channels, classes int) (*Network, error) {
	x = b.layer("avgpool", GlobalAveragePool{}, x)
	x = b.layer("flatten", Flatten{}, x)
	bound := 1 / math.Sqrt(float64(channels))
	b.net.Layers = append(b.net.Layers, &Layer{
		Name: "fc", Op: Gemm{}, Out: []string{"logits"},
		In: []string{x, b.uniform("fc.weight", bound, classes, channels), b.uniform("fc.bias", bound, classes)},
	})
	if err := InferShapes(b.net); err != nil {
		return nil, fmt.Errorf("%s for images of %v: %w", b.net.Name, b.image, err)
	}
	return b.net, nil
}

// convDims are the dimensions of a square convolution that keeps the resolution but for its stride.
type convDims struct{ in, out, kernel, stride, groups int }

// convNorm adds a convolution and a BatchNorm.
func (b *classifier) convNorm(conv, norm, x string, d convDims) string {
	pad := d.kernel / 2
	y := b.layer(conv, Conv{
		Kernel: [2]int{d.kernel, d.kernel}, Stride: [2]int{d.stride, d.stride}, Dilation: [2]int{1, 1},
		Pads: [4]int{pad, pad, pad, pad}, Groups: d.groups,
	}, x, b.normal(conv+".weight", math.Sqrt(2*float64(d.groups)/float64(d.kernel*d.kernel*d.out)), d.out, d.in/d.groups, d.kernel, d.kernel))
	return b.layer(norm, BatchNorm{Epsilon: 1e-5}, y,
		b.filled(norm+".weight", 1, d.out), b.filled(norm+".bias", 0, d.out),
		b.filled(norm+".running_mean", 0, d.out), b.filled(norm+".running_var", 1, d.out))
}

// layer adds a layer whose result has its name.
func (b *classifier) layer(name string, op Op, in ...string) string {
	b.net.Layers = append(b.net.Layers, &Layer{Name: name, Op: op, In: in, Out: []string{name}})
	return name
}

func (b *classifier) add(v *Value) string {
	b.net.Values[v.Name] = v
	return v.Name
}

func (b *classifier) normal(name string, std float64, shape ...int) string {
	data := make([]float32, size(shape))
	random.New(b.seed, 0, name).Normal(data)
	for i := range data {
		data[i] *= float32(std)
	}
	return b.add(&Value{Name: name, Shape: shape, Data: data})
}

func (b *classifier) uniform(name string, bound float64, shape ...int) string {
	data, r := make([]float32, size(shape)), random.New(b.seed, 0, name)
	for i := range data {
		data[i] = float32(bound * float64(2*r.Float64()-1))
	}
	return b.add(&Value{Name: name, Shape: shape, Data: data})
}

func (b *classifier) filled(name string, v float32, shape ...int) string {
	data := make([]float32, size(shape))
	for i := range data {
		data[i] = v
	}
	return b.add(&Value{Name: name, Shape: shape, Data: data})
}
