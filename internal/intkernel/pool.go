package intkernel

// Window is one that slides over an image.
type Window struct {
	KH, KW           int
	StrideH, StrideW int
	PadTop, PadLeft  int
}

// MaxPool fills part i of n of the rows of an image with the largest of each window of the image x; what is outside of x
// does not count. Every window has a pixel inside.
func MaxPool(dst []uint8, m Map, x []uint8, in Map, w Window, i, n int) {
	width := in.W * in.Pixel()
	for y := m.H * i / n; y < m.H*(i+1)/n; y++ {
		y0, y1 := max(0, y*w.StrideH-w.PadTop), min(in.H, y*w.StrideH-w.PadTop+w.KH)
		row := dst[m.At(y, 0):m.At(y, m.W)]
		for v := y0; v < y1; v++ {
			src := x[in.At(v, 0):][:width]
			maxRow(row, m, src, in, w, v == y0)
		}
	}
}

// maxRow takes a row of x into a row of the result, the first one of the windows or another.
func maxRow(row []uint8, m Map, src []uint8, in Map, w Window, first bool) {
	pixel := in.Pixel()
	if w.StrideW > 1 {
		for o := range m.W {
			y := row[o*pixel : (o+1)*pixel]
			x0, x1 := max(0, o*w.StrideW-w.PadLeft), min(in.W, o*w.StrideW-w.PadLeft+w.KW)
			for v := x0; v < x1; v++ {
				x := src[v*pixel : (v+1)*pixel]
				if first && v == x0 {
					copy(y, x)
				} else {
					Maximum(y, y, x)
				}
			}
		}
		return
	}
	// One position of the window at a time, for all pixels that have it inside; the first is the one that all have.
	order := func(k int) (o0, o1, at int) { // result pixels o0 to o1 read from at on
		shift := k - w.PadLeft
		o0, o1 = max(0, -shift), min(m.W, in.W-shift)
		return o0, o1, o0 + shift
	}
	if first { // positions left of a pixel's first one inside do not count: the largest of what follows is at least that
		for o := range m.W {
			v := min(max(o-w.PadLeft, 0), in.W-1)
			copy(row[o*pixel:(o+1)*pixel], src[v*pixel:])
		}
	}
	for k := range w.KW {
		o0, o1, at := order(k)
		if o0 >= o1 {
			continue
		}
		y := row[o0*pixel : o1*pixel]
		Maximum(y, y, src[at*pixel:][:len(y)])
	}
}
