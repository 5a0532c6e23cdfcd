package engine

import (
	"errors"
	"fmt"

	"zaq/internal/nn"
	"zaq/internal/operator"
)

// product is the matrix product of two tensors of an image, or of stacks of matrices:
//
//	y[s,i,j] = sum over k of a[s,i,k] * b[s,k,j]
//
// Each of the three has a table of where its elements lie in its map.
type product struct {
	a, b, y        *Tensor
	stack, m, k, n int
	ofA, ofB       []int // the matrix of a and of b for each of the stack
	atA, atB, atY  []int32
}

func (p *product) label() string    { return p.y.Name }
func (p *product) in() []*Tensor    { return []*Tensor{p.a, p.b} }
func (p *product) out() *Tensor     { return p.y }
func (p *product) params() []*Param { return nil }

// each calls f for every product of two elements, with their places and that of the sum they belong to.
func (p *product) each(f func(a, b, y int32)) {
	for s := range p.stack {
		for i := range p.m {
			rowA, rowY := (p.ofA[s]*p.m+i)*p.k, (s*p.m+i)*p.n
			for j := range p.n {
				for l := range p.k {
					f(p.atA[rowA+l], p.atB[(p.ofB[s]*p.k+l)*p.n+j], p.atY[rowY+j])
				}
			}
		}
	}
}

func (p *product) forward(b *builder) {
	u, v, y := b.value(p.a), b.value(p.b), b.value(p.y)
	b.image("product", 0, func(c *chunk) {
		sums := make([]float64, p.y.Len())
		for i := c.n0; i < c.n1; i++ {
			x, z := u.at(c, i), v.at(c, i)
			clear(sums)
			p.each(func(a, b, to int32) { sums[to] += float64(x[a]) * float64(z[b]) })
			for j, out := 0, y.at(c, i); j < len(out); j++ {
				out[j] = float32(sums[j])
			}
		}
	}, u, v, y)
}

func (p *product) backward(b *builder) {
	u, v, dy := b.value(p.a), b.value(p.b), b.grad(p.y)
	du, accU := b.gradTarget(p.a)
	dv, accV := b.gradTarget(p.b)
	b.image("product backward", 0, func(c *chunk) {
		sums := make([]float64, max(p.a.Len(), p.b.Len()))
		for i := c.n0; i < c.n1; i++ {
			d, x, z := dy.at(c, i), u.at(c, i), v.at(c, i)
			if du != nil {
				s := sums[:p.a.Len()]
				clear(s)
				p.each(func(a, b, y int32) { s[a] += float64(d[y]) * float64(z[b]) })
				into := du.at(c, i)
				for j, e := range s {
					put(into, j, float32(e), accU)
				}
			}
			if dv != nil {
				s := sums[:p.b.Len()]
				clear(s)
				p.each(func(a, b, y int32) { s[b] += float64(d[y]) * float64(x[a]) })
				into := dv.at(c, i)
				for j, e := range s {
					put(into, j, float32(e), accV)
				}
			}
		}
	}, u, v, dy, du, dv)
}

// product lowers a MatMul of two tensors that are computed.
func (l *lowering) product(layer *nn.Layer, name string) (*Tensor, error) {
	var shapes [3][]int
	var maps [3]*Tensor
	for i, t := range []string{layer.In[0], layer.In[1], layer.Out[0]} {
		shape, err := perImage(l.net.Values[t])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", t, err)
		}
		if len(shape) < 2 || len(shape) != len(shapes[0]) && i > 0 {
			return nil, errors.New("is not of matrices of each image")
		}
		if maps[i] = l.Tensors[t]; maps[i] == nil && i < 2 {
			return nil, fmt.Errorf("input %q is not a computed tensor", t)
		}
		shapes[i] = shape
	}
	h, w, c := mapOf(shapes[2])
	maps[2] = &Tensor{Name: name, H: h, W: w, C: c}
	at := func(i int) []int32 {
		places := make([]int32, maps[i].Len())
		for j := range places {
			places[j] = int32(placeOf(maps[i], shapes[i], j))
		}
		return places
	}
	r := len(shapes[0]) - 2
	p := &product{
		a: maps[0], b: maps[1], y: maps[2], m: shapes[0][r], k: shapes[0][r+1], n: shapes[1][r+1],
		atA: at(0), atB: at(1), atY: at(2),
	}
	var err error
	if p.ofA, err = stacked(shapes[0][:r], shapes[2][:r]); err != nil {
		return nil, err
	}
	if p.ofB, err = stacked(shapes[1][:r], shapes[2][:r]); err != nil {
		return nil, err
	}
	p.stack = len(p.ofA)
	return l.g.add(p), nil
}

// stacked returns which of a stack of matrices is used for each of a stack that it stretches to.
func stacked(stack, to []int) ([]int, error) {
	n := 1
	for _, d := range stack {
		n *= d
	}
	numbers := operator.Integers(make([]int64, n), append([]int{1}, stack...)...)
	for i := range numbers.Ints {
		numbers.Ints[i] = int64(i)
	}
	wide, err := expand(numbers, append([]int{1}, to...))
	if err != nil {
		return nil, err
	}
	of := make([]int, len(wide.Ints))
	for i, v := range wide.Ints {
		of[i] = int(v)
	}
	return of, nil
}
