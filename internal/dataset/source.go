package dataset

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Source is a list of images that are read when they are asked for.
type Source struct {
	Name    string
	N       int      // images
	Labels  []int    // the class of each image; nil where it is not known, and for detection sets
	Boxes   [][]Box  // the objects in each image; nil but for detection sets
	Classes []string // names by class; nil where they are not known

	// Whole says, of images with labels, that the place has no parts: all that is there is the set for either split.
	Whole bool

	kind string
	read func(i int) (*Image, error)
}

// Image is one image: pixels [H,W,C], row-major; three channels are red, green, blue.
type Image struct {
	File    string // that it was read from, alone in it; "" where a file holds many
	H, W, C int
	Pixels  []uint8
}

// Box is an object in an image: its class, and its sides in pixels of the image.
type Box struct {
	Class                  int
	XMin, YMin, XMax, YMax float64
	Difficult              bool // it neither counts nor hurts where it is not found
}

// Image reads image i. It may be called from several goroutines. Errors name the file.
func (s *Source) Image(i int) (*Image, error) {
	img, err := s.read(i)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", s.kind, err)
	}
	return img, nil
}

// Each reads the images from first to below end, as many at a time as there are processors, and hands each to f,
// from several goroutines. It returns the error of the earliest image that has one.
func (s *Source) Each(first, end int, f func(i int, img *Image) error) error {
	errs := make([]error, end-first)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), end-first) {
		workers.Go(func() {
			for i := int(next.Add(1) - 1); i < len(errs); i = int(next.Add(1) - 1) {
				img, err := s.Image(first + i)
				if err == nil {
					err = f(first+i, img)
				}
				if errs[i] = err; err != nil {
					next.Store(int64(len(errs)))
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Load reads all images, which must have one size.
func (s *Source) Load() (*Set, error) {
	first, err := s.Image(0)
	if err != nil {
		return nil, err
	}
	set := &Set{Name: s.Name, N: s.N, H: first.H, W: first.W, C: first.C, Labels: s.Labels, Classes: s.Classes}
	size := set.H * set.W * set.C
	if size > maxSet/set.N {
		return nil, fmt.Errorf("data set %s: %d images of %dx%d are more than memory should hold", s.kind, set.N, set.H, set.W)
	}
	set.Pixels = make([]uint8, set.N*size)
	err = s.Each(0, s.N, func(i int, img *Image) error {
		if img.H != set.H || img.W != set.W || img.C != set.C {
			return fmt.Errorf("data set %s: %s is %dx%d (height x width), %s is %dx%d: the images of a set must share a size",
				s.kind, img.File, img.H, img.W, first.File, set.H, set.W)
		}
		copy(set.Image(i), img.Pixels)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return set, nil
}

// maxSet bounds what Load reads, in bytes.
const maxSet = 1 << 35

// Subset returns the first n images, or all where there are no more.
func (s *Source) Subset(n int) *Source {
	sub := *s
	sub.N = max(0, min(n, s.N))
	if s.Labels != nil {
		sub.Labels = s.Labels[:sub.N]
	}
	if s.Boxes != nil {
		sub.Boxes = s.Boxes[:sub.N]
	}
	return &sub
}

// Pad returns the source with a border of zeros around every image that is smaller than h and w, as [Set.Pad] does.
func (s *Source) Pad(h, w int) *Source {
	padded := *s
	padded.read = func(i int) (*Image, error) {
		img, err := s.read(i)
		if err != nil || img.H >= h && img.W >= w {
			return img, err
		}
		larger := *img
		larger.H, larger.W = max(h, img.H), max(w, img.W)
		larger.Pixels = make([]uint8, larger.H*larger.W*img.C)
		pad(larger.Pixels, larger.H, larger.W, img)
		return &larger, nil
	}
	return &padded
}

// inMemory is a source of images that are there already.
func inMemory(s *Set) *Source {
	return &Source{Name: s.Name, N: s.N, Labels: s.Labels, Classes: s.Classes, read: func(i int) (*Image, error) {
		return &Image{H: s.H, W: s.W, C: s.C, Pixels: s.Image(i)}, nil
	}}
}
