package nn

import "fmt"

// MobileNetConfig describes a MobileNetV2 for small images.
type MobileNetConfig struct {
	Image   [3]int // channels, height and width of its input
	Classes int
	Stages  []MobileNetStage // nil: MobileNetStages
	Stem    int              // channels of the first convolution; 0: 32
	Head    int              // of the last; 0: 1280
}

// MobileNetStage is a row (t, c, n, s) of table 2 of the paper: Repeat blocks of Channels outputs that widen their
// input by Expand, the first of them with the stride.
type MobileNetStage struct{ Expand, Channels, Repeat, Stride int }

// MobileNetStages are those of the paper with the second and the stem at stride 1, as is usual for images of 32 x 32.
var MobileNetStages = []MobileNetStage{
	{1, 16, 1, 1}, {6, 24, 2, 1}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
}

// MobileNet returns the untrained network of Sandler et al. (MobileNetV2, 2018): a 3x3 convolution, inverted
// residual blocks (1x1 to Expand times the channels, depthwise 3x3, 1x1 without activation; a sum where the shape
// stays), a 1x1 convolution, global average pooling and a linear layer, with ReLU6. Weights are drawn as ResNet's.
func MobileNet(c MobileNetConfig, seed uint64) (*Network, error) {
	if c.Stages == nil {
		c.Stages = MobileNetStages
	}
	if c.Stem == 0 {
		c.Stem = 32
	}
	if c.Head == 0 {
		c.Head = 1280
	}
	if c.Stem < 1 || c.Head < 1 || c.Classes < 1 || c.Image[0] < 1 {
		return nil, fmt.Errorf("mobilenet with stem %d, head %d, for images of %v and %d classes", c.Stem, c.Head, c.Image, c.Classes)
	}
	b := newClassifier("mobilenetv2", c.Image, seed)
	x, channels := b.convNormClip("stem", "input", convDims{c.Image[0], c.Stem, 3, 1, 1}), c.Stem
	for i, s := range c.Stages {
		if s.Expand < 1 || s.Channels < 1 || s.Repeat < 1 || s.Stride < 1 {
			return nil, fmt.Errorf("mobilenet stage %d: %+v", i, s)
		}
		for j := range s.Repeat {
			stride := 1
			if j == 0 {
				stride = s.Stride
			}
			x = b.inverted(fmt.Sprintf("stage%d.%d.", i+1, j), x, channels, s.Channels, s.Expand, stride)
			channels = s.Channels
		}
	}
	x = b.convNormClip("head", x, convDims{channels, c.Head, 1, 1, 1})
	return b.classify(x, c.Head, c.Classes)
}

// inverted adds an inverted residual block.
func (b *classifier) inverted(prefix, x string, in, out, expand, stride int) string {
	y, wide := x, in*expand
	if expand > 1 {
		y = b.convNormClip(prefix+"expand", y, convDims{in, wide, 1, 1, 1})
	}
	y = b.convNormClip(prefix+"depthwise", y, convDims{wide, wide, 3, stride, wide})
	y = b.convNorm(prefix+"project", prefix+"project.bn", y, convDims{wide, out, 1, 1, 1})
	if in != out || stride != 1 {
		return y
	}
	return b.layer(prefix+"add", Add{}, y, x)
}

// convNormClip adds a convolution, a BatchNorm and ReLU6.
func (b *classifier) convNormClip(name, x string, d convDims) string {
	return b.layer(name+".relu6", Clip{Min: 0, Max: 6}, b.convNorm(name, name+".bn", x, d))
}
