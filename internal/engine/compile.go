package engine

import (
	"errors"
	"fmt"
	"slices"
)

// Spec says what a Program computes.
type Spec struct {
	Batch     int
	Objective []Term    // its weighted sum is minimised
	WRT       []*Param  // parameters whose gradients are wanted
	Outputs   []*Tensor // kept after a run
	Threads   int       // 0: GOMAXPROCS
	Profile   *Profile  // gets the times; nil: nothing is timed
}

// Term is a loss and its factor in an objective.
type Term struct {
	Loss *Loss
	Coef float64
}

// builder collects the steps of a program while the graph is walked.
type builder struct {
	p       *Program
	coef    map[*Loss]float64
	needs   map[*Tensor]bool // gradient wanted
	wrt     map[*Param]bool
	written map[*Tensor]bool // gradient already written by a consumer
	values  map[*Tensor]*buffer
	grads   map[*Tensor]*buffer
	makers  map[*Tensor]node
	keeps   map[*Tensor]*keep
	remade  map[*Tensor]remade
}

// Compile plans the computation of spec.
func (g *Graph) Compile(spec Spec) (*Program, error) {
	if spec.Batch < 1 {
		return nil, fmt.Errorf("engine: batch of %d images", spec.Batch)
	}
	if len(spec.WRT) > 0 && len(spec.Objective) == 0 {
		return nil, errors.New("engine: gradients wanted of no objective")
	}
	for i, t := range spec.Outputs {
		if t == nil {
			return nil, fmt.Errorf("engine: output %d of %d is no tensor", i+1, len(spec.Outputs))
		}
	}
	b := &builder{
		p:    newProgram(spec),
		coef: map[*Loss]float64{}, needs: map[*Tensor]bool{}, wrt: map[*Param]bool{},
		written: map[*Tensor]bool{}, values: map[*Tensor]*buffer{}, grads: map[*Tensor]*buffer{},
		makers: map[*Tensor]node{}, keeps: map[*Tensor]*keep{}, remade: map[*Tensor]remade{},
	}
	for _, t := range spec.Objective {
		b.coef[t.Loss] += t.Coef
	}
	for _, p := range spec.WRT {
		b.wrt[p] = true
		if p.Grad == nil {
			p.Grad = make([]float32, len(p.Data))
		}
	}
	b.p.wrt, b.p.outputs = b.wrt, spec.Outputs
	nodes := reachable(g.fuse(spec.Outputs), spec)
	for _, t := range spec.Objective {
		if !slices.ContainsFunc(nodes, func(n node) bool { l, ok := n.(lossNode); return ok && l.loss() == t.Loss }) {
			return nil, fmt.Errorf("engine: loss %s is not one of the graph", t.Loss.Name)
		}
	}
	for _, n := range nodes {
		b.markNeeds(n)
		if t := n.out(); t != nil {
			b.makers[t] = n
		}
	}
	for _, n := range nodes {
		b.p.layer, b.p.overhead = n.label(), overhead(n)
		n.forward(b)
	}
	b.p.phase = "backward"
	for i := len(nodes) - 1; i >= 0; i-- {
		if n := nodes[i]; b.wantsBackward(n) {
			b.p.layer, b.p.overhead = n.label(), overhead(n)
			n.backward(b)
		}
	}
	b.p.layer = "parameters"
	b.reduceGradients(spec.WRT)
	for _, t := range spec.Outputs {
		if _, ok := b.values[t]; !ok {
			return nil, fmt.Errorf("engine: output %s is not computed", t.Name)
		}
		b.values[t].pin = true
	}
	b.p.values = b.values
	b.dropKeeps()
	b.p.plan()
	b.p.ready()
	return b.p, nil
}

