package nn

import "fmt"

// VGGConfig describes a VGG network for small images.
type VGGConfig struct {
	Image   [3]int // channels, height and width of its input
	Classes int
	Width   int // channels of the first stage; 64 in the paper
}

// vgg19 are the convolutions of each stage of the deepest network of the paper (table 1, column E).
var vgg19 = []int{2, 2, 4, 4, 4}

// VGG19 returns the untrained network of Simonyan and Zisserman (2015, table 1, column E) as is usual for images of
// 32 x 32: five stages of 3x3 convolutions of Width, 2, 4, 8 and 8 times Width channels, each followed by BatchNorm and
// ReLU, each stage by maxima of 2x2 pixels; then one linear layer in place of three. Weights are drawn as ResNet's.
func VGG19(c VGGConfig, seed uint64) (*Network, error) {
	if c.Width < 1 || c.Classes < 1 || c.Image[0] < 1 {
		return nil, fmt.Errorf("vgg of width %d for images of %v and %d classes", c.Width, c.Image, c.Classes)
	}
	b := newClassifier("vgg19", c.Image, seed)
	x, channels := "input", c.Image[0]
	for stage, convolutions := range vgg19 {
		wide := c.Width << min(stage, 3)
		for i := range convolutions {
			name := fmt.Sprintf("stage%d.%d", stage+1, i)
			x = b.convNorm(name+".conv", name+".bn", x, convDims{channels, wide, 3, 1, 1})
			x = b.layer(name+".relu", Relu{}, x)
			channels = wide
		}
		x = b.layer(fmt.Sprintf("stage%d.pool", stage+1), MaxPool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}}, x)
	}
	return b.classify(x, channels, c.Classes)
}
