package kernel

// stencil is the micro-kernel of depthwise correlations with windows of three by three pixels, the middle one of which is
// a pixel of the source at a multiple of stride: rows of pixels by a few vectors of channels, whose weights stay in
// registers for all of them. Each element of x is fetched once for a few pixels of a row. It equals
//
//	for r := range rows {
//		for p := range cols {
//			for c := range (vectors-1)*L + lanes {
//				var sum float32
//				for i := range 3 {
//					for j := range 3 {
//						sum += x[xAt+(stride*r+i-1)*xRow+(stride*p+j-1)*step+c] * w[(3*i+j)*vectors*L+c]
//					}
//				}
//				dst[r*dstRow+p*step+c] = sum // += if accumulate
//			}
//		}
//	}
//
// with L the lanes of the instruction set, but that column -1 of x is zero, and so are row -1 if top, the row below the
// others if bottom and the column behind the others if right. The order of the sum is not defined. Nothing is checked.
type stencil struct {
	dst, x, w          []float32
	zeros              []float32 // a row of them
	xAt                int
	xRow, dstRow       int
	step               int // between pixels, of x and of dst
	stride             int // 1 or 2
	rows, cols         int // at least 1
	vectors            int // 1 or 2
	lanes              int // channels in the last vector, 1 to L
	top, bottom, right bool
	accumulate         bool
}

// gradStencil is the micro-kernel of the weight gradient of such correlations. It equals
//
//	for i := range 3 {
//		for j := range 3 {
//			for c := range (vectors-1)*L + lanes {
//				var sum float32
//				for r := range rows {
//					for p := range cols {
//						sum += x[xAt+(stride*r+i-1)*xRow+(stride*p+j-1)*step+c] * dy[r*dyRow+p*step+c]
//					}
//				}
//				dw[(3*i+j)*dwRow+c] += sum
//			}
//		}
//	}
//
// with the zeros of stencil.
type gradStencil struct {
	dw, x, dy          []float32
	zeros              []float32
	xAt                int
	xRow, dyRow, dwRow int
	step               int
	stride             int
	rows, cols         int
	vectors            int
	lanes              int
	top, bottom, right bool
}

// inStencils reports whether f can be computed by stencil.
func (f *correlation) inStencils() bool {
	if f.isa != isaAVX512 || !f.depthwise || f.stepX != f.stepY || f.stepX > 2 || f.dstStep != f.cout || len(f.windows) != 9 {
		return false
	}
	for i, v := range f.windows {
		if v.y != i/3-1 || v.x != i%3-1 {
			return false
		}
	}
	// Of what lies below and to the right, the windows see one row and column at most.
	return (f.rows-1)*f.stepY+1 <= f.h && (f.width-1)*f.stepX+1 <= f.w
}

// runStencils computes rows top to bottom of images, with the first of which dst begins. With more than one image, those
// are all rows.
func (f *correlation) runStencils(dst, src, packed []float32, images, top, bottom int, accumulate bool) {
	lanes := f.isa.lanes()
	t := stencil{zeros: f.zeros, xRow: f.srcRow, dstRow: f.dstRow, step: f.cin, stride: f.stepX, rows: bottom - top, cols: f.width,
		top: top == 0, bottom: f.below(bottom), right: f.right(), accumulate: accumulate}
	for image := range images {
		t.x = src[image*f.src:]
		for _, b := range f.blocks {
			t.vectors, t.lanes = b.vectors, b.lanes
			t.w = packed[9*b.channel : 9*(b.channel+b.vectors*lanes)]
			t.xAt = top*f.stepY*f.srcRow + b.channel
			t.dst = dst[image*f.dst+b.channel:]
			t.run(f.isa)
		}
	}
}

// below reports whether the last of the rows to bottom sees one below the image, right the same of columns.
func (f *correlation) below(bottom int) bool { return (bottom-1)*f.stepY+1 == f.h }
func (f *correlation) right() bool           { return (f.width-1)*f.stepX+1 == f.w }

// stencils adds the gradient of rows top to bottom of dy, whose image x and dy are.
func (g *weightGrad) stencils(dw, x, dy []float32, top, bottom int) {
	f := &g.f
	t := gradStencil{x: x, zeros: f.zeros, xRow: f.srcRow, dyRow: f.dstRow, dwRow: f.cout, step: f.cin, stride: f.stepX, rows: bottom - top, cols: f.width,
		top: top == 0, bottom: f.below(bottom), right: f.right()}
	for _, b := range f.blocks {
		t.vectors, t.lanes = b.vectors, b.lanes
		t.xAt = top*f.stepY*f.srcRow + b.channel
		t.dy, t.dw = dy[top*f.dstRow+b.channel:], dw[b.channel:]
		t.run(g.isa)
	}
}

// runGo is stencil in portable Go.
func (t *stencil) runGo(lanes int) {
	width := t.vectors * lanes
	for r := range t.rows {
		for p := range t.cols {
			dst := t.dst[r*t.dstRow+p*t.step:]
			for c := range width - lanes + t.lanes {
				var sum float32
				for i := range 3 {
					for j := range 3 {
						if stencilZero(r, p, i, j, t.rows, t.cols, t.top, t.bottom, t.right) {
							continue
						}
						sum += float32(t.x[t.xAt+(t.stride*r+i-1)*t.xRow+(t.stride*p+j-1)*t.step+c] * t.w[(3*i+j)*width+c])
					}
				}
				if t.accumulate {
					sum += dst[c]
				}
				dst[c] = sum
			}
		}
	}
}

// runGo is gradStencil in portable Go.
func (t *gradStencil) runGo(lanes int) {
	for i := range 3 {
		for j := range 3 {
			for c := range (t.vectors-1)*lanes + t.lanes {
				var sum float32
				for r := range t.rows {
					for p := range t.cols {
						if stencilZero(r, p, i, j, t.rows, t.cols, t.top, t.bottom, t.right) {
							continue
						}
						sum += float32(t.x[t.xAt+(t.stride*r+i-1)*t.xRow+(t.stride*p+j-1)*t.step+c] * t.dy[r*t.dyRow+p*t.step+c])
					}
				}
				t.dw[(3*i+j)*t.dwRow+c] += sum
			}
		}
	}
}

// stencilZero reports whether window i, j of the pixel in row r and column p is one of the zeros.
func stencilZero(r, p, i, j, rows, cols int, top, bottom, right bool) bool {
	return i == 0 && r == 0 && top || i == 2 && r == rows-1 && bottom || j == 0 && p == 0 || j == 2 && p == cols-1 && right
}
