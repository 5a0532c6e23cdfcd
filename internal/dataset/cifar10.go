package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var cifar10Classes = []string{
	"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
}

// openCIFAR10 reads the binary version of CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from
// Tiny Images, 2009).
func openCIFAR10(path string, split Split) (*Set, error) {
	if path == "" {
		return nil, errors.New("no folder given: want cifar10:DIR")
	}
	files, err := cifar10Files(path, split)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: "cifar10", H: 32, W: 32, C: 3, Classes: cifar10Classes}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := s.appendCIFAR10(b); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

func cifar10Files(path string, split Split) ([]string, error) {
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
	if inner := filepath.Join(path, "cifar-10-batches-bin"); isFolder(inner) {
		path = inner
	}
	if split == Test {
		return []string{filepath.Join(path, "test_batch.bin")}, nil
	}
	var files []string
	for batch := 1; batch <= 5; batch++ {
		files = append(files, filepath.Join(path, fmt.Sprintf("data_batch_%d.bin", batch)))
	}
	return files, nil
}

// appendCIFAR10 adds records of a label byte and then the red, the green and the blue plane.
func (s *Set) appendCIFAR10(b []byte) error {
	const plane = 32 * 32
	const record = 1 + 3*plane
	if len(b) == 0 || len(b)%record != 0 {
		return fmt.Errorf("%d bytes are not a whole number of %d-byte records: truncated, or not CIFAR-10", len(b), record)
	}
	s.Pixels = slices.Grow(s.Pixels, len(b)/record*3*plane)
	for i := 0; len(b) > 0; i++ {
		if err := checkLabel(int(b[0]), len(s.Classes)); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		s.Labels = append(s.Labels, int(b[0]))
		red, green, blue := b[1:1+plane], b[1+plane:1+2*plane], b[1+2*plane:record]
		for p := range plane {
			s.Pixels = append(s.Pixels, red[p], green[p], blue[p])
		}
		b = b[record:]
	}
	s.N = len(s.Labels)
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
