package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cifar is the binary form of one of the two sets (Krizhevsky, Learning Multiple Layers of Features from Tiny Images,
// 2009): records of some label bytes, of which the last is the class, and then the red, the green and the blue plane.
type cifar struct {
	name, title string
	folder      string // in which the files are packed
	labels      int    // bytes
	train, test []string
	classes     []string
}

// openCIFAR10 reads the binary version of CIFAR-10.
func openCIFAR10(path string, split Split) (*Source, error) {
	return cifar{
		name: "cifar10", title: "CIFAR-10", folder: "cifar-10-batches-bin", labels: 1,
		train: []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		test:  []string{"test_batch.bin"}, classes: cifar10Classes,
	}.open(path, split)
}

// openCIFAR100 reads the binary version of CIFAR-100, whose records have a byte for the superclass first.
func openCIFAR100(path string, split Split) (*Source, error) {
	return cifar{
		name: "cifar100", title: "CIFAR-100", folder: "cifar-100-binary", labels: 2,
		train: []string{"train.bin"}, test: []string{"test.bin"}, classes: cifar100Classes,
	}.open(path, split)
}

func (c cifar) open(path string, split Split) (*Source, error) {
	files, err := c.files(path, split)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: c.name, H: 32, W: 32, C: 3, Classes: c.classes}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := c.append(s, b); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	set := inMemory(s)
	set.Whole = files[0] == path && !slices.Contains(c.train, filepath.Base(path)) && !slices.Contains(c.test, filepath.Base(path))
	return set, nil
}

func (c cifar) files(path string, split Split) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if split == Train && strings.HasPrefix(filepath.Base(path), "test") {
			return nil, fmt.Errorf("%s has test images, and training images are asked for", path)
		}
		return []string{path}, nil
	}
	if inner := filepath.Join(path, c.folder); isFolder(inner) {
		path = inner
	}
	names := c.test
	if split == Train {
		names = c.train
	}
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join(path, name))
	}
	return files, nil
}

// append adds the records of a file.
func (c cifar) append(s *Set, b []byte) error {
	const plane = 32 * 32
	record := c.labels + 3*plane
	if len(b) == 0 || len(b)%record != 0 {
		return fmt.Errorf("%d bytes are not a whole number of %d-byte records: truncated, or not %s", len(b), record, c.title)
	}
	s.Pixels = slices.Grow(s.Pixels, len(b)/record*3*plane)
	for i := 0; len(b) > 0; i++ {
		label := int(b[c.labels-1])
		if err := checkLabel(label, len(c.classes)); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		s.Labels = append(s.Labels, label)
		planes := b[c.labels:record]
		for p := range plane {
			s.Pixels = append(s.Pixels, planes[p], planes[plane+p], planes[2*plane+p])
		}
		b = b[record:]
	}
	s.N = len(s.Labels)
	return nil
}
