package engine

import (
	"fmt"
	"slices"

	"zaq/internal/kernel"
)

// Nowhere stands in the table of a move for an element that comes from no input.
const Nowhere = -1

// move makes a map of elements of others, each from where a table says: what Reshape, Transpose, Concat, Slice, Pad,
// DepthToSpace, Resize (nearest) and their like do to the memory of one image.
type move struct {
	xs    []*Tensor
	y     *Tensor
	table []int32 // for each element of y: a place in xs, one after the other, or Nowhere
	value float32 // of what comes from nowhere

	runs   []stretch // of the table, or of the first pixel
	pixels int       // of y that all follow the same pattern; 0: runs are the whole table
	step   int       // from one of their sources to the next
	gaps   bool
}

// stretch is a run of elements that stay neighbours.
type stretch struct{ to, source, from, n int32 }

// Move adds a map of h x w x c elements, each one of those of xs: table has a place in the maps of xs, laid one after
// the other, or Nowhere for the given value. Several elements may come from one place.
func (g *Graph) Move(name string, xs []*Tensor, h, w, c int, table []int32, value float32) (*Tensor, error) {
	total := 0
	for _, x := range xs {
		total += x.Len()
	}
	if len(table) != h*w*c {
		return nil, fmt.Errorf("%s: %d places for %d elements", name, len(table), h*w*c)
	}
	for _, p := range table {
		if p < Nowhere || int(p) >= total {
			return nil, fmt.Errorf("%s: place %d of %d", name, p, total)
		}
	}
	// A move of a move is one move.
	if len(xs) == 1 {
		if m, ok := xs[0].producer.(*move); ok && (value == m.value || !m.gaps) {
			joined := make([]int32, len(table))
			for i, p := range table {
				if joined[i] = p; p != Nowhere {
					joined[i] = m.table[p]
				}
			}
			xs, table = m.xs, joined
		}
	}
	n := &move{xs: xs, y: &Tensor{Name: name, H: h, W: w, C: c}, table: table, value: value}
	n.gaps = slices.Contains(table, Nowhere)
	return g.add(n), nil
}

// plan finds the runs of the table. Where every pixel repeats the first one's pattern a constant step on, one pixel's
// runs are enough. It is called when a program wants them: most moves are part of another by then.
func (n *move) plan() {
	if n.runs != nil {
		return
	}
	c, pixels := n.y.C, n.y.H*n.y.W
	if len(n.xs) == 1 && pixels > 1 && !n.gaps {
		n.step = int(n.table[c] - n.table[0])
		n.pixels = pixels
		for i := c; i < len(n.table); i++ {
			if int(n.table[i]-n.table[i-c]) != n.step {
				n.pixels = 0
				break
			}
		}
	}
	table := n.table
	if n.pixels > 0 {
		table = table[:c]
	}
	for i := 0; i < len(table); {
		if table[i] == Nowhere {
			i++
			continue
		}
		source, from := 0, table[i]
		for from >= int32(n.xs[source].Len()) {
			from -= int32(n.xs[source].Len())
			source++
		}
		r := stretch{to: int32(i), source: int32(source), from: from, n: 1}
		for i++; i < len(table) && table[i] == table[i-1]+1 && int(r.from+r.n) < n.xs[source].Len(); i++ {
			r.n++
		}
		n.runs = append(n.runs, r)
	}
}

func (n *move) label() string    { return n.y.Name }
func (n *move) in() []*Tensor    { return n.xs }
func (n *move) out() *Tensor     { return n.y }
func (n *move) params() []*Param { return nil }

// each calls f for every run.
func (n *move) each(f func(r stretch)) {
	for p := range max(n.pixels, 1) {
		for _, r := range n.runs {
			r.to += int32(p * n.y.C)
			r.from += int32(p * n.step)
			f(r)
		}
	}
}

func (n *move) forward(b *builder) {
	n.plan()
	y := b.value(n.y)
	bufs := []*buffer{y}
	for _, x := range n.xs {
		bufs = append(bufs, b.value(x))
	}
	b.image("move", 0, func(c *chunk) {
		xs := make([][]float32, len(n.xs))
		for i := c.n0; i < c.n1; i++ {
			out := y.at(c, i)
			if n.gaps {
				for j := range out {
					out[j] = n.value
				}
			}
			for k := range xs {
				xs[k] = bufs[1+k].at(c, i)
			}
			n.each(func(r stretch) {
				if r.n == 1 {
					out[r.to] = xs[r.source][r.from]
					return
				}
				copy(out[r.to:r.to+r.n], xs[r.source][r.from:])
			})
		}
	}, bufs...)
}

func (n *move) backward(b *builder) {
	dy := b.grad(n.y)
	var targets []*buffer
	bufs := []*buffer{dy}
	seen := make(map[*buffer]bool)
	var fresh []*buffer // to be cleared first
	for _, x := range n.xs {
		dx, accumulate := b.gradTarget(x)
		targets = append(targets, dx)
		if dx == nil {
			continue
		}
		if !accumulate && !seen[dx] {
			fresh = append(fresh, dx)
		}
		seen[dx] = true
		bufs = append(bufs, dx)
	}
	if len(bufs) == 1 {
		return
	}
	b.image("move backward", 0, func(c *chunk) {
		into := make([][]float32, len(targets))
		for i := c.n0; i < c.n1; i++ {
			for _, v := range fresh {
				clear(v.at(c, i))
			}
			for k, v := range targets {
				if v != nil {
					into[k] = v.at(c, i)
				}
			}
			d := dy.at(c, i)
			n.each(func(r stretch) {
				dx := into[r.source]
				switch {
				case dx == nil:
				case r.n == 1:
					dx[r.from] += d[r.to]
				default:
					kernel.Accumulate(dx[r.from:r.from+r.n], d[r.to:])
				}
			})
		}
	}, bufs...)
}
