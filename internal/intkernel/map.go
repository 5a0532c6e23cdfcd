package intkernel

import "encoding/binary"

// Map is how an image of H by W pixels of C channels lies in memory:
//
//	pixel (y, x), channel c: Origin() + y*Row() + x*Pixel() + c
//
// Channels are filled up to a multiple of 4, whose values do not matter. Around the image there is a border of
// pixels, which readers that pad (convolutions) find filled with the zero point: Top rows above, Bottom rows below, and Side
// pixels between the rows, which are right of one and left of the next.
type Map struct {
	H, W, C           int
	Top, Bottom, Side int
}

// Slack is how many bytes beyond a map's Size must be readable: kernels load whole vectors.
const Slack = 64

// Pixel is the distance of pixels in bytes.
func (m Map) Pixel() int { return roundUp(m.C, 4) }

// Row is the distance of rows in bytes.
func (m Map) Row() int { return (m.W + m.Side) * m.Pixel() }

// Origin is where the first pixel of the image lies.
func (m Map) Origin() int { return m.Top*m.Row() + m.Side*m.Pixel() }

// Size is the number of bytes with the border.
func (m Map) Size() int { return m.Side*m.Pixel() + (m.Top+m.H+m.Bottom)*m.Row() }

// At returns where pixel (y, x) lies, which may be in the border.
func (m Map) At(y, x int) int { return m.Origin() + y*m.Row() + x*m.Pixel() }

// Flat reports whether the pixels of the image lie side by side, those of a row next to those of the one above.
func (m Map) Flat() bool { return m.Side == 0 || m.H == 1 }

// FillBorder sets the border around rows y0 to y1 (exclusive) to v: what is left and right of them, and
// what is above and below the image where they reach its first or last row.
func (m Map) FillBorder(x []uint8, y0, y1 int, v uint8) {
	if y0 >= y1 {
		return
	}
	if y0 == 0 {
		fill(x[:m.Origin()], v)
	}
	side := m.Side * m.Pixel()
	if side > 0 {
		for y := y0; y < y1; y++ {
			at := m.At(y, m.W)
			fill(x[at:at+side], v)
		}
	}
	if y1 == m.H {
		fill(x[m.At(m.H, 0):m.Size()], v)
	}
}

// fill sets all of x, often a pixel, to v.
func fill(x []uint8, v uint8) {
	word := uint64(v) * 0x0101010101010101
	rest := x
	for len(rest) >= 8 {
		if len(x)-len(rest) >= 64 { // a large one: copies are faster
			n := len(x) - len(rest)
			n += copy(rest, x[:n])
			for n < len(x) {
				n += copy(x[n:], x[:n])
			}
			return
		}
		binary.LittleEndian.PutUint64(rest, word)
		rest = rest[8:]
	}
	for i := range rest {
		rest[i] = v
	}
}
