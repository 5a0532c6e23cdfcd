package infer

import (
	"errors"
	"fmt"
	"image"
	"slices"

	"zaq/internal/dataset"
	"zaq/internal/preprocess"
)

// describe finds out how pixels become the program's input: from the file, where zaq wrote it, or from MODEL.json beside it,
// which may name a classifier's classes in either case.
func (p *Program) describe(metadata map[string]string) error {
	side, err := preprocess.LoadSidecar(p.path)
	if stored := metadata[preprocess.MetadataKey]; stored != "" {
		if p.pixels, err = preprocess.Parse([]byte(stored)); err != nil {
			return fmt.Errorf("%s: metadata %s: %w", p.path, preprocess.MetadataKey, err)
		}
	} else if err != nil {
		return err
	} else if side != nil {
		p.pixels = &side.Preprocess
	}
	if err := p.describeBytes(); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	if side != nil && side.Classes != "" {
		p.classes, err = side.ClassNames()
	}
	return err
}

// describeBytes knows how pixels become an input of bytes: they are what it takes.
func (p *Program) describeBytes() error {
	if p.inputs[0].DType != "uint8" {
		return nil
	}
	if p.pixels != nil {
		return p.pixels.CheckBytes()
	}
	if height, width, channels := p.inputs[0].image(); channels == 1 || channels == 3 {
		p.pixels, _ = preprocess.Bytes([]int{1, channels, height, width})
	}
	return nil
}

// Classes are the names of a classifier's outputs, nil where MODEL.json names none.
func (p *Program) Classes() []string { return slices.Clone(p.classes) }

// image returns the size of an image input, zeros where it is none.
func (i Info) image() (height, width, channels int) {
	switch s := i.Shape; {
	case len(s) != 4:
		return 0, 0, 0
	case i.ChannelsLast:
		return s[1], s[2], s[3]
	default:
		return s[2], s[3], s[1]
	}
}

// Image makes the input of a picture, as the model's preprocessing says. It is an error if the picture does not have the
// size that the model takes and nothing says how it is to be resized, or if nothing says how pixels become the input.
func (p *Program) Image(img image.Image) (Tensor, error) {
	if p.pixels == nil {
		return Tensor{}, errors.New("infer: nothing says how pixels become the input: neither MODEL.json nor the file itself")
	}
	in := p.inputs[0]
	height, width, channels := in.image()
	if len(p.inputs) != 1 || channels != p.pixels.Channels() {
		return Tensor{}, fmt.Errorf("infer: the input %v is no image of %d channels", in.Shape, p.pixels.Channels())
	}
	size := img.Bounds().Size()
	x, err := p.pixels.Picture(dataset.RGB(img), size.Y, size.X, in.ChannelsLast)
	if err != nil {
		return Tensor{}, fmt.Errorf("infer: %w", err)
	}
	if len(x) != elements(in.Shape[1:]) {
		return Tensor{}, fmt.Errorf("infer: the picture is %dx%d, the model takes %dx%d", size.X, size.Y, width, height)
	}
	return Tensor{Name: in.Name, Shape: append([]int{1}, in.Shape[1:]...), Data: x}, nil
}
