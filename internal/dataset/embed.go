package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
)

// An embedded set is
//
//	magic    8 bytes, the last of them the version
//	length   uint32, little endian
//	header   that many bytes of JSON
//	pixels   a PNG file: the images below each other, gray or RGB
//
// The row filters of PNG pack photographs a quarter smaller than compression of the bytes alone.
const embedMagic = "zaqset\n\x01"

type embedHeader struct {
	Name    string   `json:"name"`
	N       int      `json:"n"`
	H       int      `json:"h"`
	W       int      `json:"w"`
	C       int      `json:"c"`
	Labels  []int    `json:"labels,omitempty"`
	Classes []string `json:"classes,omitempty"`
}

// Encode returns the set in a compact form for embedding in a program. Images have one or three channels.
func (s *Set) Encode() ([]byte, error) {
	header := embedHeader{s.Name, s.N, s.H, s.W, s.C, s.Labels, s.Classes}
	if err := header.check(); err != nil {
		return nil, fmt.Errorf("encode data set %s: %w", s.Name, err)
	}
	if len(s.Pixels) != s.N*s.H*s.W*s.C {
		return nil, fmt.Errorf("encode data set %s: %d pixel values for %d images of %dx%dx%d", s.Name, len(s.Pixels), s.N, s.H, s.W, s.C)
	}
	b, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(embedMagic)
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
	out.Write(b)
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, s.strip()); err != nil {
		return nil, fmt.Errorf("encode data set %s: %w", s.Name, err)
	}
	return out.Bytes(), nil
}

// strip is all images below each other.
func (s *Set) strip() image.Image {
	bounds := image.Rect(0, 0, s.W, s.N*s.H)
	if s.C == 1 {
		return &image.Gray{Pix: s.Pixels, Stride: s.W, Rect: bounds}
	}
	img := image.NewRGBA(bounds)
	for i := range s.N * s.H * s.W {
		copy(img.Pix[4*i:], s.Pixels[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

// Decode reads what Encode returned. Bytes that are not of this form are an error.
func Decode(b []byte) (*Set, error) {
	s, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("embedded data set: %w", err)
	}
	return s, nil
}

func decode(b []byte) (*Set, error) {
	const version = len(embedMagic) - 1
	if len(b) < len(embedMagic)+4 || string(b[:version]) != embedMagic[:version] {
		return nil, errors.New("not of this form")
	}
	if b[version] != embedMagic[version] {
		return nil, fmt.Errorf("version %d of the form, this program reads %d", b[version], embedMagic[version])
	}
	length, rest := binary.LittleEndian.Uint32(b[len(embedMagic):]), b[len(embedMagic)+4:]
	if uint64(length) > uint64(len(rest)) {
		return nil, errors.New("truncated in its header")
	}
	var header embedHeader
	if err := json.Unmarshal(rest[:length], &header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if err := header.check(); err != nil {
		return nil, err
	}
	rest = rest[length:]
	// No deflate stream grows more than this; the check comes before anything is allocated.
	if size := header.N * header.H * header.W * header.C; size/1100 > len(rest) {
		return nil, fmt.Errorf("%d bytes cannot hold %d pixel values", len(rest), size)
	}
	config, err := png.DecodeConfig(bytes.NewReader(rest))
	if err != nil {
		return nil, err
	}
	if config.Width != header.W || config.Height != header.N*header.H {
		return nil, fmt.Errorf("pixels are %dx%d, want %d images of %dx%d", config.Height, config.Width, header.N, header.H, header.W)
	}
	img, err := png.Decode(bytes.NewReader(rest))
	if err != nil {
		return nil, err
	}
	s := &Set{Name: header.Name, N: header.N, H: header.H, W: header.W, C: header.C, Labels: header.Labels, Classes: header.Classes}
	switch img := img.(type) {
	case *image.Gray:
		if s.C == 1 {
			s.Pixels = img.Pix
			return s, nil
		}
	case *image.RGBA:
		if s.C == 3 {
			s.Pixels = make([]uint8, s.N*s.H*s.W*s.C)
			for i := range s.N * s.H * s.W {
				copy(s.Pixels[3*i:3*i+3], img.Pix[4*i:])
			}
			return s, nil
		}
	}
	return nil, fmt.Errorf("pixels are %T, and images have %d channels", img, s.C)
}

// check returns an error where the numbers contradict each other or are larger than memory.
func (h *embedHeader) check() error {
	if h.C != 1 && h.C != 3 {
		return fmt.Errorf("%d channels, want 1 or 3", h.C)
	}
	size := h.C
	for _, n := range []int{h.N, h.H, h.W} {
		if n < 1 || n > 1<<30/size {
			return fmt.Errorf("%d images of %dx%d: empty or too large", h.N, h.H, h.W)
		}
		size *= n
	}
	if h.Labels != nil && len(h.Labels) != h.N {
		return fmt.Errorf("%d labels for %d images", len(h.Labels), h.N)
	}
	for i, label := range h.Labels {
		if label < 0 || h.Classes != nil && label >= len(h.Classes) {
			return fmt.Errorf("image %d: label %d is none of the %d classes", i, label, len(h.Classes))
		}
	}
	return nil
}
