// Package jpeg decodes baseline JPEG files to the very pixels that libjpeg and libjpeg-turbo make of them, and with them
// Pillow, OpenCV and nearly everything that networks were trained and measured with.
//
// The standard leaves the last bit of the inverse cosine transform open, and package image/jpeg rounds another way in
// every fortieth sample. That is nothing to the eye, but a detector's borderline boxes come and go with it, and its mean
// average precision on a few hundred images moves by a point or two. Whoever compares accuracies with published ones
// needs the same pixels.
//
// It knows what cameras and programs commonly write: sequential Huffman-coded files of 8 bits with all components in one
// scan, gray or YCbCr, colour as fine as brightness or at half its resolution. [Decode] refuses everything else with
// [ErrUnsupported], damaged files too: image/jpeg knows the rest, and says what is wrong.
package jpeg

import (
	"encoding/binary"
	"errors"
	"image"
)

// ErrUnsupported says that a file is not one that this package decodes.
var ErrUnsupported = errors.New("not a baseline JPEG of the common kind")

// Decode returns the image of a file: *image.Gray, or *image.YCbCr whose colour planes are as the file has them.
func Decode(b []byte) (image.Image, error) {
	d := &decoder{}
	if err := d.segments(b); err != nil {
		return nil, err
	}
	return d.image(), nil
}

// The markers that have a meaning here.
const (
	markSOF0 = 0xc0 // baseline; 0xc1 is its extension to more tables
	markSOF1 = 0xc1
	markDHT  = 0xc4
	markSOI  = 0xd8
	markSOS  = 0xda
	markDQT  = 0xdb
	markDRI  = 0xdd
	markAPP0 = 0xe0
	markAdob = 0xee
	markAPPF = 0xef
	markCOM  = 0xfe
)

// decoder is what has been read of a file.
type decoder struct {
	width, height int
	components    []component
	quant         [4]*[64]int32  // in zigzag order
	huffman       [2][4]*huffman // of DC and AC coefficients
	restart       int            // units between two restart markers; 0: none
}

// component is a plane of samples.
type component struct {
	id, quant    byte
	h, v         int // blocks in a unit, across and down
	dc, ac       *huffman
	stride, rows int // of samples, in whole units
	samples      []uint8
	before       int32 // DC coefficient of the block before
}

// segments reads all up to the end of the scan.
func (d *decoder) segments(b []byte) error {
	if len(b) < 4 || b[0] != 0xff || b[1] != markSOI {
		return ErrUnsupported
	}
	b = b[2:]
	for {
		for len(b) > 1 && b[0] == 0xff && b[1] == 0xff { // fill bytes
			b = b[1:]
		}
		if len(b) < 4 || b[0] != 0xff {
			return ErrUnsupported
		}
		mark, length := b[1], int(binary.BigEndian.Uint16(b[2:]))
		if length < 2 || len(b) < 2+length {
			return ErrUnsupported
		}
		segment := b[4 : 2+length]
		b = b[2+length:]
		var ok bool
		switch {
		case mark == markSOF0 || mark == markSOF1:
			ok = d.frame(segment)
		case mark == markDQT:
			ok = d.quantTables(segment)
		case mark == markDHT:
			ok = d.huffmanTables(segment)
		case mark == markDRI:
			if ok = len(segment) == 2; ok {
				d.restart = int(binary.BigEndian.Uint16(segment))
			}
		case mark == markSOS:
			if !d.scanHeader(segment) || !d.scan(b) {
				return ErrUnsupported
			}
			return nil
		case mark == markAdob: // colours are YCbCr unless an Adobe program says another
			ok = len(segment) < 12 || string(segment[:5]) != "Adobe" || segment[11] == 1
		case mark >= markAPP0 && mark <= markAPPF || mark == markCOM:
			ok = true
		}
		if !ok {
			return ErrUnsupported
		}
	}
}

// frame reads the size of the image and its components.
func (d *decoder) frame(s []byte) bool {
	if d.components != nil || len(s) < 6 || s[0] != 8 || len(s) != 6+3*int(s[5]) {
		return false
	}
	d.height, d.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	if n := s[5]; d.width == 0 || d.height == 0 || n != 1 && n != 3 {
		return false
	}
	for c := s[6:]; len(c) > 0; c = c[3:] {
		d.components = append(d.components, component{id: c[0], h: int(c[1] >> 4), v: int(c[1] & 15), quant: c[2]})
		if c[2] > 3 {
			return false
		}
	}
	if c := d.components; len(c) == 3 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B' {
		return false
	}
	first := &d.components[0]
	if len(d.components) == 1 {
		first.h, first.v = 1, 1 // of a single component units are blocks, whatever is said
	}
	for i, c := range d.components {
		if i == 0 && (c.h < 1 || c.h > 2 || c.v < 1 || c.v > 2) || i > 0 && (c.h != 1 || c.v != 1) {
			return false
		}
	}
	wide, high := (d.width+8*first.h-1)/(8*first.h), (d.height+8*first.v-1)/(8*first.v)
	for i := range d.components {
		c := &d.components[i]
		c.stride, c.rows = wide*c.h*8, high*c.v*8
	}
	return true
}

