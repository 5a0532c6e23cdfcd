package method

import (
	"slices"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
	"zaq/internal/synth"
)

// inputs are the tensors by which P and Q take images, in the order of the network's inputs that are read. An image of a
// network with several inputs is what all of them take at once: where images lie in memory, the numbers [H, W, C] of each of
// its inputs follow each other, [n, Len].
type inputs []*engine.Tensor

// Len is how many numbers an image has.
func (in inputs) Len() int {
	n := 0
	for _, t := range in {
		n += t.Len()
	}
	return n
}

// load gives a program images x [n, Len], n no more than its batch. What the program does not look at is passed over.
func (in inputs) load(p *engine.Program, x []float32) {
	if len(in) == 1 {
		copy(p.Data(in[0]), x)
		return
	}
	at := 0
	for image := 0; at < len(x); image++ {
		for _, t := range in {
			n := t.Len()
			if p.Has(t) {
				copy(p.Data(t)[image*n:(image+1)*n], x[at:at+n])
			}
			at += n
		}
	}
}

// images returns what a program, of which all are inputs or outputs, has as images [batch, Len]. Of an only input it is the
// program's own memory.
func (in inputs) images(p *engine.Program) []float32 {
	if len(in) == 1 {
		return p.Data(in[0])
	}
	x := make([]float32, 0, p.Batch()*in.Len())
	for image := range p.Batch() {
		for _, t := range in {
			n := t.Len()
			x = append(x, p.Data(t)[image*n:(image+1)*n]...)
		}
	}
	return x
}

// draw gives a program a batch of images that f makes.
func (in inputs) draw(p *engine.Program, f func(dst []float32)) {
	if len(in) == 1 {
		f(p.Data(in[0]))
		return
	}
	x := make([]float32, p.Batch()*in.Len())
	f(x)
	in.load(p, x)
}

// addInputs adds inputs of the sizes that a network takes to a graph.
func addInputs(g *engine.Graph, net *nn.Network) (inputs, error) {
	sizes, err := net.InputSizes()
	if err != nil {
		return nil, err
	}
	var in inputs
	for i, s := range sizes {
		name := "images"
		if i > 0 {
			name += " " + s.Name
		}
		in = append(in, g.Input(name, s.H, s.W, s.C))
	}
	return in, nil
}

// of is the assignment of the tensors to the inputs of a network of these sizes.
func (in inputs) of(net *nn.Network) (map[string]*engine.Tensor, error) {
	sizes, err := net.InputSizes()
	if err != nil {
		return nil, err
	}
	named := map[string]*engine.Tensor{}
	for i, s := range sizes {
		named[s.Name] = in[i]
	}
	return named, nil
}

// PixelsOf is how an input of a network wants pixels: as Pixels says, if that is about this input, the only one or one for
// pictures of as many channels; networks that compare pictures want all of them alike. Bytes are what they are. It is nil where
// the input takes something else, of which no more than mean 0 and deviation 1 is assumed.
func (o *Options) PixelsOf(net *nn.Network, in nn.InputSize) *preprocess.Spec {
	bytes := func(input string) bool { return net.Port(input).Type == onnx.Uint8 }
	switch {
	case len(net.Inputs) == 1 || in.Name == o.Pixels.Input:
		return o.Pixels
	case bytes(in.Name):
		pixels, err := preprocess.Bytes([]int{nn.Batch, in.C, in.H, in.W})
		if err != nil {
			return nil // InputSizes has refused it
		}
		return pixels
	case !in.Vector && in.C == o.Pixels.Channels() && !bytes(o.Pixels.Input):
		return o.Pixels
	}
	return nil
}

// Inputs are the network's in the words of package synth.
func (o *Options) Inputs(net *nn.Network) ([]synth.Input, error) {
	sizes, err := net.InputSizes()
	if err != nil {
		return nil, err
	}
	var in []synth.Input
	for _, s := range sizes {
		in = append(in, synth.Input{H: s.H, W: s.W, C: s.C, Vector: s.Vector, Pixels: o.PixelsOf(net, s)})
	}
	return in, nil
}

// inputDistributions are what is assumed of the inputs of a network, by name: natural images, or standard normal numbers.
func (o *Options) inputDistributions(net *nn.Network) map[string]*nn.Distribution {
	sizes, err := net.InputSizes()
	if err != nil {
		return nil // prepare has refused it
	}
	known := map[string]*nn.Distribution{}
	for _, s := range sizes {
		if pixels := o.PixelsOf(net, s); pixels != nil {
			known[s.Name] = imageDistribution(pixels)
			continue
		}
		known[s.Name] = nn.NormalDistribution(&nn.Stats{Mean: make([]float32, s.C), Std: slices.Repeat([]float32{1}, s.C)})
	}
	return known
}

// inputRanges are the ranges that inputs of a network are quantized to, by the names of the tensors where they are, behind what
// the network normalizes itself: from black to white, since generated images are less bright than real ones, which would be
// clipped; of what is no picture, so many deviations of what is assumed.
func (o *Options) inputRanges(net *nn.Network) map[string][2]float32 {
	sizes, err := net.InputSizes()
	if err != nil {
		return nil
	}
	ranges := map[string][2]float32{}
	for _, s := range sizes {
		lo, hi := slices.Repeat([]float32{-nn.Sigmas}, s.C), slices.Repeat([]float32{nn.Sigmas}, s.C)
		if pixels := o.PixelsOf(net, s); pixels != nil {
			lo, hi = pixels.PixelRange()
		}
		z, ok := net.Normalization(s.Name)
		if ok && len(z.Scale) != s.C {
			continue // it makes other channels of one: observed like any tensor
		}
		for c, scale := range z.Scale {
			a, b := float32(float64(scale*float64(lo[c]))+z.Shift[c]), float32(float64(scale*float64(hi[c]))+z.Shift[c])
			lo[c], hi[c] = min(a, b), max(a, b)
		}
		ranges[z.Tensor] = [2]float32{slices.Min(lo), slices.Max(hi)}
	}
	return ranges
}
