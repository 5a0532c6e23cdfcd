package synth

import (
	"fmt"
	"slices"

	"zaq/internal/engine"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// Input is what a network takes at one of its inputs for one image.
type Input struct {
	H, W, C int
	// Vector says that it is no map but C numbers, about which nothing is known: they are drawn from the standard normal
	// distribution and not learnt.
	Vector bool
	// Pixels is how the network wants pixels there; nil: not pixels but numbers with mean 0 and deviation 1.
	Pixels *preprocess.Spec
}

// Generators make what all inputs of a network take: one generator for each that is a map, noise as it is for each that is a
// vector. What they make for one image goes through the network together, but nothing relates it.
type Generators struct {
	Images  []*engine.Tensor // what the network takes, in the order of the inputs
	Z       []*engine.Tensor // noise, one for each input
	Params  []*engine.Param
	Classes int // of conditional ones

	each []*Generator // nil for a vector
}

// NewGenerators adds a generator of o to g for each of the inputs, whose sizes and pixels take the place of o's. The first one
// draws its weights from the stream of seed called "generator weights", as one alone does.
func NewGenerators(g *engine.Graph, o Options, inputs []Input, seed uint64) (*Generators, error) {
	all := &Generators{Classes: o.Classes}
	for i, in := range inputs {
		if in.Vector {
			z := g.Input(nth("noise", i), in.H, in.W, in.C)
			same := g.Affine(nth("generated", i), z, slices.Repeat([]float32{1}, in.C), make([]float32, in.C)) // inputs of a program are no outputs
			all.Z, all.Images, all.each = append(all.Z, z), append(all.Images, same), append(all.each, nil)
			continue
		}
		o.Height, o.Width, o.Channels, o.Pixels = in.H, in.W, in.C, in.Pixels
		gen, err := NewGenerator(g, o, random.New(seed, 0, nth("generator weights", i)))
		if err != nil {
			return nil, err
		}
		all.Z, all.Images, all.each = append(all.Z, gen.Z), append(all.Images, gen.Image), append(all.each, gen)
		all.Params = append(all.Params, gen.Params...)
	}
	return all, nil
}

// Draw fills what a program needs of the noise, from a stream of its own for each input: the first input's does not
// depend on whether there are more, and none on what the program leaves out.
func (all *Generators) Draw(p *engine.Program, seed, step uint64, purpose string) {
	for i, z := range all.Z {
		if !p.Has(z) {
			continue
		}
		r := random.New(seed, step, nth(purpose, i))
		if all.each[i] == nil {
			r.Normal(p.Data(z))
			continue
		}
		all.each[i].Draw(p.Data(z), r)
	}
}

// nth is the name of what belongs to the i-th of several inputs: that of the first is the one that an only input has.
func nth(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s of input %d", name, i+1)
}
