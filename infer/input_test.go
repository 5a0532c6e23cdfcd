//go:build !noasm && !race

package infer

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// Inputs are taken as the file declares them, and outputs are those of ONNX Runtime.
func TestDeclaredInputs(t *testing.T) {
	for _, port := range []nn.Port{
		{Type: onnx.Float, ChannelsLast: true}, {Type: onnx.Uint8}, {Type: onnx.Uint8, ChannelsLast: true},
		{Type: onnx.Float16}, {Type: onnx.Float16, ChannelsLast: true},
	} {
		t.Run(fmt.Sprintf("%v, last %v", port.Type, port.ChannelsLast), func(t *testing.T) {
			n := smallResNet(t)
			input := n.Inputs[0]
			n.Ports = map[string]nn.Port{input: port}
			path := filepath.Join(t.TempDir(), "q.onnx")
			if err := deploy(t, n, 8, 8).WriteFile(path); err != nil {
				t.Fatal(err)
			}
			const batch = 3
			shape, _ := n.Declared(input)
			shape[0] = batch
			for _, threads := range []int{1, 2} {
				p, err := Load(path, WithThreads(threads))
				if err != nil {
					t.Fatal(err)
				}
				if in := p.Inputs()[0]; in.DType != port.Type.String() || in.ChannelsLast != port.ChannelsLast || !slices.Equal(in.Shape[1:], shape[1:]) {
					t.Errorf("declares %+v", in)
				}
				x := noise(shape, 7)
				var given *onnx.Tensor
				switch port.Type {
				case onnx.Uint8:
					ints := make([]int64, len(x))
					r := rand.New(rand.NewPCG(1, 5))
					for i := range x {
						ints[i] = int64(r.IntN(6))
						x[i] = float32(ints[i])
					}
					given = onnx.NewInts(input, onnx.Uint8, widened(shape), ints)
				default: // to float16 both sides round
					given = onnx.NewFloatsOf(input, port.Type, widened(shape), x)
				}
				want, err := oracle.RunORT(t, path, []*onnx.Tensor{given}, oracle.ORTOptions{Level: oracle.Extended})[0].Floats()
				if err != nil {
					t.Fatal(err)
				}
				got, err := p.Run(context.Background(), []Tensor{{Shape: shape, Data: x}})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got[0].Data, want) {
					t.Errorf("%d threads: %v, ONNX Runtime has %v", threads, got[0].Data, want)
				}
				one, err := p.Run(context.Background(), []Tensor{{Shape: append([]int{1}, shape[1:]...), Data: x[:len(x)/batch]}})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(one[0].Data, want[:len(want)/batch]) {
					t.Errorf("%d threads: one image has %v, as one of three %v", threads, one[0].Data, want[:len(want)/batch])
				}
			}
		})
	}
}

// Networks that normalize their images do so in floats, and the outputs are those of ONNX Runtime to the bit.
func TestNormalizedInside(t *testing.T) {
	n := smallResNet(t)
	x := n.Inputs[0]
	for _, l := range n.Layers {
		for i, name := range l.In {
			if name == x {
				l.In[i] = "normalized"
			}
		}
	}
	constant := func(name string, data ...float32) {
		n.Values[name] = &nn.Value{Name: name, Shape: []int{1, len(data), 1, 1}, Data: data}
	}
	constant("mean", 0.4, 0.1, -0.3)
	constant("deviation", 1.3, 0.9, 0.7)
	for _, name := range []string{"centred", "normalized"} {
		n.Values[name] = &nn.Value{Name: name, Shape: n.Values[x].Shape}
	}
	n.Layers = append([]*nn.Layer{
		{Name: "centre", Op: nn.Operator{Type: "Sub", Opset: 13}, In: []string{x, "mean"}, Out: []string{"centred"}},
		{Name: "normalize", Op: nn.Operator{Type: "Div", Opset: 13}, In: []string{"centred", "deviation"}, Out: []string{"normalized"}},
	}, n.Layers...)
	path := filepath.Join(t.TempDir(), "q.onnx")
	if err := deploy(t, n, 4, 4).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	in := inputOf(p, 3, 7)
	given := onnx.NewFloatsOf(x, onnx.Float, widened(in[0].Shape), in[0].Data)
	want, err := oracle.RunORT(t, path, []*onnx.Tensor{given}, oracle.ORTOptions{Level: oracle.Extended})[0].Floats()
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, p, in); !slices.Equal(got, want) {
		t.Errorf("%v, ONNX Runtime has %v", got, want)
	}
}

func widened(shape []int) (d []int64) {
	for _, n := range shape {
		d = append(d, int64(n))
	}
	return d
}

// A picture becomes what the file declares: bytes as they are, with channels last.
func TestImageOfBytes(t *testing.T) {
	n := smallResNet(t)
	n.Ports = map[string]nn.Port{n.Inputs[0]: {Type: onnx.Uint8, ChannelsLast: true}}
	path := filepath.Join(t.TempDir(), "q.onnx")
	if err := deploy(t, n, 8, 8).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	p, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	height, width, channels := p.Inputs()[0].image()
	if channels != 3 {
		t.Fatalf("%d channels", channels)
	}
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		if img.Pix[i] = uint8(i * 7); i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	x, err := p.Image(img)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{1, height, width, 3}; !slices.Equal(x.Shape, want) {
		t.Errorf("shape %v, want %v", x.Shape, want)
	}
	for i, v := range x.Data {
		if want := float32(img.Pix[i/3*4+i%3]); v != want {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
}
