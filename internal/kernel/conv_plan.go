package kernel

import (
	"cmp"
	"slices"
)

// forwardCorrelation returns the forward pass of s: of the sizes of groups of pixels, the one that costs
// least.
func forwardCorrelation(s ConvShape, isa isa) correlation {
	best := forwardGroups(s, isa, 1)
	for n := 2; n <= maxGroup(s.Cout, s.Groups, isa); n++ {
		if f := forwardGroups(s, isa, n); f.cost() < best.cost() {
			best = f
		}
	}
	return best
}

func forwardGroups(s ConvShape, isa isa, pixels int) correlation {
	f := correlation{
		isa: isa, groups: s.Groups, depthwise: s.depthwise(), pixels: pixels,
		h: s.H, w: s.W, cin: s.Cin, stepY: s.StrideH, stepX: pixels * s.StrideW,
		rows: s.OutH(), width: s.OutW(), cout: s.Cout, dstRow: s.OutW() * s.Cout, dstStep: pixels * s.Cout,
		dst: s.OutH() * s.OutW() * s.Cout,
	}
	if f.depthwise {
		f.groups = 1
	}
	f.windows = findWindows(s, pixels,
		func(ky int) (int, bool) { return ky*s.DilH - s.PadTop, true },
		func(pixel, kx int) (int, bool) { return pixel*s.StrideW + kx*s.DilW - s.PadLeft, true })
	return f
}

// backwardCorrelations returns the input gradient of s. With stride S, dx[iy] meets dy[(iy+PadTop-ky*DilH)/S]
// for those ky that make this whole: rows with the same residue modulo S are a correlation of dy of their
// own, and so are columns, unless it costs less to treat a few columns as a group.
func backwardCorrelations(s ConvShape, isa isa) []correlation {
	var all []correlation
	packed := 0
	for row := range min(s.StrideH, s.H) {
		var best []correlation
		for column := range min(s.StrideW, s.W) {
			best = append(best, backwardGroups(s, isa, row, column, 1, s.StrideW))
		}
		for n := s.StrideW; n <= maxGroup(s.Cin, s.Groups, isa); n += s.StrideW {
			if f := backwardGroups(s, isa, row, 0, n, n); f.cost() < totalCost(best) {
				best = []correlation{f}
			}
		}
		for _, f := range best {
			f.packedAt = packed
			packed += f.packedLen()
			all = append(all, f)
		}
	}
	return all
}

// backwardGroups returns the gradient of every StrideH-th row from row, and of groups of so many pixels, the
// first at column, at distances of step pixels.
func backwardGroups(s ConvShape, isa isa, row, column, pixels, step int) correlation {
	f := correlation{
		isa: isa, groups: s.Groups, depthwise: s.depthwise(), pixels: pixels,
		h: s.OutH(), w: s.OutW(), cin: s.Cout, stepY: 1, stepX: step / s.StrideW,
		rows: ceilDiv(s.H-row, s.StrideH), cout: s.Cin,
		dstAt: (row*s.W + column) * s.Cin, dstRow: s.StrideH * s.W * s.Cin, dstStep: step * s.Cin,
		dst: s.H * s.W * s.Cin,
	}
	f.width = s.W // of pixels that belong to groups
	if pixels == 1 {
		f.width = ceilDiv(s.W-column, step)
	}
	if f.depthwise {
		f.groups = 1
	}
	f.windows = findWindows(s, pixels,
		func(ky int) (int, bool) {
			y := row + s.PadTop - ky*s.DilH
			return y / s.StrideH, y%s.StrideH == 0
		},
		func(pixel, kx int) (int, bool) {
			x := column + pixel + s.PadLeft - kx*s.DilW
			return x / s.StrideW, x%s.StrideW == 0
		})
	return f
}

// depthwise reports whether every channel is convolved by itself.
func (s ConvShape) depthwise() bool { return s.Groups > 1 && s.Groups == s.Cin && s.Groups == s.Cout }

// maxGroup is the largest group of pixels whose channels fit into a vector; pixels of split channels are
// not grouped.
func maxGroup(channels, groups int, isa isa) int {
	if groups > 1 {
		return 1
	}
	return isa.lanes() / channels
}

// cost is the number of vector multiply-adds for each row and input channel.
func (f *correlation) cost() int {
	return f.cols() * len(f.windows) * ceilDiv(f.pixels*f.cout/f.groups, f.isa.lanes())
}

func totalCost(fs []correlation) int {
	sum := 0
	for i := range fs {
		sum += fs[i].cost()
	}
	return sum
}

// findWindows returns what the kernel positions, mapped to source offsets by y and x, see for a group of
// pixels. Positions that are not mapped are left out.
func findWindows(s ConvShape, pixels int, y func(ky int) (int, bool), x func(pixel, kx int) (int, bool)) []window {
	type offset struct{ y, x int }
	at := map[offset]int{} // in windows
	var windows []window
	for ky := range s.KH {
		wy, ok := y(ky)
		if !ok {
			continue
		}
		for kx := range s.KW {
			for pixel := range pixels {
				wx, ok := x(pixel, kx)
				if !ok {
					continue
				}
				i, seen := at[offset{wy, wx}]
				if !seen {
					i = len(windows)
					at[offset{wy, wx}] = i
					windows = append(windows, window{wy, wx, slices.Repeat([]int{-1}, pixels)})
				}
				windows[i].kernel[pixel] = ky*s.KW + kx
			}
		}
	}
	slices.SortFunc(windows, func(a, b window) int { return cmp.Or(a.y-b.y, a.x-b.x) })
	return windows
}
