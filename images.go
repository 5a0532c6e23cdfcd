package zaq

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"zaq/internal/dataset"
	"zaq/internal/preprocess"
)

// openImages reads the set that spec names. Images that are smaller than size, height and width, get a black
// border: Fashion-MNIST's 28x28 pixels become the 32x32 of networks whose stages halve them. Size 0, 0
// leaves them as they are.
func openImages(spec string, split dataset.Split, size [2]int) (*dataset.Set, error) {
	if err := checkData(spec); err != nil {
		return nil, err
	}
	source, err := dataset.OpenSource(spec, split)
	if err != nil {
		return nil, err
	}
	return loadImages(source, size)
}

func loadImages(source *dataset.Source, size [2]int) (*dataset.Set, error) {
	set, err := source.Load()
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
			return &OptionError{"data", spec, "names no place: want " + kind + ":" + dataset.Place(kind)}
		}
		return nil
	}
	var forms []string
	for _, kind := range dataset.Kinds() {
		forms = append(forms, kind+":"+dataset.Place(kind))
	}
	return &HintError{
		Err:    &OptionError{"data", spec, "no such format"},
		Advice: "data is one of " + strings.Join(forms, ", "),
	}
}

// readInputs makes the network's input, [n, H, W, C], of the n images of a set from first on. Seen, unless it is nil, gets
// each of them as it was, from several goroutines.
func (m *Model) readInputs(dst []float32, set *dataset.Source, first, n int, seen func(i int, img *dataset.Image)) error {
	pre := (*preprocess.Spec)(&m.pre)
	input := m.net.Values[m.input].Shape
	image := size(input[1:])
	port := m.net.Port(m.input)
	return set.Each(first, first+n, func(i int, img *dataset.Image) error {
		pixels, err := pre.Fit(img.Pixels, img.H, img.W)
		if err == nil && pre.Resize == "" && (input[2] != img.H || input[3] != img.W) {
			err = fmt.Errorf("images are %dx%d, input %q is %dx%d", img.H, img.W, m.input, input[2], input[3])
		}
		if err != nil {
			return m.explainImage(err, set, img)
		}
		if seen != nil {
			seen(i-first, img)
		}
		x := dst[(i-first)*image : (i-first+1)*image]
		pre.Apply(x, pixels, 1)
		port.Round(x)
		return nil
	})
}

// explainImage says which image does not fit the network, and what can be done where its size is to blame.
func (m *Model) explainImage(err error, set *dataset.Source, img *dataset.Image) error {
	name := set.Name
	if img.File != "" {
		name = filepath.Join(name, filepath.Base(img.File))
	}
	err = fmt.Errorf("%s and %s: %w", m.path, name, err)
	if img.C < len(m.pre.Mean) || m.pre.Resize != "" {
		return err
	}
	return &HintError{Err: err, Advice: "--resize stretch or --resize crop makes them fit"}
}

// calibrationImages reads the images in dir in the form that the network takes, [n, H, W, C]; nil where dir is "".
func (m *Model) calibrationImages(dir string) ([]float32, error) {
	if dir == "" {
		return nil, nil
	}
	if err := m.oneInput("--calib feeds", adviceNoSet); err != nil {
		return nil, err
	}
	set, err := dataset.OpenSource("imagefolder:"+dir, dataset.Train)
	if err != nil {
		return nil, err
	}
	image := size(m.net.Values[m.input].Shape[1:])
	if set.N > maxCalibration/image {
		return nil, fmt.Errorf("%s: %d images are more than calibration takes: %d of this size", dir, set.N, maxCalibration/image)
	}
	images := make([]float32, set.N*image)
	return images, m.readInputs(images, set, 0, set.N, nil)
}

// maxCalibration bounds the numbers that calibration images may be: they are held in memory.
const maxCalibration = 1 << 30
