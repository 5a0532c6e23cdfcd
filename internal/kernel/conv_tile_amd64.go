//go:build amd64 && !noasm

package kernel

//go:generate go run -C _gen/conv .

func (t *tile) run(isa isa) {
	switch {
	case isa == isaAVX512 && t.depthwise && t.vectors == 1:
		depthwiseTileAVX512x1(t)
	case isa == isaAVX512 && t.depthwise:
		depthwiseTileAVX512x2(t)
	case isa == isaAVX512 && t.vectors == 1:
		tileAVX512x1(t)
	case isa == isaAVX512:
		tileAVX512x2(t)
	case isa == isaAVX2 && t.depthwise && t.vectors == 1:
		depthwiseTileAVX2x1(t)
	case isa == isaAVX2 && t.depthwise:
		depthwiseTileAVX2x2(t)
	case isa == isaAVX2 && t.vectors == 1:
		tileAVX2x1(t)
	case isa == isaAVX2:
		tileAVX2x2(t)
	default:
		t.runGo()
	}
}

func (t *gradTile) run(isa isa) {
	switch {
	case isa == isaAVX512 && t.depthwise && t.vectors == 1:
		depthwiseGradTileAVX512x1(t)
	case isa == isaAVX512 && t.depthwise:
		depthwiseGradTileAVX512x2(t)
	case isa == isaAVX512 && t.vectors == 1:
		gradTileAVX512x1(t)
	case isa == isaAVX512:
		gradTileAVX512x2(t)
	case isa == isaAVX2 && t.depthwise && t.vectors == 1:
		depthwiseGradTileAVX2x1(t)
	case isa == isaAVX2 && t.depthwise:
		depthwiseGradTileAVX2x2(t)
	case isa == isaAVX2 && t.vectors == 1:
		gradTileAVX2x1(t)
	case isa == isaAVX2:
		gradTileAVX2x2(t)
	default:
		t.runGo()
	}
}

func (t *strip) run(isa isa) {
	switch {
	case isa != isaAVX512:
		t.runGo(isa.lanes())
	case t.vectors == 1:
		stripAVX512x1(t)
	default:
		stripAVX512x2(t)
	}
}

func (t *gradStrip) run(isa isa) {
	if isa != isaAVX512 {
		t.runGo()
		return
	}
	gradStripAVX512(t)
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

// The functions below are the same if depthwise.

//go:noescape
func depthwiseTileAVX2x1(t *tile)

//go:noescape
func depthwiseTileAVX2x2(t *tile)

//go:noescape
func depthwiseTileAVX512x1(t *tile)

//go:noescape
func depthwiseTileAVX512x2(t *tile)

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

// The functions below are the same if depthwise.

//go:noescape
func depthwiseGradTileAVX2x1(t *gradTile)

//go:noescape
func depthwiseGradTileAVX2x2(t *gradTile)

//go:noescape
func depthwiseGradTileAVX512x1(t *gradTile)

//go:noescape
func depthwiseGradTileAVX512x2(t *gradTile)

//go:noescape
func stripAVX512x1(t *strip)

//go:noescape
func stripAVX512x2(t *strip)

//go:noescape
func gradStripAVX512(t *gradStrip)

func (t *stencil) run(isa isa) {
	switch {
	case isa != isaAVX512:
		t.runGo(isa.lanes())
	case t.vectors == 1 && t.stride == 1:
		stencilAVX512x1by1(t)
	case t.vectors == 1:
		stencilAVX512x1by2(t)
	case t.stride == 1:
		stencilAVX512x2by1(t)
	default:
		stencilAVX512x2by2(t)
	}
}

func (t *gradStencil) run(isa isa) {
	switch {
	case isa != isaAVX512:
		t.runGo(isa.lanes())
	case t.vectors == 1 && t.stride == 1:
		gradStencilAVX512x1by1(t)
	case t.vectors == 1:
		gradStencilAVX512x1by2(t)
	case t.stride == 1:
		gradStencilAVX512x2by1(t)
	default:
		gradStencilAVX512x2by2(t)
	}
}

// The functions below are the loops of types stencil and gradStencil, each for as many vectors and the stride that its
// name ends with.

//go:noescape
func stencilAVX512x1by1(t *stencil)

//go:noescape
func stencilAVX512x1by2(t *stencil)

//go:noescape
func stencilAVX512x2by1(t *stencil)

//go:noescape
func stencilAVX512x2by2(t *stencil)

//go:noescape
func gradStencilAVX512x1by1(t *gradStencil)

//go:noescape
func gradStencilAVX512x1by2(t *gradStencil)

//go:noescape
func gradStencilAVX512x2by1(t *gradStencil)

//go:noescape
func gradStencilAVX512x2by2(t *gradStencil)
