package kernel

// correlation is what the forward pass and the parts of the input gradient have in common: for each group of
// channels,
//
//	dst[r][c][co] (+)= sum over windows v and channels ci of src[r*stepY + v.y][c*stepX + v.x][ci] * w[v][ci][co]
//
// It is cut into tiles of a few neighbouring pixels by a few vectors of output channels, whose sums stay in
// registers.
//
// A depthwise correlation, whose groups are single channels, has one group instead and multiplies vectors of
// channels:
//
//	dst[r][c][co] (+)= sum over windows v of src[r*stepY + v.y][c*stepX + v.x][co] * w[v][co]
//
// Where a pixel's channels fill only a small part of a vector (an image has three), a few neighbouring pixels
// are treated as one that has the channels of them all. It sees the windows of them all, with zero weights
// for those that are not a pixel's own.
type correlation struct {
	isa       isa
	groups    int // of channels
	depthwise bool
	pixels    int // in one destination pixel

	h, w, cin    int // source image, channels of all groups
	stepY, stepX int // in source pixels

	rows, width, cout      int // destination; width before pixels are grouped, channels of one of them
	dstAt, dstRow, dstStep int // first element, and distance of rows and of grouped pixels, in elements

	windows  []window // ascending by y, then x
	packedAt int      // where its weights begin

	// Set by plan.
	pad     padding
	areas   []area // of the destination, where the source is not padded
	strips  bool   // computed in strips, and the source not padded
	stencil bool   // computed by stencil, and the source not padded
	zeros   []float32
	taps    []tap
	tapRow  []int // source row of each tap, relative to r*stepY
	tapStep int   // distance of a depthwise tap's windows in pixels
	srcRow  int   // elements of a padded source row
	src     int   // and of a padded image
	dst     int   // of a destination image
	flat    bool  // the images of a batch are one long row
	blocks  []block
}

// window is an offset in the source, and for each pixel of a group the position ky*KW+kx of the kernel that
// lies there, or -1.
type window struct {
	y, x   int
	kernel []int
}

// block is a range of one group's output channels that one tile covers.
type block struct {
	channel int // first
	vectors int
	lanes   int // channels in the last vector
}

// width is the number of channels of the block.
func (b block) width(isa isa) int { return (b.vectors-1)*isa.lanes() + b.lanes }

// depth is the number of input channels that an output channel sees.
func (f *correlation) depth() int {
	if f.depthwise {
		return 1
	}
	return f.cin / f.groups
}

// channelAt is the first input channel that a block of a group sees.
func (f *correlation) channelAt(group int, b block) int {
	if f.depthwise {
		return b.channel
	}
	return group * f.depth()
}

// cols is the number of grouped pixels in a row; the last may be incomplete.
func (f *correlation) cols() int { return ceilDiv(f.width, f.pixels) }

// plan prepares the tiles for a source padded by p, or for one that is not where there are areas.
func (f *correlation) plan(p padding) {
	if f.unpadded() {
		p = padding{}
	}
	f.pad = p
	f.srcRow = (p.left + f.w + p.right) * f.cin
	f.src = f.h*f.srcRow + p.slack
	if len(f.windows) > 1 {
		f.tapStep = f.windows[1].x - f.windows[0].x // the same all along a row
	}
	f.blocks = splitChannels(f.pixels*f.cout/f.groups, f.isa)
	f.taps, f.tapRow = f.tapsOf(f.windows, func(window) bool { return true })
	for i := range f.areas {
		a := &f.areas[i]
		a.taps, _ = f.tapsOf(f.windows, func(v window) bool { return f.insideRows(v, a.row) && f.insideCols(v, a.col) })
	}
	if f.unpadded() {
		return
	}

	// A 1x1 convolution sees the image as one long row.
	if len(f.windows) == 1 && f.windows[0].y == 0 && p == (padding{}) && f.stepY == 1 && f.stepX == 1 &&
		f.rows <= f.h && f.width == f.w && f.dstRow == f.width*f.dstStep {
		f.flat = f.rows == f.h && f.groups == 1
		f.rows, f.width = 1, f.rows*f.width
	}
}

// tapsOf joins those of the windows that are wanted to taps, and returns their source rows as well.
func (f *correlation) tapsOf(windows []window, wanted func(window) bool) (taps []tap, rows []int) {
	for i, v := range windows {
		if !wanted(v) {
			continue
		}
		if i > 0 && wanted(windows[i-1]) && f.adjoins(windows[i-1], v) {
			taps[len(taps)-1].k += f.depth()
			continue
		}
		taps = append(taps, tap{x: v.y*f.srcRow + (v.x+f.pad.left)*f.cin, w: i * f.depth(), k: f.depth()})
		rows = append(rows, v.y)
	}
	return taps, rows
}

// adjoins reports whether window v continues the tap that ends with u.
func (f *correlation) adjoins(u, v window) bool {
	if f.depthwise {
		return v.y == u.y && v.x-u.x == f.tapStep
	}
	return v.y == u.y && v.x-u.x == 1 && f.groups == 1 // side by side, all channels
}

// splitChannels cuts channels into blocks as wide as the tiles.
func splitChannels(channels int, isa isa) []block {
	var blocks []block
	for c := 0; c < channels; c += blocks[len(blocks)-1].width(isa) {
		blocks = append(blocks, blockAt(c, channels, isa))
	}
	return blocks
}

// blockAt returns the block of channels that begins with the given one.
func blockAt(channel, channels int, isa isa) block {
	lanes := isa.lanes()
	vectors := min(ceilDiv(channels-channel, lanes), isa.vectors())
	return block{channel, vectors, min(lanes, channels-channel-(vectors-1)*lanes)}
}