// quantTables reads steps of coefficients.
func (d *decoder) quantTables(s []byte) bool {
	for len(s) > 0 {
		wide, id := int(s[0]>>4), s[0]&15
		if wide > 1 || id > 3 || len(s) < 1+64*(1+wide) {
			return false
		}
		t := new([64]int32)
		for i := range t {
			if wide == 1 {
				t[i] = int32(binary.BigEndian.Uint16(s[1+2*i:]))
			} else {
				t[i] = int32(s[1+i])
			}
		}
		d.quant[id] = t
		s = s[1+64*(1+wide):]
	}
	return true
}

// scanHeader reads which tables each component uses; the scan must have all components.
func (d *decoder) scanHeader(s []byte) bool {
	n := len(d.components)
	if n == 0 || len(s) != 4+2*n || int(s[0]) != n || s[1+2*n] != 0 || s[2+2*n] != 63 || s[3+2*n] != 0 {
		return false
	}
	for i := range d.components {
		c := &d.components[i]
		id, tables := s[1+2*i], s[2+2*i]
		if id != c.id || tables>>4 > 3 || tables&15 > 3 {
			return false
		}
		c.dc, c.ac = d.huffman[0][tables>>4], d.huffman[1][tables&15]
		if c.dc == nil || c.ac == nil || d.quant[c.quant] == nil {
			return false
		}
	}
	return true
}

// scan decodes all units.
func (d *decoder) scan(b []byte) bool {
	first := d.components[0]
	wide, high := first.stride/(8*first.h), first.rows/(8*first.v)
	// A block takes two bits at least: what a small file cannot fill takes no memory.
	if wide*high > 4*len(b)+64 {
		return false
	}
	for i := range d.components {
		c := &d.components[i]
		c.samples = make([]uint8, c.stride*c.rows)
	}
	r := &bits{b: b}
	var block [64]int32
	for unit := range wide * high {
		if d.restart > 0 && unit > 0 && unit%d.restart == 0 {
			if !r.restart(unit / d.restart) {
				return false
			}
			for i := range d.components {
				d.components[i].before = 0
			}
		}
		for i := range d.components {
			c := &d.components[i]
			for k := range c.h * c.v {
				if !c.block(r, d.quant[c.quant], &block) {
					return false
				}
				x, y := unit%wide*c.h+k%c.h, unit/wide*c.v+k/c.h
				inverse(c.samples[y*8*c.stride+x*8:], c.stride, &block)
			}
		}
	}
	return true
}

// zigzag is where each coefficient of a block stands, row by row.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// block reads the coefficients of a block, dequantized.
func (c *component) block(r *bits, quant *[64]int32, block *[64]int32) bool {
	*block = [64]int32{}
	size := r.decode(c.dc)
	if size > 11 {
		return false
	}
	c.before += r.value(size)
	block[0] = c.before * quant[0]
	for i := 1; i < 64; i++ {
		symbol := r.decode(c.ac)
		run, size := int(symbol>>4), symbol&15
		if size == 0 {
			if run != 15 { // the rest is zero
				break
			}
			i += 15
			continue
		}
		if i += run; i > 63 || size > 10 {
			return false
		}
		block[zigzag[i]] = r.value(size) * quant[i]
	}
	return r.ok()
}

// image puts the planes together.
func (d *decoder) image() image.Image {
	bounds := image.Rect(0, 0, d.width, d.height)
	y := d.components[0]
	if len(d.components) == 1 {
		return &image.Gray{Pix: y.samples, Stride: y.stride, Rect: bounds}
	}
	ratio := image.YCbCrSubsampleRatio444
	switch [2]int{y.h, y.v} {
	case [2]int{2, 1}:
		ratio = image.YCbCrSubsampleRatio422
	case [2]int{1, 2}:
		ratio = image.YCbCrSubsampleRatio440
	case [2]int{2, 2}:
		ratio = image.YCbCrSubsampleRatio420
	}
	cb, cr := d.components[1], d.components[2]
	return &image.YCbCr{
		Y: y.samples, Cb: cb.samples, Cr: cr.samples, YStride: y.stride, CStride: cb.stride, SubsampleRatio: ratio, Rect: bounds,
	}
}
