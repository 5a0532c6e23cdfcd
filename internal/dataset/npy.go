package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"zaq/internal/npy"
)

// openNPY reads images from a NumPy file, one at a time: bytes (dtype uint8) in C order, of shape [N,H,W,3], [N,H,W,1],
// [N,H,W] or [N,3,H,W]. Labels are whole numbers of shape [N] in the file beside it that is called
// images_labels.npy, for images.npy; without it the images are unlabelled.
func openNPY(path string, _ Split) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	a, err := npy.ReadHeader(f)
	if err == nil {
		err = checkNPYImages(a, f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	s := &Source{Name: filepath.Base(stem), N: a.Shape[0], Whole: true}
	s.read = func(i int) (*Image, error) { // the file stays open for as long as the program runs
		img, err := npyImage(a, f, i)
		if err != nil {
			return nil, fmt.Errorf("%s: image %d: %w", path, i, err)
		}
		return img, nil
	}
	labels := stem + "_labels.npy"
	if s.Labels, err = readNPYLabels(labels, s.N); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Close()
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	return s, nil
}

// checkNPYImages returns an error where the array is not one of images.
func checkNPYImages(a *npy.Header, f *os.File) error {
	if a.Kind != 'u' || a.Size != 1 {
		return fmt.Errorf("elements of %d bytes, type %q: want pixels as bytes (uint8)", a.Size, a.Kind)
	}
	s := a.Shape
	if slices.Contains(s, 0) {
		return fmt.Errorf("shape %v is empty", s)
	}
	if !(len(s) == 3 || len(s) == 4 && (s[3] == 1 || s[3] == 3 || s[1] == 3)) {
		return fmt.Errorf("shape %v: want [N,H,W,3], [N,H,W,1], [N,H,W] or [N,3,H,W]", s)
	}
	return checkNPYSize(a, f)
}

// checkNPYSize returns an error unless f has all elements and nothing else.
func checkNPYSize(a *npy.Header, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.CheckSize(info.Size())
}

// npyImage reads image i.
func npyImage(a *npy.Header, f io.ReaderAt, i int) (*Image, error) {
	s, planes := a.Shape, false
	img := &Image{H: s[1], W: s[2], C: 1}
	if len(s) == 4 {
		if img.C = s[3]; img.C != 1 && img.C != 3 {
			img.C, img.H, img.W, planes = s[1], s[2], s[3], true
		}
	}
	b := make([]uint8, img.H*img.W*img.C)
	if _, err := f.ReadAt(b, a.Offset+int64(i)*int64(len(b))); err != nil {
		return nil, err
	}
	img.Pixels = b
	if planes {
		img.Pixels = make([]uint8, len(b))
		plane := img.H * img.W
		for c := range img.C {
			for p, v := range b[c*plane : (c+1)*plane] {
				img.Pixels[p*img.C+c] = v
			}
		}
	}
	return img, nil
}

// readNPYLabels reads n whole numbers.
func readNPYLabels(path string, n int) ([]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := npy.ReadHeader(f)
	if err != nil {
		return nil, err
	}
	if a.Kind != 'u' && a.Kind != 'i' || a.Size > 8 || len(a.Shape) != 1 || a.Shape[0] != n {
		return nil, fmt.Errorf("shape %v, type %q: want whole numbers of shape [%d], one for each image", a.Shape, a.Kind, n)
	}
	if err := checkNPYSize(a, f); err != nil {
		return nil, err
	}
	b := make([]byte, n*a.Size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	labels := make([]int, n)
	for i := range labels {
		v := a.Integer(b[i*a.Size:])
		if v < 0 || v > 1<<31 {
			return nil, fmt.Errorf("label %d is %d", i, v)
		}
		labels[i] = int(v)
	}
	return labels, nil
}
