package intkernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachFamily runs a test with every implementation that this machine has.
func eachFamily(t *testing.T, test func(t *testing.T, f *family)) {
	for i, f := range families() {
		t.Run(fmt.Sprint(i, f.name), func(t *testing.T) { test(t, f) })
	}
}

// randomImage returns an image with its border filled, and rubbish between channels and behind.
func randomImage(r *rand.Rand, m Map, zero uint8) []uint8 {
	x := make([]uint8, m.Size()+Slack)
	for i := range x {
		x[i] = uint8(r.Uint32())
	}
	m.FillBorder(x, 0, m.H, zero)
	return x
}

// pixelOr returns a byte of an image, or zero outside of it.
func pixelOr(x []uint8, m Map, y, col, c int, zero uint8) int32 {
	if y < 0 || y >= m.H || col < 0 || col >= m.W {
		return int32(zero)
	}
	return int32(x[m.At(y, col)+c])
}

// sumOf is the definition of a convolution's sum.
func sumOf(s ConvShape, x []uint8, w []int16, bias []int32, zero uint8, y, col, o int) int32 {
	sum := bias[o]
	cin, cout := s.In.C/s.Groups, s.Out.C/s.Groups
	for i := range cin {
		for ky := range s.KH {
			for kx := range s.KW {
				v := pixelOr(x, s.In, y*s.StrideH+ky*s.DilH-s.PadTop, col*s.StrideW+kx*s.DilW-s.PadLeft, o/cout*cin+i, zero)
				sum += (v - int32(zero)) * int32(w[((o*cin+i)*s.KH+ky)*s.KW+kx])
			}
		}
	}
	return sum
}

type convCase struct {
	h, w, cin, cout, k, stride, dil, pad, groups int
}

func (c convCase) String() string {
	return fmt.Sprintf("%dx%d %d>%d k%d s%d d%d p%d g%d", c.h, c.w, c.cin, c.cout, c.k, c.stride, c.dil, c.pad, c.groups)
}

func (c convCase) shape() ConvShape {
	out := func(n int) int { return (n+2*c.pad-(c.k-1)*c.dil-1)/c.stride + 1 }
	return ConvShape{
		In:  Map{H: c.h, W: c.w, C: c.cin, Top: c.pad, Bottom: c.pad, Side: c.pad},
		Out: Map{H: out(c.h), W: out(c.w), C: c.cout, Top: 1, Side: 1},
		KH:  c.k, KW: c.k, StrideH: c.stride, StrideW: c.stride, DilH: c.dil, DilW: c.dil,
		PadTop: c.pad, PadLeft: c.pad, Groups: c.groups,
	}
}

var convCases = []convCase{
	{5, 7, 3, 16, 3, 1, 1, 1, 1},
	{8, 8, 16, 16, 3, 1, 1, 1, 1},
	{9, 33, 16, 5, 3, 1, 1, 1, 1},
	{6, 31, 5, 33, 3, 2, 1, 1, 1},
	{4, 29, 24, 48, 1, 1, 1, 0, 1},
	{7, 7, 9, 75, 1, 1, 1, 0, 1},
	{1, 1, 64, 100, 1, 1, 1, 0, 1},
	{3, 2, 7, 61, 1, 1, 1, 0, 1},
	{9, 9, 8, 20, 1, 2, 1, 0, 1},
	{11, 12, 6, 8, 5, 1, 1, 2, 1},
	{11, 12, 6, 8, 3, 1, 2, 2, 1},
	{6, 6, 6, 9, 3, 1, 1, 1, 3},
	{6, 6, 24, 48, 1, 1, 1, 0, 2},
	{6, 6, 8, 16, 3, 1, 1, 1, 8},
	{8, 9, 16, 16, 3, 1, 1, 1, 16},
	{8, 9, 24, 24, 3, 2, 1, 1, 24},
	{5, 6, 35, 35, 5, 1, 1, 2, 35},
	{7, 6, 96, 96, 3, 1, 1, 1, 96},
	{7, 6, 110, 110, 3, 1, 2, 2, 110},
	{9, 6, 64, 64, 1, 1, 1, 0, 64},
	{7, 21, 16, 16, 3, 1, 1, 1, 16},
	{4, 1, 64, 64, 3, 1, 1, 1, 64},
	{4, 2, 40, 40, 3, 1, 1, 1, 40},
	{4, 13, 68, 68, 3, 1, 1, 1, 68},
	{7, 3, 10, 10, 5, 1, 1, 2, 10},
	{5, 18, 24, 24, 3, 1, 2, 2, 24},
	{5, 18, 2, 2, 3, 1, 1, 1, 2},
}

