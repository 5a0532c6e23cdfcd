package zaq

import (
	"context"
	"fmt"
	"slices"

	"zaq/infer"
	"zaq/internal/engine"
	"zaq/internal/nn"
)

// predictor computes a model's outputs of a batch of images.
type predictor interface {
	Input() []float32 // to be filled: [batch, H, W, C]
	Run() error
	Output(i int) []float32 // of the last Run, in the order of the file
	Classes(i int) int      // elements of output i for each image
	Shape(i int) []int      // of an image's part of output i
}

// predictor returns the one of the engine that the options name.
func (m *Model) predictor(batch int, o EvalOptions) (predictor, error) {
	if o.Engine == "int" {
		return m.integerPredictor(batch, o.Requant)
	}
	net := m.net.Clone()
	nn.InIntegers(net) // as those who run the file will compute it
	p, err := engine.NewPredictor(net, batch, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	return p, nil
}

// integerPredictor is package infer as a predictor.
type integerPredictor struct {
	program  *infer.Program
	pixels   []float32 // [batch, H, W, C]
	channels int
	last     bool // channels are last in the file, too
	in, out  []infer.Tensor
}

func (m *Model) integerPredictor(batch int, requant string) (*integerPredictor, error) {
	program, err := infer.Load(m.path, infer.WithRequant(requant))
	if err != nil {
		return nil, err
	}
	if !program.Quantized() {
		return nil, &HintError{
			Err:    fmt.Errorf("%s: nothing in it is quantized, so there are no integers to compute with", m.path),
			Advice: "--engine fake runs float networks",
		}
	}
	in := program.Inputs()[0]
	shape := slices.Clone(in.Shape)
	shape[0] = batch
	values := make([]float32, size(shape))
	return &integerPredictor{
		program: program, pixels: make([]float32, len(values)), channels: m.net.Values[m.input].Shape[1], last: in.ChannelsLast,
		in: []infer.Tensor{{Shape: shape, Data: values}}, out: program.NewOutputs(batch),
	}, nil
}

func (p *integerPredictor) Input() []float32       { return p.pixels }
func (p *integerPredictor) Output(i int) []float32 { return p.out[i].Data }
func (p *integerPredictor) Classes(i int) int      { return len(p.out[i].Data) / p.out[i].Shape[0] }

func (p *integerPredictor) Shape(i int) []int { return p.out[i].Shape[1:] }

func (p *integerPredictor) Run() error {
	x := &p.in[0]
	if p.last {
		copy(x.Data, p.pixels)
		return p.program.RunInto(context.Background(), p.out, p.in)
	}
	image := len(p.pixels) / x.Shape[0]
	plane := image / p.channels
	for i, v := range p.pixels {
		at := i % image
		x.Data[i-at+at%p.channels*plane+at/p.channels] = v
	}
	return p.program.RunInto(context.Background(), p.out, p.in)
}
