package intkernel

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

// packDense packs the weights of a convolution that is not depthwise.
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
