package nn

import (
	"fmt"
	"math"

	"zaq/internal/random"
)

// ResNetConfig describes a residual network for small images.
type ResNetConfig struct {
	Depth   int    // layers with weights on the main path: 6n+2
	Width   int    // channels of the first stage; 16 in the paper
	Image   [3]int // channels, height and width of its input
	Classes int
}

// ResNet returns the untrained network of He et al. (Deep Residual Learning, 2016, section 4.2): a 3x3
// convolution, three stages of n residual blocks with Width, 2*Width and 4*Width channels, each stage after
// the first at half the resolution, global average pooling and a linear layer. Shortcuts between stages are
// projections (option B). Convolutions have no bias and are followed by BatchNorm; names are PyTorch's.
//
// Convolutions are drawn from N(0, 2/fan_out) (He et al., Delving Deep into Rectifiers, 2015, eq. 14), the
// linear layer uniformly from +-1/sqrt(fan_in); each tensor from the stream of its own name under seed.
func ResNet(c ResNetConfig, seed uint64) (*Network, error) {
	n := (c.Depth - 2) / 6
	if n < 1 || c.Depth != 6*n+2 {
		return nil, fmt.Errorf("resnet of depth %d: 6n+2 is needed", c.Depth)
	}
	if c.Width < 1 || c.Classes < 1 || c.Image[0] < 1 {
		return nil, fmt.Errorf("resnet of width %d for images of %v and %d classes", c.Width, c.Image, c.Classes)
	}
	b := &resnetBuilder{seed: seed, net: &Network{
		Name: fmt.Sprintf("resnet%d", c.Depth), Inputs: []string{"input"}, Outputs: []string{"logits"},
		Values: map[string]*Value{}, Opset: 13, BatchDim: "N",
	}}
	b.add(&Value{Name: "input", Shape: append([]int{Batch}, c.Image[:]...)})

	x := b.convNorm("", "conv1", "bn1", "input", c.Image[0], c.Width, 3, 1)
	x = b.layer("relu", Relu{}, x)
	channels := c.Width
	for stage := range 3 {
		for i := range n {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			x = b.block(fmt.Sprintf("layer%d.%d.", stage+1, i), x, channels, c.Width<<stage, stride)
			channels = c.Width << stage
		}
	}
	x = b.layer("avgpool", GlobalAveragePool{}, x)
	x = b.layer("flatten", Flatten{}, x)
	bound := 1 / math.Sqrt(float64(channels))
	b.net.Layers = append(b.net.Layers, &Layer{
		Name: "fc", Op: Gemm{}, Out: []string{"logits"},
		In: []string{x, b.uniform("fc.weight", bound, c.Classes, channels), b.uniform("fc.bias", bound, c.Classes)},
	})
	if err := InferShapes(b.net); err != nil {
		return nil, fmt.Errorf("resnet for images of %v: %w", c.Image, err)
	}
	return b.net, nil
}

// resnetBuilder appends layers to a network. Its methods return the name of the tensor that they make.
type resnetBuilder struct {
	net  *Network
	seed uint64
}

// block adds relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)).
func (b *resnetBuilder) block(prefix, x string, in, out, stride int) string {
	y := b.convNorm(prefix, "conv1", "bn1", x, in, out, 3, stride)
	y = b.layer(prefix+"relu1", Relu{}, y)
	y = b.convNorm(prefix, "conv2", "bn2", y, out, out, 3, 1)
	if in != out || stride != 1 {
		x = b.convNorm(prefix, "shortcut.0", "shortcut.1", x, in, out, 1, stride)
	}
	y = b.layer(prefix+"add", Add{}, y, x)
	return b.layer(prefix+"relu2", Relu{}, y)
}

// convNorm adds a square convolution that keeps the resolution but for its stride, and a BatchNorm.
func (b *resnetBuilder) convNorm(prefix, conv, norm, x string, in, out, kernel, stride int) string {
	conv, norm = prefix+conv, prefix+norm
	pad := kernel / 2
	y := b.layer(conv, Conv{
		Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Dilation: [2]int{1, 1},
		Pads: [4]int{pad, pad, pad, pad}, Groups: 1,
	}, x, b.normal(conv+".weight", math.Sqrt(2/float64(kernel*kernel*out)), out, in, kernel, kernel))
	return b.layer(norm, BatchNorm{Epsilon: 1e-5}, y,
		b.filled(norm+".weight", 1, out), b.filled(norm+".bias", 0, out),
		b.filled(norm+".running_mean", 0, out), b.filled(norm+".running_var", 1, out))
}

// layer adds a layer whose result has its name.
func (b *resnetBuilder) layer(name string, op Op, in ...string) string {
	b.net.Layers = append(b.net.Layers, &Layer{Name: name, Op: op, In: in, Out: []string{name}})
	return name
}

func (b *resnetBuilder) add(v *Value) string {
	b.net.Values[v.Name] = v
	return v.Name
}

func (b *resnetBuilder) normal(name string, std float64, shape ...int) string {
	data := make([]float32, size(shape))
	random.New(b.seed, 0, name).Normal(data)
	for i := range data {
		data[i] *= float32(std)
	}
	return b.add(&Value{Name: name, Shape: shape, Data: data})
}

func (b *resnetBuilder) uniform(name string, bound float64, shape ...int) string {
	data, r := make([]float32, size(shape)), random.New(b.seed, 0, name)
	for i := range data {
		data[i] = float32(bound * float64(2*r.Float64()-1))
	}
	return b.add(&Value{Name: name, Shape: shape, Data: data})
}

func (b *resnetBuilder) filled(name string, v float32, shape ...int) string {
	data := make([]float32, size(shape))
	for i := range data {
		data[i] = v
	}
	return b.add(&Value{Name: name, Shape: shape, Data: data})
}
