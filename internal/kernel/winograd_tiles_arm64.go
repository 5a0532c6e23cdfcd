//go:build arm64 && !noasm

package kernel

func (t *winogradTiles) input(isa isa) {
	if isa == isaNEON {
		winogradInputNEON(t)
	} else {
		t.inputGo()
	}
}

func (t *winogradTiles) spread(isa isa) {
	if isa == isaNEON {
		winogradSpreadNEON(t)
	} else {
		t.spreadGo()
	}
}

func (t *winogradTiles) output(isa isa) {
	if isa == isaNEON {
		winogradOutputNEON(t)
	} else {
		t.outputGo()
	}
}

// The functions below are the loops of type winogradTiles.

//go:noescape
func winogradInputNEON(t *winogradTiles)

//go:noescape
func winogradSpreadNEON(t *winogradTiles)

//go:noescape
func winogradOutputNEON(t *winogradTiles)
