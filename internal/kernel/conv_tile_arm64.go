//go:build arm64 && !noasm

package kernel

//go:generate sh -c "cd _gen/neon && go run . ../.."

func (t *tile) run(isa isa) {
	if isa != isaNEON {
		t.runGo()
		return
	}
	vectors := t.vectors
	if t.depthwise {
		vectors = -vectors
	}
	switch vectors {
	case 1:
		tileNEONx1(t)
	case 2:
		tileNEONx2(t)
	case 3:
		tileNEONx3(t)
	case 4:
		tileNEONx4(t)
	case -1:
		depthwiseTileNEONx1(t)
	case -2:
		depthwiseTileNEONx2(t)
	case -3:
		depthwiseTileNEONx3(t)
	case -4:
		depthwiseTileNEONx4(t)
	}
}

func (t *gradTile) run(isa isa) {
	if isa != isaNEON {
		t.runGo()
		return
	}
	vectors := t.vectors
	if t.depthwise {
		vectors = -vectors
	}
	switch vectors {
	case 1:
		gradTileNEONx1(t)
	case 2:
		gradTileNEONx2(t)
	case 3:
		gradTileNEONx3(t)
	case 4:
		gradTileNEONx4(t)
	case -1:
		depthwiseGradTileNEONx1(t)
	case -2:
		depthwiseGradTileNEONx2(t)
	case -3:
		depthwiseGradTileNEONx3(t)
	case -4:
		depthwiseGradTileNEONx4(t)
	}
}

// The functions below are the loop of type tile, each for as many vectors as its name ends with.

//go:noescape
func tileNEONx1(t *tile)

//go:noescape
func tileNEONx2(t *tile)

//go:noescape
func tileNEONx3(t *tile)

//go:noescape
func tileNEONx4(t *tile)

// The functions below are the same if depthwise.

//go:noescape
func depthwiseTileNEONx1(t *tile)

//go:noescape
func depthwiseTileNEONx2(t *tile)

//go:noescape
func depthwiseTileNEONx3(t *tile)

//go:noescape
func depthwiseTileNEONx4(t *tile)

// The functions below are the loop of type gradTile, each for as many vectors as its name ends with. Lanes
// of dy beyond the last channel are not read.

//go:noescape
func gradTileNEONx1(t *gradTile)

//go:noescape
func gradTileNEONx2(t *gradTile)

//go:noescape
func gradTileNEONx3(t *gradTile)

//go:noescape
func gradTileNEONx4(t *gradTile)

// The functions below are the same if depthwise.

//go:noescape
func depthwiseGradTileNEONx1(t *gradTile)

//go:noescape
func depthwiseGradTileNEONx2(t *gradTile)

//go:noescape
func depthwiseGradTileNEONx3(t *gradTile)

//go:noescape
func depthwiseGradTileNEONx4(t *gradTile)

// Strips are for vectors so long that a tile of one of them needs as many fetches as multiplications.

func (t *strip) run(i isa) { t.runGo(i.lanes()) }

func (t *gradStrip) run(isa) { t.runGo() }

func (t *stencil) run(i isa) { t.runGo(i.lanes()) }

func (t *gradStencil) run(i isa) { t.runGo(i.lanes()) }
