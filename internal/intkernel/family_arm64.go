//go:build arm64 && !noasm

package intkernel

import "golang.org/x/sys/cpu"

//go:generate go run -C _gen/neon .

// familyNEON runs on every arm64, familyDot where there is the dot product of Armv8.2. Both leave the passes to the portable loops.
var (
	familyNEON = neon(126, tileNEON, channelTileNEON) // -128 * -126 * 2 fits 16 bits
	familyDot  = neon(127, tileDot, channelTileDOT)
)

func neon(limit int, tile func(*tile), channel func(*channelTile)) family {
	f := portable
	f.name, f.pixels, f.signed = "neon", [5]int{1: 8, 2: 8, 4: 4}, true
	f.limit, f.tile, f.channel = limit, tile, channel
	return f
}

// families lists the implementations that this machine can run, the best last.
func families() []*family {
	all := []*family{&portable, &familyNEON}
	if cpu.ARM64.HasASIMDDP {
		all = append(all, &familyDot)
	}
	return all
}

func tileNEON(t *tile) {
	switch t.vectors {
	case 1:
		tileNEONx1(t)
	case 2:
		tileNEONx2(t)
	default:
		tileNEONx4(t)
	}
}

func tileDot(t *tile) {
	switch t.vectors {
	case 1:
		tileDOTx1(t)
	case 2:
		tileDOTx2(t)
	default:
		tileDOTx4(t)
	}
}

// The functions below are the loops of type tile, for as many vectors as their names end with, and channelTile, for 16 channels; none
// of them is fused.

//go:noescape
func tileNEONx1(t *tile)

//go:noescape
func tileNEONx2(t *tile)

//go:noescape
func tileNEONx4(t *tile)

//go:noescape
func tileDOTx1(t *tile)

//go:noescape
func tileDOTx2(t *tile)

//go:noescape
func tileDOTx4(t *tile)

//go:noescape
func channelTileNEON(t *channelTile)

//go:noescape
func channelTileDOT(t *channelTile)
