package kernel

// weightGrad is the weight gradient of a convolution. The elements of x that one row of the kernel sees lie
// side by side, so that dw is summed in tiles of a few of them by a few vectors of output channels.
//
// Where there are so few output channels that most of a vector would stay empty, it is turned around: vectors
// are taken along x, rows of the tiles are output channels, and the sums wait in scratch to be added to dw.
type weightGrad struct {
	shape  ConvShape
	isa    isa
	f      correlation // forward, for its taps
	turned bool
	blocks []block // of one group's output channels, or of a tap's elements of x if turned
}

func planWeightGrad(s ConvShape, isa isa, p padding) weightGrad {
	f := forwardGroups(s, isa, 1)
	f.plan(p)
	g := weightGrad{shape: s, isa: isa, f: f, blocks: f.blocks}
	// It must pay for adding up dw at the end as well.
	depth, lanes := f.taps[0].k, isa.lanes() // all taps are alike
	if s.Groups == 1 && s.OutH()*s.OutW() >= 16 && 5*s.Cout*ceilDiv(depth, lanes) < 4*depth*ceilDiv(s.Cout, lanes) {
		g.turned = true
		g.blocks = splitChannels(depth, isa)
	}
	return g
}

// scratchLen is the length of the sums that run needs.
func (g *weightGrad) scratchLen() int {
	if g.turned {
		return g.shape.Weights()
	}
	return 0
}

// WeightGrad adds to dw, [KH][KW][Cin/Groups][Cout], the gradient by w of sum(y*dy).
func (c *Conv) WeightGrad(dw, x, dy, scratch []float32) {
	s := c.shape
	need("dw", len(dw), s.Weights())
	need("x", len(x), s.H*s.W*s.Cin)
	need("dy", len(dy), s.OutH()*s.OutW()*s.Cout)
	need("scratch", len(scratch), c.ScratchLen())
	x = c.padX.pad(scratch, x, s.H, s.W, s.Cin)
	c.weights.run(dw, x, dy, scratch[c.padX.scratchLen(s.H, s.W, s.Cin):])
}

// gradBand is the number of elements of x and dy that are gone through for all of dw before the next: few
// enough to be still in the cache.
const gradBand = 32 << 10

// run computes the gradient with a padded x.
func (g *weightGrad) run(dw, x, dy, sums []float32) {
	s, f := g.shape, &g.f
	sums = sums[:g.scratchLen()]
	clear(sums)
	xRow, dyRow := s.StrideH*f.srcRow, s.OutW()*s.Cout
	band := max(1, gradBand/(xRow+dyRow))
	for top := 0; top < s.OutH(); top += band {
		bottom := min(top+band, s.OutH())
		for i, tap := range f.taps {
			// Rows whose tap lies in the vertical padding are left out.
			first := max(top, ceilDiv(max(0, -f.tapRow[i]), s.StrideH))
			last := min(bottom-1, floorDiv(s.H-1-f.tapRow[i], s.StrideH))
			if last < first {
				continue
			}
			x, dy := x[first*xRow+tap.x:], dy[first*dyRow:]
			if g.turned {
				t := gradTile{x: dy, xRow: dyRow, xStep: s.Cout, dyRow: xRow, dyStep: s.StrideW * s.Cin,
					rows: last - first + 1, cols: s.OutW(), dwRow: s.Weights() / s.Cout}
				for _, b := range g.blocks {
					t.dy, t.dw = x[b.channel:], sums[tap.w+b.channel:]
					t.vectors, t.lanes = b.vectors, b.lanes
					t.column(g.isa, s.Cout)
				}
				continue
			}
			t := gradTile{xRow: xRow, xStep: s.StrideW * s.Cin, dyRow: dyRow, dyStep: s.Cout,
				rows: last - first + 1, cols: s.OutW(), dwRow: s.Cout, depthwise: f.depthwise, entryStep: f.tapStep * s.Cin}
			for group := range f.groups {
				for _, b := range g.blocks {
					channel := group*(s.Cout/f.groups) + b.channel
					t.x = x[f.channelAt(group, b):]
					t.dy, t.dw = dy[channel:], dw[tap.w*s.Cout+channel:]
					t.vectors, t.lanes = b.vectors, b.lanes
					t.column(g.isa, tap.k)
				}
			}
		}
	}
	for co := range s.Cout {
		for i := co; len(sums) > 0 && i < s.Weights(); i += s.Cout {
			dw[i] += sums[0]
			sums = sums[1:]
		}
	}
}
