package dataset

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"

	_ "image/jpeg"
	_ "image/png"

	"zaq/internal/jpeg"
)

// files is a source of image files, one image each, as RGB.
func files(name string, paths []string) *Source {
	return &Source{Name: name, N: len(paths), read: func(i int) (*Image, error) { return readImage(paths[i]) }}
}

// isImage reports whether the name is one of a JPEG or PNG file.
func isImage(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png":
		return true
	}
	return false
}

// readImage decodes a JPEG or PNG file, as it is stored: what a camera notes about how it was held is not looked at.
func readImage(path string) (*Image, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// The header is read first, so that a size which cannot be is refused before its pixels take memory.
	config, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	const limit = 1 << 14
	if config.Height < 1 || config.Width < 1 || config.Height > limit || config.Width > limit {
		return nil, fmt.Errorf("%s is %dx%d: empty or too large", path, config.Height, config.Width)
	}
	decoded, err := decodeImage(b, format)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	size := decoded.Bounds().Size()
	img := &Image{File: path, H: size.Y, W: size.X, C: 3, Pixels: make([]uint8, size.Y*size.X*3)}
	writeRGB(img.Pixels, decoded)
	return img, nil
}

// decodeImage decodes a JPEG as others do, to the bit, where it is of the common kind.
func decodeImage(b []byte, format string) (image.Image, error) {
	if format == "jpeg" {
		if img, err := jpeg.Decode(b); err == nil {
			return img, nil
		}
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	return img, err
}
