package dataset

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fashionMNISTFolder is where the Debian package dataset-fashion-mnist puts its files.
const fashionMNISTFolder = "/usr/share/datasets/fashion-mnist"

var fashionMNISTClasses = []string{
	"t-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
}

// openFashionMNIST reads Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747): 28x28 gray images.
func openFashionMNIST(path string, split Split) (*Source, error) {
	if path == "" {
		path = fashionMNISTFolder
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	prefix := "t10k"
	if split == Train {
		prefix = "train"
	}
	imageFile, labelFile := filepath.Join(path, prefix+"-images-idx3-ubyte"), filepath.Join(path, prefix+"-labels-idx1-ubyte")
	shape, pixels, err := readIDX(imageFile, 3)
	if err != nil {
		return nil, err
	}
	count, labels, err := readIDX(labelFile, 1)
	if err != nil {
		return nil, err
	}
	if count[0] != shape[0] {
		return nil, fmt.Errorf("%s: %d labels, and %d images beside it", labelFile, count[0], shape[0])
	}
	s := &Set{Name: "fashion-mnist", N: shape[0], H: shape[1], W: shape[2], C: 1, Pixels: pixels, Classes: fashionMNISTClasses}
	for i, label := range labels {
		if err := checkLabel(int(label), len(s.Classes)); err != nil {
			return nil, fmt.Errorf("%s: record %d: %w", labelFile, i, err)
		}
		s.Labels = append(s.Labels, int(label))
	}
	return inMemory(s), nil
}

// readIDX reads an array of bytes of the given rank from an IDX file, or from the gzipped one beside it.
func readIDX(path string, rank int) (shape []int, data []byte, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if zipped, zerr := os.Open(path + ".gz"); zerr == nil {
			f, err = zipped, nil
		}
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(f.Name(), ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	if shape, data, err = decodeIDX(r, rank); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return shape, data, nil
}

// decodeIDX reads: two zero bytes, the element type (8: byte), the rank, the big-endian sizes, the data.
func decodeIDX(r io.Reader, rank int) (shape []int, data []byte, err error) {
	header := make([]byte, 4+4*rank)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if [4]byte(header) != [4]byte{0, 0, 8, byte(rank)} {
		return nil, nil, fmt.Errorf("begins %x: not an IDX file of bytes with %d axes", header[:4], rank)
	}
	size := int64(1)
	for axis := range rank {
		n := int64(binary.BigEndian.Uint32(header[4+4*axis:]))
		if n == 0 || n > 1<<31/size {
			return nil, nil, fmt.Errorf("axis %d has size %d: empty or too large", axis, n)
		}
		size *= n
		shape = append(shape, int(n))
	}
	// What the header claims is not allocated before it is there.
	data, err = io.ReadAll(io.LimitReader(r, size+1))
	switch have := int64(len(data)); {
	case err != nil:
		return nil, nil, fmt.Errorf("after %d of %d bytes: %w", have, size, err)
	case have < size:
		return nil, nil, fmt.Errorf("truncated: %d of %d bytes", have, size)
	case have > size:
		return nil, nil, fmt.Errorf("goes on after its %d bytes", size)
	}
	return shape, data, nil
}