func TestConv(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for _, c := range convCases {
			for _, limit := range []int{7, 127, 255} {
				for _, fixed := range []bool{false, true} {
					t.Run(fmt.Sprintf("%v/%d/%v", c, limit, fixed), func(t *testing.T) { testConv(t, f, c, limit, fixed) })
				}
			}
		}
	})
}

func testConv(t *testing.T, f *family, c convCase, limit int, fixed bool) {
	r := rand.New(rand.NewPCG(uint64(limit), uint64(c.cin*1000+c.cout)))
	s := c.shape()
	zero := uint8(r.IntN(256))
	w := make([]int16, c.cout*c.cin/c.groups*c.k*c.k)
	for i := range w {
		w[i] = int16(r.IntN(2*limit+1) - limit)
	}
	if limit == 127 {
		w[0] = -128
	}
	bias := make([]int32, c.cout)
	factors := make([]float32, c.cout)
	for i := range bias {
		bias[i] = int32(r.IntN(20001) - 10000)
		factors[i] = (r.Float32() + 0.1) * 0.3 / float32(limit*c.k)
	}
	if limit == 7 {
		factors[len(factors)-1] = 1.5 // the way for factors that are not small
	}
	q := NewRequant(factors, int32(r.IntN(256)), 3, 250, fixed)
	x := randomImage(r, s.In, zero)
	conv := newConv(f, s, w, bias, int32(zero), q)

	// What lies around the image stays as it is, and any cut of the work gives the same.
	dst, scratch := randomImage(r, s.Out, 9), &Scratch{}
	before := slices.Clone(dst)
	units := conv.Units()
	for u := 0; u < units; {
		n := min(1+r.IntN(units), units-u)
		conv.Run(dst, x, u, u+n, scratch)
		u += n
	}
	real := make([]float32, c.cout*s.Out.H*s.Out.W)
	conv.Real(real, x, factors, 0, s.Out.H*s.Out.W, scratch)
	for y := range s.Out.H {
		for col := range s.Out.W {
			at := s.Out.At(y, col)
			for o := range c.cout {
				sum := sumOf(s, x, w, bias, zero, y, col, o)
				if got, want := dst[at+o], q.One(sum, o); got != want {
					t.Fatalf("pixel %d,%d channel %d: %d, want %d", y, col, o, got, want)
				}
				if got, want := real[(o*s.Out.H+y)*s.Out.W+col], float32(sum)*factors[o]; got != want {
					t.Fatalf("pixel %d,%d channel %d: %g, want %g", y, col, o, got, want)
				}
			}
			copy(dst[at:at+s.Out.Pixel()], before[at:])
		}
	}
	if !slices.Equal(dst, before) {
		t.Error("written outside of the image")
	}
}

// The border of a map is found where windows look for it.
func TestFillBorder(t *testing.T) {
	m := Map{H: 3, W: 4, C: 5, Top: 2, Bottom: 1, Side: 2}
	x := make([]uint8, m.Size())
	for y := range m.H {
		fill(x[m.At(y, 0):m.At(y, m.W)], 1)
	}
	m.FillBorder(x, 0, 2, 7)
	m.FillBorder(x, 2, 3, 7)
	for y := -m.Top; y < m.H+m.Bottom; y++ {
		for col := -m.Side; col < m.W+m.Side; col++ {
			want := uint8(7)
			if y >= 0 && y < m.H && col >= 0 && col < m.W {
				want = 1
			}
			for c := range m.C {
				if got := x[m.At(y, col)+c]; got != want {
					t.Errorf("pixel %d,%d: %d, want %d", y, col, got, want)
				}
			}
		}
	}
}
