package engine

import (
	"slices"

	"zaq/internal/kernel"
)

// keep is where a map goes that the forward pass is soon done with and the backward pass asks for. Its own steps leave it in
// a small buffer, which stays in the cache; from there a copy goes past the cache to memory, whole lines in their order. A
// convolution that wrote to memory itself would wait for each line to be fetched first, a few channels of a pixel at
// a time.
type keep struct {
	step     *step
	from, to *buffer
	decided  bool
}

// keepable adds the step that copies the map of t for the backward pass, if that asks for it.
func (b *builder) keepable(t *Tensor) {
	if b.needs[t] && !slices.Contains(b.p.outputs, t) {
		from := b.values[t]
		b.image("keep", 0, nil, from)
		b.byRows(t.H)
		b.keeps[t] = &keep{step: b.p.steps[len(b.p.steps)-1], from: from}
	}
}

// kept is the buffer of t in the backward pass.
func (b *builder) kept(t *Tensor) *buffer {
	k := b.keeps[t]
	if k == nil {
		return b.values[t]
	}
	if !k.decided {
		k.decided = true
		if !b.readLater(k) {
			from, to := k.from, b.p.newBuffer(t.Name+" kept", t.Len())
			k.to = to
			k.step.buffers = append(k.step.buffers, to)
			k.step.image = func(c *chunk) { kernel.Stream(to.all(c), from.all(c)) }
		}
	}
	if k.to == nil {
		return k.from
	}
	return k.to
}

// readLater reports whether the forward pass reads the map behind a barrier, where it is in memory anyway.
func (b *builder) readLater(k *keep) bool {
	i, barrier := slices.Index(b.p.steps, k.step), false
	for _, s := range b.p.steps[i:] {
		barrier = barrier || s.global != nil
		if barrier && s.phase == "forward" && slices.Contains(s.buffers, k.from) {
			return true
		}
	}
	return false
}

// dropKeeps takes out the copies that nobody asked for.
func (b *builder) dropKeeps() {
	b.p.steps = slices.DeleteFunc(b.p.steps, func(s *step) bool { return s.image == nil && s.global == nil })
}
