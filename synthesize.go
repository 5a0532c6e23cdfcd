package zaq

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/kernel"
	"zaq/internal/method"
	"zaq/internal/npy"
	"zaq/internal/preprocess"
)

// Synthetic are images that were made against a model, as pixels.
type Synthetic struct {
	Images  string        `json:"images"` // the source, one of ImageSources
	N       int           `json:"n"`
	Height  int           `json:"height"`
	Width   int           `json:"width"`
	Depth   int           `json:"channels"`         // red, green, blue; or gray
	Labels  []int         `json:"labels,omitempty"` // the classes that they were made of; nil: none
	Elapsed time.Duration `json:"elapsed_ns"`

	pixels []uint8 // [N, Height, Width, Depth]
}

// CheckImages reports the first option that cannot be where Synthesize makes n images, as Check does for Quantize.
func (o Options) CheckImages(n int) error {
	if n < 1 {
		return &OptionError{"count", fmt.Sprint(n), "must be above 0"}
	}
	if d := o.withDefaults(); d.Images == method.SourceStatistics || traits[d.Method].data {
		return &OptionError{"method", d.Method, "makes no images"}
	}
	return o.Check()
}

// Synthesize makes the images that the method o names learns from or takes its ranges from: n of a generator that has
// been warmed up (of gdfq, one that knows classes), or those of o.Synth where they are optimised. Of o it looks at Method,
// Images, Seed, Synth and the generator's options.
func Synthesize(ctx context.Context, m *Model, o Options, n int) (*Synthetic, error) {
	if err := o.CheckImages(n); err != nil {
		return nil, err
	}
	if err := m.oneInput("synth makes images for", "what quantize makes for itself is for all inputs"); err != nil {
		return nil, err
	}
	if err := m.checkTerms(o); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	start := time.Now()
	p, err := o.precision()
	if err != nil {
		return nil, err
	}
	mo := methodOptions(o, p)
	mo.Pixels = (*preprocess.Spec)(&m.pre)
	trunk, _ := m.parts()
	made, err := method.Synthesize(ctx, trunk, mo, n, o.Method == "gdfq")
	if err != nil {
		return nil, interruptedBriefly(ctx, m.explain(err, o))
	}
	in := made.Inputs[0]
	s := &Synthetic{Images: o.Images, N: made.N, Height: in.H, Width: in.W, Depth: in.C, Labels: made.Labels, Elapsed: time.Since(start)}
	s.pixels = pixelsOf(made.X, &m.pre)
	return s, nil
}

// pixelsOf turns a network's input, [n, H, W, C], back into pixels in the order red, green, blue.
func pixelsOf(x []float32, p *Preprocessing) []uint8 {
	mul, add := (*preprocess.Spec)(p).Affine()
	c := len(mul)
	pixels := make([]uint8, len(x))
	for i, v := range x {
		k := i % c
		to := i
		if p.Color == "bgr" {
			to = i - k + c - 1 - k
		}
		pixels[to] = uint8(math.RoundToEven(min(max(float64((v-add[k])/mul[k]), 0), 255)))
	}
	return pixels
}

// gridSide is how many images a row and a column of the grid have at most.
const gridSide = 10

// Write puts the images into a folder, which it makes: grid.png, the first hundred at a glance; png/, each by itself, as
// CalibrationDir takes them; images.npy, all as bytes [N, H, W, C], with images_labels.npy where they have classes.
func (s *Synthetic) Write(dir string) error {
	folder := filepath.Join(dir, "png")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	size := s.Height * s.Width * s.Depth
	for i := range s.N {
		if err := writePNG(filepath.Join(folder, fmt.Sprintf("%05d.png", i)), s.picture(s.pixels[i*size:(i+1)*size], s.Height, s.Width)); err != nil {
			return err
		}
	}
	if err := writePNG(filepath.Join(dir, "grid.png"), s.grid()); err != nil {
		return err
	}
	if s.Labels != nil {
		if err := writeWhole(filepath.Join(dir, "images_labels.npy"), npy.EncodeInts([]int{s.N}, s.Labels)); err != nil {
			return err
		}
	}
	return writeWhole(filepath.Join(dir, "images.npy"), npy.EncodeBytes([]int{s.N, s.Height, s.Width, s.Depth}, s.pixels))
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
