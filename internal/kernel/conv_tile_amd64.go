//go:build amd64 && !noasm

package kernel

//go:generate go run -C _gen .

func (t *tile) run(isa isa) {
	switch isa {
	case isaAVX512:
		if t.vectors == 1 {
			tileAVX512x1(t)
		} else {
			tileAVX512x2(t)
		}
	case isaAVX2:
		if t.vectors == 1 {
			tileAVX2x1(t)
		} else {
			tileAVX2x2(t)
		}
	default:
		t.runGo()
	}
}

func (t *gradTile) run(isa isa) {
	switch isa {
	case isaAVX512:
		if t.vectors == 1 {
			gradTileAVX512x1(t)
		} else {
			gradTileAVX512x2(t)
		}
	case isaAVX2:
		if t.vectors == 1 {
			gradTileAVX2x1(t)
		} else {
			gradTileAVX2x2(t)
		}
	default:
		t.runGo()
	}
}

// The functions below are the loop of type tile, each for as many vectors as its name ends with.

//go:noescape
func tileAVX2x1(t *tile)

//go:noescape
func tileAVX2x2(t *tile)

//go:noescape
func tileAVX512x1(t *tile)

//go:noescape
func tileAVX512x2(t *tile)

// The functions below are the loop of type gradTile, each for as many vectors as its name ends with. Lanes
// of dy beyond the last channel are not read.

//go:noescape
func gradTileAVX2x1(t *gradTile)

//go:noescape
func gradTileAVX2x2(t *gradTile)

//go:noescape
func gradTileAVX512x1(t *gradTile)

//go:noescape
func gradTileAVX512x2(t *gradTile)
