package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// winogradShapes are of odd and even sizes, with less and more padding than the usual, with more tiles than go together
// in a row and in an image, and too small for weight gradients.
func winogradShapes() []ConvShape {
	var shapes []ConvShape
	for _, s := range [][8]int{ // height, width, channels, padding: top, left, bottom, right
		{8, 8, 32, 64, 1, 1, 1, 1}, {7, 9, 48, 32, 1, 1, 1, 1}, {4, 4, 32, 32, 1, 1, 1, 1}, {5, 7, 32, 48, 2, 2, 2, 2},
		{6, 9, 64, 32, 0, 0, 0, 0}, {9, 10, 32, 32, 0, 1, 2, 1}, {10, 7, 32, 32, 2, 0, 1, 2}, {4, 139, 32, 32, 1, 1, 1, 1},
		{13, 24, 32, 32, 1, 0, 1, 2}, {4, 5, 48, 64, 1, 1, 1, 1},
	} {
		shapes = append(shapes, ConvShape{H: s[0], W: s[1], Cin: s[2], Cout: s[3], KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
			PadTop: s[4], PadLeft: s[5], PadBottom: s[6], PadRight: s[7], Groups: 1})
	}
	return shapes
}

func TestWinograd(t *testing.T) {
	for _, isa := range supported() {
		t.Run(isa.String(), func(t *testing.T) {
			for i, s := range winogradShapes() {
				t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
					c := newConv(s, isa, true)
					if c.fast.forward == nil || c.fast.backward == nil {
						t.Fatal("by the definition")
					}
					checkConv(t, s, c)
					if i%3 == 0 {
						checkConvBatch(t, s, c, 3)
					}
				})
			}
		})
	}
}

// Which sums an image's pixels and a batch's weight gradients are does not depend on how many images go together.
func TestWinogradOfParts(t *testing.T) {
	const images = 5
	for _, s := range winogradShapes()[:8] {
		c := NewConv(s)
		r := rand.New(rand.NewPCG(3, 4))
		xn, yn := s.H*s.W*s.Cin, s.OutH()*s.OutW()*s.Cout
		x, dy := normal(r, images*xn), normal(r, images*yn)
		n := s.Weights()
		if c.Products() > 0 {
			n = c.Products() * s.Cin * s.Cout
		}
		scratch := make([]float32, c.BatchScratchLen(images))
		together, apart := make([]float32, n), make([]float32, n)
		c.WeightGradBatch(images, together, x, dy, scratch)
		c.WeightGradBatch(2, apart, x, dy, scratch)
		c.WeightGradBatch(3, apart, x[2*xn:], dy[2*yn:], scratch)
		for i, v := range apart {
			if v != together[i] {
				t.Fatalf("%+v: sum %d of the weight gradient is %v in parts, %v together", s, i, v, together[i])
			}
		}
	}
}

// The loops over tiles are additions in one order: the same bits on all paths.
func TestWinogradTiles(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, isa := range supported() {
		for _, s := range []struct{ tiles, columns, left, channels, more int }{
			{1, 1, 0, 16, 0}, {1, 2, 1, 32, 16}, {2, 3, 1, 48, 0}, {3, 6, 0, 16, 32}, {4, 7, 2, 64, 0}, {5, 10, 1, 16, 16}, {6, 11, 2, 32, 0},
		} {
			step := s.channels + s.more
			plane := s.tiles*s.channels + 16
			pixels := func() (rows [4][]float32) {
				for i := range rows {
					rows[i] = fenced(t, (s.columns-1)*step+s.channels)
					copy(rows[i], normal(r, len(rows[i])))
				}
				return rows
			}
			base := winogradTiles{columns: s.columns, left: s.left, step: step, channels: s.channels, tiles: s.tiles, plane: plane}
			for name, f := range map[string][2]func(*winogradTiles){
				"input":  {(*winogradTiles).inputGo, func(t *winogradTiles) { t.input(isa) }},
				"spread": {(*winogradTiles).spreadGo, func(t *winogradTiles) { t.spread(isa) }},
				"output": {(*winogradTiles).outputGo, func(t *winogradTiles) { t.output(isa) }},
				"output, accumulating": {
					func(t *winogradTiles) { t.accumulate = true; t.outputGo() },
					func(t *winogradTiles) { t.accumulate = true; t.output(isa) },
				},
			} {
				want, got := base, base
				want.rows, want.planes = pixels(), normal(r, (winogradPlanes-1)*plane+s.tiles*s.channels)
				planes := newOperand(t, len(want.planes), 0)
				copy(planes.data, want.planes)
				got.planes = planes.data
				for i, row := range want.rows {
					got.rows[i] = fenced(t, len(row))
					copy(got.rows[i], row)
				}
				if name != "input" {
					want.left, got.left = 0, 0
				}
				f[0](&want)
				f[1](&got)
				if hashBits(got.planes) != hashBits(want.planes) || hashBits(got.rows[:]...) != hashBits(want.rows[:]...) {
					t.Errorf("%v: %s %+v differs from the portable loop", isa, name, s)
				}
				if err := planes.intact(); err != nil {
					t.Errorf("%v: %s %+v: %v", isa, name, s, err)
				}
			}
		}
	}
}

