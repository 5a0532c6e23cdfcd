//go:build !(amd64 || arm64) || noasm

package kernel

func (t *winogradTiles) input(isa)  { t.inputGo() }
func (t *winogradTiles) spread(isa) { t.spreadGo() }
func (t *winogradTiles) output(isa) { t.outputGo() }
