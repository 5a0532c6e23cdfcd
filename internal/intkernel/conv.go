package intkernel

import "fmt"

// ConvShape is a 2-D convolution of one image: In with Top, Bottom and Side at least what the pads need, Out the
// result. Weights are [Out.C, In.C/Groups, KH, KW].
type ConvShape struct {
	In, Out          Map
	KH, KW           int
	StrideH, StrideW int
	DilH, DilW       int
	PadTop, PadLeft  int
	Groups           int
}

func (s ConvShape) depthwise() bool {
	return s.Groups > 1 && s.Groups == s.In.C && s.Groups == s.Out.C
}

// check panics where a window reaches beyond the border: the compiler of programs has made a mistake.
func (s ConvShape) check() {
	bottom := (s.Out.H-1)*s.StrideH + (s.KH-1)*s.DilH - s.PadTop - (s.In.H - 1)
	right := (s.Out.W-1)*s.StrideW + (s.KW-1)*s.DilW - s.PadLeft - (s.In.W - 1)
	if s.PadTop > s.In.Top || bottom > s.In.Bottom || s.PadLeft > s.In.Side || right > s.In.Side {
		panic(fmt.Sprintf("intkernel: windows of %+v reach past the border", s))
	}
}

// Conv is a convolution with its weights packed for the kernels in use. It may be used by several goroutines.
type Conv struct {
	shape  ConvShape
	f      *family
	r      *Requant // nil: the result is real
	flat   bool     // rows are one
	groups []convGroup
	chunks []convChunk // if depthwise
	rolls  bool        // if depthwise: columns of the kernel are those of the next pixels
	runs   []run
	bytes  int
}

// NewConv packs weights, each at most ±255, for a convolution of images with zero point zero: sums are
//
//	bias[c] + Σ (x - zero) * w        modulo 2^32
//
// which r makes integers of. With a nil r there is only Real. Bias may be nil.
func NewConv(s ConvShape, w []int16, bias []int32, zero int32, r *Requant) *Conv {
	return newConv(impl, s, w, bias, zero, r)
}

func newConv(f *family, s ConvShape, w []int16, bias []int32, zero int32, r *Requant) *Conv {
	s.check()
	c := &Conv{shape: s, f: f, r: r}
	c.flat = s.KH == 1 && s.KW == 1 && s.StrideH == 1 && s.StrideW == 1 && s.In.Flat() && s.Out.Flat()
	// The zero point is a constant part of the sums, in the border too.
	if f.signed {
		zero -= 128
	}
	full := make([]int32, s.Out.C)
	copy(full, bias)
	each := len(w) / s.Out.C
	for o := range full {
		for _, v := range w[o*each : (o+1)*each] {
			full[o] -= zero * int32(v)
		}
	}
	parts := splitWeights(w, f.limit)
	if s.depthwise() {
		c.packDepthwise(parts, full)
	} else {
		c.packDense(parts, full)
	}
	return c
}

// splitWeights writes weights as sums of what a multiplier takes exactly.
func splitWeights(w []int16, limit int) [][]int8 {
	lo := -limit
	if limit == 127 {
		lo = -128
	}
	rest := w
	var parts [][]int8
	for {
		part, left := make([]int8, len(w)), make([]int16, len(w))
		more := false
		for i, v := range rest {
			p := min(max(int(v), lo), limit)
			part[i], left[i] = int8(p), v-int16(p)
			more = more || left[i] != 0
		}
		parts = append(parts, part)
		if !more {
			return parts
		}
		rest = left
	}
}

// Bytes is the memory of the packed weights.
func (c *Conv) Bytes() int { return c.bytes }

// rowBytes is how much of the input is to stay in the first-level cache while all blocks of weights pass.
const rowBytes = 16 << 10

// Scratch is what a goroutine needs to run a Conv.
type Scratch struct {
	sums    [64 * 64]int32
	tile    tile
	channel channelTile
}

// segment is the most pixels of a row that are computed before they are requantized.
func (s *Scratch) segment(width int) int { return len(s.sums) / width }

