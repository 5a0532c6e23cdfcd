// Package engine trains and evaluates convolutional networks on the CPU.
//
// A Graph is built once from differentiable operations (package nn's layers through Lower, a generator,
// losses). Compile turns it, for a batch size, an objective and the parameters whose gradients are wanted,
// into a Program: a flat list of steps over planned buffers. Run is the narrow door.
//
// Maps are NHWC float32. A step works either on a range of images or, as a barrier, on the whole batch.
// Runs of image steps between two barriers form a segment, and a segment is executed depth first: a few
// images go through all of its steps, or through a part of them, while they are in the cache, and what is needed
// nowhere else lives in a small buffer of the worker. Deep layers, whose maps are small and weights many, are a part with
// more images at a time. Sums over the batch are kept per lane, a fixed eighth of the batch, and added
// in lane order, so that the bits of a result do not depend on the number of threads.
package engine

import "fmt"

// Tensor is a batch of H x W x C maps that flows through a Graph.
type Tensor struct {
	Name    string
	H, W, C int

	// reduced marks a result that has no batch axis (a Gram matrix): its node keeps it.
	reduced   bool
	producer  node
	consumers int
}

// Len is the number of elements of one image's map.
func (t *Tensor) Len() int { return t.H * t.W * t.C }

// Graph is a list of operations in topological order.
type Graph struct {
	nodes []node
	fast  bool // convolutions may go by Winograd's algorithm
}

// NewGraph returns an empty graph. Its convolutions go by the definition: on a network that holds integers
// (nn.InIntegers) sums are exact.
func NewGraph() *Graph { return &Graph{} }

// NewTrainingGraph returns an empty graph whose convolutions may go by Winograd's algorithm, which takes less time and rounds
// otherwise.
func NewTrainingGraph() *Graph { return &Graph{fast: true} }

// node is one operation: it emits the steps that compute it and its gradient.
type node interface {
	label() string
	in() []*Tensor    // tensors it reads
	out() *Tensor     // tensor it makes; nil for a loss
	params() []*Param // parameters it reads
	forward(b *builder)
	// backward emits the steps that turn the gradient of out into those of in and params. It is called only
	// when the gradient of out, or for a loss of its inputs, is wanted.
	backward(b *builder)
}

func (g *Graph) add(n node) *Tensor {
	g.nodes = append(g.nodes, n)
	for _, t := range n.in() {
		t.consumers++
	}
	if t := n.out(); t != nil {
		t.producer = n
		return t
	}
	return nil
}

// Input adds a tensor that is filled by the caller before every run.
func (g *Graph) Input(name string, h, w, c int) *Tensor {
	return g.add(&input{t: &Tensor{Name: name, H: h, W: w, C: c}})
}

type input struct{ t *Tensor }

func (n *input) label() string     { return n.t.Name }
func (n *input) in() []*Tensor     { return nil }
func (n *input) out() *Tensor      { return n.t }
func (n *input) params() []*Param  { return nil }
func (n *input) forward(*builder)  {}
func (n *input) backward(*builder) {}

// Param is an array of trainable numbers.
type Param struct {
	Name string
	Data []float32
	Grad []float32 // of the objective of the last Run that wanted it
	// Decay says whether weight decay applies (weights yes; biases, gamma and beta no).
	Decay bool

	version int
}

// NewParam returns a parameter over data, which it keeps.
func NewParam(name string, data []float32, decay bool) *Param {
	return &Param{Name: name, Data: data, Decay: decay, version: 1}
}

// Changed must be called after Data was written, so that what was derived from it is derived anew.
func (p *Param) Changed() { p.version++ }

func (t *Tensor) String() string { return fmt.Sprintf("%s [%d,%d,%d]", t.Name, t.H, t.W, t.C) }
