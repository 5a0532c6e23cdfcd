//go:build amd64 && !noasm

package intkernel

import "golang.org/x/sys/cpu"

//go:generate go run -C _gen/amd64 .

var familyAVX512 = family{
	name: "avx512", lanes: 16, pixels: [5]int{1: 16, 2: 14, 4: 6}, limit: 127, fused: true, chunks: []int{64, 32, 16},
	tile:            tileAVX512,
	channel:         channelTileAVX512,
	requantize:      requantizeAVX512,
	requantizeFixed: requantizeFixedAVX512,
	add:             addAVX512,
	addFixed:        addFixedAVX512,
	lookup:          portable.lookup,
	quantize:        quantizeAVX512,
	maximum:         maximumAVX512,
}

var familyAVX2 = family{
	name: "avx2", lanes: 8, pixels: [5]int{1: 12, 2: 5, 4: 2}, limit: 64, chunks: []int{32, 16},
	tile:            tileAVX2,
	channel:         channelTileAVX2,
	requantize:      requantizeAVX2,
	requantizeFixed: portable.requantizeFixed,
	add:             addAVX2,
	addFixed:        addFixedAVX2,
	lookup:          portable.lookup,
	quantize:        quantizeAVX2,
	maximum:         maximumAVX2,
}

// families lists the implementations that this machine can run, the best last.
func families() []*family {
	all := []*family{&portable}
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return all
	}
	all = append(all, &familyAVX2)
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VNNI {
		if x.HasAVX512VBMI {
			familyAVX512.lookup = lookupAVX512
		}
		all = append(all, &familyAVX512)
	}
	return all
}

func tileAVX512(t *tile) {
	switch t.vectors {
	case 1:
		tileAVX512x1(t)
	case 2:
		tileAVX512x2(t)
	default:
		tileAVX512x4(t)
	}
}

func tileAVX2(t *tile) {
	switch t.vectors {
	case 1:
		tileAVX2x1(t)
	case 2:
		tileAVX2x2(t)
	default:
		tileAVX2x4(t)
	}
}

func channelTileAVX512(t *channelTile) {
	switch t.channels {
	case 16:
		channelTileAVX512x16(t)
	case 32:
		channelTileAVX512x32(t)
	default:
		channelTileAVX512x64(t)
	}
}

func channelTileAVX2(t *channelTile) {
	if t.channels == 16 {
		channelTileAVX2x16(t)
	} else {
		channelTileAVX2x32(t)
	}
}

// The functions below are the loops of type tile, for as many vectors, and channelTile, for as many channels, as their names
// end with.

//go:noescape
func tileAVX512x1(t *tile)

//go:noescape
func tileAVX512x2(t *tile)

//go:noescape
func tileAVX512x4(t *tile)

//go:noescape
func tileAVX2x1(t *tile)

//go:noescape
func tileAVX2x2(t *tile)

//go:noescape
func tileAVX2x4(t *tile)

//go:noescape
func channelTileAVX512x16(t *channelTile)

//go:noescape
func channelTileAVX512x32(t *channelTile)

//go:noescape
func channelTileAVX512x64(t *channelTile)

//go:noescape
func channelTileAVX2x16(t *channelTile)

//go:noescape
func channelTileAVX2x32(t *channelTile)

// The passes do the first elements of what the portable loops of the same name do and return how many: all, or those that
// fill vectors.

//go:noescape
func requantizeAVX512(dst []uint8, sums []int32, r *Requant, n int) int

//go:noescape
func requantizeAVX2(dst []uint8, sums []int32, r *Requant, n int) int

//go:noescape
func requantizeFixedAVX512(dst []uint8, sums []int32, r *Requant, n int) int

//go:noescape
func addAVX512(dst, a, b []uint8, k *AddParams) int

//go:noescape
func addAVX2(dst, a, b []uint8, k *AddParams) int

//go:noescape
func addFixedAVX512(dst, a, b []uint8, k *AddParams) int

//go:noescape
func addFixedAVX2(dst, a, b []uint8, k *AddParams) int

//go:noescape
func lookupAVX512(dst, x []uint8, table *[256]uint8) int

//go:noescape
func quantizeAVX512(dst []uint8, x0, x1, x2, x3 *float32, k *QuantizeParams, n int) int

//go:noescape
func quantizeAVX2(dst []uint8, x0, x1, x2, x3 *float32, k *QuantizeParams, n int) int

//go:noescape
func maximumAVX512(dst, a, b []uint8) int

//go:noescape
func maximumAVX2(dst, a, b []uint8) int
