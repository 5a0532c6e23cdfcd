package engine

// Flops returns the floating-point operations of a run, a multiply-add counting two: those that are executed, and
// those of the definition, in which for instance a convolution behind an upsampling is one of the large map. Passes
// over single elements do not count.
func (p *Program) Flops() (executed, nominal float64) {
	for _, s := range p.steps {
		executed += s.flops * float64(p.batch)
		nominal += s.nominal * float64(p.batch)
	}
	return executed, nominal
}

// costs says what the last step costs for each image, where its kernel does not.
func (b *builder) costs(flops float64) {
	s := b.p.steps[len(b.p.steps)-1]
	s.flops, s.nominal = flops, flops*b.p.overhead
}

// nominal says what the definition of the last step costs for each image, where that is not what is executed.
func (b *builder) nominal(flops float64) { b.p.steps[len(b.p.steps)-1].nominal = flops }

// overhead is how many operations of the definition of n one that is executed stands for.
func overhead(n node) float64 {
	if _, ok := n.(*upconv); ok {
		return 36.0 / 9
	}
	return 1
}
