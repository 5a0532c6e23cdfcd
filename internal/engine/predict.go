package engine

import (
	"fmt"

	"zaq/internal/nn"
)

// Predictor runs a network as it is, float or with calibrated quantizers, on batches of images.
type Predictor struct {
	prog *Program
	in   *Tensor
	out  []*Tensor
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
	g := NewGraph()
	p := &Predictor{in: g.Input(name, height, width, channels)}
	l, err := Lower(g, net, map[string]*Tensor{name: p.in}, LowerOptions{})
	if err != nil {
		return nil, err
	}
	for _, o := range net.Outputs {
		t := l.Tensors[o]
		if t == nil {
			return nil, fmt.Errorf("output %q is not computed by the engine", o)
		}
		p.out = append(p.out, t)
	}
	p.prog, err = g.Compile(Spec{Batch: batch, Outputs: p.out, Threads: threads})
	return p, err
}

// Input is the batch of images to be filled before Run: [Batch, H, W, C].
func (p *Predictor) Input() []float32 { return p.prog.Data(p.in) }

// Output returns the network's i-th output of the last Run: [Batch, H, W, C].
func (p *Predictor) Output(i int) []float32 { return p.prog.Data(p.out[i]) }

// Classes is the number of elements that output i has for each image.
func (p *Predictor) Classes(i int) int { return p.out[i].Len() }

// Run computes the outputs.
func (p *Predictor) Run() { p.prog.Run() }
