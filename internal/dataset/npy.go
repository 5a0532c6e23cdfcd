package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// openNPY reads images from a NumPy file, one at a time: bytes (dtype uint8) in C order, of shape [N,H,W,3], [N,H,W,1],
// [N,H,W] or [N,3,H,W]. Labels are whole numbers of shape [N] in the file beside it that is called
// images_labels.npy, for images.npy; without it the images are unlabelled.
func openNPY(path string, _ Split) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	a, err := readNPYHeader(f)
	if err == nil {
		err = a.checkImages(f)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	s := &Source{Name: filepath.Base(stem), N: a.shape[0]}
	s.read = func(i int) (*Image, error) { // the file stays open for as long as the program runs
		img, err := a.image(f, i)
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

// npy is the header of a NumPy file.
type npy struct {
	kind   byte // 'u' or 'i': whole numbers without or with a sign
	size   int  // bytes of an element
	order  binary.ByteOrder
	shape  []int
	offset int64 // where elements begin
}

var (
	npyType  = regexp.MustCompile(`'descr':\s*'([<>|=])([a-zA-Z])(\d+)'`)
	npyOrder = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	npyShape = regexp.MustCompile(`'shape':\s*\(([\d\s,]*)\)`)
)

// readNPYHeader reads: magic, version, the length of a Python dictionary and that.
func readNPYHeader(r io.Reader) (*npy, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:10]); err != nil || string(head[:6]) != "\x93NUMPY" {
		return nil, errors.New("not a NumPy file")
	}
	length, offset := int(binary.LittleEndian.Uint16(head[8:])), int64(10)
	if version := head[6]; version > 1 {
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return nil, errors.New("truncated in its header")
		}
		length, offset = int(binary.LittleEndian.Uint32(head[8:])), 12
	}
	if length > 1<<16 {
		return nil, fmt.Errorf("header of %d bytes: not a NumPy file of one array", length)
	}
	dictionary := make([]byte, length)
	if _, err := io.ReadFull(r, dictionary); err != nil {
		return nil, errors.New("truncated in its header")
	}
	typ, order, shape := npyType.FindSubmatch(dictionary), npyOrder.FindSubmatch(dictionary), npyShape.FindSubmatch(dictionary)
	if typ == nil || order == nil || shape == nil {
		return nil, fmt.Errorf("header %q is not that of a plain array", strings.TrimSpace(string(dictionary)))
	}
	if string(order[1]) == "True" {
		return nil, errors.New("the array is in Fortran's order: numpy.ascontiguousarray changes that")
	}
	a := &npy{kind: typ[2][0], order: binary.LittleEndian, offset: offset + int64(length)}
	if typ[1][0] == '>' {
		a.order = binary.BigEndian
	}
	a.size, _ = strconv.Atoi(string(typ[3]))
	elements := 1
	for _, axis := range strings.FieldsFunc(string(shape[1]), func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(axis)
		if err != nil || n < 1 || n > 1<<40/elements {
			return nil, fmt.Errorf("shape (%s) is empty or too large", shape[1])
		}
		elements *= n
		a.shape = append(a.shape, n)
	}
	return a, nil
}

// checkSize returns an error unless f has all elements and nothing else.
func (a *npy) checkSize(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	want := a.offset + int64(a.size)
	for _, n := range a.shape {
		want += (want - a.offset) * int64(n-1)
	}
	if info.Size() != want {
		return fmt.Errorf("%d bytes, and an array of shape %v takes %d", info.Size(), a.shape, want)
	}
	return nil
}

// checkImages returns an error where the array is not one of images.
func (a *npy) checkImages(f *os.File) error {
	if a.kind != 'u' || a.size != 1 {
		return fmt.Errorf("elements of %d bytes, type %q: want pixels as bytes (uint8)", a.size, a.kind)
	}
	s := a.shape
	if !(len(s) == 3 || len(s) == 4 && (s[3] == 1 || s[3] == 3 || s[1] == 3)) {
		return fmt.Errorf("shape %v: want [N,H,W,3], [N,H,W,1], [N,H,W] or [N,3,H,W]", s)
	}
	return a.checkSize(f)
}

// image reads image i.
func (a *npy) image(f io.ReaderAt, i int) (*Image, error) {
	s, planes := a.shape, false
	img := &Image{H: s[1], W: s[2], C: 1}
	if len(s) == 4 {
		if img.C = s[3]; img.C != 1 && img.C != 3 {
			img.C, img.H, img.W, planes = s[1], s[2], s[3], true
		}
	}
	b := make([]uint8, img.H*img.W*img.C)
	if _, err := f.ReadAt(b, a.offset+int64(i)*int64(len(b))); err != nil {
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
	a, err := readNPYHeader(f)
	if err != nil {
		return nil, err
	}
	if a.kind != 'u' && a.kind != 'i' || a.size > 8 || len(a.shape) != 1 || a.shape[0] != n {
		return nil, fmt.Errorf("shape %v, type %q: want whole numbers of shape [%d], one for each image", a.shape, a.kind, n)
	}
	if err := a.checkSize(f); err != nil {
		return nil, err
	}
	b := make([]byte, n*a.size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	labels := make([]int, n)
	for i := range labels {
		v := a.number(b[i*a.size:])
		if v < 0 || v > 1<<31 {
			return nil, fmt.Errorf("label %d is %d", i, v)
		}
		labels[i] = int(v)
	}
	return labels, nil
}

// number reads an element of a.size bytes.
func (a *npy) number(b []byte) int64 {
	signed := a.kind == 'i'
	switch a.size {
	case 1:
		if signed {
			return int64(int8(b[0]))
		}
		return int64(b[0])
	case 2:
		if v := a.order.Uint16(b); signed {
			return int64(int16(v))
		} else {
			return int64(v)
		}
	case 4:
		if v := a.order.Uint32(b); signed {
			return int64(int32(v))
		} else {
			return int64(v)
		}
	case 8:
		return int64(a.order.Uint64(b))
	}
	return -1
}
