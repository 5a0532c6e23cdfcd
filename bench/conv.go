package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"zaq/internal/kernel"
)

// convolutions are 3x3 with as many channels out as in, the shapes of small networks: images, channels, height.
var convolutions = [][3]int{{256, 16, 32}, {256, 32, 16}, {256, 64, 8}, {64, 128, 32}, {64, 64, 32}}

// lanes is the fixed number of parts that a batch is cut into, as in the engine.
const lanes = 8

func convolution(n, c, h int, pass string) work {
	return work{
		name:  fmt.Sprintf("conv 3x3 %d x %d x %d x %d, %s", n, h, h, c, pass),
		group: "conv 3x3",
		torch: request{"work": "conv", "batch": n, "channels": c, "size": h, "pass": pass},
		zaq:   func(threads int) (*side, error) { return newConvolution(n, c, h, pass, threads), nil },
	}
}

// together is how many numbers of a map go through a convolution at a time, as in the engine.
const together = 32 << 10

// newConvolution is a pass over a batch on so many threads: each takes the next lane and goes through its images, a few
// at a time.
func newConvolution(n, c, h int, pass string, threads int) *side {
	s := kernel.ConvShape{H: h, W: h, Cin: c, Cout: c, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
		PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1}
	k := kernel.NewConv(s)
	r := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	size := h * h * c
	x, y, w := normal(n*size), normal(n*size), normal(s.Weights())
	packed, packedGrad := make([]float32, k.PackedLen()), make([]float32, k.PackedGradLen())
	chunk := max(1, max(together, s.Weights())/size)
	sums := len(w)
	if p := k.Products(); p > 0 {
		sums = p * c * c
	}
	var scratch, dw [lanes][]float32 // scratch of threads, sums of lanes
	for i := range lanes {
		scratch[i], dw[i] = make([]float32, k.BatchScratchLen(chunk)), make([]float32, sums)
	}
	some := map[string]func(thread, lane, images int, y, x []float32){
		"forward": func(thread, _, images int, y, x []float32) { k.ForwardBatch(images, y, x, packed, scratch[thread]) },
		"input gradient": func(thread, _, images int, y, x []float32) {
			k.InputGradBatch(images, x, y, packedGrad, scratch[thread], false)
		},
		"weight gradient": func(thread, lane, images int, y, x []float32) {
			k.WeightGradBatch(images, dw[lane], x, y, scratch[thread])
		},
	}[pass]
	executed := map[string]float64{"forward": k.ForwardFlops(), "input gradient": k.InputGradFlops(), "weight gradient": k.WeightGradFlops()}[pass]
	return &side{
		step: func() {
			// A step brings the weights into order, as one of training does.
			switch pass {
			case "forward":
				k.Pack(packed, w)
			case "input gradient":
				k.PackGrad(packedGrad, w)
			}
			share(min(threads, lanes), func(thread, lane int) {
				for i, end := n*lane/lanes, n*(lane+1)/lanes; i < end; i += chunk {
					images := min(chunk, end-i)
					some(thread, lane, images, y[i*size:(i+images)*size], x[i*size:(i+images)*size])
				}
			})
			if pass == "weight gradient" {
				share(min(threads, lanes), func(_, part int) {
					total, size := dw[0], c*c
					i0, i1 := size*part/lanes, size*(part+1)/lanes
					for at := 0; at < sums; at += size {
						for _, l := range dw[1:] {
							kernel.Accumulate(total[at+i0:at+i1], l[at+i0:])
							clear(l[at+i0 : at+i1])
						}
					}
					for at := 0; at < len(w); at += size {
						clear(w[at+i0 : at+i1])
						if k.Products() == 0 {
							kernel.Accumulate(w[at+i0:at+i1], total[at+i0:])
						}
					}
					if k.Products() > 0 {
						k.ProductsGrad(w, total, i0, i1)
					}
					for at := 0; at < sums; at += size {
						clear(total[at+i0 : at+i1])
					}
				})
			}
		},
		executed: float64(n) * executed, nominal: float64(n) * s.Flops(),
	}
}

// share calls f for every lane, on so many threads.
func share(threads int, f func(thread, lane int)) {
	var next atomic.Int64
	work := func(thread int) {
		for l := next.Add(1) - 1; l < lanes; l = next.Add(1) - 1 {
			f(thread, int(l))
		}
	}
	var others sync.WaitGroup
	for t := 1; t < threads; t++ {
		others.Go(func() { work(t) })
	}
	work(0)
	others.Wait()
}
