// Package infer runs quantized networks in integers, in any Go program: no cgo, no other runtime.
//
//	p, err := infer.Load("resnet20.w4a8.onnx")
//	...
//	out, err := p.Run(ctx, []infer.Tensor{{Shape: []int{1, 3, 32, 32}, Data: pixels}})
//
// Load reads an ONNX file in QDQ form, one that zaq wrote or another tool, and compiles it: every operator between
// quantized tensors becomes a kernel on 8-bit integers with 32-bit sums, fused with the activation behind it. What
// is not quantized (a detector's decoder, a softmax) runs in float32.
//
// A Program is safe for concurrent use: its weights are shared and every call works in memory of its own, which is
// kept for the next one. RunInto allocates nothing where every step is an integer one.
//
// # Two ways of requantizing
//
// Between two layers, int32 sums become 8-bit integers of another scale. [ORT], the default, multiplies by a float32 and
// rounds as ONNX Runtime does, so that the integers are the same, bit for bit. [Fixed] multiplies by a 32-bit integer
// and shifts, as processors without floats must: from the quantized input to the last integer tensor no step computes
// in floating point. One requantization differs by at most one step between the two.
//
// # Threads
//
// A call of several images computes them side by side; one of a single image shares out the rows of every layer. Many
// small requests at a time are served best by many calls with WithThreads(1). The outputs are the same for any number.
package infer

import (
	"fmt"
	"runtime"

	"zaq/internal/kernel"
	"zaq/internal/nn"
	"zaq/internal/onnx"
)

// The ways of requantizing.
const (
	ORT   = "ort"   // by float32 factors, bit for bit as ONNX Runtime
	Fixed = "fixed" // by int32 factors and shifts
)

// Option changes how Load compiles a program.
type Option func(*options)

type options struct {
	threads int
	requant string
}

// WithThreads sets the number of goroutines that a call uses at most; 0, the default, stands for GOMAXPROCS.
func WithThreads(n int) Option { return func(o *options) { o.threads = n } }

// WithRequant chooses the way of requantizing: ORT, the default, or Fixed.
func WithRequant(mode string) Option { return func(o *options) { o.requant = mode } }

// Load reads and compiles the ONNX model at path. The error of a file that is broken, or that has an operator which is not
// supported, names the file and the node.
func Load(path string, opts ...Option) (*Program, error) {
	o := options{requant: ORT}
	for _, set := range opts {
		set(&o)
	}
	switch {
	case o.threads < 0:
		return nil, fmt.Errorf("infer: %d threads", o.threads)
	case o.requant != ORT && o.requant != Fixed:
		return nil, fmt.Errorf("infer: requantization %q: want %s or %s", o.requant, ORT, Fixed)
	}
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	m, _, err := onnx.ReadSource(path)
	if err != nil {
		return nil, err
	}
	p, err := load(m, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.path = path
	metadata := make(map[string]string)
	for _, m := range m.Metadata {
		metadata[m.Key] = m.Value
	}
	return p, p.describe(metadata)
}

func load(m *onnx.Model, o options) (*Program, error) {
	n, err := nn.Import(m)
	if err != nil {
		return nil, err
	}
	if err := n.CheckTail(); err != nil {
		return nil, err
	}
	if o.threads == 0 {
		o.threads = runtime.GOMAXPROCS(0)
	}
	return compile(n, o)
}