// Units is the number of parts that the work can be cut into: rows of the result, or pixels where rows are one.
func (c *Conv) Units() int {
	if c.flat {
		return c.shape.Out.H * c.shape.Out.W
	}
	return c.shape.Out.H
}

// Run computes units u0 to u1 (exclusive) of the image dst of the image x, borders excluded.
func (c *Conv) Run(dst, x []uint8, u0, u1 int, scratch *Scratch) {
	if c.flat {
		c.pixels(dst, x, 0, u0, u1, scratch)
		return
	}
	block := max(1, rowBytes/(c.shape.StrideH*c.shape.In.Row()))
	for ; u0 < u1; u0 += block {
		c.rows(dst, x, u0, min(u0+block, u1), scratch)
	}
}

func (c *Conv) rows(dst, x []uint8, y0, y1 int, scratch *Scratch) {
	s := &c.shape
	if c.chunks != nil {
		for i := range c.chunks {
			c.runChunk(&c.chunks[i], dst, x, s.In.At(y0*s.StrideH, 0), s.Out.At(y0, 0), s.Out.W, y1-y0, scratch)
		}
		return
	}
	for g := range c.groups {
		for i := range c.groups[g].blocks {
			c.runBlock(&c.groups[g].blocks[i], dst, x, s.In.At(y0*s.StrideH, 0), s.Out.At(y0, 0), s.Out.W, y1-y0, scratch)
		}
	}
}

// pixels computes pixels p0 to p1 of a flat image.
func (c *Conv) pixels(dst, x []uint8, y, p0, p1 int, scratch *Scratch) {
	s := &c.shape
	block := max(1, rowBytes/s.In.Pixel())
	for ; p0 < p1; p0 += block {
		n := min(block, p1-p0)
		for i := range c.chunks {
			c.runChunk(&c.chunks[i], dst, x, s.In.At(y, p0), s.Out.At(y, p0), n, 1, scratch)
		}
		for g := range c.groups {
			for i := range c.groups[g].blocks {
				c.runBlock(&c.groups[g].blocks[i], dst, x, s.In.At(y, p0), s.Out.At(y, p0), n, 1, scratch)
			}
		}
	}
}

// stored is how many channels are stored of n from a channel: the last also fill the pixel up.
func (c *Conv) stored(channel, n int) int {
	if channel+n == c.shape.Out.C {
		return c.shape.Out.Pixel() - channel
	}
	return n
}

// Real computes pixels p0 to p1 of the result in row-major order as real values, sums times a factor for each channel: dst
// is [C, H, W].
func (c *Conv) Real(dst []float32, x []uint8, factors []float32, p0, p1 int, scratch *Scratch) {
	s := &c.shape
	plane := s.Out.H * s.Out.W
	for p := p0; p < p1; p++ {
		from := s.In.At(p/s.Out.W*s.StrideH, p%s.Out.W*s.StrideW)
		for g := range c.groups {
			for i := range c.groups[g].blocks {
				b := &c.groups[g].blocks[i]
				scratch.tile = tile{
					x: x, w: b.w, bias: b.bias, runs: c.runs, vectors: b.vectors, lanes: c.f.lanes,
					xAt: from + b.x, sums: scratch.sums[:], pixels: 1, count: 1,
				}
				c.f.tile(&scratch.tile)
				for o, sum := range scratch.sums[:b.n] {
					dst[(b.channel+o)*plane+p] = float32(sum) * factors[b.channel+o]
				}
			}
		}
		for i := range c.chunks {
			k := &c.chunks[i]
			scratch.channel = channelTile{
				x: x, w: k.w, bias: k.bias, offsets: k.offsets, quads: len(k.offsets) / 4, channels: k.channels,
				xAt: from + k.channel, sums: scratch.sums[:], pixels: 1,
			}
			c.f.channel(&scratch.channel)
			for o, sum := range scratch.sums[:k.n] {
				dst[(k.channel+o)*plane+p] = float32(sum) * factors[k.channel+o]
			}
		}
	}
}
