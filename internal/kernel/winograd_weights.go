package kernel

import "sync"

// Weights go through Winograd's transforms in runs of a few hundred, as rows of the loops over whole arrays.
const winogradRun = 512

// winogradBuffer holds a run of the nine taps, of what is between the two halves of a transform, and one more row.
type winogradBuffer struct {
	taps   [9][winogradRun]float32
	halves [12][winogradRun]float32
	spare  [winogradRun]float32
}

var winogradBuffers = sync.Pool{New: func() any { return new(winogradBuffer) }}

// combine computes y = a + k*b for rows of the same length. All factors are powers of two: there is no rounding but
// that of the sum.
func combine(y, a []float32, k float32, b []float32) {
	n := len(y)
	impl.addRows(y, a, b, k, 1, n, n, n, n)
}

// packedLen is the length of the weights in the order run reads them: [block][plane][cin][channels of the block].
func (f *winograd) packedLen() int { return winogradPlanes * f.cin * f.cout }

// pack brings G w G' of weights w, [3][3][cin][cout], into order, or, turned around, of those [3][3][cout][cin].
func (f *winograd) pack(packed, w []float32, transposed bool) {
	buffer := winogradBuffers.Get().(*winogradBuffer)
	defer winogradBuffers.Put(buffer)
	position := f.cin * f.cout
	for _, b := range f.blocks {
		width := b.width(f.isa)
		plane := f.cin * width
		for k := 0; k < f.cin; k += winogradRun / width {
			depth := min(winogradRun/width, f.cin-k)
			for tap := range buffer.taps {
				if transposed {
					copyTransposed(buffer.taps[8-tap][:], width, w[tap*position+b.channel*f.cin+k:], f.cin, width, depth)
				} else {
					copyRows(buffer.taps[tap][:], width, w[tap*position+k*f.cout+b.channel:], f.cout, depth, width)
				}
			}
			buffer.transform(packed[k*width:], plane, depth*width)
		}
		packed = packed[winogradPlanes*plane:]
	}
}

// transform writes G g G' of a run of n taps g to planes, for a column of three
//
//	G g = (g0, (g0+g2)/2 + g1/2, (g0+g2)/2 - g1/2, g2)
func (buf *winogradBuffer) transform(planes []float32, plane, n int) {
	half := func(y1, y2, g0, g1, g2 []float32) {
		t := buf.spare[:n]
		Add(t, g0, g2)
		ScaleBy(t, 0.5)
		combine(y1, t, 0.5, g1)
		combine(y2, t, -0.5, g1)
	}
	for k := range 3 {
		half(buf.halves[3+k][:n], buf.halves[6+k][:n], buf.taps[k][:n], buf.taps[3+k][:n], buf.taps[6+k][:n])
	}
	for r := range 4 {
		s := buf.halves[3*r:]
		switch r {
		case 0:
			s = buf.taps[:]
		case 3:
			s = buf.taps[6:]
		}
		row := func(k int) []float32 { return planes[(4*r+k)*plane:][:n] }
		copy(row(0), s[0][:n])
		half(row(1), row(2), s[0][:n], s[1][:n], s[2][:n])
		copy(row(3), s[2][:n])
	}
}

// bringBack adds G' s G of a run of n sums s in planes to dw, whose taps are as far apart, for a column of four
//
//	G' s = (s0 + (s1+s2)/2, (s1-s2)/2, (s1+s2)/2 - s3)
//
// with s3 of the sign that winogradTiles gives it. Until they are added, values are twice and four times as large.
func (buf *winogradBuffer) bringBack(dw, planes []float32, plane, n int) {
	double := func(y0, y1, y2, s0, s1, s2, s3 []float32) {
		t := buf.spare[:n]
		Add(t, s1, s2)
		combine(y0, t, 2, s0)
		combine(y1, s1, -1, s2)
		combine(y2, t, -2, s3)
	}
	for k := range 4 {
		s := func(r int) []float32 { return planes[(4*r+k)*plane:][:n] }
		double(buf.halves[k][:n], buf.halves[4+k][:n], buf.halves[8+k][:n], s(0), s(1), s(2), s(3))
	}
	for r := range 3 {
		s, y := buf.halves[4*r:], buf.taps[3*r:]
		double(y[0][:n], y[1][:n], y[2][:n], s[0][:n], s[1][:n], s[2][:n], s[3][:n])
		for k := range 3 {
			Axpy(dw[(3*r+k)*plane:][:n], 0.25, y[k][:n])
		}
	}
}
