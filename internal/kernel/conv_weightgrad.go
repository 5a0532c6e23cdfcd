package kernel

// weightGrad is the weight gradient of a convolution. The elements of x that one row of the kernel sees lie
// side by side, so that dw is summed in tiles of a few of them by a few vectors of output channels.
//
// Where there are so few output channels that most of a vector would stay empty, it is turned around: vectors
// are taken along x, rows of the tiles are output channels, and the sums wait in scratch to be added to dw.
type weightGrad struct {
	shape    ConvShape
	isa      isa
	f        correlation // forward, for its taps
	turned   bool
	inStrips bool    // x is not padded
	blocks   []block // of one group's output channels, or of a tap's elements of x if turned
}

func planWeightGrad(s ConvShape, isa isa, p padding) weightGrad {
	f := forwardGroups(s, isa, 1)
	f.plan(p)
	g := weightGrad{shape: s, isa: isa, f: f, blocks: f.blocks}
	// It must pay for adding up dw at the end as well: more so where there are few pixels at a time for each weight.
	depth, lanes := f.taps[0].k, isa.lanes() // all taps are alike
	gain, of := 5, 4
	if f.flat {
		gain, of = 2, 1
	}
	if s.Groups == 1 && s.OutH()*s.OutW() >= 16 && gain*s.Cout*ceilDiv(depth, lanes) < of*depth*ceilDiv(s.Cout, lanes) {
		g.turned = true
		g.blocks = splitChannels(depth, isa)
		return g
	}
	if f.inStencils() {
		g.f.stencil, g.f.zeros = true, make([]float32, f.w*f.cin)
		g.f.plan(p)
		return g
	}
	// Few pixels are not worth that sums are loaded and stored for every eight elements.
	if f.inStrips() && s.OutH()*s.OutW() >= 32 {
		g.inStrips, g.f.strips = true, true
		g.f.plan(p)
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

// WeightGrad adds to dw, [KH][KW][Cin/Groups][Cout], the gradient by w of sum(y*dy), or, where there are Products, to
// dw, [Products][Cin][Cout], the gradients by their weights, which ProductsGrad turns into that by w.
func (c *Conv) WeightGrad(dw, x, dy, scratch []float32) { c.WeightGradBatch(1, dw, x, dy, scratch) }

// WeightGradBatch is WeightGrad for so many images, one after the other in x and dy.
func (c *Conv) WeightGradBatch(images int, dw, x, dy, scratch []float32) {
	c.needImages(images, dy, x, "dy", "x")
	need("scratch", len(scratch), c.BatchScratchLen(images))
	if g := c.fast.weights; g != nil {
		need("dw", len(dw), g.productsLen())
		g.run(dw, x, dy, scratch, images)
		return
	}
	need("dw", len(dw), c.shape.Weights())
	s := c.shape
	x = c.weights.f.pad.pad(scratch, x, images, s.H, s.W, s.Cin)
	c.weights.run(dw, x, dy, scratch[images*c.weights.f.pad.scratchLen(s.H, s.W, s.Cin):], images)
}

// gradBand is the number of elements of x and dy that are gone through for all of dw before the next: few
// enough to be still in the cache.
const gradBand = 32 << 10

// run computes the gradient with padded images x.
func (g *weightGrad) run(dw, x, dy, sums []float32, images int) {
	s, f := g.shape, &g.f
	sums = sums[:g.scratchLen()]
	clear(sums)
	if f.flat {
		g.rows(dw, x, dy, sums, images*s.H, images*s.H, s.OutW())
	} else {
		for i := range images {
			g.rows(dw, x[i*f.src:], dy[i*f.dst:], sums, s.H, s.OutH(), s.OutW())
		}
	}
	g.turn(dw, sums)
}

// pixels computes the gradient with n pixels that are flat.
func (g *weightGrad) pixels(n int, dw, x, dy, sums []float32) {
	sums = sums[:g.scratchLen()]
	clear(sums)
	g.rows(dw, x, dy, sums, n, n, 1)
	g.turn(dw, sums)
}

// turn adds the sums, if there are any, to dw.
func (g *weightGrad) turn(dw, sums []float32) {
	s := g.shape
	for co := range s.Cout {
		for i := co; len(sums) > 0 && i < s.Weights(); i += s.Cout {
			dw[i] += sums[0]
			sums = sums[1:]
		}
	}
}

// rows adds the gradient of so many rows of x and dy, the latter of so many columns. A band of them is as large as dw, which is loaded and stored once
// for each.
func (g *weightGrad) rows(dw, x, dy, sums []float32, xRows, dyRows, cols int) {
	s, f := g.shape, &g.f
	if f.stencil {
		g.stencils(dw, x, dy, 0, dyRows)
		return
	}
	xRow, dyRow := s.StrideH*f.srcRow, cols*s.Cout
	if f.flat {
		xRow = cols * s.Cin
	}
	band := max(1, max(gradBand, s.Weights())/(xRow+dyRow))
	band = ceilDiv(dyRows, ceilDiv(dyRows, band)) // alike
	for top := 0; top < dyRows; top += band {
		bottom := min(top+band, dyRows)
		for i, tap := range f.taps {
			// Rows whose tap lies in the vertical padding are left out.
			first := max(top, ceilDiv(max(0, -f.tapRow[i]), s.StrideH))
			last := min(bottom-1, floorDiv(xRows-1-f.tapRow[i], s.StrideH))
			if last < first {
				continue
			}
			if g.inStrips {
				g.strips(dw, x[(first+f.tapRow[i])*xRow:], dy[first*dyRow:], i, last-first+1, band)
				continue
			}
			x, dy := x[first*xRow+tap.x:], dy[first*dyRow:]
			if g.turned {
				t := gradTile{x: dy, xRow: dyRow, xStep: s.Cout, dyRow: xRow, dyStep: s.StrideW * s.Cin,
					rows: last - first + 1, cols: cols, dwRow: s.Weights() / s.Cout}
				for _, b := range g.blocks {
					t.dy, t.dw = x[b.channel:], sums[tap.w+b.channel:]
					t.vectors, t.lanes = b.vectors, b.lanes
					t.column(g.isa, s.Cout)
				}
				continue
			}
			t := gradTile{xRow: xRow, xStep: s.StrideW * s.Cin, dyRow: dyRow, dyStep: s.Cout,
				rows: last - first + 1, cols: cols, dwRow: s.Cout, depthwise: f.depthwise, entryStep: f.tapStep * s.Cin}
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
}
