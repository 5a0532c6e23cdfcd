package kernel

// area is a rectangle of the destination whose pixels see the same windows, the others being in the padding: the
// interior, an edge or a corner. With areas, the source needs no padded copy, and nothing is multiplied by its zeros.
type area struct {
	row, rows, col, cols int
	taps                 []tap
}

// An interior narrower than fewColumns would leave the multipliers waiting for its sums.
const fewColumns = 4

// split cuts the destination into areas, where that is better than to pad the source: where the edges are single runs
// of pixels around an interior that is wide enough.
func (f *correlation) split() {
	if f.inStencils() {
		f.stencil, f.zeros = true, make([]float32, f.w*f.cin)
		return
	}
	if f.inStrips() {
		f.strips, f.zeros = true, make([]float32, f.cin)
		return
	}
	if f.columns() == (padding{}) || f.pixels > 1 || f.depthwise && f.cin%f.isa.lanes() != 0 {
		return
	}
	rows, cols := f.runsOf(f.rows, f.insideRows), f.runsOf(f.width, f.insideCols)
	if len(rows) > 3 || len(cols) > 3 {
		return
	}
	widest := 0
	for _, c := range cols {
		widest = max(widest, c[1])
	}
	if widest < fewColumns {
		return
	}
	for _, r := range rows {
		for _, c := range cols {
			f.areas = append(f.areas, area{row: r[0], rows: r[1], col: c[0], cols: c[1]})
		}
	}
}

// runsOf cuts n rows or columns of the destination into runs [first, length] whose pixels see the same windows.
func (f *correlation) runsOf(n int, inside func(v window, i int) bool) (runs [][2]int) {
	for i := range n {
		alike := i > 0
		for _, v := range f.windows {
			alike = alike && inside(v, i) == inside(v, i-1)
		}
		if alike {
			runs[len(runs)-1][1]++
			continue
		}
		runs = append(runs, [2]int{i, 1})
	}
	return runs
}

// insideRows reports whether the window of a pixel in that row lies in a row of the source, insideCols whether that of
// one in that column lies in a column of it.
func (f *correlation) insideRows(v window, row int) bool {
	y := row*f.stepY + v.y
	return y >= 0 && y < f.h
}

func (f *correlation) insideCols(v window, col int) bool {
	x := col*f.stepX + v.x
	return x >= 0 && x < f.w
}

// runAreas computes rows top to bottom of images area by area. With more than one image, those are all rows.
func (f *correlation) runAreas(dst, src, packed []float32, images, top, bottom int, accumulate bool) {
	together := images
	if f.packedLen() <= fewWeights {
		together = 1
	}
	for first := 0; first < images; first += together {
		for g := range f.groups {
			for i, b := range f.blocks {
				t := f.tile(src, packed, g, i, accumulate)
				for image := first; image < min(first+together, images); image++ {
					t.x = src[image*f.src:]
					for _, a := range f.areas {
						a.rows = min(a.row+a.rows, bottom)
						a.row = max(a.row, top)
						a.rows -= a.row
						if a.rows <= 0 {
							continue
						}
						for r := range a.lines() {
							f.line(&t, &a, r, dst[image*f.dst:], top, f.channelAt(g, b), g*(f.cout/f.groups)+b.channel)
						}
					}
				}
			}
		}
	}
}

// upright reports whether the area is gone through column by column.
func (a *area) upright() bool { return a.rows > a.cols }

// lines is the number of rows, or columns, that the area is gone through by.
func (a *area) lines() int { return min(a.rows, a.cols) }

// line computes a row or column of an area, for the channels at from of the source and at into of the destination, which
// begins with row top.
func (f *correlation) line(t *tile, a *area, i int, dst []float32, top, from, into int) {
	row, col, n := a.row, a.col, a.cols
	if a.upright() {
		col, n = col+i, a.rows
		t.xStep, t.dstStep = f.stepY*f.srcRow, f.dstRow
	} else {
		row += i
		t.xStep, t.dstStep = f.stepX*f.cin, f.dstStep
	}
	t.taps = a.taps
	t.xAt = row*f.stepY*f.srcRow + col*f.stepX*f.cin + from
	t.dst = dst[f.dstAt+(row-top)*f.dstRow+col*f.dstStep+into:]
	t.row(f.isa, n)
}
