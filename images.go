package zaq

import "zaq/internal/dataset"

// openImages opens the set that spec names. Images that are smaller than size, height and width, get a black
// border: Fashion-MNIST's 28x28 pixels become the 32x32 of networks whose stages halve them. Size 0, 0
// leaves them as they are.
func openImages(spec string, split dataset.Split, size [2]int) (*dataset.Set, error) {
	set, err := dataset.Open(spec, split)
	if err != nil {
		return nil, err
	}
	return set.Pad(max(set.H, size[0]), max(set.W, size[1]))
}
