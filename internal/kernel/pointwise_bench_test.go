package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// bench times do on arrays that fit the L2 cache and on arrays that do not; touched is how many floats it reads
// and writes per element. prepare runs first, for each family.
func bench(b *testing.B, touched float64, prepare func(), do func(a [4][]float32)) {
	for _, size := range []struct {
		name string
		n    int
	}{{"64KiB", 16 << 10}, {"64MiB", 16 << 20}} {
		rng := rand.New(rand.NewPCG(1, 1))
		var a [4][]float32
		for i := range a {
			a[i] = make([]float32, size.n)
			for j := range a[i] {
				a[i][j] = rng.Float32() - 0.3
			}
		}
		for _, f := range families() {
			b.Run(size.name+"/"+f.name, func(b *testing.B) {
				defer func(old family) { impl = old }(impl)
				impl = f
				prepare()
				b.SetBytes(int64(4 * touched * float64(size.n)))
				for b.Loop() {
					do(a)
				}
			})
		}
	}
}

func benchPointwise(c int) *Pointwise {
	p := &Pointwise{C: c, Act: ActReLU, Quant: true, QScale: 0.1, QMax: 15}
	p.Scale, p.Shift = repeat(nil, []float32{1.1}, c), repeat(nil, []float32{0.1}, c)
	return p
}

func BenchmarkForward(b *testing.B) {
	for _, c := range []int{16, 64, 100, 512} {
		p := benchPointwise(c)
		b.Run(fmt.Sprint("affine relu quant/C", c), func(b *testing.B) {
			bench(b, 2, p.Prepare, func(a [4][]float32) {
				n := len(a[0]) / c * c
				p.Forward(a[0][:n], a[1][:n], nil)
			})
		})
	}
	p := benchPointwise(64)
	b.Run("affine res relu quant/C64", func(b *testing.B) {
		bench(b, 3, p.Prepare, func(a [4][]float32) {
			p.Forward(a[0], a[1], a[2])
		})
	})
	q := &Pointwise{C: 64, Act: ActReLU}
	b.Run("relu/C64", func(b *testing.B) {
		bench(b, 2, q.Prepare, func(a [4][]float32) { q.Forward(a[0], a[1], nil) })
	})
}

func BenchmarkBackward(b *testing.B) {
	for _, c := range []int{16, 64, 100, 512} {
		p := benchPointwise(c)
		ds, dt := make([]float32, c), make([]float32, c)
		b.Run(fmt.Sprint("dx sums/C", c), func(b *testing.B) {
			bench(b, 3, p.Prepare, func(a [4][]float32) {
				n := len(a[0]) / c * c
				p.Backward(a[0][:n], nil, a[1][:n], a[2][:n], nil, ds, dt, false, false)
			})
		})
	}
	p := benchPointwise(64)
	b.Run("dx/C64", func(b *testing.B) {
		bench(b, 3, p.Prepare, func(a [4][]float32) {
			p.Backward(a[0], nil, a[1], a[2], nil, nil, nil, false, false)
		})
	})
	ds, dt := make([]float32, 64), make([]float32, 64)
	b.Run("dx dres res sums/C64", func(b *testing.B) {
		bench(b, 5, p.Prepare, func(a [4][]float32) {
			p.Backward(a[0], a[1], a[1], a[2], a[3], ds, dt, false, false)
		})
	})
}

func nothing() {}

func BenchmarkChannel(b *testing.B) {
	s, q := make([]float64, 64), make([]float64, 64)
	b.Run("sums/C64", func(b *testing.B) {
		bench(b, 1, nothing, func(a [4][]float32) { ChannelSums(s, q, a[0], 64) })
	})
	b.Run("dots/C64", func(b *testing.B) {
		bench(b, 2, nothing, func(a [4][]float32) { ChannelDots(s, q, a[0], a[1], 64) })
	})
	k := make([]float32, 64)
	b.Run("affine2/C64", func(b *testing.B) {
		bench(b, 3, nothing, func(a [4][]float32) { ChannelAffine2(a[0], a[1], a[2], k, k, k, 64, false) })
	})
	b.Run("minmax", func(b *testing.B) {
		bench(b, 1, nothing, func(a [4][]float32) { MinMax(a[0]) })
	})
}

func BenchmarkElementwise(b *testing.B) {
	b.Run("add", func(b *testing.B) { bench(b, 3, nothing, func(a [4][]float32) { Add(a[0], a[1], a[2]) }) })
	b.Run("exp", func(b *testing.B) { bench(b, 2, nothing, func(a [4][]float32) { Exp(a[0], a[1]) }) })
	b.Run("tanh", func(b *testing.B) { bench(b, 2, nothing, func(a [4][]float32) { Tanh(a[0], a[1]) }) })
	b.Run("sgd", func(b *testing.B) {
		bench(b, 5, nothing, func(a [4][]float32) { SGDStep(a[0], a[1], a[2], 1e-9, 0.5, 1e-4, false) })
	})
	b.Run("adam", func(b *testing.B) {
		bench(b, 7, nothing, func(a [4][]float32) { AdamStep(a[0], a[1], a[2], a[3], 1e-9, 0.9, 0.999, 1e-8, 0, 1) })
	})
	b.Run("upsample backward", func(b *testing.B) {
		bench(b, 1.25, nothing, func(a [4][]float32) {
			n := len(a[0])
			UpsampleNearest2xBackward(a[1][:n/4], a[0], n/4/64/8, 8, 64, false)
		})
	})
	b.Run("upsample", func(b *testing.B) {
		bench(b, 1.25, nothing, func(a [4][]float32) {
			n := len(a[0])
			UpsampleNearest2x(a[0], a[1][:n/4], n/4/64/8, 8, 64)
		})
	})
}
