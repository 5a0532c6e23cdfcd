package kernel

// winograd is a dense 3x3 convolution of stride 1, or its input gradient, by Winograd's algorithm F(2x2, 3x3): for
// each tile of 2x2 pixels of the destination, with d the 4x4 pixels of the source that they see and g the weights,
//
//	y = A' [ (G g G') . (B' d B) ] A
//
// (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.1), where the product in
// the middle is element by element and summed over the input channels. Over many tiles it is 16 matrix products of
// [tiles x Cin] and [Cin x Cout]: 16 multiplications where the definition has 36. The transforms of pixels
// are additions, see winogradTiles; that of the weights, once for all images, halves as well. Pixels outside of the source
// are zero, and of the destination are not written.
//
// With |x| <= X, magnitudes add up to at most 16*X*sum|w| (4 along an axis), where those of the definition do to X*sum|w|;
// but there are Cin terms to a sum in place of 9*Cin, so that the bound of the rounding error grows by 16/9 at most, and
// the error itself shrinks: on random operands of 64 channels and 16x16 pixels (root mean square, relative) it is 2.7e-7 for y
// and dx and 2.6e-7 for dw; that of the definition is 4.2e-7 and 2.8e-7.
//
// Sums of integers are not exact: they are of quarters, and of up to 16 times the magnitude.
type winograd struct {
	isa          isa
	h, w, cin    int // source
	rows, cols   int // destination
	cout         int
	top, left    int // rows and columns of zeros before the source
	down, across int // tiles of an image
	band         int // rows of tiles that are gone through together
	blocks       []block
}

// So many tiles are gone through at a time, and more if the planes of their pixels have no more numbers than that: enough
// for the weights of a product to be used a few times while they are in the first-level cache, few enough for the planes to
// stay in the second-level cache beside the weights.
const (
	winogradBandTiles   = 28
	winogradBandNumbers = 32 << 10
)

// winogradConv are the passes of a convolution that go by Winograd's algorithm; nil ones do not.
type winogradConv struct {
	forward, backward *winograd
	weights           *winogradGrad
}

// planWinograd returns the passes of s that take less time than by the definition.
func planWinograd(s ConvShape, isa isa) (c winogradConv) {
	if !s.winogradPays() {
		return c
	}
	c.forward = &winograd{isa: isa, h: s.H, w: s.W, cin: s.Cin, rows: s.OutH(), cols: s.OutW(), cout: s.Cout, top: s.PadTop, left: s.PadLeft}
	// The convolution of dy with transposed weights, turned around.
	c.backward = &winograd{isa: isa, h: s.OutH(), w: s.OutW(), cin: s.Cout, rows: s.H, cols: s.W, cout: s.Cin, top: 2 - s.PadTop, left: 2 - s.PadLeft}
	c.forward.plan()
	c.backward.plan()
	if c.forward.down*c.forward.across >= winogradTilesOfGrad && s.Cin*s.Cout <= winogradSums {
		c.weights = &winogradGrad{*c.forward}
	}
	return c
}

const (
	// With fewer channels, the transforms take as long as the multiplications that they save.
	winogradChannels = 32
	// With fewer tiles in an image, a weight gradient takes as long to load and to store its sums as to add to them, and with
	// more sums they do not stay in the cache.
	winogradTilesOfGrad = 16
	winogradSums        = 256 * 256
)

// winogradPays reports whether it takes less time than the definition: see docs/performance.md for the measurements.
func (s ConvShape) winogradPays() bool {
	dense3x3 := s.KH == 3 && s.KW == 3 && s.StrideH == 1 && s.StrideW == 1 && s.DilH == 1 && s.DilW == 1 && s.Groups == 1
	padding := max(s.PadTop, s.PadLeft, s.PadBottom, s.PadRight) <= 2 // then windows of dx lie on dy, too
	large := min(s.H, s.W, s.OutH(), s.OutW()) >= 4
	channels := min(s.Cin, s.Cout) >= winogradChannels && s.Cin%winogradLanes == 0 && s.Cout%winogradLanes == 0
	return dense3x3 && padding && large && channels
}

// scratchLen is the length of the scratch that any of the passes needs.
func (c *winogradConv) scratchLen() (n int) {
	if c.forward != nil {
		n = max(c.forward.scratchLen(), c.backward.scratchLen())
	}
	if c.weights != nil {
		n = max(n, c.weights.scratchLen())
	}
	return n
}

// ForwardFlops is the cost of Forward for an image, two operations for each multiply-add that is executed; InputGradFlops and
// WeightGradFlops are those of the others. By the definition, all are Flops of the shape.
func (c *Conv) ForwardFlops() float64 { return c.flops(c.fast.forward) }

func (c *Conv) InputGradFlops() float64 { return c.flops(c.fast.backward) }

func (c *Conv) WeightGradFlops() float64 {
	if g := c.fast.weights; g != nil {
		return g.flops()
	}
	return c.shape.Flops()
}

func (c *Conv) flops(f *winograd) float64 {
	if f == nil {
		return c.shape.Flops()
	}
	return f.flops()
}

