// Command neon writes the assembly of package kernel for arm64: the micro-kernels of convolutions and the loops over
// whole arrays. Run it in its own directory: go run . ../..
package main

import (
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run . DIRECTORY")
	}
	for _, f := range []struct {
		name    string
		kernels []func(*asm)
	}{
		{"conv", []func(*asm){tiles, peak}},
		{"pointwise", []func(*asm){forward, backward}},
		{"channel", []func(*asm){minMax, affine2, fakeQuant, maskRange}},
		{"elementwise", []func(*asm){add, mul, addRows, axpy, scaleBy, exp, tanh, tanhBackward}},
		{"optim", []func(*asm){sgd, adam}},
		{"winograd", []func(*asm){winogradInput, winogradSpread, winogradOutput}},
	} {
		a := new(asm)
		a.header()
		for _, kernel := range f.kernels {
			kernel(a)
		}
		a.constants()
		if err := os.WriteFile(filepath.Join(os.Args[1], f.name+"_neon_arm64.s"), a.Bytes(), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// tiles writes the micro-kernels, which have one function for each number of vectors.
func tiles(a *asm) {
	for v, pixels := range pixels {
		a.tile(v+1, pixels, false)
		a.gradTile(v+1, pixels, false)
		a.tile(v+1, pixels, true)
		a.gradTile(v+1, depthwiseEntries, true)
	}
}
