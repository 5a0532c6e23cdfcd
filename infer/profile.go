package infer

import (
	"context"
	"slices"
	"time"

	"zaq/internal/intkernel"
)

// Step describes a step of a program and, in a profile, what it took.
type Step struct {
	Name  string        `json:"name"`            // of the node in the file
	Op    string        `json:"op"`              // its operator, with those that are fused behind it
	Shape []int         `json:"shape,omitempty"` // channels, height and width of the result, where it is an integer tensor
	DType string        `json:"dtype"`           // of the result: "uint8" or "float32"
	Ops   float64       `json:"ops,omitempty"`   // operations of an image, two for a multiply-add
	Time  time.Duration `json:"time_ns,omitempty"`
}

// Kernels is the name of the kernels in use: "avx512", "avx2", "neon" or "go".
func Kernels() string { return intkernel.Path() }

// Steps lists what a program does for each image.
func (p *Program) Steps() []Step {
	steps := make([]Step, len(p.steps))
	for i, s := range p.steps {
		n := s.about()
		steps[i] = Step{Name: n.Name, Op: n.Op, DType: "float32", Ops: n.ops}
		if t := n.out; t != nil {
			steps[i].DType, steps[i].Shape = "uint8", []int{t.m.C, t.m.H, t.m.W}
		}
	}
	return steps
}

// WeightBytes is the memory of the packed weights.
func (p *Program) WeightBytes() int {
	n := 0
	for _, s := range p.steps {
		switch s := s.(type) {
		case *convStep:
			n += s.conv.Bytes()
		case *realConvStep:
			n += s.conv.Bytes()
		}
	}
	return n
}

// Profile runs the first image of the inputs a number of times on one goroutine and returns the steps with their median
// times.
func (p *Program) Profile(ctx context.Context, inputs []Tensor, runs int) ([]Step, error) {
	batch, err := p.batch(inputs)
	if err != nil {
		return nil, err
	}
	j := p.take()
	defer p.give(j)
	j.ctx, j.inputs, j.outputs, j.batch = ctx, inputs, p.NewOutputs(batch), batch
	a := j.arenas[0]
	j.set(a, 0)
	steps := p.Steps()
	times := make([][]time.Duration, len(steps))
	for range max(1, runs) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i, s := range p.steps {
			start := time.Now()
			s.run(a, 0, 0, 1)
			times[i] = append(times[i], time.Since(start))
		}
		if a.err != nil {
			return nil, a.err
		}
	}
	for i := range steps {
		slices.Sort(times[i])
		steps[i].Time = times[i][len(times[i])/2]
	}
	return steps, nil
}
