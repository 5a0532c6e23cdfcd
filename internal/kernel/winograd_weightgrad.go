package kernel

// winogradGrad is the weight gradient that belongs to winograd, the same identity transposed: for each tile of 2x2 pixels
// of dy and the 4x4 pixels of x that they have seen,
//
//	dw = G' [ sum over tiles of (B' x B) . (A dy A') ] G
//
// with 16 multiplications for each tile, where the definition has 36. What is in the brackets, [16][Cin][Cout], is
// summed over all images before it is brought back.
type winogradGrad struct{ winograd }

// scratchLen is the length of the scratch that run needs.
func (g *winogradGrad) scratchLen() int {
	f := &g.winograd
	return f.w*f.cin + f.cols*f.cout + winogradPlanes*(f.planeLen(f.cin)+f.planeLen(f.cout))
}

// productsLen is the length of the sums.
func (g *winogradGrad) productsLen() int { return winogradPlanes * g.cin * g.cout }

// run adds images to the sums.
func (g *winogradGrad) run(sums, x, dy, scratch []float32, images int) {
	f := &g.winograd
	s := upScratch(scratch)
	zero, below := s.take(f.w*f.cin), s.take(f.cols*f.cout)
	clear(zero)
	clear(below)
	in, out := f.planeLen(f.cin), f.planeLen(f.cout)
	v, d := s.take(winogradPlanes*in), s.take(winogradPlanes*out)
	for first := 0; first < images*f.down; {
		rows := f.gradBand(first, images)
		f.input(v, x, zero, first, rows)
		t := winogradTiles{columns: f.cols, step: f.cout, channels: f.cout, tiles: f.across, plane: out}
		for i := range rows {
			f.pixels(&t, dy, below, first+i, 0)
			t.planes = d[i*f.across*f.cout:]
			t.spread(f.isa)
		}
		nextX, nextDy := f.bandAhead(x, first, rows), f.bandWritten(dy, first+rows, rows)
		nextDy.write = false
		size := f.cin * f.cout
		for q := range winogradPlanes {
			nextX.piece(q, winogradPlanes)
			nextDy.piece(q, winogradPlanes)
			if first == 0 {
				coming := ahead{near: sums, at: (q + 1) * size, lines: cacheLines(size), write: true}
				coming.piece(0, 1)
			}
			// Image by image: sums are the same then, however many of them go together.
			for i := 0; i < rows; i += f.down {
				tiles := min(f.down, rows-i) * f.across
				for _, b := range f.blocks {
					p := gradTile{x: v[q*in+i*f.across*f.cin:], xStep: f.cin, dy: d[q*out+i*f.across*f.cout+b.channel:], dyStep: f.cout,
						rows: 1, cols: tiles, dw: sums[q*size+b.channel:], dwRow: f.cout, vectors: b.vectors, lanes: b.lanes}
					p.column(f.isa, f.cin)
				}
			}
		}
		first += rows
	}
}

// gradBand returns how many rows of tiles from the first on go together: whole images, or a part of one.
func (f *winograd) gradBand(first, images int) int {
	if f.band < f.down {
		return min(f.band, f.down-first%f.down)
	}
	return min(f.band/f.down*f.down, images*f.down-first)
}

// Products is the number of products whose gradients WeightGrad adds up, or 0 where it adds up that of the weights.
func (c *Conv) Products() int {
	if c.fast.weights == nil {
		return 0
	}
	return winogradPlanes
}

// ProductsGrad adds to elements [i0, i1) of every tap of dw, [3][3][Cin*Cout], what the gradients of the products'
// weights, [Products][Cin*Cout], say about them.
func (c *Conv) ProductsGrad(dw, dproducts []float32, i0, i1 int) {
	n := c.shape.Cin * c.shape.Cout
	need("dw", len(dw), 9*n)
	need("products", len(dproducts), winogradPlanes*n)
	buffer := winogradBuffers.Get().(*winogradBuffer)
	defer winogradBuffers.Put(buffer)
	for ; i0 < i1; i0 += winogradRun {
		buffer.bringBack(dw[i0:], dproducts[i0:], n, min(winogradRun, i1-i0))
	}
}
