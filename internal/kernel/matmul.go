package kernel

import "sync"

// MatMul sets C, m by n, to the product of A, m by k, and B, k by n, or adds it if accumulate. Matrices are
// dense and row-major.
func MatMul(c, a, b []float32, m, k, n int, accumulate bool) {
	matMul(selected, c, a, b, m, k, n, accumulate)
}

// MatMulTA adds to C, m by n, the product of the transpose of A, k by m, and B, k by n: the gradient of a
// linear layer's weights, or the Gram matrix of A's columns. Matrices are dense and row-major.
func MatMulTA(c, a, b []float32, m, k, n int) {
	matMulTA(selected, c, a, b, m, k, n)
}

// A product is cut into depths of matMulDepth and heights of matMulHeight, such that a block of A fits into
// the second-level cache beside one column of vectors of B.
const (
	matMulDepth  = 256
	matMulHeight = 336 // a multiple of the tiles' 1, 2, 6, 12, 14 and 16 pixels
)

// panel holds matMulDepth rows of B's vectors side by side: in B they lie a whole row apart, which for a
// power of two fills few sets of the cache.
type panel [matMulDepth * 32]float32

var panels = sync.Pool{New: func() any { return new(panel) }}

func matMul(isa isa, c, a, b []float32, m, k, n int, accumulate bool) {
	need("C", len(c), m*n)
	need("A", len(a), m*k)
	need("B", len(b), k*n)
	if k == 0 && !accumulate {
		clear(c[:m*n])
	}
	packed := panels.Get().(*panel)
	defer panels.Put(packed)
	blocks := splitChannels(n, isa)
	for top := 0; top < m; top += matMulHeight {
		rows := min(matMulHeight, m-top)
		for from := 0; from < k; from += matMulDepth {
			depth := min(matMulDepth, k-from)
			taps := [1]tap{{k: depth}}
			for _, bl := range blocks {
				t := tile{x: a, xAt: top*k + from, xStep: k, dst: c[top*n+bl.channel:], dstStep: n, taps: taps[:],
					vectors: bl.vectors, lanes: bl.lanes, accumulate: accumulate || from > 0}
				if rows > isa.pixels(bl.vectors) || bl.lanes < isa.lanes() {
					t.w, t.wRow = packed.pack(b[from*n+bl.channel:], depth, n, bl, isa)
				} else { // every row of B is read once
					t.w, t.wRow = b[from*n+bl.channel:], n
				}
				t.row(isa, rows)
			}
		}
	}
}

// pack copies the columns of bl from depth rows of B, filled up with zeros to whole vectors. It returns the
// copy and the length of its rows.
func (p *panel) pack(b []float32, depth, n int, bl block, isa isa) ([]float32, int) {
	width, used := bl.vectors*isa.lanes(), (bl.vectors-1)*isa.lanes()+bl.lanes
	for k := range depth {
		row := p[k*width : (k+1)*width]
		clear(row[copy(row, b[k*n:k*n+used]):])
	}
	return p[:depth*width], width
}

func matMulTA(isa isa, c, a, b []float32, m, k, n int) {
	need("C", len(c), m*n)
	need("A", len(a), k*m)
	need("B", len(b), k*n)
	packed := panels.Get().(*panel)
	defer panels.Put(packed)
	blocks := splitChannels(n, isa)
	for from := 0; from < k; from += matMulDepth {
		depth := min(matMulDepth, k-from)
		for _, bl := range blocks {
			t := gradTile{x: a[from*m:], xStep: m, dy: b[from*n+bl.channel:], dyStep: n, dw: c[bl.channel:], dwRow: n,
				rows: 1, cols: depth, vectors: bl.vectors, lanes: bl.lanes}
			if m > isa.pixels(bl.vectors) && len(blocks) > 4 {
				t.dy, t.dyStep = packed.pack(t.dy, depth, n, bl, isa)
			}
			t.column(isa, m)
		}
	}
}
