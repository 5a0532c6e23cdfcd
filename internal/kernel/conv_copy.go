package kernel

// padding is the number of zero columns that the rows of an image are surrounded by in scratch. Rows need
// none: taps above and below the image are left out. After the last row there may be slack, elements that are
// read along with others but not used.
type padding struct{ left, right, slack int }

func (p padding) union(q padding) padding {
	return padding{max(p.left, q.left), max(p.right, q.right), max(p.slack, q.slack)}
}

// scratchLen is the length of the padded copy, 0 where none is needed.
func (p padding) scratchLen(h, w, c int) int {
	if p == (padding{}) {
		return 0
	}
	return h*(p.left+w+p.right)*c + p.slack
}

// pad copies images x into scratch with their padding, or returns x where there is none.
func (p padding) pad(scratch, x []float32, images, h, w, c int) []float32 {
	if p == (padding{}) {
		return x
	}
	size := p.scratchLen(h, w, c)
	for i := range images {
		p.padImage(scratch[i*size:(i+1)*size], x[i*h*w*c:(i+1)*h*w*c], h, w, c)
	}
	return scratch[:images*size]
}

func (p padding) padImage(padded, x []float32, h, w, c int) {
	at := 0
	for r := range h {
		clear(padded[at : at+p.left*c])
		at += p.left * c
		at += copy(padded[at:], x[r*w*c:(r+1)*w*c])
		clear(padded[at : at+p.right*c])
		at += p.right * c
	}
}

// copyRows copies rows of n elements, dstStride and srcStride apart.
func copyRows(dst []float32, dstStride int, src []float32, srcStride, rows, n int) {
	for r := range rows {
		copy(dst[r*dstStride:][:n], src[r*srcStride:][:n])
	}
}

// copyTransposed copies rows of n elements, srcStride apart, to columns, whose rows are dstStride apart.
func copyTransposed(dst []float32, dstStride int, src []float32, srcStride, rows, n int) {
	for r := range rows {
		at := r
		for _, v := range src[r*srcStride:][:n] {
			dst[at] = v
			at += dstStride
		}
	}
}