// reachable returns those of nodes, in order, on which the wanted losses and outputs depend.
func reachable(nodes []node, spec Spec) []node {
	wantTensor, wantLoss := map[*Tensor]bool{}, map[*Loss]bool{}
	for _, t := range spec.Objective {
		wantLoss[t.Loss] = true
	}
	for _, t := range spec.Outputs {
		wantTensor[t] = true
	}
	var found []node
	for _, n := range slices.Backward(nodes) {
		if l, ok := n.(lossNode); ok && wantLoss[l.loss()] || wantTensor[n.out()] {
			found = append(found, n)
			for _, t := range n.in() {
				wantTensor[t] = true
			}
		}
	}
	slices.Reverse(found)
	return found
}

func (b *builder) markNeeds(n node) {
	t := n.out()
	if t == nil {
		return
	}
	for _, p := range n.params() {
		if b.wrt[p] {
			b.needs[t] = true
		}
	}
	for _, i := range n.in() {
		if b.needs[i] {
			b.needs[t] = true
		}
	}
}

func (b *builder) wantsBackward(n node) bool {
	if t := n.out(); t != nil {
		return b.needs[t] && b.written[t]
	}
	l, ok := n.(lossNode)
	if !ok || b.coef[l.loss()] == 0 {
		return false
	}
	for _, t := range n.in() {
		if b.needs[t] {
			return true
		}
	}
	return false
}

// value returns the buffer of t.
func (b *builder) value(t *Tensor) *buffer {
	if b.p.phase == "backward" && b.values[t] != nil {
		return b.kept(t)
	}
	v, ok := b.values[t]
	if !ok {
		v = b.p.newBuffer(t.Name, t.Len())
		if _, isInput := t.producer.(*input); isInput {
			v.pin = true
		}
		b.values[t] = v
	}
	return v
}

// grad returns the buffer of the finished gradient of t, for the backward steps of its producer.
func (b *builder) grad(t *Tensor) *buffer { return b.grads[t] }

// gradTarget returns where a consumer of t puts its share of the gradient of t, and whether it must add to what
// is there; nil where that gradient is not wanted.
func (b *builder) gradTarget(t *Tensor) (v *buffer, accumulate bool) {
	if !b.needs[t] {
		return nil, false
	}
	accumulate = b.written[t]
	b.written[t] = true
	if t.reduced {
		return nil, accumulate
	}
	v, ok := b.grads[t]
	if !ok {
		v = b.p.newBuffer("d "+t.Name, t.Len())
		b.grads[t] = v
	}
	return v, accumulate
}

// prepare arranges for w to be rounded, and then for pack, before every run in which w has changed.
func (b *builder) prepare(w *Weight, pack func()) {
	if !slices.Contains(b.p.weights, w) {
		b.p.weights = append(b.p.weights, w)
	}
	if pack != nil {
		b.p.packs = append(b.p.packs, pack)
	}
}

// image adds a step that works on a range of images; bufs are all buffers it touches.
func (b *builder) image(kernel string, flops float64, run func(c *chunk), bufs ...*buffer) {
	b.p.addStep(&step{kernel: kernel, flops: flops, nominal: flops * b.p.overhead, image: run}, bufs)
}

// together says that the last step takes all images of a chunk at once: it reads so many weights and needs scratch.
func (b *builder) together(weights int, scratch func(images int) int) {
	s := b.p.steps[len(b.p.steps)-1]
	s.weights, s.scratch = weights, scratch
}

// byRows says that the last step can work on some of so many rows of an image, if complete are there as a whole.
func (b *builder) byRows(rows int, complete ...*buffer) {
	s := b.p.steps[len(b.p.steps)-1]
	s.rows, s.complete = rows, complete
}

// inPlace says that the last step can write to where it reads from.
func (b *builder) inPlace(from, to *buffer) {
	s := b.p.steps[len(b.p.steps)-1]
	s.inPlace = append(s.inPlace, [2]*buffer{from, to})
}

// global adds a barrier: tasks independent pieces of work on the whole batch.
func (b *builder) global(kernel string, tasks int, run func(task int), bufs ...*buffer) {
	b.p.addStep(&step{kernel: kernel, tasks: tasks, global: run}, bufs)
	b.p.barriers++
}
