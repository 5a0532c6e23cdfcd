package intkernel

import (
	"fmt"
	"slices"
)

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

// convGroup is a group of channels, cut into blocks of a few vectors.
type convGroup struct{ blocks []convBlock }

type convBlock struct {
	x       int // first input channel
	channel int // first output channel
	n       int // of output channels
	vectors int
	w       []int8
	bias    []int32
	r       Requant
}

// convChunk is what a depthwise micro-kernel takes at a time: channels of a pixel or, where these are few, all those of pixels
// side by side.
type convChunk struct {
	channel, n int
	pixels     int // at a time
	bytes      int // that they have
	channels   int // bytes filled up to those of a micro-kernel
	w          []int8
	bias       []int32
	offsets    []int
	mult       []float32 // interleaved
	r          Requant
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

func (c *Conv) packDense(parts [][]int8, bias []int32) {
	s, f := c.shape, c.f
	cin, cout := s.In.C/s.Groups, s.Out.C/s.Groups
	// A row of the kernel is one run where its pixels lie side by side and all of their bytes count.
	joined := s.DilW == 1 && s.Groups == 1
	groups4 := ceilDiv(cin, 4)
	for range parts {
		for ky := range s.KH {
			at := ky*s.DilH*s.In.Row() - s.PadTop*s.In.Row() - s.PadLeft*s.In.Pixel()
			if joined {
				c.runs = append(c.runs, run{at, s.KW * groups4})
				continue
			}
			for kx := range s.KW {
				c.runs = append(c.runs, run{at + kx*s.DilW*s.In.Pixel(), groups4})
			}
		}
	}
	steps := len(parts) * s.KH * s.KW * groups4
	for g := range s.Groups {
		var group convGroup
		for at := 0; at < cout; {
			b := convBlock{x: g * cin, channel: g*cout + at}
			b.vectors = f.vectors(cout-at, c.pixelsAtOnce())
			width := b.vectors * f.lanes
			b.n = min(width, cout-at)
			b.w = make([]int8, steps*width*4)
			b.bias = make([]int32, width)
			copy(b.bias, bias[b.channel:b.channel+b.n])
			if c.r != nil {
				b.r = blockOf(c.r, b.channel, b.n)
			}
			i := 0
			for _, w := range parts {
				for ky := range s.KH {
					for kx := range s.KW {
						for k := range groups4 {
							for o := range b.n {
								for j := range min(4, cin-4*k) {
									b.w[(i*width+o)*4+j] = w[(((b.channel+o)*cin+4*k+j)*s.KH+ky)*s.KW+kx]
								}
							}
							i++
						}
					}
				}
			}
			c.bytes += len(b.w)
			group.blocks = append(group.blocks, b)
			at += b.n
		}
		c.groups = append(c.groups, group)
	}
}

// blockOf returns the requantization of n channels from a channel, with room for whole vectors.
func blockOf(r *Requant, channel, n int) Requant {
	b := *r
	if r.Mult != nil {
		b.Mult = make([]float32, roundUp(n, 4*vectorRoom))
		copy(b.Mult, r.Mult[channel:channel+n])
		return b
	}
	b.M, b.Shift = make([]int32, roundUp(n, 4*vectorRoom)), make([]int32, roundUp(n, 4*vectorRoom))
	copy(b.M, r.M[channel:channel+n])
	copy(b.Shift, r.Shift[channel:channel+n])
	for i := n; i < len(b.Shift); i++ {
		b.Shift[i] = 1
	}
	return b
}

// pixelsAtOnce is the number of pixels that lie side by side.
func (c *Conv) pixelsAtOnce() int {
	if c.flat {
		return c.shape.Out.H * c.shape.Out.W
	}
	return c.shape.Out.W
}

// vectors returns how many vectors a block of at most n channels gets.
func (f *family) vectors(n, pixels int) int {
	v := ceilDiv(n, f.lanes)
	if v >= 4 && f.pixels[4] > 0 && pixels <= f.pixels[4] {
		return 4
	}
	if v >= 2 && f.pixels[2] > 0 {
		return 2
	}
	return 1
}

func (c *Conv) packDepthwise(parts [][]int8, bias []int32) {
	s, f := c.shape, c.f
	// Quads are columns of the kernel, as far as they go.
	type tap struct {
		at    int
		ky    int // -1: none
		kx    int
		parts []int8
	}
	var taps []tap
	for _, w := range parts {
		for kx := range s.KW {
			for ky := range s.KH {
				at := (ky*s.DilH-s.PadTop)*s.In.Row() + (kx*s.DilW-s.PadLeft)*s.In.Pixel()
				taps = append(taps, tap{at, ky, kx, w})
			}
			for len(taps)%4 > 0 {
				taps = append(taps, tap{at: taps[len(taps)-1].at, ky: -1})
			}
		}
	}
	c.rolls = len(parts) == 1 && s.KW == 3 && s.KH <= 4 && s.StrideW == 1 && s.DilW == 1
	for at := 0; at < s.In.C; {
		k := convChunk{channel: at, pixels: 1}
		largest := f.chunks[0]
		if side := largest / s.In.Pixel(); s.StrideW == 1 && side > 1 {
			k.n, k.pixels = s.In.C, side
			k.bytes = side * s.In.Pixel()
		} else {
			k.n = min(largest, s.In.C-at)
			k.bytes = k.n
		}
		for _, n := range f.chunks {
			if n >= k.bytes {
				k.channels = n
			}
		}
		k.w = make([]int8, len(taps)*k.channels)
		k.bias = make([]int32, k.channels)
		if c.r != nil {
			k.r = blockOf(c.r, at, k.n).repeated(k.pixels, s.In.Pixel())
		}
		if c.r != nil && c.r.Mult != nil {
			k.mult = make([]float32, k.channels)
		}
		for i := range k.channels {
			byte := interleaved(k.channels, i)
			ch := byte % s.In.Pixel()
			if byte >= k.bytes || ch >= k.n {
				continue
			}
			k.bias[i] = bias[at+ch]
			if k.mult != nil {
				k.mult[i] = c.r.Mult[at+ch]
			}
			for t, tap := range taps {
				if tap.ky >= 0 {
					k.w[((t/4)*k.channels+i)*4+t%4] = tap.parts[((at+ch)*s.KH+tap.ky)*s.KW+tap.kx]
				}
			}
		}
		for _, tap := range taps {
			k.offsets = append(k.offsets, tap.at)
		}
		c.bytes += len(k.w)
		c.chunks = append(c.chunks, k)
		at += k.n
	}
}

// repeated returns the requantization of so many pixels side by side.
func (r Requant) repeated(pixels, distance int) Requant {
	if pixels == 1 {
		return r
	}
	one := r
	n := roundUp(pixels*distance, 4*vectorRoom)
	if r.Mult != nil {
		r.Mult = make([]float32, n)
	} else {
		r.M, r.Shift = make([]int32, n), slices.Repeat([]int32{1}, n)
	}
	for p := range pixels {
		if r.Mult != nil {
			copy(r.Mult[p*distance:], one.Mult[:distance])
		} else {
			copy(r.M[p*distance:], one.M[:distance])
			copy(r.Shift[p*distance:], one.Shift[:distance])
		}
	}
	return r
}

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
			for y := y0; y < y1; y++ {
				c.runChunk(&c.chunks[i], dst, x, s.In.At(y*s.StrideH, 0), s.Out.At(y, 0), s.Out.W, scratch)
			}
		}
		return
	}
	for g := range c.groups {
		for i := range c.groups[g].blocks {
			for y := y0; y < y1; y++ {
				c.runBlock(&c.groups[g].blocks[i], dst, x, s.In.At(y*s.StrideH, 0), s.Out.At(y, 0), s.Out.W, scratch)
			}
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
			c.runChunk(&c.chunks[i], dst, x, s.In.At(y, p0), s.Out.At(y, p0), n, scratch)
		}
		for g := range c.groups {
			for i := range c.groups[g].blocks {
				c.runBlock(&c.groups[g].blocks[i], dst, x, s.In.At(y, p0), s.Out.At(y, p0), n, scratch)
			}
		}
	}
}

