package infer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"zaq/internal/preprocess"
)

// Program is a compiled network. It may be used by any number of goroutines at a time.
type Program struct {
	path    string
	threads int
	requant string

	inputs, outputs []Info
	steps           []step
	parts           []int // of each step, at most
	mostParts       int
	tensors         []*tensor
	bytes, floats   int // of an arena

	pixels  *preprocess.Spec // how pictures become the input; nil where nothing says it
	classes []string

	mu    sync.Mutex
	spare []*job // of earlier calls
}

// Info describes an input or output.
type Info struct {
	Name  string
	DType string // of the file: "float32", "float16", an input's "float64" or "uint8", an output's "int64"; a Tensor has the values as float32
	Shape []int  // -1 stands for the batch

	ChannelsLast bool // of an input: an image [N, H, W, C]
}

// Tensor is a batch of inputs or outputs in the order of ONNX, the last axis first. The values of an input of uint8 are whole
// numbers from 0 to 255; those of one of float16 are rounded to that.
type Tensor struct {
	Name  string // may be left out of inputs: their order is that of Inputs
	Shape []int  // with the batch
	Data  []float32
}

// Inputs describes what Run takes.
func (p *Program) Inputs() []Info { return slices.Clone(p.inputs) }

// Outputs describes what Run returns.
func (p *Program) Outputs() []Info { return slices.Clone(p.outputs) }

// Quantized reports whether any step computes with integers.
func (p *Program) Quantized() bool { return len(p.tensors) > 0 }

// Arena is the memory in bytes that an image needs while it is computed.
func (p *Program) Arena() int { return p.bytes + 4*p.floats }

// NewOutputs returns room for the outputs of a batch, for RunInto.
func (p *Program) NewOutputs(batch int) []Tensor {
	out := make([]Tensor, len(p.outputs))
	for i, o := range p.outputs {
		shape := slices.Clone(o.Shape)
		shape[0] = batch
		out[i] = Tensor{o.Name, shape, make([]float32, elements(shape))}
	}
	return out
}

// Run computes the outputs of a batch of inputs, in the order of Outputs. It is an error if the inputs do not have the
// names and shapes that Inputs says; that of a cancelled ctx, which is looked at before each image, is its own.
func (p *Program) Run(ctx context.Context, inputs []Tensor) ([]Tensor, error) {
	batch, err := p.batch(inputs)
	if err != nil {
		return nil, err
	}
	outputs := p.NewOutputs(batch)
	return outputs, p.RunInto(ctx, outputs, inputs)
}

// RunInto is Run with outputs in the caller's memory, as NewOutputs makes it.
func (p *Program) RunInto(ctx context.Context, outputs, inputs []Tensor) error {
	batch, err := p.batch(inputs)
	if err != nil {
		return err
	}
	if len(outputs) != len(p.outputs) {
		return fmt.Errorf("infer: %d outputs, want %d", len(outputs), len(p.outputs))
	}
	for i, o := range p.outputs {
		if len(outputs[i].Data) != batch*elements(o.Shape[1:]) {
			return fmt.Errorf("infer: output %q has room for %d elements, want %d images of %v", o.Name, len(outputs[i].Data), batch, o.Shape[1:])
		}
	}
	j := p.take()
	defer p.give(j)
	return j.run(ctx, outputs, inputs, batch)
}

// batch checks inputs and returns how many images they are.
func (p *Program) batch(inputs []Tensor) (int, error) {
	if len(inputs) != len(p.inputs) {
		return 0, fmt.Errorf("infer: %d inputs, want %d", len(inputs), len(p.inputs))
	}
	batch := 0
	for i, in := range p.inputs {
		x := &inputs[i]
		switch {
		case x.Name != "" && x.Name != in.Name:
			return 0, fmt.Errorf("infer: input %d is %q, want %q", i, x.Name, in.Name)
		case len(x.Shape) != len(in.Shape) || !slices.Equal(x.Shape[1:], in.Shape[1:]):
			return 0, fmt.Errorf("infer: input %q has shape %v, want %v", in.Name, x.Shape, in.Shape)
		case x.Shape[0] < 1:
			return 0, fmt.Errorf("infer: input %q has shape %v: no images", in.Name, x.Shape)
		case len(x.Data) != elements(x.Shape):
			return 0, fmt.Errorf("infer: input %q has %d elements, shape %v", in.Name, len(x.Data), x.Shape)
		case i > 0 && x.Shape[0] != batch:
			return 0, errors.New("infer: inputs of different batches")
		}
		batch = x.Shape[0]
	}
	return batch, nil
}

// take returns a job that nobody else has.
func (p *Program) take() *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.spare); n > 0 {
		j := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return j
	}
	return newJob(p)
}

// maxSpare bounds the memory that is kept for later calls.
const maxSpare = 64

func (p *Program) give(j *job) {
	j.forget()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, j)
	}
}
