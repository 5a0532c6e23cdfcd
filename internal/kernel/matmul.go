package kernel

import "sync"

// MatMul sets C, m by n, to the product of A, m by k, and B, k by n, or adds it if accumulate. Matrices are
// dense and row-major.
func MatMul(c, a, b []float32, m, k, n int, accumulate bool) {
	matMul(selected, c, a, b, m, k, n, 0, n, accumulate)
}

// MatMulColumns is MatMul for the columns from..to of B and C alone: the way to share a product whose B is large, as each
// part of it is then read once.
func MatMulColumns(c, a, b []float32, m, k, n, from, to int, accumulate bool) {
	matMul(selected, c, a, b, m, k, n, from, to, accumulate)
}

// MatMulTA adds to C, m by n, the product of the transpose of A, k by m, and B, k by n: the gradient of a
// linear layer's weights, or the Gram matrix of A's columns. Matrices are dense and row-major.
func MatMulTA(c, a, b []float32, m, k, n int) {
	matMulTA(selected, c, a, b, m, k, n)
}

// A product is cut into blocks of m and k such that a block of A fits into the second-level cache beside a
// panel of B, which is as wide as a tile. Large operands are copied block by block: in place, their rows
// would lie a power of two apart as often as not and share few sets of the cache.
const (
	matMulDepth  = 256 // of k
	matMulHeight = 168 // of m; a multiple of 6, 8, 12 and 14 pixels
	matMulWidth  = 32  // of n; the widest tile
	// Rows of copies are an odd number of cache lines apart.
	depthStride  = matMulDepth + 16
	heightStride = matMulHeight + 8
)

// matMulBuffer holds copies of a block of A, in either orientation, and of a panel of B.
type matMulBuffer struct {
	a [matMulHeight * depthStride]float32
	b [matMulDepth * matMulWidth]float32
}

var matMulBuffers = sync.Pool{New: func() any { return new(matMulBuffer) }}

func matMul(isa isa, c, a, b []float32, m, k, n, left, right int, accumulate bool) {
	need("C", len(c), m*n)
	need("A", len(a), m*k)
	need("B", len(b), k*n)
	if k == 0 && !accumulate {
		for i := range m {
			clear(c[i*n+left : i*n+right])
		}
	}
	buffer := matMulBuffers.Get().(*matMulBuffer)
	defer matMulBuffers.Put(buffer)
	large := right-left > 2*matMulWidth // then A is gone through often enough to be copied
	for top := 0; top < m; top += matMulHeight {
		height := min(matMulHeight, m-top)
		for from := 0; from < k; from += matMulDepth {
			depth := min(matMulDepth, k-from)
			taps := [1]tap{{k: depth}}
			block, stride := a[top*k+from:], k
			if k > matMulDepth && large {
				copyRows(buffer.a[:], depthStride, block, stride, height, depth)
				block, stride = buffer.a[:], depthStride
			}
			for at := left; at < right; {
				p := blockAt(at, right, isa)
				at += p.width(isa)
				t := tile{x: block, xStep: stride, w: b[from*n+p.channel:], wRow: n, dst: c[top*n+p.channel:], dstStep: n,
					taps: taps[:], vectors: p.vectors, lanes: p.lanes, accumulate: accumulate || from > 0}
				// Where B is read only once, copying it is of no use unless its last columns fill no vector.
				if height > isa.pixels(p.vectors) || p.lanes < isa.lanes() {
					t.wRow = p.vectors * isa.lanes()
					t.w = buffer.panel(t.w, n, depth, t.wRow, p.width(isa))
				}
				t.row(isa, height)
			}
		}
	}
}

func matMulTA(isa isa, c, a, b []float32, m, k, n int) {
	need("C", len(c), m*n)
	need("A", len(a), k*m)
	need("B", len(b), k*n)
	buffer := matMulBuffers.Get().(*matMulBuffer)
	defer matMulBuffers.Put(buffer)
	large := n > 2*matMulWidth // then A is gone through often enough to be copied
	for top := 0; top < m; top += matMulHeight {
		height := min(matMulHeight, m-top)
		for from := 0; from < k; from += matMulDepth {
			depth := min(matMulDepth, k-from)
			block, stride := a[from*m+top:], m
			if m > matMulHeight && large {
				copyRows(buffer.a[:], heightStride, block, stride, depth, height)
				block, stride = buffer.a[:], heightStride
			}
			for at := 0; at < n; {
				p := blockAt(at, n, isa)
				at += p.width(isa)
				t := gradTile{x: block, xStep: stride, dy: b[from*n+p.channel:], dyStep: n, dw: c[top*n+p.channel:], dwRow: n,
					rows: 1, cols: depth, vectors: p.vectors, lanes: p.lanes}
				if height > isa.pixels(p.vectors) && large {
					t.dyStep = p.vectors * isa.lanes()
					t.dy = buffer.panel(t.dy, n, depth, t.dyStep, p.width(isa))
				}
				t.column(isa, height)
			}
		}
	}
}

// panel copies depth rows of B, stride apart, and fills them up with zeros from used to width.
func (buf *matMulBuffer) panel(b []float32, stride, depth, width, used int) []float32 {
	if used < width {
		clear(buf.b[:depth*width])
	}
	copyRows(buf.b[:], width, b, stride, depth, used)
	return buf.b[:depth*width]
}
