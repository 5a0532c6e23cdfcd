package infer

import (
	"errors"
	"fmt"
	"image"
	"slices"

	"zaq/internal/dataset"
	"zaq/internal/preprocess"
)

// describe finds out how pixels become the program's input: from MODEL.json beside the model, or from the file where zaq
// wrote it.
func (p *Program) describe(metadata map[string]string) error {
	side, err := preprocess.LoadSidecar(p.path)
	if err != nil {
		return err
	}
	if side != nil {
		p.pixels = &side.Preprocess
		if side.Classes != "" {
			p.classes, err = side.ClassNames()
		}
		return err
	}
	if stored := metadata[preprocess.MetadataKey]; stored != "" {
		if p.pixels, err = preprocess.Parse([]byte(stored)); err != nil {
			return fmt.Errorf("%s: metadata %s: %w", p.path, preprocess.MetadataKey, err)
		}
	}
	return nil
}

// Classes are the names of a classifier's outputs, nil where MODEL.json names none.
func (p *Program) Classes() []string { return slices.Clone(p.classes) }

// Image makes the input of a picture, as the model's preprocessing says. It is an error if the picture does not have the
// size that the model takes, or if nothing says how pixels become its input.
func (p *Program) Image(img image.Image) (Tensor, error) {
	if p.pixels == nil {
		return Tensor{}, errors.New("infer: nothing says how pixels become the input: neither MODEL.json nor the file itself")
	}
	in := p.inputs[0]
	size := img.Bounds().Size()
	if len(p.inputs) != 1 || len(in.Shape) != 4 || in.Shape[1] != p.pixels.Channels() {
		return Tensor{}, fmt.Errorf("infer: the input %v is no image of %d channels", in.Shape, p.pixels.Channels())
	}
	if in.Shape[2] != size.Y || in.Shape[3] != size.X {
		return Tensor{}, fmt.Errorf("infer: the picture is %dx%d, the model takes %dx%d", size.X, size.Y, in.Shape[3], in.Shape[2])
	}
	pixels := dataset.RGB(img)
	if in.Shape[1] == 1 {
		pixels = gray(pixels)
	}
	x := Tensor{Name: in.Name, Shape: append([]int{1}, in.Shape[1:]...), Data: make([]float32, len(pixels))}
	p.pixels.ApplyNCHW(x.Data, pixels, 1)
	return x, nil
}

// gray returns the brightness of RGB pixels (ITU-R BT.601).
func gray(rgb []uint8) []uint8 {
	y := make([]uint8, len(rgb)/3)
	for i := range y {
		r, g, b := int(rgb[3*i]), int(rgb[3*i+1]), int(rgb[3*i+2])
		y[i] = uint8((299*r + 587*g + 114*b + 500) / 1000)
	}
	return y
}
