//go:build amd64 && !noasm

package kernel

func (t *winogradTiles) input(isa isa) {
	switch isa {
	case isaAVX512:
		winogradInputAVX512(t)
	case isaAVX2:
		winogradInputAVX2(t)
	default:
		t.inputGo()
	}
}

func (t *winogradTiles) spread(isa isa) {
	switch isa {
	case isaAVX512:
		winogradSpreadAVX512(t)
	case isaAVX2:
		winogradSpreadAVX2(t)
	default:
		t.spreadGo()
	}
}

func (t *winogradTiles) output(isa isa) {
	switch isa {
	case isaAVX512:
		winogradOutputAVX512(t)
	case isaAVX2:
		winogradOutputAVX2(t)
	default:
		t.outputGo()
	}
}

// The functions below are the loops of type winogradTiles.

//go:noescape
func winogradInputAVX512(t *winogradTiles)

//go:noescape
func winogradInputAVX2(t *winogradTiles)

//go:noescape
func winogradSpreadAVX512(t *winogradTiles)

//go:noescape
func winogradSpreadAVX2(t *winogradTiles)

//go:noescape
func winogradOutputAVX512(t *winogradTiles)

//go:noescape
func winogradOutputAVX2(t *winogradTiles)
