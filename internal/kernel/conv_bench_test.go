package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkConv reports the best rate over single images of a batch that does not fit into the second-level
// cache, and its share of the peak that was measured in between. Operations are those of the definition, also where
// Winograd's algorithm executes fewer; ZAQ_KERNELS=direct is without it.
func BenchmarkConv(b *testing.B) {
	for _, s := range []struct{ c, hw, k, stride int }{
		{16, 32, 3, 1}, {32, 16, 3, 1}, {64, 8, 3, 1}, {128, 32, 3, 1}, {64, 32, 3, 1},
		{32, 32, 3, 2}, {64, 16, 3, 2}, {64, 16, 1, 1}, {48, 28, 3, 1}, {256, 14, 3, 1}, {512, 7, 3, 1}, {512, 4, 3, 1}, {512, 2, 3, 1},
	} {
		b.Run(fmt.Sprintf("%dch@%d/%dx%d/stride%d", s.c, s.hw, s.k, s.k, s.stride), func(b *testing.B) {
			p := s.k / 2
			benchmarkConv(b, ConvShape{H: s.hw, W: s.hw, Cin: s.c, Cout: s.c, KH: s.k, KW: s.k, StrideH: s.stride, StrideW: s.stride,
				DilH: 1, DilW: 1, PadTop: p, PadLeft: p, PadBottom: p, PadRight: p, Groups: 1})
		})
	}
	b.Run("3to64@32/3x3/stride1", func(b *testing.B) {
		benchmarkConv(b, ConvShape{H: 32, W: 32, Cin: 3, Cout: 64, KH: 3, KW: 3, StrideH: 1, StrideW: 1,
			DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1})
	})
	for _, s := range []struct{ c, hw, stride int }{{96, 16, 1}, {144, 56, 1}, {192, 28, 2}, {960, 7, 1}} {
		b.Run(fmt.Sprintf("%dch@%d/depthwise3x3/stride%d", s.c, s.hw, s.stride), func(b *testing.B) {
			benchmarkConv(b, ConvShape{H: s.hw, W: s.hw, Cin: s.c, Cout: s.c, KH: 3, KW: 3, StrideH: s.stride, StrideW: s.stride,
				DilH: 1, DilW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: s.c})
		})
	}
}

func benchmarkConv(b *testing.B, s ConvShape) {
	c := NewConv(s)
	r := rand.New(rand.NewPCG(1, 2))
	xn, yn := s.H*s.W*s.Cin, s.OutH()*s.OutW()*s.Cout
	batch := max(2, 1<<20/(xn+yn))
	x, y, w := normal(r, batch*xn), normal(r, batch*yn), normal(r, s.Weights())
	packed, packedGrad, scratch := make([]float32, c.PackedLen()), make([]float32, c.PackedGradLen()), make([]float32, c.ScratchLen())
	dw := make([]float32, max(s.Weights(), c.Products()*s.Cin*s.Cout))
	c.Pack(packed, w)
	c.PackGrad(packedGrad, w)
	image := func(i int) (x0, y0 []float32) { return x[i*xn : (i+1)*xn], y[i*yn : (i+1)*yn] }
	b.Run("forward", func(b *testing.B) {
		benchmarkRate(b, s.Flops(), batch, func(i int) {
			x, y := image(i)
			c.Forward(y, x, packed, scratch)
		})
	})
	b.Run("inputgrad", func(b *testing.B) {
		benchmarkRate(b, s.Flops(), batch, func(i int) {
			x, y := image(i)
			c.InputGrad(x, y, packedGrad, scratch, false)
		})
	})
	b.Run("weightgrad", func(b *testing.B) {
		benchmarkRate(b, s.Flops(), batch, func(i int) {
			x, y := image(i)
			c.WeightGrad(dw, x, y, scratch)
		})
	})
}

// benchmarkRate times calls of f over and over its n arguments, each call alone: the machine may be shared.
func benchmarkRate(b *testing.B, flops float64, n int, f func(i int)) {
	best, top := time.Hour, 0.0
	for i := 0; b.Loop(); i++ {
		if i%256 == 0 {
			top = max(top, PeakFlops())
		}
		start := time.Now()
		f(i % n)
		best = min(best, time.Since(start))
	}
	rate := flops / best.Seconds()
	b.ReportMetric(rate/1e9, "GF/s")
	b.ReportMetric(100*rate/top, "%peak")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkMatMul(b *testing.B) {
	for _, s := range []struct{ m, k, n int }{{512, 512, 512}, {256, 512, 10}, {1024, 1024, 1024}, {64, 4096, 256}, {1024, 16, 16}, {8192, 64, 64}} {
		r := rand.New(rand.NewPCG(1, 2))
		x, y, z := normal(r, s.m*s.k), normal(r, s.k*s.n), make([]float32, s.m*s.n)
		flops := 2 * float64(s.m) * float64(s.k) * float64(s.n)
		b.Run(fmt.Sprintf("%dx%dx%d", s.m, s.k, s.n), func(b *testing.B) {
			benchmarkRate(b, flops, 1, func(int) { MatMul(z, x, y, s.m, s.k, s.n, false) })
		})
		b.Run(fmt.Sprintf("TA/%dx%dx%d", s.m, s.k, s.n), func(b *testing.B) {
			benchmarkRate(b, flops, 1, func(int) { MatMulTA(z, x, y, s.m, s.k, s.n) })
		})
	}
}

func BenchmarkUpsampleConv(b *testing.B) {
	for _, s := range []struct{ hw, cin, cout int }{{8, 128, 128}, {16, 128, 64}} {
		u := NewUpsampleConv(s.hw, s.hw, s.cin, s.cout)
		r := rand.New(rand.NewPCG(1, 2))
		xn := s.hw * s.hw * s.cin
		yn := 4 * s.hw * s.hw * s.cout
		batch := max(2, 1<<20/(xn+yn))
		x, y := normal(r, batch*xn), normal(r, batch*yn)
		products, packed := normal(r, u.ProductsLen()), make([]float32, u.PackedLen())
		packedGrad, scratch := make([]float32, u.PackedGradLen()), make([]float32, u.ScratchLen())
		u.Pack(packed, products)
		u.PackGrad(packedGrad, products)
		image := func(i int) (x0, y0 []float32) { return x[i*xn : (i+1)*xn], y[i*yn : (i+1)*yn] }
		name := fmt.Sprintf("%dto%dch@%d", s.cin, s.cout, s.hw)
		b.Run(name+"/forward", func(b *testing.B) {
			benchmarkRate(b, u.Flops(), batch, func(i int) {
				x, y := image(i)
				u.Forward(y, x, packed, scratch)
			})
		})
		b.Run(name+"/inputgrad", func(b *testing.B) {
			benchmarkRate(b, u.Flops(), batch, func(i int) {
				x, y := image(i)
				u.Gradients(x, nil, nil, y, packedGrad, scratch, false)
			})
		})
		b.Run(name+"/gradients", func(b *testing.B) {
			benchmarkRate(b, 2*u.Flops(), batch, func(i int) {
				x, y := image(i)
				u.Gradients(x, products, x, y, packedGrad, scratch, false)
			})
		})
	}
}
