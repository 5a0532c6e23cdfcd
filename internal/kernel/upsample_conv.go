package kernel

// UpsampleConv is a nearest 2x upsampling followed by a 3x3 convolution with padding 1 of one NHWC image x,
// [H][W][Cin], to y, [2H][2W][Cout], with a quarter of the multiplications.
//
// In one dimension, with weights w0, w1, w2, S = w0+w1+w2, and x zero outside of the image,
//
//	y[2i]   = w0*x[i-1] + (w1+w2)*x[i] = S*x[i] - w0*d[i]
//	y[2i+1] = (w0+w1)*x[i] + w2*x[i+1] = S*x[i] + w2*d[i+1]      d[i] = x[i] - x[i-1], i = 0..H
//
// and so, with p0 = -w0 and p1 = w2, y[2i+a] = S*x[i] + p_a*d[i+a]: three products for two outputs. In two
// dimensions there are nine for four outputs, of the image, of its differences along either axis, and along both:
//
//	y[2i+a][2j+b] = (S,S) x[i][j] + (S,p_b) dx[i][j+b] + (p_a,S) dy[i+a][j] + (p_a,p_b) dxy[i+a][j+b]
//
// where the direct form has 36 and one 2x2 convolution for each of the four phases has 16. The products are in float32,
// of sums and differences of neighbours: with |x| <= X their magnitudes add up to at most 9*X*sum|w| (3 along an axis),
// where those of the direct form do to X*sum|w|, and the bound of the rounding error grows as much. On random
// operands of 128 and 64 channels the error (root mean square, relative) is 3.6e-7 for y, 6.2e-7 for dx and 2.6e-7 for
// dw; that of the direct form is 6.0e-7, 4.3e-7 and 2.2e-7.
//
// The gradients are the same identity transposed: the nine combinations of dy that are below called G take the
// place of nine products, dx = G w' and dw = x' G.
type UpsampleConv struct {
	isa             isa
	h, w, cin, cout int
	out, in         []block // of the output channels, of the input channels
	band            int     // rows of x that are gone through together
}

// The nine products: of the image, of horizontal differences for b = 0, 1, of vertical ones for a = 0, 1, and of
// both for (a, b) = (0,0), (0,1), (1,0), (1,1).
const (
	upPlain      = 0
	upHorizontal = 1
	upVertical   = 3
	upBoth       = 5
	upProducts   = 9
)

