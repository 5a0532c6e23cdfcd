package intkernel

import "slices"

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

// packDepthwise packs the weights of a convolution that is depthwise. Quads of taps are columns of the kernel, as far as they go.
func (c *Conv) packDepthwise(parts [][]int8, bias []int32) {
	s, f := c.shape, c.f
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

// runChunk computes the channels of k of rows of n pixels side by side, as runBlock does.
func (c *Conv) runChunk(k *convChunk, dst, x []uint8, from, to, n, rows int, scratch *Scratch) {
	s, f := &c.shape, c.f
	pixel := s.Out.Pixel()
	t := &scratch.channel
	*t = channelTile{
		x: x, w: k.w, bias: k.bias, offsets: k.offsets, quads: len(k.offsets) / 4, channels: k.channels,
		xStep: k.pixels * s.StrideW * s.In.Pixel(),
	}
	from += k.channel
	to += k.channel
	stored := k.bytes // of a tile
	if k.pixels == 1 {
		stored = c.stored(k.channel, k.n)
	}
	tiles, rest := n/k.pixels, n%k.pixels
	if t.fused = f.fused && k.r.Mult != nil; t.fused {
		t.mult, t.lo, t.hi, t.zero = k.mult, k.r.Lo, k.r.Hi, k.r.Zero
		t.qmin, t.qmax, t.quick = uint8(k.r.QMin), uint8(k.r.QMax), k.r.small
		t.rolling = t.quick && c.rolls && k.pixels == 1
		t.dstStep = k.pixels * pixel
	} else {
		t.sums, t.sumStep = scratch.sums[:], k.channels
	}
	for range rows {
		if tiles > 0 {
			c.runTiles(k, dst, from, to, tiles, stored, scratch)
		}
		if rest > 0 { // the last, of fewer pixels
			c.runTiles(k, dst, from+tiles*t.xStep, to+tiles*k.pixels*pixel, 1, rest*pixel, scratch)
		}
		from, to = from+s.StrideH*s.In.Row(), to+s.Out.Row()
	}
}

// runTiles computes n tiles of so many bytes each.
func (c *Conv) runTiles(k *convChunk, dst []uint8, from, to, n, stored int, scratch *Scratch) {
	t := &scratch.channel
	if t.fused {
		t.xAt, t.dst = from, dst[to:]
		t.pixels, t.last = n, stored
		c.f.channel(t)
		return
	}
	step := k.pixels * c.shape.Out.Pixel()
	segment := scratch.segment(k.channels)
	for i := 0; i < n; i += segment {
		t.xAt, t.pixels = from+i*t.xStep, min(segment, n-i)
		c.f.channel(t)
		for p := range t.pixels {
			c.f.requantizeRow(dst[to+(i+p)*step:], scratch.sums[p*k.channels:], &k.r, stored)
		}
	}
}
