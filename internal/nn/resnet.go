package nn

import "fmt"

// ResNetConfig describes a residual network for small images.
type ResNetConfig struct {
	Depth   int    // layers with weights on the main path: 6n+2
	Width   int    // channels of the first stage; 16 in the paper
	Image   [3]int // channels, height and width of its input
	Classes int
	// PadShortcuts makes the shortcuts between stages of every second pixel and channels of zeros around (option A,
	// without parameters, that of the paper's CIFAR networks); otherwise they are projections (option B).
	PadShortcuts bool
}

// ResNet returns the untrained network of He et al. (Deep Residual Learning, 2016, section 4.2): a 3x3
// convolution, three stages of n residual blocks with Width, 2*Width and 4*Width channels, each stage after
// the first at half the resolution, global average pooling and a linear layer. Convolutions have no bias and are followed by BatchNorm; names are PyTorch's.
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
	b := newClassifier(fmt.Sprintf("resnet%d", c.Depth), c.Image, seed)
	x := b.convNorm("conv1", "bn1", "input", convDims{c.Image[0], c.Width, 3, 1, 1})
	x = b.layer("relu", Relu{}, x)
	channels := c.Width
	for stage := range 3 {
		for i := range n {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			x = b.residual(fmt.Sprintf("layer%d.%d.", stage+1, i), x, channels, c.Width<<stage, stride, c.PadShortcuts)
			channels = c.Width << stage
		}
	}
	return b.classify(x, channels, c.Classes)
}

// residual adds relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)).
func (b *classifier) residual(prefix, x string, in, out, stride int, pad bool) string {
	y := b.convNorm(prefix+"conv1", prefix+"bn1", x, convDims{in, out, 3, stride, 1})
	y = b.layer(prefix+"relu1", Relu{}, y)
	y = b.convNorm(prefix+"conv2", prefix+"bn2", y, convDims{out, out, 3, 1, 1})
	switch {
	case in == out && stride == 1:
	case pad:
		x = b.padShortcut(prefix+"shortcut", x, in, out, stride)
	default:
		x = b.convNorm(prefix+"shortcut.0", prefix+"shortcut.1", x, convDims{in, out, 1, stride, 1})
	}
	y = b.layer(prefix+"add", Add{}, y, x)
	return b.layer(prefix+"relu2", Relu{}, y)
}

// padShortcut takes every stride-th pixel and puts the channels in the middle of more.
func (b *classifier) padShortcut(name, x string, in, out, stride int) string {
	size := b.image
	for i := range size {
		size[i] = (size[i] + b.shrunk - 1) / b.shrunk
	}
	b.shrunk *= stride
	x = b.layer(name+".slice", Slice{Starts: []int{0, 0}, Ends: size[:], Axes: []int{2, 3}, Steps: []int{stride, stride}}, x)
	before := (out - in) / 2
	return b.layer(name+".pad", Pad{Pads: []int{0, before, 0, 0, 0, out - in - before, 0, 0}}, x)
}
