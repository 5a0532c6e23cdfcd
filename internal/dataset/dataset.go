// Package dataset opens sets of real images for evaluation, and for the methods that are allowed to see
// some. No method is given the Test split.
//
// A set is named by a kind and a place:
//
//	cifar10:DIR        the binary version of CIFAR-10: DIR/cifar-10-batches-bin, or DIR itself holds the .bin files
//	cifar10:FILE       one .bin file
//	cifar100:DIR       likewise, DIR/cifar-100-binary, and one file; labels are the 100 fine classes
//	fashion-mnist:DIR  IDX files, gzipped or not; without DIR /usr/share/datasets/fashion-mnist
//	imagefolder:DIR    JPEG and PNG files, in a folder for each class or in one
//	csv:FILE           a table of JPEG and PNG files and their classes
//	npy:FILE           a NumPy array of bytes, with labels beside it
//	voc:DIR            a detection set in the form of PASCAL VOC
//	boxes:FILE         a detection set as a table of boxes
//
// What is in the places is described where each kind is opened. [OpenSource] reads images when they are asked for,
// so that a set may be larger than memory; [Open] reads all of them.
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
var openers = map[string]func(path string, split Split) (*Source, error){
	"boxes":         openBoxes,
	"cifar10":       openCIFAR10,
	"cifar100":      openCIFAR100,
	"csv":           openCSV,
	"fashion-mnist": openFashionMNIST,
	"imagefolder":   openImageFolder,
	"npy":           openNPY,
	"voc":           openVOC,
}

// Kinds returns the kinds of sets that Open knows.
func Kinds() []string { return slices.Sorted(maps.Keys(openers)) }

// Detection reports whether sets of a kind have boxes, not a class for each image.
func Detection(kind string) bool { return kind == "voc" || kind == "boxes" }

// Place says what a kind wants behind its colon: DIR or FILE.
func Place(kind string) string {
	switch kind {
	case "csv", "npy", "boxes":
		return "FILE"
	}
	return "DIR"
}

// known lists the kinds with their places.
func known() string {
	var forms []string
	for _, kind := range Kinds() {
		forms = append(forms, kind+":"+Place(kind))
	}
	return strings.Join(forms, ", ")
}

// OpenSource opens a data set, named as the package comment says. Errors name the file that is missing,
// truncated or not of the kind.
func OpenSource(spec string, split Split) (*Source, error) {
	kind, path, _ := strings.Cut(spec, ":")
	open, ok := openers[kind]
	if !ok {
		return nil, fmt.Errorf("unknown data set %q; known: %s", spec, known())
	}
	if path == "" && kind != "fashion-mnist" {
		what := "folder"
		if Place(kind) == "FILE" {
			what = "file"
		}
		return nil, fmt.Errorf("data set %s: no %s given: want %s:%s", kind, what, kind, Place(kind))
	}
	s, err := open(path, split)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", kind, err)
	}
	s.kind = kind
	return s, nil
}

// Open is OpenSource with all images read, which must have one size.
func Open(spec string, split Split) (*Set, error) {
	source, err := OpenSource(spec, split)
	if err != nil {
		return nil, err
	}
	return source.Load()
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
	for i := range s.N {
		pad(padded.Image(i), h, w, &Image{H: s.H, W: s.W, C: s.C, Pixels: s.Image(i)})
	}
	return &padded, nil
}

// pad writes an image into the middle of zeros [h,w,C].
func pad(dst []uint8, h, w int, img *Image) {
	row := img.W * img.C
	for y := range img.H {
		at := ((y+(h-img.H)/2)*w + (w-img.W)/2) * img.C
		copy(dst[at:], img.Pixels[y*row:(y+1)*row])
	}
}

// checkLabel returns an error unless label is one of so many classes.
func checkLabel(label, classes int) error {
	if label < 0 || label >= classes {
		return fmt.Errorf("label %d is none of the %d classes", label, classes)
	}
	return nil
}
