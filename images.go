package zaq

import (
	"slices"
	"strings"

	"zaq/internal/dataset"
	"zaq/internal/preprocess"
)

// openImages opens the set that spec names. Images that are smaller than size, height and width, get a black
// border: Fashion-MNIST's 28x28 pixels become the 32x32 of networks whose stages halve them. Size 0, 0
// leaves them as they are.
func openImages(spec string, split dataset.Split, size [2]int) (*dataset.Set, error) {
	if err := checkData(spec); err != nil {
		return nil, err
	}
	set, err := dataset.Open(spec, split)
	if err != nil {
		return nil, err
	}
	return set.Pad(max(set.H, size[0]), max(set.W, size[1]))
}

// checkData checks the format of a specification of data, before anything is opened.
func checkData(spec string) error {
	kind, path, _ := strings.Cut(spec, ":")
	if slices.Contains(dataset.Kinds(), kind) {
		if path == "" {
			return &OptionError{"data", spec, "names no folder: want " + kind + ":DIR"}
		}
		return nil
	}
	return &HintError{
		Err:    &OptionError{"data", spec, "no such format"},
		Advice: "data is one of " + strings.Join(dataset.Kinds(), ":DIR, ") + ":DIR",
	}
}

// calibrationImages reads the images in dir in the form that the network takes, [n, H, W, C]; nil where dir is "".
func (m *Model) calibrationImages(dir string) ([]float32, error) {
	if dir == "" {
		return nil, nil
	}
	set, err := dataset.Open("imagefolder:"+dir, dataset.Train)
	if err != nil {
		return nil, err
	}
	if err := m.checkImages(set); err != nil {
		return nil, err
	}
	images := make([]float32, len(set.Pixels))
	(*preprocess.Spec)(&m.pre).Apply(images, set.Pixels, set.N)
	return images, nil
}