// Winograd's algorithm rounds more than the definition in places, but not much: the errors that the documentation of
// winograd states, for each pass, against float64.
func TestWinogradError(t *testing.T) {
	s := ConvShape{H: 16, W: 16, Cin: 64, Cout: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
		PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1}
	r := rand.New(rand.NewPCG(7, 8))
	x, w, dy := normal(r, s.H*s.W*s.Cin), normal(r, s.Weights()), normal(r, s.H*s.W*s.Cout)
	wantY, wantDx, wantDw := naiveConv(s, x, w, dy)
	errors := func(c *Conv) [3]float64 {
		packed, scratch := make([]float32, max(c.PackedLen(), c.PackedGradLen())), make([]float32, c.ScratchLen())
		y, dx, dw := make([]float32, len(dy)), make([]float32, len(x)), make([]float32, len(w))
		c.Pack(packed, w)
		c.Forward(y, x, packed, scratch)
		c.PackGrad(packed, w)
		c.InputGrad(dx, dy, packed, scratch, false)
		addWeightGrad(c, dw, x, dy, scratch, 1)
		return [3]float64{relativeError(y, wantY), relativeError(dx, wantDx), relativeError(dw, wantDw)}
	}
	for _, isa := range supported() {
		fast, direct := errors(newConv(s, isa, true)), errors(newConv(s, isa, false))
		for i, pass := range []string{"y", "dx", "dw"} {
			t.Logf("%v: error of %s %.2g, by the definition %.2g", isa, pass, fast[i], direct[i])
			if !(fast[i] < 6e-7) {
				t.Errorf("%v: error of %s is %.2g", isa, pass, fast[i])
			}
		}
	}
}

// relativeError is the root mean square of the differences, relative to that of what is wanted.
func relativeError(got []float32, want []float64) float64 {
	var off, all float64
	for i, v := range want {
		off += (float64(got[i]) - v) * (float64(got[i]) - v)
		all += v * v
	}
	return math.Sqrt(off / all)
}

// Sums of integers are exact by the definition, and not by Winograd's algorithm.
func TestDirectConvIsExact(t *testing.T) {
	s := winogradShapes()[0]
	s.Cin = 96
	r := rand.New(rand.NewPCG(9, 10))
	integers := func(n int, limit int32) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.Int32N(limit + 1))
		}
		return v
	}
	x, w := integers(s.H*s.W*s.Cin, 255), integers(s.Weights(), 127)
	want, _, _ := naiveConv(s, x, w, make([]float32, s.OutH()*s.OutW()*s.Cout))
	rounded := func(c *Conv) (n int) {
		packed, y := make([]float32, c.PackedLen()), make([]float32, len(want))
		c.Pack(packed, w)
		c.Forward(y, x, packed, make([]float32, c.ScratchLen()))
		for i, v := range want {
			if float64(y[i]) != v {
				n++
			}
		}
		return n
	}
	if n := rounded(NewDirectConv(s)); n > 0 {
		t.Errorf("%d sums of %d are not exact", n, len(want))
	}
	if rounded(newConv(s, selected, true)) == 0 {
		t.Error("Winograd's algorithm is exact: these integers are too small to tell")
	}
}

// The choice of the algorithm goes by the shape.
func TestWinogradPays(t *testing.T) {
	ok := winogradShapes()[0]
	if !ok.winogradPays() {
		t.Errorf("not for %+v", ok)
	}
	for name, change := range map[string]func(*ConvShape){
		"few input channels":  func(s *ConvShape) { s.Cin = 16 },
		"few output channels": func(s *ConvShape) { s.Cout = 16 },
		"part of a vector":    func(s *ConvShape) { s.Cin = 40 },
		"1x1":                 func(s *ConvShape) { s.KH, s.KW = 1, 1 },
		"5x3":                 func(s *ConvShape) { s.KH = 5 },
		"stride":              func(s *ConvShape) { s.StrideW = 2 },
		"dilation":            func(s *ConvShape) { s.DilH = 2 },
		"groups":              func(s *ConvShape) { s.Groups = 2 },
		"much padding":        func(s *ConvShape) { s.PadTop = 3 },
		"small image":         func(s *ConvShape) { s.H = 3 },
		"small result":        func(s *ConvShape) { s.W, s.PadLeft, s.PadRight = 5, 0, 0 },
	} {
		s := ok
		change(&s)
		if s.winogradPays() {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, s := range []struct{ hw, c, products int }{{8, 64, winogradPlanes}, {7, 64, winogradPlanes}, {6, 64, 0}, {14, 256, winogradPlanes}, {14, 512, 0}} {
		k := ok
		k.H, k.W, k.Cin, k.Cout = s.hw, s.hw, s.c, s.c
		if got := newConv(k, isaGo, true).Products(); got != s.products {
			t.Errorf("%+v: %d products", s, got)
		}
	}
}
