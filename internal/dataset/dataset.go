// Package dataset opens sets of real images for evaluation, and for the methods that are allowed to see
// some. No method is given the Test split.
//
// A set is named by a kind and a place:
//
//	cifar10:DIR        the binary version of CIFAR-10: DIR/cifar-10-batches-bin, or DIR itself holds the .bin files
//	cifar10:FILE       one .bin file
//	fashion-mnist:DIR  IDX files, gzipped or not; without DIR /usr/share/datasets/fashion-mnist
//	imagefolder:DIR    JPEG and PNG files of one size, in a folder for each class or in one
package dataset

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Split says which part of a data set is meant.
type Split int

// The splits. Test is for measuring only.
const (
	Test Split = iota
	Train
)

func (s Split) String() string {
	if s == Train {
		return "train"
	}
	return "test"
}

// Set is a list of images of one size, in memory.
type Set struct {
	Name    string
	N       int // images
	H, W, C int
	Pixels  []uint8  // N*H*W*C values, row-major in this order; three channels are red, green, blue
	Labels  []int    // the class of each image; nil where it is not known
	Classes []string // names by class; nil where they are not known
}

// openers make a set of a kind from what follows the colon, which may be empty.
var openers = map[string]func(path string, split Split) (*Set, error){
	"cifar10":       openCIFAR10,
	"fashion-mnist": openFashionMNIST,
	"imagefolder":   openImageFolder,
}

// Kinds returns the kinds of sets that Open knows.
func Kinds() []string { return slices.Sorted(maps.Keys(openers)) }

// Open reads a data set, named as the package comment says. Errors name the file that is missing,
// truncated or not of the kind.
func Open(spec string, split Split) (*Set, error) {
	kind, path, _ := strings.Cut(spec, ":")
	open, ok := openers[kind]
	if !ok {
		return nil, fmt.Errorf("unknown data set %q; known: %s:DIR", spec, strings.Join(Kinds(), ":DIR, "))
	}
	set, err := open(path, split)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", kind, err)
	}
	return set, nil
}

// Image returns the pixels of image i, [H,W,C]: a view, not a copy. It panics if there is no such image.
func (s *Set) Image(i int) []uint8 {
	size := s.H * s.W * s.C
	return s.Pixels[i*size : (i+1)*size : (i+1)*size]
}

// Subset returns the first n images, or all where there are no more. It shares their memory.
func (s *Set) Subset(n int) *Set {
	sub := *s
	sub.N = max(0, min(n, s.N))
	sub.Pixels = s.Pixels[:sub.N*s.H*s.W*s.C]
	if s.Labels != nil {
		sub.Labels = s.Labels[:sub.N]
	}
	return &sub
}

// Pad returns the set with a border of zeros around each image, to height h and width w. The image is in
// the middle; an odd row or column is added below or to the right.
func (s *Set) Pad(h, w int) (*Set, error) {
	if h < s.H || w < s.W {
		return nil, fmt.Errorf("pad %dx%d images of %s to %dx%d: that is smaller", s.H, s.W, s.Name, h, w)
	}
	padded := *s
	padded.H, padded.W = h, w
	padded.Pixels = make([]uint8, s.N*h*w*s.C)
	row := s.W * s.C
	for i := range s.N {
		from, to := s.Image(i), padded.Image(i)
		for y := range s.H {
			at := ((y+(h-s.H)/2)*w + (w-s.W)/2) * s.C
			copy(to[at:], from[y*row:(y+1)*row])
		}
	}
	return &padded, nil
}

// checkLabel returns an error unless label is one of so many classes.
func checkLabel(label, classes int) error {
	if label < 0 || label >= classes {
		return fmt.Errorf("label %d is none of the %d classes", label, classes)
	}
	return nil
}
