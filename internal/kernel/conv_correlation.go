package kernel

// correlation is what the forward pass and every phase of the input gradient have in common: for each group,
//
//	dst[r][c][co] (+)= sum over windows v and channels ci of src[r*stepY + v.y][c*stepX + v.x][ci] * w[v][ci][co]
//
// It is cut into tiles of a few neighbouring pixels by a few vectors of output channels, whose sums stay in
// registers.
type correlation struct {
	isa    isa
	groups int

	h, w, cin    int // source image, channels of all groups
	stepY, stepX int // in source pixels

	rows, cols, cout       int // destination
	dstAt, dstRow, dstStep int // first element, and distance of rows and of pixels, in elements

	windows  []window // ascending by y, then x
	packedAt int      // where its weights begin

	// Set by plan.
	taps   []tap
	tapRow []int // source row of each tap, relative to r*stepY
	srcRow int   // elements of a padded source row
	blocks []block
}

// window is one position (ky, kx) of the kernel: its offset in the source and its index in the weights.
type window struct{ y, x, index int }

// block is a range of one group's output channels that one tile covers.
type block struct {
	channel int // first
	vectors int
	lanes   int // channels in the last vector
}

// width is the number of channels of the block.
func (b block) width(isa isa) int { return (b.vectors-1)*isa.lanes() + b.lanes }

// plan prepares the tiles for a source padded by p.
func (f *correlation) plan(p padding) {
	f.srcRow = (p.left + f.w + p.right) * f.cin
	cin := f.cin / f.groups
	for i, v := range f.windows {
		// The windows of one row lie side by side in the source if they are dense and channels are not split.
		if i > 0 && f.groups == 1 && v.y == f.windows[i-1].y && v.x == f.windows[i-1].x+1 {
			f.taps[len(f.taps)-1].k += cin
			continue
		}
		f.taps = append(f.taps, tap{x: v.y*f.srcRow + (v.x+p.left)*f.cin, w: i * cin, k: cin})
		f.tapRow = append(f.tapRow, v.y)
	}
	f.blocks = splitChannels(f.cout/f.groups, f.isa)

	// A 1x1 convolution sees the image as one long row.
	if len(f.windows) == 1 && f.windows[0].y == 0 && p == (padding{}) && f.stepY == 1 && f.stepX == 1 &&
		f.rows <= f.h && f.cols == f.w && f.dstRow == f.cols*f.dstStep {
		f.rows, f.cols = 1, f.rows*f.cols
	}
}

func splitChannels(channels int, isa isa) []block {
	var blocks []block
	lanes := isa.lanes()
	for c := 0; c < channels; {
		vectors := min(ceilDiv(channels-c, lanes), isa.vectors())
		width := min(vectors*lanes, channels-c)
		blocks = append(blocks, block{c, vectors, width - (vectors-1)*lanes})
		c += width
	}
	return blocks
}

// packedLen is the length of the packed weights: [group][block][window][ci][channels of the block, filled
// up to whole vectors].
func (f *correlation) packedLen() int {
	lanes := f.isa.lanes()
	return f.groups * len(f.windows) * (f.cin / f.groups) * ceilDiv(f.cout/f.groups, lanes) * lanes
}

// pack brings the weights of s into f's order. For the input gradient, transposed, the channels trade places.
func (f *correlation) pack(packed, w []float32, s ConvShape, transposed bool) {
	packed = packed[f.packedAt : f.packedAt+f.packedLen()]
	cin, lanes := f.cin/f.groups, f.isa.lanes()
	perWindow := (s.Cin / s.Groups) * s.Cout
	for g := range f.groups {
		w := w[g*(s.Cout/s.Groups):]
		for _, b := range f.blocks {
			width, used := b.vectors*lanes, b.width(f.isa)
			for _, v := range f.windows {
				dst := packed[:cin*width]
				packed = packed[cin*width:]
				if transposed {
					packTransposed(dst, w[v.index*perWindow+b.channel*s.Cout:], cin, width, used, s.Cout)
					continue
				}
				for ci := range cin {
					at := v.index*perWindow + ci*s.Cout + b.channel
					row := dst[ci*width : (ci+1)*width]
					clear(row[copy(row, w[at:at+used]):])
				}
			}
		}
	}
}

// packTransposed sets dst[k][c] = w[c*stride + k] for k < rows and c < used, and zero up to c = width.
func packTransposed(dst, w []float32, rows, width, used, stride int) {
	if used < width {
		clear(dst)
	}
	for c := range used {
		at := c
		for _, v := range w[c*stride : c*stride+rows] {
			dst[at] = v
			at += width
		}
	}
}

// run computes the correlation of a padded source.
func (f *correlation) run(dst, src, packed []float32, accumulate bool) {
	cin, cout, lanes := f.cin/f.groups, f.cout/f.groups, f.isa.lanes()
	packed = packed[f.packedAt:]
	depth := len(f.windows) * cin
	for g := range f.groups {
		for _, b := range f.blocks {
			t := tile{x: src, xStep: f.stepX * f.cin, dstStep: f.dstStep,
				wRow: b.vectors * lanes, vectors: b.vectors, lanes: b.lanes, accumulate: accumulate}
			t.w, packed = packed[:depth*t.wRow], packed[depth*t.wRow:]
			for r := range f.rows {
				t.taps = f.tapsInside(r)
				t.xAt = r*f.stepY*f.srcRow + g*cin
				t.dst = dst[f.dstAt+r*f.dstRow+g*cout+b.channel:]
				t.row(f.isa, f.cols)
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

// padding is the number of zero columns that the rows of an image are surrounded by in scratch. Rows need
// none: taps above and below the image are left out.
type padding struct{ left, right int }

// columns returns the padding that f's windows reach into.
func (f *correlation) columns() padding {
	var p padding
	for _, v := range f.windows {
		p = p.union(padding{-v.x, (f.cols-1)*f.stepX + v.x - (f.w - 1)})
	}
	return p
}

func (p padding) union(q padding) padding {
	return padding{max(p.left, q.left), max(p.right, q.right)}
}

// scratchLen is the length of the padded copy, 0 where none is needed.
func (p padding) scratchLen(h, w, c int) int {
	if p == (padding{}) {
		return 0
	}
	return h * (p.left + w + p.right) * c
}

// pad copies the image x into scratch with its padding, or returns x where there is none.
func (p padding) pad(scratch, x []float32, h, w, c int) []float32 {
	if p == (padding{}) {
		return x
	}
	padded := scratch[:p.scratchLen(h, w, c)]
	at := 0
	for r := range h {
		clear(padded[at : at+p.left*c])
		at += p.left * c
		at += copy(padded[at:], x[r*w*c:(r+1)*w*c])
		clear(padded[at : at+p.right*c])
		at += p.right * c
	}
	return padded
}
