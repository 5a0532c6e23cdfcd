package intkernel

import "slices"

// Copy puts elements of one image in other places of another.
type Copy struct {
	dst, src Map
	c0       int
	zero     uint8

	// Where rows, columns and channels are chosen each for itself: the ones of the source, -1 for zeros.
	ys, xs   []int32
	channels []span
	zeros    bool // some of them are

	offsets []int32 // else: of every element of the result, row by row; -1: zero
	count   int     // channels of the result
}

// span is a run of consecutive channels, or of zeros.
type span struct {
	dst, src, n int // src -1: zeros
}

// NewCopy returns the copy to channels c0, c0+1, ... of an image dst of elements of an image src. Index has, for every
// element of the result in the order [C, H, W], the number of one of the source in that order, or -1 for zero.
func NewCopy(dst Map, c0 int, src Map, index []int32, zero uint8) *Copy {
	plane := dst.H * dst.W
	c := &Copy{dst: dst, src: src, c0: c0, zero: zero, count: len(index) / plane}
	if c.separate(index) {
		return c
	}
	c.offsets = make([]int32, len(index))
	for p := range plane {
		for ch := range c.count {
			at := int32(-1)
			if i := index[ch*plane+p]; i >= 0 {
				pixel := int(i) % (src.H * src.W)
				at = int32(src.At(pixel/src.W, pixel%src.W) + int(i)/(src.H*src.W))
			}
			c.offsets[p*c.count+ch] = at
		}
	}
	return c
}

// separate finds the rows, columns and channels of the source, where every one of the result has its own.
func (c *Copy) separate(index []int32) bool {
	h, w, n := c.dst.H, c.dst.W, c.count
	sw, plane := c.src.W, c.src.H*c.src.W
	ys, xs, cs := unset(h), unset(w), unset(n)
	// Each is that of any element there that is not zero.
	for i, v := range index {
		if v < 0 {
			continue
		}
		ch, y, x := i/(h*w), i/w%h, i%w
		cs[ch], ys[y], xs[x] = v/int32(plane), v%int32(plane)/int32(sw), v%int32(sw)
	}
	for i, v := range index {
		ch, y, x := i/(h*w), i/w%h, i%w
		want := int32(-1)
		if cs[ch] >= 0 && ys[y] >= 0 && xs[x] >= 0 {
			want = (cs[ch]*int32(c.src.H)+ys[y])*int32(sw) + xs[x]
		}
		if v != want {
			return false
		}
	}
	c.ys, c.xs = ys, xs
	c.zeros = slices.Contains(ys, -1) || slices.Contains(xs, -1) || slices.Contains(cs, -1)
	for i := 0; i < n; {
		s := span{dst: i, src: int(cs[i]), n: 1}
		for i+s.n < n && (s.src < 0 && cs[i+s.n] < 0 || s.src >= 0 && int(cs[i+s.n]) == s.src+s.n) {
			s.n++
		}
		c.channels = append(c.channels, s)
		i += s.n
	}
	return true
}

func unset(n int) []int32 {
	v := make([]int32, n)
	for i := range v {
		v[i] = -1
	}
	return v
}

// Run fills rows y0 to y1 of the result. What is copied goes through the table, unless that is nil.
func (c *Copy) Run(dst, src []uint8, table *[256]uint8, y0, y1 int) {
	for y := y0; y < y1; y++ {
		row := dst[c.dst.At(y, 0)+c.c0:]
		switch {
		case c.offsets != nil:
			c.elements(row, src, y)
		case c.whole():
			n := c.dst.W * c.dst.Pixel()
			copy(row[:n], src[c.src.At(int(c.ys[y]), int(c.xs[0])):])
		default:
			c.pixels(row, src, y)
		}
		if table != nil {
			for x := range c.dst.W {
				pixel := row[x*c.dst.Pixel():][:c.count]
				Lookup(pixel, pixel, table)
			}
		}
	}
}

// whole reports whether rows are copied as they are.
func (c *Copy) whole() bool {
	if c.dst.Pixel() != c.src.Pixel() || c.c0 != 0 || len(c.channels) != 1 || c.channels[0].src != 0 || c.count != c.dst.C || c.ys[0] < 0 {
		return false
	}
	for x, from := range c.xs {
		if from != c.xs[0]+int32(x) || from < 0 {
			return false
		}
	}
	for _, y := range c.ys {
		if y < 0 {
			return false
		}
	}
	return true
}

func (c *Copy) elements(row, src []uint8, y int) {
	for x := range c.dst.W {
		pixel := row[x*c.dst.Pixel():][:c.count]
		for i, at := range c.offsets[(y*c.dst.W+x)*c.count:][:c.count] {
			pixel[i] = c.zero
			if at >= 0 {
				pixel[i] = src[at]
			}
		}
	}
}

func (c *Copy) pixels(row, src []uint8, y int) {
	pixel := c.dst.Pixel()
	if c.zeros { // all at once, then the others
		if c.count == c.dst.C {
			fill(row[:c.dst.W*pixel], c.zero)
		} else {
			for x := range c.dst.W {
				fill(row[x*pixel:x*pixel+c.count], c.zero)
			}
		}
	}
	if c.ys[y] < 0 {
		return
	}
	base := c.src.At(int(c.ys[y]), 0)
	for _, s := range c.channels {
		if s.src < 0 {
			continue
		}
		to := s.dst
		for _, from := range c.xs {
			if from >= 0 {
				copy(row[to:to+s.n], src[base+int(from)*c.src.Pixel()+s.src:])
			}
			to += pixel
		}
	}
}