// upTaps says which taps of the 3x3 window each product's weights are the sum of, and with which sign.
var upTaps = [upProducts]struct {
	sign float32
	taps []int
}{
	{1, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
	{-1, []int{0, 3, 6}}, {1, []int{2, 5, 8}},
	{-1, []int{0, 1, 2}}, {1, []int{6, 7, 8}},
	{1, []int{0}}, {-1, []int{2}}, {-1, []int{6}}, {1, []int{8}},
}

// NewUpsampleConv plans the convolution of an image of h x w pixels.
func NewUpsampleConv(h, w, cin, cout int) *UpsampleConv {
	return newUpsampleConv(h, w, cin, cout, selected)
}

// upBand is how many pixels of x are gone through at a time: enough for weights to be used a few times while they are
// in the first-level cache and for the sums of a gradTile to be worth the adding up, few enough for what is derived
// from x and dy to stay in the second-level cache.
const upBand = 64

func newUpsampleConv(h, w, cin, cout int, isa isa) *UpsampleConv {
	return &UpsampleConv{isa: isa, h: h, w: w, cin: cin, cout: cout,
		out: splitChannels(cout, isa), in: splitChannels(cin, isa), band: min(h, max(1, upBand/w))}
}

// Flops is the cost of the nine products over one image, two operations per multiply-add.
func (u *UpsampleConv) Flops() float64 {
	return 2 * upProducts * float64(u.h*u.w) * float64(u.cin*u.cout)
}

// ProductsLen is the length of the nine products' weights, [9][Cin][Cout], and of their gradient.
func (u *UpsampleConv) ProductsLen() int { return upProducts * u.cin * u.cout }

// Products derives the nine products' weights from w, [3][3][Cin][Cout].
func (u *UpsampleConv) Products(dst, w []float32) {
	need("products", len(dst), u.ProductsLen())
	need("weights", len(w), 9*u.cin*u.cout)
	n := u.cin * u.cout
	for q, p := range upTaps {
		into := dst[q*n : (q+1)*n]
		clear(into)
		for _, tap := range p.taps {
			Axpy(into, p.sign, w[tap*n:(tap+1)*n])
		}
	}
}

// ProductsGrad adds to elements [i0, i1) of every tap of dw, [3][3][Cin*Cout], what the gradient of the nine products'
// weights says about them.
func (u *UpsampleConv) ProductsGrad(dw, dproducts []float32, i0, i1 int) {
	n := u.cin * u.cout
	for q, p := range upTaps {
		for _, tap := range p.taps {
			Axpy(dw[tap*n+i0:tap*n+i1], p.sign, dproducts[q*n+i0:q*n+i1])
		}
	}
}

// PackedLen is the length of the weights in the order Forward reads them.
func (u *UpsampleConv) PackedLen() int { return upProducts * u.cin * u.whole(u.cout) }

// PackedGradLen is the length of the weights in the order Gradients reads them.
func (u *UpsampleConv) PackedGradLen() int { return upProducts * u.cout * u.whole(u.cin) }

// whole rounds channels up to whole vectors.
func (u *UpsampleConv) whole(channels int) int {
	return ceilDiv(channels, u.isa.lanes()) * u.isa.lanes()
}

// Pack brings the nine products' weights into the order Forward reads: [block][product][Cin][channels of the block].
func (u *UpsampleConv) Pack(dst, products []float32) {
	need("packed weights", len(dst), u.PackedLen())
	need("products", len(products), u.ProductsLen())
	clear(dst)
	for _, b := range u.out {
		row := b.vectors * u.isa.lanes()
		copyRows(dst, row, products[b.channel:], u.cout, upProducts*u.cin, b.width(u.isa))
		dst = dst[upProducts*u.cin*row:]
	}
}

// PackGrad brings the nine products' weights into the order Gradients reads: [block][product][Cout][channels of the
// block].
func (u *UpsampleConv) PackGrad(dst, products []float32) {
	need("packed weights", len(dst), u.PackedGradLen())
	need("products", len(products), u.ProductsLen())
	clear(dst)
	for _, b := range u.in {
		row := b.vectors * u.isa.lanes()
		for q := range upProducts {
			copyTransposed(dst, row, products[(q*u.cin+b.channel)*u.cout:], u.cout, b.width(u.isa), u.cout)
			dst = dst[u.cout*row:]
		}
	}
}

// upScratch hands out parts of a scratch array.
type upScratch []float32

func (s *upScratch) take(n int) []float32 {
	part := (*s)[:n:n]
	*s = (*s)[n:]
	return part
}

// ScratchLen is the length of the scratch that any call of this convolution needs.
func (u *UpsampleConv) ScratchLen() int {
	forward := (2*u.band+1)*(u.w+1)*u.cin + (u.band+1)*u.w*u.cin + (5*u.band+1)*u.w*u.isa.vectors()*u.isa.lanes()
	row := 2 * u.w * u.cout
	gradients := 3*(row+4*u.cout) + row + upProducts*u.band*u.w*u.cout
	return max(forward, gradients)
}

// Forward sets y, [2H][2W][Cout], to the convolution of x, [H][W][Cin], with weights brought into order by Pack.
func (u *UpsampleConv) Forward(y, x, packed, scratch []float32) {
	need("y", len(y), 4*u.h*u.w*u.cout)
	need("x", len(x), u.h*u.w*u.cin)
	need("packed weights", len(packed), u.PackedLen())
	need("scratch", len(scratch), u.ScratchLen())
	s, row, wide := upScratch(scratch), u.w*u.cin, (u.w+1)*u.cin
	d := upDifferences{horizontal: s.take(u.band * wide), vertical: s.take((u.band + 1) * row), both: s.take((u.band + 1) * wide)}
	for top := 0; top < u.h; top += u.band {
		d.rows = min(u.band, u.h-top)
		d.x = x[top*row : (top+d.rows)*row]
		for i := range d.rows + 1 {
			at := top + i
			vertical := d.vertical[i*row : (i+1)*row]
			switch {
			case at == 0:
				copy(vertical, x)
			case at < u.h:
				subtract(vertical, x[at*row:], x[(at-1)*row:])
			default:
				negate(vertical, x[(at-1)*row:])
			}
			u.differences(d.both[i*wide:(i+1)*wide], vertical)
			if i < d.rows {
				u.differences(d.horizontal[i*wide:(i+1)*wide], x[at*row:(at+1)*row])
			}
		}
		u.forwardBand(y[4*top*u.w*u.cout:], packed, s, &d)
	}
}

// upDifferences are the differences of neighbouring pixels in a few rows of x: horizontal ones, W+1 in each row;
// vertical ones, a row more; and both, a row more of W+1.
type upDifferences struct {
	rows                          int
	x, horizontal, vertical, both []float32
}

// forwardBand computes the rows of y that belong to a few rows of x.
func (u *UpsampleConv) forwardBand(y, packed []float32, s upScratch, d *upDifferences) {
	row, wide := u.w*u.cin, (u.w+1)*u.cin
	for _, b := range u.out {
		width := b.vectors * u.isa.lanes()
		weights, scratch := packed[:upProducts*u.cin*width], s
		packed = packed[upProducts*u.cin*width:]
		n := u.w * width // of a row in scratch
		plain, with := scratch.take(d.rows*n), scratch.take(n)
		var h, v [2][]float32
		for k := range 2 {
			h[k], v[k] = scratch.take(d.rows*n), scratch.take(d.rows*n)
		}
		// Parts that two or four pixels share wait in scratch: h has the plain product in it.
		taps := [1]tap{{k: u.cin}}
		t := tile{xStep: u.cin, w: weights, wRow: width, uStep: width, taps: taps[:], vectors: b.vectors, lanes: b.lanes}
		t.dstStep = width
		u.product(&t, upPlain, d.x, d.rows*u.w, plain, nil)
		for k := range 2 {
			u.product(&t, upVertical+k, d.vertical[k*row:], d.rows*u.w, v[k], nil)
			for i := range d.rows {
				u.product(&t, upHorizontal+k, d.horizontal[i*wide+k*u.cin:], u.w, h[k][i*n:], plain[i*n:])
			}
		}
		t.dstStep = 2 * u.cout
		for k := range 4 {
			below, right := k/2, k%2
			for i := range d.rows {
				impl.add(with, h[right][i*n:(i+1)*n], v[below][i*n:(i+1)*n])
				u.product(&t, upBoth+k, d.both[(i+below)*wide+right*u.cin:], u.w,
					y[((2*i+below)*2*u.w+right)*u.cout+b.channel:], with)
			}
		}
	}
}

// product multiplies so many pixels by the weights of product q, and adds with where that is not nil. The rest of t is
// set up.
func (u *UpsampleConv) product(t *tile, q int, x []float32, pixels int, dst, with []float32) {
	t.taps[0].w = q * u.cin
	t.x, t.xAt, t.dst, t.u = x, 0, dst, with
	t.row(u.isa, pixels)
}

// differences writes the differences of neighbouring pixels of a row, and of its ends with zero.
func (u *UpsampleConv) differences(dst, x []float32) {
	c := u.cin
	copy(dst, x[:c])
	subtract(dst[c:len(x)], x[c:], x)
	negate(dst[len(x):], x[len(x)-c:])
}

// Gradients adds to dproducts, [9][Cin][Cout], and sets dx, or adds to it if accumulate, to the gradients of sum(y*dy)
// by the nine products' weights and by x; either may be nil.
func (u *UpsampleConv) Gradients(dx, dproducts, x, dy, packedGrad, scratch []float32, accumulate bool) {
	need("dy", len(dy), 4*u.h*u.w*u.cout)
	need("scratch", len(scratch), u.ScratchLen())
	if dx != nil {
		need("dx", len(dx), u.h*u.w*u.cin)
		need("packed weights", len(packedGrad), u.PackedGradLen())
	}
	if dproducts != nil {
		need("x", len(x), u.h*u.w*u.cin)
		need("products", len(dproducts), u.ProductsLen())
	}
	s := upScratch(scratch)
	row := 2 * u.w * u.cout
	zero := s.take(row)
	clear(zero)
	var rows [3][]float32 // with a pixel's zeros of both phases before and after
	for i := range rows {
		rows[i] = s.take(row + 4*u.cout)
		clear(rows[i])
	}
	for top := 0; top < u.h; top += u.band {
		height := min(u.band, u.h-top)
		plane := height * u.w * u.cout
		g := s[:upProducts*plane]
		for i := range height {
			u.combine(g[i*u.w*u.cout:], plane, dy, top+i, &rows, zero)
		}
		at, pixels := top*u.w*u.cin, height*u.w
		if dproducts != nil {
			u.productsGrad(dproducts, x[at:], g, plane, pixels)
		}
		if dx != nil {
			u.inputGrad(dx[at:], g, packedGrad, plane, pixels, accumulate)
		}
	}
}

// combine writes row i of G, planes apart: the sums and differences of dy along both axes that the nine products
// multiply with.
func (u *UpsampleConv) combine(g []float32, plane int, dy []float32, i int, rows *[3][]float32, zero []float32) {
	c := u.cout
	row := 2 * u.w * c
	at := func(r int) []float32 {
		if r < 0 || r >= 2*u.h {
			return zero
		}
		return dy[r*row : (r+1)*row]
	}
	inner := func(k int) []float32 { return rows[k][2*c : 2*c+row] }
	Add(inner(0), at(2*i), at(2*i+1))
	subtract(inner(1), at(2*i), at(2*i+2))
	subtract(inner(2), at(2*i-1), at(2*i+1))
	for k, q := range [3][3]int{
		{upPlain, upHorizontal, upHorizontal + 1},
		{upVertical, upBoth, upBoth + 1},
		{upVertical + 1, upBoth + 2, upBoth + 3},
	} {
		t := rows[k][2*c:]
		impl.addRows(g[q[0]*plane:], t, t[c:], 1, u.w, c, c, 2*c, 2*c)
		impl.addRows(g[q[1]*plane:], t, t[2*c:], -1, u.w, c, c, 2*c, 2*c)
		impl.addRows(g[q[2]*plane:], rows[k][c:], t[c:], -1, u.w, c, c, 2*c, 2*c)
	}
}

// productsGrad adds x' G.
func (u *UpsampleConv) productsGrad(dproducts, x, g []float32, plane, pixels int) {
	for q := range upProducts {
		for _, b := range u.out {
			t := gradTile{x: x, xStep: u.cin, dy: g[q*plane+b.channel:], dyStep: u.cout, rows: 1, cols: pixels,
				dw: dproducts[q*u.cin*u.cout+b.channel:], dwRow: u.cout, vectors: b.vectors, lanes: b.lanes}
			t.column(u.isa, u.cin)
		}
	}
}

// inputGrad sets dx to G w', or adds it.
func (u *UpsampleConv) inputGrad(dx, g, packed []float32, plane, pixels int, accumulate bool) {
	var taps [upProducts]tap
	for q := range taps {
		taps[q] = tap{x: q * plane, w: q * u.cout, k: u.cout}
	}
	for _, b := range u.in {
		row := b.vectors * u.isa.lanes()
		t := tile{x: g, xStep: u.cout, w: packed, wRow: row, dst: dx[b.channel:], dstStep: u.cin,
			taps: taps[:], vectors: b.vectors, lanes: b.lanes, accumulate: accumulate}
		t.row(u.isa, pixels)
		packed = packed[upProducts*u.cout*row:]
	}
}

// subtract computes y = a - b.
func subtract(y, a, b []float32) {
	if len(y) > 0 {
		impl.addRows(y, a, b, -1, 1, len(y), len(y), len(y), len(y))
	}
}

// negate computes y = -x.
func negate(y, x []float32) {
	copy(y, x)
	ScaleBy(y, -1)
}
