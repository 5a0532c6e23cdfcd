package intkernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A copy puts every element where its index says, whether rows, columns and channels are chosen each for itself or not.
func TestCopy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	src := Map{H: 4, W: 5, C: 6, Top: 1, Side: 1}
	x := randomImage(r, src, 3)
	at := func(c, y, col int) int32 { return int32((c*src.H+y)*src.W + col) }
	for name, tt := range map[string]struct {
		dst   Map
		count int
		f     func(c, y, x int) int32
	}{
		"same":          {Map{H: 4, W: 5, C: 6}, 6, at},
		"every second":  {Map{H: 2, W: 3, C: 6, Side: 1}, 6, func(c, y, x int) int32 { return at(c, 2*y, 2*x) }},
		"option A":      {Map{H: 2, W: 3, C: 10}, 10, func(c, y, x int) int32 { return insideOr(c >= 2 && c < 8, at(c-2, 2*y, 2*x)) }},
		"padded":        {Map{H: 6, W: 9, C: 6}, 6, func(c, y, x int) int32 { return insideOr(y > 0 && y < 5 && x > 1 && x < 7, at(c, y-1, x-2)) }},
		"nearest":       {Map{H: 8, W: 10, C: 6}, 6, func(c, y, x int) int32 { return at(c, y/2, x/2) }},
		"shuffle":       {Map{H: 4, W: 5, C: 6}, 6, func(c, y, x int) int32 { return at(c%2*3+c/2, y, x) }},
		"joined":        {Map{H: 4, W: 5, C: 9}, 6, at},
		"transposed":    {Map{H: 5, W: 4, C: 6}, 6, func(c, y, x int) int32 { return at(c, x, y) }},
		"part of order": {Map{H: 1, W: 1, C: 120}, 120, func(c, _, _ int) int32 { return int32(c) }},
	} {
		t.Run(name, func(t *testing.T) {
			var index []int32
			for c := range tt.count {
				for y := range tt.dst.H {
					for x := range tt.dst.W {
						index = append(index, tt.f(c, y, x))
					}
				}
			}
			c0 := tt.dst.C - tt.count
			k := NewCopy(tt.dst, c0, src, index, 77)
			table := [256]uint8(randomBytes(r, 256))
			for _, through := range []*[256]uint8{nil, &table} {
				y := randomImage(r, tt.dst, 9)
				before := slices.Clone(y)
				k.Run(y, x, through, 0, tt.dst.H)
				plane := tt.dst.H * tt.dst.W
				for i, from := range index {
					p, c := i%plane, i/plane
					want := uint8(77)
					if from >= 0 {
						q := int(from) % (src.H * src.W)
						want = x[src.At(q/src.W, q%src.W)+int(from)/(src.H*src.W)]
					}
					if through != nil {
						want = table[want]
					}
					if got := y[tt.dst.At(p/tt.dst.W, p%tt.dst.W)+c0+c]; got != want {
						t.Fatalf("element %d: %d, want %d", i, got, want)
					}
				}
				for c := range c0 {
					if at := tt.dst.At(0, 0) + c; y[at] != before[at] {
						t.Error("other channels changed")
					}
				}
			}
		})
	}
}

func insideOr(inside bool, at int32) int32 {
	if inside {
		return at
	}
	return -1
}

func TestMaxPool(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, w := range []Window{
		{2, 2, 2, 2, 1, 1, 0, 0}, {3, 3, 2, 2, 1, 1, 1, 1}, {5, 5, 1, 1, 1, 1, 2, 2}, {13, 13, 1, 1, 1, 1, 6, 6}, {1, 3, 1, 1, 1, 1, 0, 1},
		{3, 1, 2, 1, 1, 1, 1, 0}, {3, 3, 1, 1, 2, 2, 2, 2}, {2, 3, 1, 2, 3, 2, 1, 1}, {3, 2, 2, 1, 1, 4, 2, 1}, {4, 1, 1, 1, 2, 1, 3, 0},
	} {
		in := Map{H: 9, W: 11, C: 5, Side: 1}
		out := Map{H: (in.H+2*w.PadTop-(w.KH-1)*w.DilH-1)/w.StrideH + 1, W: (in.W+2*w.PadLeft-(w.KW-1)*w.DilW-1)/w.StrideW + 1, C: 5, Top: 1, Side: 2}
		x, y := randomImage(r, in, 200), make([]uint8, out.Size())
		for i := range 3 {
			MaxPool(y, out, x, in, w, i, 3)
		}
		for row := range out.H {
			for col := range out.W {
				for c := range in.C {
					want := int32(0)
					for ky := range w.KH {
						for kx := range w.KW {
							want = max(want, pixelOr(x, in, row*w.StrideH+ky*w.DilH-w.PadTop, col*w.StrideW+kx*w.DilW-w.PadLeft, c, 0))
						}
					}
					if got := y[out.At(row, col)+c]; int32(got) != want {
						t.Fatalf("%+v: pixel %d,%d channel %d: %d, want %d", w, row, col, c, got, want)
					}
				}
			}
		}
	}
}
