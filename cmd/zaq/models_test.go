package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zaq/internal/npy"
	"zaq/internal/onnx"
)

// writeModel writes a network of a few thousand parameters for 32 x 32 images and ten classes, with random
// weights and the BatchNormalization statistics that they give on standardized images:
//
//	good          as it should be
//	tiny          for 8 x 8 images, which are generated sixteen times as fast
//	folded        without BatchNormalization
//	nan           with a weight that is not a number
//	operator      with an operator of somebody's own
//	unet          that ends in a map of 2 channels, 32 x 32, which a transposed convolution makes of 16 x 16
//	pair          of two pictures, left and right; folded-pair without BatchNormalization
//	features      of an image behind a vector of 4
//	sequence      of an image and 7 vectors of 5
//	detector      that ends in a map of 14 channels, 8 x 8, for two anchors and two classes
//	nhwc          with images [N, H, W, C], normalized before they are transposed
//	bytes         with images [N, H, W, C] of bytes
//	int8          with images [N, C, H, W] of int8
//	half          of float16, with float16 images [N, H, W, C]
func writeModel(kind, path string) error {
	b := &builder{rng: rand.New(rand.NewPCG(1, 2)), nan: kind == "nan", folded: kind == "folded"}
	if several := strings.TrimPrefix(kind, "folded-"); severalInputs[several] != nil {
		b.folded = several != kind
		return writeSeveral(b, several, path)
	}
	side := int64(32)
	if kind == "tiny" {
		side = 8
	}
	n := onnx.Dim{Size: -1, Param: "N"}
	size := func(v int64) onnx.Dim { return onnx.Dim{Size: v} }
	input := &onnx.ValueInfo{Name: "input", Type: onnx.Float, Shape: []onnx.Dim{n, size(3), size(side), size(side)}}
	x := "input"
	switch kind {
	case "nhwc":
		x = b.node("Sub", "mean", []string{x, b.constant("means", 0.1, 3)})
	case "bytes":
		input.Type = onnx.Uint8
		x = b.node("Cast", "float", []string{x}, onnx.AttrI("to", int64(onnx.Float)))
		x = b.node("Sub", "mean", []string{x, b.constant("means", 120, 3)})
		x = b.node("Div", "deviation", []string{x, b.constant("deviations", 64, 1)})
	case "int8":
		input.Type = onnx.Int8
		x = b.node("Cast", "float", []string{x}, onnx.AttrI("to", int64(onnx.Float)))
	case "half":
		input.Type = onnx.Float16
	case "open":
		input.Shape = []onnx.Dim{n, size(3), {Size: -1, Param: "height"}, {Size: -1, Param: "width"}}
	}
	switch kind {
	case "nhwc", "bytes", "half":
		input.Shape = []onnx.Dim{n, size(side), size(side), size(3)}
		x = b.node("Transpose", "planes", []string{x}, onnx.AttrIs("perm", 0, 3, 1, 2))
	}
	x = b.convolution("conv1", x, 3, 8, 2)
	half := x
	x = b.convolution("conv2", x, 8, 16, 2)
	switch kind {
	case "good", "tiny", "folded", "nan", "detector", "unet", "nhwc", "bytes", "half", "int8", "open":
	case "operator":
		x = b.node("Swirl", "strange", []string{x})
	default:
		return fmt.Errorf("no model of kind %q", kind)
	}
	output := &onnx.ValueInfo{Name: "logits", Type: onnx.Float, Shape: []onnx.Dim{n, size(10)}}
	switch kind {
	case "unet":
		output = &onnx.ValueInfo{Name: "map", Type: onnx.Float, Shape: []onnx.Dim{n, size(2), size(32), size(32)}}
		up := b.node("ConvTranspose", "up1", []string{x, b.random("up1.weight", 0.2, 16, 8, 2, 2)}, onnx.AttrIs("strides", 2, 2))
		up = b.node("Relu", "up1.relu", []string{up})
		x = b.node("Concat", "skip", []string{half, up}, onnx.AttrI("axis", 1))
		x = b.convolution("conv3", x, 16, 8, 1)
		b.node("ConvTranspose", "map", []string{x, b.random("map.weight", 0.2, 8, 2, 4, 4), b.constant("map.bias", 0, 2)},
			onnx.AttrIs("strides", 2, 2), onnx.AttrIs("pads", 1, 1, 1, 1))
	case "detector":
		output = &onnx.ValueInfo{Name: "map", Type: onnx.Float, Shape: []onnx.Dim{n, size(14), size(8), size(8)}}
		b.node("Conv", "map", []string{x, b.random("map.weight", 0.5, 14, 16, 1, 1), b.constant("map.bias", 0, 14)}, onnx.AttrIs("kernel_shape", 1, 1))
	default:
		x = b.node("GlobalAveragePool", "pool", []string{x})
		x = b.node("Flatten", "flatten", []string{x})
		b.node("Gemm", "logits", []string{x, b.random("fc.weight", 1, 16, 10), b.constant("fc.bias", 0, 10)})
	}
	m := &onnx.Model{
		IRVersion: 7,
		Opsets:    []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{
			Name: "small", Nodes: b.nodes, Initializers: b.constants,
			Inputs:  []*onnx.ValueInfo{input},
			Outputs: []*onnx.ValueInfo{output},
		},
	}
	if kind == "half" {
		output.Type = onnx.Float16
		for i, t := range b.constants {
			v, err := t.Floats()
			if err != nil {
				return err
			}
			b.constants[i] = onnx.NewFloatsOf(t.Name, onnx.Float16, t.Dims, v)
		}
	}
	return m.WriteFile(path)
}

