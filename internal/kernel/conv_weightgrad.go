package kernel

// WeightGrad adds to dw, [KH][KW][Cin/Groups][Cout], the gradient by w of sum(y*dy).
func (c *Conv) WeightGrad(dw, x, dy, scratch []float32) {
	s, f := c.shape, &c.forward
	outH, outW := s.OutH(), s.OutW()
	need("dw", len(dw), s.Weights())
	need("x", len(x), s.H*s.W*s.Cin)
	need("dy", len(dy), outH*outW*s.Cout)
	need("scratch", len(scratch), c.ScratchLen())
	x = c.padX.pad(scratch, x, s.H, s.W, s.Cin)

	t := gradTile{xRow: s.StrideH * f.srcRow, xStep: s.StrideW * s.Cin, dyRow: outW * s.Cout, dyStep: s.Cout, dwRow: s.Cout, cols: outW}
	// A few rows at a time, so that they are still in the cache when the next entries want them.
	band := max(1, gradBand/(t.xRow+t.dyRow))
	for top := 0; top < outH; top += band {
		bottom := min(top+band, outH)
		for i, tap := range f.taps {
			// Rows whose tap lies in the vertical padding are left out.
			first := max(top, ceilDiv(max(0, -f.tapRow[i]), s.StrideH))
			last := min(bottom-1, floorDiv(s.H-1-f.tapRow[i], s.StrideH))
			if last < first {
				continue
			}
			t.rows = last - first + 1
			for g := range s.Groups {
				t.x = x[first*t.xRow+tap.x+g*(s.Cin/s.Groups):]
				for _, b := range f.blocks {
					channel := g*(s.Cout/s.Groups) + b.channel
					t.dy = dy[first*t.dyRow+channel:]
					t.dw = dw[tap.w*s.Cout+channel:]
					t.vectors, t.lanes = b.vectors, b.lanes
					t.column(c.isa, tap.k)
				}
			}
		}
	}
}

// gradBand is the number of floats of x and dy that one band of WeightGrad covers.
const gradBand = 32 << 10

// column computes n entries, cut into tiles as equal as can be.
func (t gradTile) column(isa isa, n int) {
	for tiles := ceilDiv(n, isa.pixels(t.vectors)); tiles > 0; tiles-- {
		t.entries = ceilDiv(n, tiles)
		t.run(isa)
		n -= t.entries
		if n > 0 {
			t.x = t.x[t.entries:]
			t.dw = t.dw[t.entries*t.dwRow:]
		}
	}
}