// packedLen is the length of the packed weights: [group][block][window][ci][channels of the block, filled
// up to whole vectors].
func (f *correlation) packedLen() int {
	lanes := f.isa.lanes()
	return f.groups * len(f.windows) * f.depth() * ceilDiv(f.pixels*f.cout/f.groups, lanes) * lanes
}

// pack brings the weights of s into f's order. For the input gradient, transposed, the channels trade places.
func (f *correlation) pack(packed, w []float32, s ConvShape, transposed bool) {
	packed = packed[f.packedAt : f.packedAt+f.packedLen()]
	depth, lanes := f.depth(), f.isa.lanes()
	position := (s.Cin / s.Groups) * s.Cout
	for g := range f.groups {
		w := w[g*(s.Cout/s.Groups):]
		for _, b := range f.blocks {
			width, used := b.vectors*lanes, b.width(f.isa)/f.pixels
			for _, v := range f.windows {
				dst := packed[:depth*width]
				packed = packed[depth*width:]
				if f.pixels*used < width || f.pixels > 1 {
					clear(dst)
				}
				for pixel, k := range v.kernel {
					switch {
					case k < 0:
					case transposed && !f.depthwise:
						copyTransposed(dst[pixel*f.cout:], width, w[k*position+b.channel*s.Cout:], s.Cout, used, depth)
					default:
						copyRows(dst[pixel*f.cout:], width, w[k*position+b.channel:], s.Cout, depth, used)
					}
				}
			}
		}
	}
}

// fewWeights are so many that they stay in the cache from image to image.
const fewWeights = 8 << 10

// run computes the correlation of images, padded as f.pad says. Where there are many weights, those of a block go by all
// images before the next block's.
func (f *correlation) run(dst, src, packed []float32, images int, accumulate bool) {
	packed = packed[f.packedAt:]
	switch {
	case f.stencil:
		f.runStencils(dst, src, packed, images, 0, f.rows, accumulate)
	case f.strips:
		f.runStrips(dst, src, packed, images, accumulate)
	case f.areas != nil:
		f.runAreas(dst, src, packed, images, 0, f.rows, accumulate)
	case f.flat:
		f.runRows(dst, src, packed, 1, f.width*images, accumulate)
	case f.packedLen() <= fewWeights:
		for i := range images {
			f.runRows(dst[i*f.dst:], src[i*f.src:], packed, 1, f.width, accumulate)
		}
	default:
		f.runRows(dst, src, packed, images, f.width, accumulate)
	}
}

// tile is that of a block of a group, but for where it is in the image.
func (f *correlation) tile(src, packed []float32, group, block int, accumulate bool) tile {
	b, lanes := f.blocks[block], f.isa.lanes()
	row, depth := b.vectors*lanes, len(f.windows)*f.depth()
	channels := ceilDiv(f.pixels*f.cout/f.groups, lanes) * lanes // of a group, filled up
	at := depth * (group*channels + b.channel)
	return tile{x: src, xStep: f.stepX * f.cin, dstStep: f.dstStep, w: packed[at : at+depth*row],
		wRow: row, vectors: b.vectors, lanes: b.lanes, accumulate: accumulate,
		depthwise: f.depthwise, kStep: f.tapStep * f.cin}
}

// runRows computes images of rows of width pixels.
func (f *correlation) runRows(dst, src, packed []float32, images, width int, accumulate bool) {
	cout := f.cout / f.groups
	whole, rest := width/f.pixels, width%f.pixels
	for g := range f.groups {
		for i, b := range f.blocks {
			t := f.tile(src, packed, g, i, accumulate)
			for i := range images * f.rows {
				image, r := 0, i
				if images > 1 {
					image, r = i/f.rows, i%f.rows
				}
				t.taps = f.tapsInside(r)
				from := image*f.src + r*f.stepY*f.srcRow
				into := image*f.dst + f.dstAt + r*f.dstRow
				t.xAt = from + f.channelAt(g, b)
				t.dst = dst[into+g*cout+b.channel:]
				t.lanes = b.lanes
				if whole > 0 {
					t.row(f.isa, whole)
				}
				if rest > 0 {
					t.xAt = from + whole*t.xStep
					t.dst = dst[into+whole*f.dstStep:]
					t.lanes = rest * cout
					t.row(f.isa, 1)
				}
			}
		}
	}
}

// tapsInside returns the taps of destination row r that do not lie in the vertical padding.
func (f *correlation) tapsInside(r int) []tap {
	lo, hi := 0, len(f.taps)
	for lo < hi && r*f.stepY+f.tapRow[lo] < 0 {
		lo++
	}
	for lo < hi && r*f.stepY+f.tapRow[hi-1] >= f.h {
		hi--
	}
	return f.taps[lo:hi]
}

// unpadded reports whether the source is read as it is, though windows reach beyond it.
func (f *correlation) unpadded() bool { return f.areas != nil || f.strips || f.stencil }

// columns returns the padding that f's windows and vectors reach into; none where there are areas.
func (f *correlation) columns() padding {
	var p padding
	if f.unpadded() {
		return p
	}
	for _, v := range f.windows {
		p = p.union(padding{-v.x, (f.cols()-1)*f.stepX + v.x - (f.w - 1), 0})
	}
	if lanes := f.isa.lanes(); f.depthwise && f.cin%lanes != 0 {
		p.slack = lanes
	}
	return p
}
