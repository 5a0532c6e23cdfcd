package intkernel

// Window is one that slides over an image.
type Window struct {
	KH, KW           int
	StrideH, StrideW int
	DilH, DilW       int // of an average: 1
	PadTop, PadLeft  int
}

// rows returns the first row of the windows of row y of the result that lies in an image of h rows, and the end of them: rows
// are DilH apart.
func (w Window) rows(y, h int) (y0, y1 int) { return inside(y*w.StrideH-w.PadTop, w.KH, w.DilH, h) }

// columns is rows for the columns of an image.
func (w Window) columns(x, width int) (x0, x1 int) {
	return inside(x*w.StrideW-w.PadLeft, w.KW, w.DilW, width)
}

// inside returns the bounds of those of k places from first on, by steps, that are among 0 to n.
func inside(first, k, step, n int) (from, to int) {
	to = min(first+(k-1)*step+1, n)
	if first < 0 {
		first += (step - 1 - first) / step * step
	}
	return first, to
}

// MaxPool fills part i of n of the rows of an image with the largest of each window of the image x; what is outside of x
// does not count. Every window has a pixel inside.
func MaxPool(dst []uint8, m Map, x []uint8, in Map, w Window, i, n int) {
	width := in.W * in.Pixel()
	for y := m.H * i / n; y < m.H*(i+1)/n; y++ {
		y0, y1 := w.rows(y, in.H)
		row := dst[m.At(y, 0):m.At(y, m.W)]
		for v := y0; v < y1; v += w.DilH {
			src := x[in.At(v, 0):][:width]
			maxRow(row, m, src, in, w, v == y0)
		}
	}
}

// maxRow takes a row of x into a row of the result, the first one of the windows or another.
func maxRow(row []uint8, m Map, src []uint8, in Map, w Window, first bool) {
	pixel := in.Pixel()
	if w.StrideW > 1 || w.DilW > 1 {
		for o := range m.W {
			y := row[o*pixel : (o+1)*pixel]
			x0, x1 := w.columns(o, in.W)
			for v := x0; v < x1; v += w.DilW {
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

// Average is an average over windows in one of two ways. The pixels of a window are those inside of the image, or, with
// CountPad, all of them, and what is outside is zero.
//
// Float, as ONNX Runtime does it, all in float32 and in the order of rows and columns:
//
//	q = clamp(round(Σ Scale*(x - Zero) / pixels / OutScale + OutZero), QMin, QMax)     halves to even
//
// Fixed: Σ (x - Zero) requantized by Scale/(OutScale*pixels).
type Average struct {
	Window
	CountPad bool

	zero     int32
	values   [256]float32 // of the integers of x
	outScale float32
	outZero  float32
	lo, hi   float32
	fixed    []*Requant // for each number of pixels; nil: float
}

// NewAverage returns the average of a tensor with a scale and zero point as integers from qmin to qmax.
func NewAverage(w Window, countPad bool, scale float32, zero int32, outScale float32, outZero, qmin, qmax int32, fixed bool) *Average {
	a := &Average{Window: w, CountPad: countPad, zero: zero}
	if fixed {
		for n := range w.KH*w.KW + 1 {
			a.fixed = append(a.fixed, NewRequant([]float32{scale / (outScale * float32(max(n, 1)))}, outZero, qmin, qmax, true))
		}
		return a
	}
	for q := range a.values {
		a.values[q] = float32(int32(q)-zero) * scale
	}
	a.outScale, a.outZero = outScale, float32(outZero)
	a.lo, a.hi = float32(qmin), float32(qmax)
	return a
}

// Run fills part i of n of the rows of an image with the averages of the image x.
func (a *Average) Run(dst []uint8, m Map, x []uint8, in Map, i, n int) {
	for y := m.H * i / n; y < m.H*(i+1)/n; y++ {
		y0, y1 := a.rows(y, in.H)
		for col := range m.W {
			x0, x1 := a.columns(col, in.W)
			pixels := (y1 - y0) * (x1 - x0)
			if a.CountPad {
				pixels = a.KH * a.KW
			}
			to := dst[m.At(y, col):][:m.C]
			for c := range to {
				to[c] = a.one(x, in, c, y0, y1, x0, x1, pixels)
			}
		}
	}
}

func (a *Average) one(x []uint8, in Map, c, y0, y1, x0, x1, pixels int) uint8 {
	if a.fixed != nil {
		sum := int32(0)
		for v := y0; v < y1; v++ {
			for u := x0; u < x1; u++ {
				sum += int32(x[in.At(v, u)+c]) - a.zero
			}
		}
		return a.fixed[pixels].One(sum, 0)
	}
	sum := float32(0)
	for v := y0; v < y1; v++ {
		for u := x0; u < x1; u++ {
			sum += a.values[x[in.At(v, u)+c]]
		}
	}
	mean := sum / float32(pixels)
	return uint8(clampRound(float32(mean/a.outScale)+a.outZero, a.lo, a.hi))
}
