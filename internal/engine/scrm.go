package engine

import (
	"math"

	"zaq/internal/kernel"
)

// SCRM adds the feature loss of ZAQ's public code, which is not that of the paper. Maps X [HW, C] of an image are
// divided by the norm of each position, and looked at in two ways:
//
//	spatial: A = softmax(X X^T) over rows,                 S = 0.1 A X + X
//	channel: A = softmax(rowmax(E) - E), E = X^T X,        T = 0.1 X A^T + X
//
//	d_l = mean |S_P - S_Q| + mean |T_P - T_Q|, averaged over images.
//
// The matrix of HW x HW makes it about ten times slower than CRM on a CPU.
func (g *Graph) SCRM(name string, p, q []*Tensor) *FeatureLoss {
	return g.imagePairs("attention", name, p, q, func(hw, c int) func(p, q, dp, dq []float32, k float64) float64 {
		a, b := newAttention(hw, c), newAttention(hw, c)
		return func(p, q, dp, dq []float32, k float64) (loss float64) {
			a.look(p)
			b.look(q)
			if dp == nil && dq == nil {
				return (kernel.AbsDiffSum(a.spatial, b.spatial) + kernel.AbsDiffSum(a.channel, b.channel)) / float64(hw*c)
			}
			step := float32(k / float64(hw*c))
			for i, v := range a.spatial {
				a.dspatial[i] = step * sign(v-b.spatial[i])
				a.dchannel[i] = step * sign(a.channel[i]-b.channel[i])
				b.dspatial[i], b.dchannel[i] = -a.dspatial[i], -a.dchannel[i]
			}
			a.gradient(dp)
			b.gradient(dq)
			return 0
		}
	})
}

// attended is the share of what attention brings in.
const attended = 0.1

// attention is what SCRM makes of an image's map.
type attention struct {
	hw, c int

	norm     []float32 // of positions
	x, xt    []float32 // normalized [HW, C], and its transpose
	as, ac   []float32 // attention [HW, HW] and [C, C]
	act      []float32 // room for a transpose of the latter
	spatial  []float32 // [HW, C]
	channel  []float32
	dspatial []float32
	dchannel []float32
	dx       []float32
	da       []float32 // of the larger matrix
	tall     []float32 // [C, HW]
}

func newAttention(hw, c int) *attention {
	n := hw * c
	room := func(n int) []float32 { return make([]float32, n) }
	return &attention{
		hw: hw, c: c, norm: room(hw), x: room(n), xt: room(n), as: room(hw * hw), ac: room(c * c), act: room(c * c), spatial: room(n), channel: room(n),
		dspatial: room(n), dchannel: room(n), dx: room(n), da: room(max(hw*hw, c*c)), tall: room(n),
	}
}

func (t *attention) look(m []float32) {
	hw, c := t.hw, t.c
	for i := range hw {
		row := m[i*c : (i+1)*c]
		t.norm[i] = float32(math.Sqrt(kernel.SumSquares(row) + relationEps))
		for k, v := range row {
			t.x[i*c+k] = v / t.norm[i]
		}
	}
	transpose(t.xt, t.x, hw, c)

	kernel.MatMul(t.as, t.x, t.xt, hw, c, hw, false)
	softmaxRows(t.as, hw, 1)
	kernel.MatMul(t.spatial, t.as, t.x, hw, hw, c, false)

	clear(t.ac)
	kernel.MatMulTA(t.ac, t.x, t.x, c, hw, c)
	softmaxRows(t.ac, c, -1) // the row's maximum is a constant that the softmax takes away
	kernel.MatMul(t.tall, t.ac, t.xt, c, c, hw, false)
	transpose(t.channel, t.tall, c, hw)

	for i, v := range t.x {
		t.spatial[i] = float32(attended*t.spatial[i]) + v
		t.channel[i] = float32(attended*t.channel[i]) + v
	}
}

// gradient adds the gradient of the map that look was given last, from those of spatial and channel.
func (t *attention) gradient(dmap []float32) {
	if dmap == nil {
		return
	}
	hw, c := t.hw, t.c
	for i, v := range t.dspatial {
		t.dx[i] = v + t.dchannel[i]
		t.dspatial[i], t.dchannel[i] = attended*v, attended*t.dchannel[i]
	}
	// out = A x: dx += A^T dout, dA = dout x^T; E = x x^T: dx += (dE + dE^T) x.
	kernel.MatMulTA(t.dx, t.as, t.dspatial, hw, hw, c)
	da := t.da[:hw*hw]
	kernel.MatMul(da, t.dspatial, t.xt, hw, c, hw, false)
	softmaxRowsBackward(da, t.as, hw, 1)
	kernel.MatMul(t.dx, da, t.x, hw, hw, c, true)
	kernel.MatMulTA(t.dx, da, t.x, hw, hw, c)

	// out^T = A x^T: dx^T += A^T dout^T, dA = dout^T x; E = x^T x: dx += x (dE + dE^T).
	kernel.MatMul(t.dx, t.dchannel, t.ac, hw, c, c, true)
	da = t.da[:c*c]
	clear(da)
	kernel.MatMulTA(da, t.dchannel, t.x, c, hw, c)
	softmaxRowsBackward(da, t.ac, c, -1)
	kernel.MatMul(t.dx, t.x, da, hw, c, c, true)
	transpose(t.act, da, c, c)
	kernel.MatMul(t.dx, t.x, t.act, hw, c, c, true)

	// x = m/|m|: dm = (dx - x <x, dx>)/|m|.
	for i := range hw {
		x, dx, d := t.x[i*c:(i+1)*c], t.dx[i*c:(i+1)*c], dmap[i*c:(i+1)*c]
		along := float32(kernel.Dot(x, dx))
		for k := range d {
			d[k] += (dx[k] - float32(x[k]*along)) / t.norm[i]
		}
	}
}

func transpose(dst, src []float32, rows, columns int) {
	for i := range rows {
		for j := range columns {
			dst[j*rows+i] = src[i*columns+j]
		}
	}
}

// softmaxRows replaces each row of n elements by the softmax of sign times it.
func softmaxRows(a []float32, n int, sign float32) {
	for ; len(a) > 0; a = a[n:] {
		row := a[:n]
		top := sign * row[0]
		for _, v := range row {
			top = max(top, sign*v)
		}
		var sum float64
		for i, v := range row {
			row[i] = float32(math.Exp(float64(sign*v - top)))
			sum += float64(row[i])
		}
		for i := range row {
			row[i] = float32(float64(row[i]) / sum)
		}
	}
}

// softmaxRowsBackward replaces the gradient of softmaxRows' result a by that of its argument.
func softmaxRowsBackward(da, a []float32, n int, sign float32) {
	for ; len(da) > 0; da, a = da[n:], a[n:] {
		d, row := da[:n], a[:n]
		along := float32(kernel.Dot(d, row))
		for i, v := range row {
			d[i] = sign * v * (d[i] - along)
		}
	}
}
