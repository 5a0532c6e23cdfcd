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

// newConvolution is a pass over a batch on so many threads: each takes the next lane and goes through its images.
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
	var scratch, dw [lanes][]float32 // scratch of threads, sums of lanes
	for i := range lanes {
		scratch[i], dw[i] = make([]float32, k.ScratchLen()), make([]float32, len(w))
	}
	image := func(v []float32, i int) []float32 { return v[i*size : (i+1)*size] }
	each := map[string]func(thread, lane, i int){
		"forward":         func(thread, _, i int) { k.Forward(image(y, i), image(x, i), packed, scratch[thread]) },
		"input gradient":  func(thread, _, i int) { k.InputGrad(image(x, i), image(y, i), packedGrad, scratch[thread], false) },
		"weight gradient": func(thread, lane, i int) { k.WeightGrad(dw[lane], image(x, i), image(y, i), scratch[thread]) },
	}[pass]
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
				for i := n * lane / lanes; i < n*(lane+1)/lanes; i++ {
					each(thread, lane, i)
				}
			})
			if pass == "weight gradient" {
				clear(w)
				for l := range dw {
					kernel.Accumulate(w, dw[l])
					clear(dw[l])
				}
			}
		},
		executed: float64(n) * s.Flops(), nominal: float64(n) * s.Flops(),
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
