package engine

import (
	"fmt"
	"slices"

	"zaq/internal/nn"
)

// Predictor runs a network as it is, float or with calibrated quantizers, on batches of images. What follows the last
// layers with weights is computed by the operators' definitions (nn.Reference), image by image.
type Predictor struct {
	prog *Program
	in   *Tensor

	outputs []output
	tail    *nn.Network
	heads   map[string]output // what the tail reads
	results [][]float32       // of the tail, by output
}

// output is one of the network's: made by the program, or by the tail.
type output struct {
	t     *Tensor
	shape []int // of an image, as in the file
	len   int
}

// NewPredictor compiles net, which has one image input, for batches of the given size.
func NewPredictor(net *nn.Network, batch, threads int) (*Predictor, error) {
	name, channels, height, width, err := net.ImageInput()
	if err != nil {
		return nil, err
	}
	for _, l := range net.Layers {
		if op, ok := l.Op.(nn.FakeQuant); ok && !op.Q.Calibrated() {
			return nil, fmt.Errorf("node %q: quantizer without a range", l.Name)
		}
	}
	if err := net.CheckTail(); err != nil {
		return nil, err
	}
	trunk, tail := nn.Cut(net)
	g := NewGraph()
	p := &Predictor{in: g.Input(name, height, width, channels), tail: tail, heads: make(map[string]output)}
	l, err := Lower(g, trunk, map[string]*Tensor{name: p.in}, LowerOptions{})
	if err != nil {
		return nil, err
	}
	var kept []*Tensor
	for _, name := range trunk.Outputs {
		o := output{t: l.Tensors[name]}
		if o.t == nil {
			return nil, fmt.Errorf("output %q is not computed by the engine", name)
		}
		if o.shape, err = perImage(trunk.Values[name]); err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
		o.len = o.t.Len()
		p.heads[name] = o
		kept = append(kept, o.t)
	}
	if len(tail.Layers) > 0 && slices.Contains(tail.Inputs, name) {
		p.heads[name] = output{t: p.in, shape: []int{channels, height, width}, len: p.in.Len()}
	}
	if p.prog, err = g.Compile(Spec{Batch: batch, Outputs: kept, Threads: threads}); err != nil {
		return nil, err
	}
	for _, name := range net.Outputs {
		o, ok := p.heads[name]
		if !ok {
			if o.shape, err = perImage(net.Values[name]); err != nil {
				return nil, fmt.Errorf("output %q: %w", name, err)
			}
			o.len = 1
			for _, d := range o.shape {
				o.len *= d
			}
		}
		p.outputs = append(p.outputs, o)
	}
	p.results = make([][]float32, len(p.outputs))
	return p, nil
}

// Input is the batch of images to be filled before Run: [Batch, H, W, C].
func (p *Predictor) Input() []float32 { return p.prog.Data(p.in) }

// Output returns the network's i-th output of the last Run, in the order of the file: [Batch, ...] as Shape says.
func (p *Predictor) Output(i int) []float32 {
	o := p.outputs[i]
	if o.t == nil {
		return p.results[i]
	}
	data := p.prog.Data(o.t)
	if len(o.shape) != 3 && o.t.H*o.t.W == 1 || len(o.shape) != 3 && len(o.shape) != 1 {
		return data
	}
	ordered := make([]float32, len(data))
	for b := range p.prog.Batch() {
		o.order(ordered[b*o.len:(b+1)*o.len], data[b*o.len:])
	}
	return ordered
}

// order copies a map into the order of the file.
func (o output) order(to, from []float32) {
	for i := range to {
		to[i] = from[placeOf(o.t, o.shape, i)]
	}
}

// Shape returns the shape of an image's part of output i, as in the file.
func (p *Predictor) Shape(i int) []int { return p.outputs[i].shape }

// Classes is the number of elements that output i has for each image.
func (p *Predictor) Classes(i int) int { return p.outputs[i].len }

// Run computes the outputs.
func (p *Predictor) Run() error {
	p.prog.Run()
	if len(p.tail.Layers) == 0 {
		return nil
	}
	for i, o := range p.outputs {
		if o.t == nil && p.results[i] == nil {
			p.results[i] = make([]float32, p.prog.Batch()*o.len)
		}
	}
	inputs := make(map[string][]float32)
	for name, o := range p.heads {
		inputs[name] = make([]float32, o.len)
	}
	for b := range p.prog.Batch() {
		for name, o := range p.heads {
			o.order(inputs[name], p.prog.Data(o.t)[b*o.len:])
		}
		values, err := nn.Reference(p.tail, inputs, 1)
		if err != nil {
			return err
		}
		for i, o := range p.outputs {
			if o.t != nil {
				continue
			}
			v := values[p.tail.Outputs[i]]
			if len(v) != o.len {
				return fmt.Errorf("output %q has %d elements, not %v", p.tail.Outputs[i], len(v), o.shape)
			}
			copy(p.results[i][b*o.len:], v)
		}
	}
	return nil
}
