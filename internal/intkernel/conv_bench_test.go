package intkernel

import (
	"fmt"
	"testing"
)

// Layers of ResNet-20, MobileNets and detectors. GB/s are billions of integer operations, two for a multiply-add.
func BenchmarkConv(b *testing.B) {
	for _, c := range []convCase{
		{32, 32, 3, 16, 3, 1, 1, 1, 1},
		{32, 32, 16, 16, 3, 1, 1, 1, 1},
		{16, 16, 32, 32, 3, 1, 1, 1, 1},
		{8, 8, 64, 64, 3, 1, 1, 1, 1},
		{112, 112, 24, 48, 1, 1, 1, 0, 1},
		{56, 56, 96, 96, 1, 1, 1, 0, 1},
		{14, 14, 384, 384, 1, 1, 1, 0, 1},
		{7, 7, 768, 768, 1, 1, 1, 0, 1},
		{1, 1, 768, 1000, 1, 1, 1, 0, 1},
		{112, 112, 24, 24, 3, 1, 1, 1, 24},
		{56, 56, 96, 96, 3, 1, 1, 1, 96},
		{28, 28, 192, 192, 3, 2, 1, 1, 192},
		{14, 14, 384, 384, 3, 1, 1, 1, 384},
	} {
		for _, f := range families()[1:] {
			b.Run(fmt.Sprintf("%s/%v", f.name, c), func(b *testing.B) {
				s := c.shape()
				w := make([]int16, c.cout*c.cin/c.groups*c.k*c.k)
				factors := make([]float32, c.cout)
				conv := newConv(f, s, w, nil, 7, NewRequant(factors, 0, 0, 255, false))
				x, dst, scratch := make([]uint8, s.In.Size()+Slack), make([]uint8, s.Out.Size()+Slack), new(Scratch)
				b.SetBytes(2 * int64(len(w)) * int64(s.Out.H*s.Out.W))
				for b.Loop() {
					conv.Run(dst, x, 0, conv.Units(), scratch)
				}
			})
		}
	}
}
