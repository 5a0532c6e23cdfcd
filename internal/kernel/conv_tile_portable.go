//go:build !(amd64 || arm64) || noasm

package kernel

func (t *tile) run(isa)          { t.runGo() }
func (t *gradTile) run(isa)      { t.runGo() }
func (t *strip) run(i isa)       { t.runGo(i.lanes()) }
func (t *gradStrip) run(isa)     { t.runGo() }
func (t *stencil) run(i isa)     { t.runGo(i.lanes()) }
func (t *gradStencil) run(i isa) { t.runGo(i.lanes()) }
