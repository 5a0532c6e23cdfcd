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

// runBlock computes the channels of b of rows of n pixels side by side: those at to and in the rows below, of what is at from and in
// the rows that windows are moved to.
func (c *Conv) runBlock(b *convBlock, dst, x []uint8, from, to, n, rows int, scratch *Scratch) {
	s, f := &c.shape, c.f
	t := &scratch.tile
	*t = tile{
		x: x, w: b.w, bias: b.bias, runs: c.runs, vectors: b.vectors, lanes: f.lanes, xStep: s.StrideW * s.In.Pixel(),
	}
	from += b.x
	to += b.channel
	if f.fused && b.r.Mult != nil {
		t.fused = true
		t.mult, t.lo, t.hi, t.zero = b.r.Mult, b.r.Lo, b.r.Hi, b.r.Zero
		t.dstStep = s.Out.Pixel()
		t.last = c.stored(b.channel, b.n) - (b.vectors-1)*f.lanes
		t.qmin, t.qmax = uint8(b.r.QMin), uint8(b.r.QMax)
		t.quick = b.r.small && t.last == f.lanes
		for range rows {
			t.xAt, t.dst = from, dst[to:]
			t.row(f, n)
			from, to = from+s.StrideH*s.In.Row(), to+s.Out.Row()
		}
		return
	}
	t.sumStep = b.vectors * f.lanes
	segment := scratch.segment(t.sumStep)
	for range rows {
		for p := 0; p < n; p += segment {
			part := min(segment, n-p)
			t.xAt, t.sums = from+p*t.xStep, scratch.sums[:]
			t.row(f, part)
			for i := range part {
				f.requantizeRow(dst[to+(p+i)*s.Out.Pixel():], scratch.sums[i*t.sumStep:], &b.r, b.n)
			}
		}
		from, to = from+s.StrideH*s.In.Row(), to+s.Out.Row()
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