type builder struct {
	rng       *rand.Rand
	nodes     []*onnx.Node
	constants []*onnx.Tensor
	nan       bool // spoil the next random constant
	folded    bool // leave out normalizations
}

// node adds an operator with one output, named like the node.
func (b *builder) node(op, name string, in []string, attrs ...*onnx.Attribute) string {
	b.nodes = append(b.nodes, &onnx.Node{Name: name, OpType: op, Inputs: in, Outputs: []string{name}, Attributes: attrs})
	return name
}

// convolution adds a 3 x 3 convolution of unit gain, BatchNormalization and Relu.
func (b *builder) convolution(name, x string, in, out, stride int64) string {
	w := b.random(name+".weight", math.Sqrt(1/float64(9*in)), out, in, 3, 3)
	x = b.node("Conv", name, []string{x, w},
		onnx.AttrIs("kernel_shape", 3, 3), onnx.AttrIs("pads", 1, 1, 1, 1), onnx.AttrIs("strides", stride, stride))
	if b.folded {
		return b.node("Relu", name+".relu", []string{x})
	}
	x = b.node("BatchNormalization", name+".bn", []string{x,
		b.constant(name+".gamma", 1, out), b.constant(name+".beta", 0.2, out),
		b.constant(name+".mean", 0, out), b.constant(name+".variance", 1, out)})
	return b.node("Relu", name+".relu", []string{x})
}

func (b *builder) random(name string, deviation float64, dims ...int64) string {
	v := make([]float32, volume(dims))
	for i := range v {
		v[i] = float32(b.rng.NormFloat64() * deviation)
	}
	if b.nan {
		v[0], b.nan = float32(math.NaN()), false
	}
	b.constants = append(b.constants, onnx.NewFloats(name, dims, v))
	return name
}

func (b *builder) constant(name string, value float32, dims ...int64) string {
	v := make([]float32, volume(dims))
	for i := range v {
		v[i] = value
	}
	b.constants = append(b.constants, onnx.NewFloats(name, dims, v))
	return name
}

func volume(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return n
}

// writeImages writes images of random pixels and labels in CIFAR-10's binary form: a label, then 3072 bytes.
func writeImages(path, count, seed string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	s, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(s, 4))
	data := make([]byte, 3073*n)
	for i := range data {
		data[i] = byte(rng.Uint32())
		if i%3073 == 0 {
			data[i] %= 10
		}
	}
	return os.WriteFile(path, data, 0o644)
}

// writeArray writes a .npy with one image [1, 32, 32, 3] of a type.
func writeArray(typ, path string) error {
	shape, v := []int{1, 32, 32, 3}, make([]float32, 32*32*3)
	if typ == "uint8" {
		return os.WriteFile(path, npy.EncodeBytes(shape, make([]uint8, len(v))), 0o644)
	}
	return os.WriteFile(path, npy.Encode(shape, v), 0o644)
}

// writePNGs writes images of random pixels as files of their own.
func writePNGs(dir, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
		for p := range img.Pix {
			img.Pix[p] = byte(rng.Uint32())
			if p%4 == 3 {
				img.Pix[p] = 255
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