// runBlock computes the channels of b of n pixels side by side.
func (c *Conv) runBlock(b *convBlock, dst, x []uint8, from, to, n int, scratch *Scratch) {
	s, f := &c.shape, c.f
	t := &scratch.tile
	*t = tile{
		x: x, w: b.w, bias: b.bias, runs: c.runs, vectors: b.vectors, lanes: f.lanes,
		xAt: from + b.x, xStep: s.StrideW * s.In.Pixel(),
	}
	to += b.channel
	if f.fused && b.r.Mult != nil {
		t.fused = true
		t.mult, t.lo, t.hi, t.zero = b.r.Mult, b.r.Lo, b.r.Hi, b.r.Zero
		t.dst, t.dstStep = dst[to:], s.Out.Pixel()
		t.last = c.stored(b.channel, b.n) - (b.vectors-1)*f.lanes
		t.qmin, t.qmax = uint8(b.r.QMin), uint8(b.r.QMax)
		t.quick = b.r.small && t.last == f.lanes
		t.row(f, n)
		return
	}
	width := b.vectors * f.lanes
	segment := scratch.segment(width)
	for n > 0 {
		part := min(n, segment)
		t.sums, t.sumStep = scratch.sums[:], width
		xAt := t.xAt
		t.row(f, part)
		t.xAt = xAt + part*t.xStep
		for p := range part {
			f.requantizeRow(dst[to+p*s.Out.Pixel():], scratch.sums[p*width:], &b.r, b.n)
		}
		to += part * s.Out.Pixel()
		n -= part
	}
}

