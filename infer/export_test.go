package infer

// Integers computes one image and hands out every integer tensor, in the order of ONNX, with the name that the network's
// real value has. It returns the outputs.
func (p *Program) Integers(inputs []Tensor, f func(name string, q []uint8)) ([]Tensor, error) {
	j := p.take()
	defer p.give(j)
	j.inputs, j.outputs, j.batch = inputs, p.NewOutputs(1), 1
	a := j.arenas[0]
	j.set(a, 0)
	for _, s := range p.steps {
		s.run(a, 0, 0, 1)
		t := s.about().out
		if t == nil {
			continue
		}
		q := make([]uint8, 0, t.m.H*t.m.W*t.m.C)
		for c := range t.m.C {
			for y := range t.m.H {
				for x := range t.m.W {
					q = append(q, t.bytes(a)[t.m.At(y, x)+c])
				}
			}
		}
		f(t.name, q)
	}
	return j.outputs, a.err
}
