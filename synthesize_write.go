package zaq

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/npy"
)

// gridSide is how many images a row and a column of the grid have at most.
const gridSide = 10

// Files of a folder of images.
const (
	imagesFile = "images.npy"
	labelsFile = "images_labels.npy"
	gridFile   = "grid.png"
	pngFolder  = "png"
)

// Write puts the images into a folder, which it makes: grid.png, the first hundred at a glance; png/, each by itself, as
// CalibrationDir takes them; images.npy, all as bytes [N, H, W, C], with images_labels.npy where they have classes.
//
// What an earlier Write left there goes first, so that the folder holds these images alone, and those of one run at any
// moment. Everything else stays; see CheckImagesFolder.
func (s *Synthetic) Write(dir string) error {
	earlier, err := earlierImages(dir)
	if err != nil {
		return err
	}
	// The array, by which earlier images are known, is replaced when none of them is left.
	for _, path := range append(earlier, filepath.Join(dir, gridFile), filepath.Join(dir, labelsFile)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	folder := filepath.Join(dir, pngFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(dir, imagesFile), npy.EncodeBytes([]int{s.N, s.Height, s.Width, s.Depth}, s.pixels)); err != nil {
		return err
	}
	if s.Labels != nil {
		if err := writeWhole(filepath.Join(dir, labelsFile), npy.EncodeInts([]int{s.N}, s.Labels)); err != nil {
			return err
		}
	}
	size := s.Height * s.Width * s.Depth
	for i := range s.N {
		if err := writePNG(filepath.Join(folder, fmt.Sprintf("%05d.png", i)), s.picture(s.pixels[i*size:(i+1)*size], s.Height, s.Width)); err != nil {
			return err
		}
	}
	return writePNG(filepath.Join(dir, gridFile), s.grid())
}

// CheckImagesFolder reports, before a long run and not after it, what keeps Synthetic.Write from a folder: a file that has the
// name of an image of its own and is none, so that it would be lost, or stay among images that it is not one of.
func CheckImagesFolder(dir string) error {
	_, err := earlierImages(dir)
	return err
}

// numbered is the name of an image that Write makes.
var numbered = regexp.MustCompile(`^[0-9]{5,}\.png$`)

// earlierImages returns the images in a folder that an earlier Write put there, each by itself: those that images.npy has, too.
// Others of such a name are an error.
func earlierImages(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, pngFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var mine []string
	var known *Synthetic
	for _, e := range entries {
		if !numbered.MatchString(e.Name()) {
			continue
		}
		if known == nil {
			known = readSynthetic(filepath.Join(dir, imagesFile))
		}
		path := filepath.Join(dir, pngFolder, e.Name())
		if i, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".png")); err != nil || !known.isImage(i, path) {
			return nil, &HintError{
				Err:    fmt.Errorf("output %s: %s is there and is no image of %s, as those of an earlier run would be", dir, path, imagesFile),
				Advice: "name another folder, or move the images away",
			}
		}
		mine = append(mine, path)
	}
	return mine, nil
}

// readSynthetic reads what Write wrote to images.npy; it has no images where that is something else.
func readSynthetic(path string) *Synthetic {
	b, err := os.ReadFile(path)
	if err != nil {
		return &Synthetic{}
	}
	h, err := npy.ReadHeader(bytes.NewReader(b))
	if err != nil || h.Kind != 'u' || h.Size != 1 || len(h.Shape) != 4 || h.CheckSize(int64(len(b))) != nil {
		return &Synthetic{}
	}
	return &Synthetic{N: h.Shape[0], Height: h.Shape[1], Width: h.Shape[2], Depth: h.Shape[3], pixels: b[h.Offset:]}
}

// isImage reports whether the file at path holds image i.
func (s *Synthetic) isImage(i int, path string) bool {
	if i >= s.N {
		return false
	}
	img, err := dataset.ReadImage(path)
	if err != nil || img.H != s.Height || img.W != s.Width {
		return false
	}
	want := s.pixels[i*img.H*img.W*s.Depth:]
	for p := range img.H * img.W {
		for c := range img.C {
			if img.Pixels[p*img.C+c] != want[p*s.Depth+min(c, s.Depth-1)] { // gray is three times the same
				return false
			}
		}
	}
	return true
}

// picture is a map of pixels as an image.
func (s *Synthetic) picture(pixels []uint8, h, w int) image.Image {
	if s.Depth == 1 {
		return &image.Gray{Pix: pixels, Stride: w, Rect: image.Rect(0, 0, w, h)}
	}
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range h * w {
		m.SetNRGBA(i%w, i/w, color.NRGBA{pixels[i*s.Depth], pixels[i*s.Depth+1], pixels[i*s.Depth+2], 255})
	}
	return m
}

// grid is the first images side by side, with a gap between them.
func (s *Synthetic) grid() image.Image {
	const gap = 2
	n := min(s.N, gridSide*gridSide)
	columns := min(n, gridSide)
	rows := (n + columns - 1) / columns
	h, w := rows*(s.Height+gap)-gap, columns*(s.Width+gap)-gap
	pixels := bytes.Repeat([]byte{255}, h*w*s.Depth)
	row := s.Width * s.Depth
	for i := range n {
		top, left := i/columns*(s.Height+gap), i%columns*(s.Width+gap)
		for y := range s.Height {
			copy(pixels[((top+y)*w+left)*s.Depth:], s.pixels[(i*s.Height+y)*row:][:row])
		}
	}
	return s.picture(pixels, h, w)
}

func writePNG(path string, m image.Image) error {
	return checkpoint.WriteFileAtomic(path, 0o644, func(w io.Writer) error { return png.Encode(w, m) })
}

func writeWhole(path string, data []byte) error {
	return checkpoint.WriteFileAtomic(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
