package engine

// embed multiplies a vector by the row of a table that belongs to the image's label.
type embed struct {
	x, y   *Tensor
	table  *Param // [classes, len(x)]
	labels []int
}

// Embed adds y = x * table[label], element by element: noise for a class. Labels is read at every run and must hold
// one row of the table, [classes, len(x)], for each image.
func (g *Graph) Embed(name string, x *Tensor, table *Param, labels []int) *Tensor {
	return g.add(&embed{x: x, y: &Tensor{Name: name, H: x.H, W: x.W, C: x.C}, table: table, labels: labels})
}

func (n *embed) label() string    { return n.y.Name }
func (n *embed) in() []*Tensor    { return []*Tensor{n.x} }
func (n *embed) out() *Tensor     { return n.y }
func (n *embed) params() []*Param { return []*Param{n.table} }

func (n *embed) row(image int) []float32 { return n.rowOf(n.table.Data, image) }

func (n *embed) rowOf(table []float32, image int) []float32 {
	k := n.x.Len()
	return table[n.labels[image]*k : (n.labels[image]+1)*k]
}

func (n *embed) forward(b *builder) {
	x, y := b.value(n.x), b.value(n.y)
	b.image("embed", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			out, row := y.at(c, i), n.row(i)
			for k, v := range x.at(c, i) {
				out[k] = v * row[k]
			}
		}
	}, x, y)
}

func (n *embed) backward(b *builder) {
	x, dy := b.value(n.x), b.grad(n.y)
	if b.wrt[n.table] { // several images may have the same label
		b.global("embed gradient", 1, func(int) {
			k := n.x.Len()
			v, d := x.rows(b.p, 0, b.p.batch), dy.rows(b.p, 0, b.p.batch)
			for i := range b.p.batch {
				row := n.rowOf(n.table.Grad, i)
				for e := range row {
					row[e] += float32(v[i*k+e] * d[i*k+e])
				}
			}
		}, x, dy)
	}
	dx, acc := b.gradTarget(n.x)
	if dx == nil {
		return
	}
	b.image("embed gradient", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			into, row := dx.at(c, i), n.row(i)
			for k, v := range dy.at(c, i) {
				put(into, k, float32(v*row[k]), acc)
			}
		}
	}, dx, dy)
}
