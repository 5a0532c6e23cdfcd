package kernel

// winogradTiles is a row of Winograd's tiles for the loops that go between pixels and the 16 planes of products. Each
// equals one of
//
//	input:  planes[4*r+k] of a tile = B' d B,  of the 4x4 pixels d from row 0, column 2*j-left
//	spread: planes[4*r+k] of a tile = A d A',  of the 2x2 pixels d from row 0, column 2*j
//	output: 2x2 pixels from row 0, column 2*j = A' p A, of a tile's planes p, or added if accumulate
//
// for tiles j = 0, 1, ... and every channel, with, for a column of four,
//
//	B' d = (d0-d2, d1+d2, d2-d1, d1-d3)
//	A' p = (p0+(p1+p2), (p1-p2)-p3)
//	A d  = (d0, d0+d1, d0-d1, d1)
//
// along columns first, then along rows. A is that of A', but for the sign of its last row, which saves negations and
// is made up for where the sums are used. Pixels in columns that there are not are zero, and not written.
//
// There are additions only, in this order: all instruction sets give the same bits. Nothing is checked.
type winogradTiles struct {
	rows     [4][]float32 // of pixels: 4 that are read, or the first 2 of them
	columns  int          // pixels in a row
	left     int          // columns before the first that the first tile covers
	step     int          // elements between pixels
	channels int          // whole vectors
	tiles    int          // at least 1

	planes     []float32
	plane      int // elements between planes; those between tiles are the channels
	accumulate bool
}

const (
	winogradPlanes = 16 // products
	winogradLanes  = 16 // channels are a multiple of it: whole vectors on all kernel paths
)

func (t *winogradTiles) inputGo() {
	for j := range t.tiles {
		for c := range t.channels {
			var d [4][4]float32
			for r, row := range t.rows {
				for k := range 4 {
					if col := 2*j + k - t.left; col >= 0 && col < t.columns {
						d[r][k] = row[col*t.step+c]
					}
				}
			}
			for k := range 4 {
				d[0][k], d[1][k], d[2][k], d[3][k] = d[0][k]-d[2][k], d[1][k]+d[2][k], d[2][k]-d[1][k], d[1][k]-d[3][k]
			}
			p := t.planes[j*t.channels+c:]
			for r, d := range d {
				p[(4*r+0)*t.plane] = d[0] - d[2]
				p[(4*r+1)*t.plane] = d[1] + d[2]
				p[(4*r+2)*t.plane] = d[2] - d[1]
				p[(4*r+3)*t.plane] = d[1] - d[3]
			}
		}
	}
}

func (t *winogradTiles) spreadGo() {
	for j := range t.tiles {
		for c := range t.channels {
			var d [4][2]float32
			for k := range 2 {
				if col := 2*j + k; col < t.columns {
					a, b := t.rows[0][col*t.step+c], t.rows[1][col*t.step+c]
					d[0][k], d[1][k], d[2][k], d[3][k] = a, a+b, a-b, b
				}
			}
			p := t.planes[j*t.channels+c:]
			for r, d := range d {
				p[(4*r+0)*t.plane] = d[0]
				p[(4*r+1)*t.plane] = d[0] + d[1]
				p[(4*r+2)*t.plane] = d[0] - d[1]
				p[(4*r+3)*t.plane] = d[1]
			}
		}
	}
}

func (t *winogradTiles) outputGo() {
	for j := range t.tiles {
		for c := range t.channels {
			p := t.planes[j*t.channels+c:]
			var s [2][4]float32
			for k := range 4 {
				p0, p1, p2, p3 := p[k*t.plane], p[(4+k)*t.plane], p[(8+k)*t.plane], p[(12+k)*t.plane]
				s[0][k], s[1][k] = p0+(p1+p2), (p1-p2)-p3
			}
			for r, s := range s {
				for k, y := range [2]float32{s[0] + (s[1] + s[2]), (s[1] - s[2]) - s[3]} {
					col := 2*j + k
					if col >= t.columns {
						continue
					}
					if t.accumulate {
						y += t.rows[r][col*t.step+c]
					}
					t.rows[r][col*t.step+c] = y
				}
			}
		}
	}
}
