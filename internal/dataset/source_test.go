package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// counted is a source of images that tell their number, and how many of them are held at a time.
func counted(n int) (s *Source, most *atomic.Int64) {
	var held atomic.Int64
	most = new(atomic.Int64)
	s = &Source{Name: "counted", N: n, kind: "test"}
	s.read = func(i int) (*Image, error) {
		if now := held.Add(1); now > most.Load() {
			most.Store(now)
		}
		defer held.Add(-1)
		return &Image{H: 1, W: 2, C: 1, Pixels: []uint8{uint8(i), 7}}, nil
	}
	return s, most
}

func TestEach(t *testing.T) {
	s, _ := counted(100)
	var sum atomic.Int64
	if err := s.Each(10, 20, func(i int, img *Image) error {
		if int(img.Pixels[0]) != i {
			return fmt.Errorf("image %d is %v", i, img.Pixels)
		}
		sum.Add(int64(i))
		return nil
	}); err != nil || sum.Load() != 145 {
		t.Errorf("sum %d, %v", sum.Load(), err)
	}
	if err := s.Each(5, 5, nil); err != nil {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := s.Each(0, 100, func(i int, _ *Image) error {
		if i >= 3 {
			return fmt.Errorf("%d: %w", i, stop)
		}
		return nil
	}); err == nil || !strings.HasPrefix(err.Error(), "3: ") {
		t.Errorf("error %v, want that of the earliest image", err)
	}
}

func TestSourceSubsetAndPad(t *testing.T) {
	s, _ := counted(4)
	s.Labels, s.Boxes = []int{0, 1, 2, 3}, make([][]Box, 4)
	for _, n := range []int{-1, 0, 3, 4, 9} {
		sub := s.Subset(n)
		if want := max(0, min(n, 4)); sub.N != want || len(sub.Labels) != want || len(sub.Boxes) != want {
			t.Errorf("Subset(%d): %d images, %d labels, %d boxes", n, sub.N, len(sub.Labels), len(sub.Boxes))
		}
	}
	img, err := s.Pad(3, 3).Image(2)
	if err != nil || !bytes.Equal(img.Pixels, []uint8{0, 0, 0, 2, 7, 0, 0, 0, 0}) {
		t.Errorf("padded: %+v, %v", img, err)
	}
	if img, err := s.Pad(1, 1).Image(2); err != nil || !bytes.Equal(img.Pixels, []uint8{2, 7}) {
		t.Errorf("padded to less: %+v, %v", img, err)
	}
}

// Images of a folder are not read before they are asked for, and may have many sizes then.
func TestImageFolderStreams(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.png"), plain(t, 4, 5, color.NRGBA{1, 2, 3, 255}))
	write(t, filepath.Join(dir, "b.png"), plain(t, 2, 3, color.NRGBA{4, 5, 6, 255}))
	write(t, filepath.Join(dir, "c.png"), []byte("no image"))
	s, err := OpenSource("imagefolder:"+dir, Test)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Image(1)
	if err != nil || b.H != 2 || b.W != 3 || !slices.Equal(b.Pixels[:3], []uint8{4, 5, 6}) || filepath.Base(b.File) != "b.png" {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := s.Image(2); err == nil || !strings.Contains(err.Error(), "c.png: image: unknown format") {
		t.Errorf("no image: %v", err)
	}
}