// flops is the cost of the products for an image.
func (f *winograd) flops() float64 {
	return 2 * winogradPlanes * float64(f.down*f.across) * float64(f.cin*f.cout)
}

func (f *winograd) plan() {
	f.down, f.across = ceilDiv(f.rows, 2), ceilDiv(f.cols, 2)
	f.band = max(1, max(winogradBandTiles, winogradBandNumbers/(winogradPlanes*f.cin))/f.across)
	f.blocks = splitChannels(f.cout, f.isa)
}

// planeLen is the length of a plane of a band's tiles with so many channels. Planes lie an odd number of cache lines apart,
// since a tile's vectors are read and written in all of them.
func (f *winograd) planeLen(channels int) int {
	return (f.band*f.across*channels | 16) + 16*(f.band*f.across*channels/16%2)
}

// scratchLen is the length of the scratch that run needs.
func (f *winograd) scratchLen() int {
	return f.w*f.cin + f.cols*f.cout + winogradPlanes*(f.planeLen(f.cin)+f.planeLen(f.isa.vectors()*f.isa.lanes()))
}

// run computes images. Rows of tiles are numbered through all of them.
func (f *winograd) run(dst, src, packed, scratch []float32, images int, accumulate bool) {
	s := upScratch(scratch)
	zero, beyond := s.take(f.w*f.cin), s.take(f.cols*f.cout)
	clear(zero)
	in, out := f.planeLen(f.cin), f.planeLen(f.isa.vectors()*f.isa.lanes())
	x, y := s.take(winogradPlanes*in), s.take(winogradPlanes*out)
	for first := 0; first < images*f.down; first += f.band {
		rows := min(f.band, images*f.down-first)
		f.input(x, src, zero, first, rows)
		// What the next band reads comes into the cache meanwhile, and what this one writes.
		next, own := f.bandAhead(src, first, rows), f.bandWritten(dst, first, rows)
		weights := packed
		for i, b := range f.blocks {
			width := b.vectors * f.isa.lanes()
			taps := [1]tap{{k: f.cin}}
			for q := range winogradPlanes {
				next.piece(i*winogradPlanes+q, len(f.blocks)*winogradPlanes)
				if i == 0 {
					own.piece(q, winogradPlanes)
				}
				if first == 0 {
					coming := ahead{near: weights, at: (q + 1) * f.cin * width, lines: cacheLines(f.cin * width)}
					coming.piece(0, 1)
				}
				p := tile{x: x[q*in:], xStep: f.cin, w: weights[q*f.cin*width:], wRow: width, dst: y[q*out:], dstStep: width,
					taps: taps[:], vectors: b.vectors, lanes: b.lanes}
				p.row(f.isa, rows*f.across)
			}
			weights = weights[winogradPlanes*f.cin*width:]
			t := winogradTiles{columns: f.cols, step: f.cout, channels: width, tiles: f.across, plane: out, accumulate: accumulate}
			for i := range rows {
				f.pixels(&t, dst, beyond, first+i, b.channel)
				t.planes = y[i*f.across*width:]
				t.output(f.isa)
			}
		}
	}
}

// bandAhead is the source's part that follows that of so many rows of tiles, as large, be it of the same image or of
// the next; bandWritten is the destination's of these rows.
func (f *winograd) bandAhead(src []float32, first, rows int) ahead {
	i := first + rows
	return ahead{near: src, at: ((i/f.down)*f.h + 2*(i%f.down)) * f.w * f.cin, lines: cacheLines(2 * rows * f.w * f.cin)}
}

func (f *winograd) bandWritten(dst []float32, first, rows int) ahead {
	return ahead{near: dst, at: ((first/f.down)*f.rows + 2*(first%f.down)) * f.cols * f.cout, lines: cacheLines(2 * rows * f.cols * f.cout), write: true}
}

// input transforms the source's pixels for so many rows of tiles.
func (f *winograd) input(planes, src, zero []float32, first, rows int) {
	t := winogradTiles{columns: f.w, left: f.left, step: f.cin, channels: f.cin, tiles: f.across, plane: f.planeLen(f.cin)}
	for i := range rows {
		image, row := (first+i)/f.down, 2*((first+i)%f.down)-f.top
		for r := range t.rows {
			t.rows[r] = zero
			if y := row + r; y >= 0 && y < f.h {
				t.rows[r] = src[(image*f.h+y)*f.w*f.cin:]
			}
		}
		t.planes = planes[i*f.across*f.cin:]
		t.input(f.isa)
	}
}

// pixels points t to the two rows of the destination that belong to a row of tiles, from a channel on; to beyond in place
// of one that there is not.
func (f *winograd) pixels(t *winogradTiles, dst, beyond []float32, i, channel int) {
	image, row := i/f.down, 2*(i%f.down)
	at := (image*f.rows+row)*f.cols*f.cout + channel
	t.rows[0], t.rows[1] = dst[at:], beyond
	if row+1 < f.rows {
		t.rows[1] = dst[at+f.cols*f.cout:]
	}
}
