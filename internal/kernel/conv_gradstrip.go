package kernel

// gradStrip is the micro-kernel of WeightGrad for rows of three windows around a pixel: a few elements of x by one vector of
// channels, for the three windows at once, summed in registers over rows of the image. Each element of x is fetched once for
// the three. It equals
//
//	for e := range elements {
//		for c := range lanes {
//			for i := range 3 {
//				var sum float32
//				for r := range rows {
//					for p := range cols {
//						if q := p+i-1; 0 <= q && q < cols {
//							sum += x[r*xRow+q*xStep+e] * dy[r*dyRow+p*dyStep+c]
//						}
//					}
//				}
//				dw[i*dwWindow+e*dwRow+c] += sum
//			}
//		}
//	}
//
// Nothing is checked.
type gradStrip struct {
	dw, x, dy       []float32
	xRow, xStep     int
	dyRow, dyStep   int
	dwWindow, dwRow int
	rows, cols      int // at least 1
	elements        int // 1 to stripElements
	lanes           int

	// What is fetched into the cache meanwhile, with each row: so many cache lines of x and of dy, from so many elements behind
	// the row's first.
	fetch           int
	xAhead, dyAhead int
}

// stripElements is the largest number of elements in a gradStrip.
const stripElements = 8

// strips adds the gradient of tap i over so many rows from x and dy. They are gone through pass by pass, and each pass fetches
// its part of what lies band rows further.
func (g *weightGrad) strips(dw, x, dy []float32, i, rows, band int) {
	s, f := g.shape, &g.f
	xRow, dyRow := s.W*s.Cin, s.OutW()*s.Cout
	t := gradStrip{xRow: xRow, xStep: s.Cin, dyRow: dyRow, dyStep: s.Cout, rows: rows, cols: s.OutW(), dwWindow: s.Cin * s.Cout, dwRow: s.Cout}
	passes := len(f.taps) * ceilDiv(s.Cin, stripElements) * ceilDiv(s.Cout, g.isa.lanes())
	fetch := ceilDiv(cacheLines(max(xRow, dyRow)), passes)
	at := i * passes / len(f.taps) * fetch * 16
	for c := 0; c < s.Cout; c += g.isa.lanes() {
		t.dy, t.lanes = dy[c:], min(g.isa.lanes(), s.Cout-c)
		for e := 0; e < s.Cin; e += stripElements {
			t.x, t.elements = x[e:], min(stripElements, s.Cin-e)
			t.dw = dw[(f.taps[i].w+e)*s.Cout+c:]
			t.fetch = 0
			if at < max(xRow, dyRow) {
				t.fetch, t.xAhead, t.dyAhead = fetch, band*xRow+at-e, band*dyRow+at-c
			}
			at += fetch * 16
			t.run(g.isa)
		}
	}
}

// runGo is gradStrip in portable Go.
func (t *gradStrip) runGo() {
	for e := range t.elements {
		for i := range 3 {
			dw := t.dw[i*t.dwWindow+e*t.dwRow:][:t.lanes]
			for c := range dw {
				var sum float32
				for r := range t.rows {
					for p := max(0, 1-i); p < min(t.cols, t.cols+1-i); p++ {
						sum += float32(t.x[r*t.xRow+(p+i-1)*t.xStep+e] * t.dy[r*t.dyRow+p*t.dyStep+c])
					}
				}
				dw[c] += sum
			}
		}
	}
}