// stored is how many channels are stored of n from a channel: the last also fill the pixel up.
func (c *Conv) stored(channel, n int) int {
	if channel+n == c.shape.Out.C {
		return c.shape.Out.Pixel() - channel
	}
	return n
}

func (f *family) requantizeRow(dst []uint8, sums []int32, r *Requant, n int) {
	pass := f.requantizeFixed
	if r.Mult != nil {
		pass = f.requantize
	}
	for c := pass(dst, sums, r, n); c < n; c++ {
		dst[c] = r.One(sums[c], c)
	}
}

// row computes n pixels, cut into tiles as equal as can be.
func (t *tile) row(f *family, n int) {
	tiles := ceilDiv(n, f.pixels[t.vectors])
	small := n / tiles
	if larger := n % tiles; larger > 0 {
		t.pixels, t.count = small+1, larger
		f.tile(t)
		done := larger * (small + 1)
		t.xAt += done * t.xStep
		if t.fused {
			t.dst = t.dst[done*t.dstStep:]
		} else {
			t.sums = t.sums[done*t.sumStep:]
		}
		tiles -= larger
	}
	t.pixels, t.count = small, tiles
	f.tile(t)
}

// runChunk computes the channels of k of n pixels side by side.
func (c *Conv) runChunk(k *convChunk, dst, x []uint8, from, to, n int, scratch *Scratch) {
	s, f := &c.shape, c.f
	pixel := s.Out.Pixel()
	t := &scratch.channel
	*t = channelTile{
		x: x, w: k.w, bias: k.bias, offsets: k.offsets, quads: len(k.offsets) / 4, channels: k.channels,
		xAt: from + k.channel, xStep: k.pixels * s.StrideW * s.In.Pixel(),
	}
	to += k.channel
	stored := k.bytes // of a tile
	if k.pixels == 1 {
		stored = c.stored(k.channel, k.n)
	}
	rest := n % k.pixels
	n /= k.pixels
	if f.fused && k.r.Mult != nil {
		t.fused = true
		t.mult, t.lo, t.hi, t.zero = k.mult, k.r.Lo, k.r.Hi, k.r.Zero
		t.qmin, t.qmax, t.quick = uint8(k.r.QMin), uint8(k.r.QMax), k.r.small
		t.rolling = t.quick && c.rolls && k.pixels == 1
		t.dst, t.dstStep = dst[to:], k.pixels*pixel
		if t.pixels, t.last = n, stored; n > 0 {
			f.channel(t)
		}
		if rest > 0 {
			t.xAt += n * t.xStep
			t.dst = t.dst[n*t.dstStep:]
			t.pixels, t.last = 1, rest*pixel
			f.channel(t)
		}
		return
	}
	t.sums, t.sumStep = scratch.sums[:], k.channels
	segment := scratch.segment(k.channels)
	for n > 0 || rest > 0 {
		t.pixels = min(n, segment)
		if n == 0 { // the last, of fewer pixels
			t.pixels, stored, rest = 1, rest*pixel, 0
		}
		f.channel(t)
		for p := range t.pixels {
			f.requantizeRow(dst[to+p*k.pixels*pixel:], scratch.sums[p*k.channels:], &k.r, stored)
		}
		t.xAt += t.pixels * t.xStep
		to += t.pixels * k.pixels * pixel
		n = max(n-t.pixels, 0)
	}
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
