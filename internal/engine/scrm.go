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
func (g *Graph) SCRM(name string, p, q []*Tensor) *FeatureLoss {
	return g.imagePairs("attention", name, p, q, func(hw, c int) func(p, q, dp, dq []float32, k float64) float64 {
		room := newAttentionRoom(hw)
		a, b := newAttention(hw, c, room), newAttention(hw, c, room)
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
	room  *attentionRoom

	norm []float32 // of positions
	x    []float32 // normalized [HW, C]
	xt   []float32 // its transpose
	x1   []float32 // [x 1], so that a product with it holds sums of rows [HW, C+1]

	sum    []float32 // of the rows of exp(X X^T)
	looked []float32 // softmax(X X^T) X
	ac     []float32 // attention of channels [C, C]

	spatial, channel   []float32 // S and T [HW, C]
	dspatial, dchannel []float32

	// Of the gradient.
	dx, du, tall []float32 // [HW, C], [HW, C], [C, HW]
	left, right  []float32 // [HW, 2C+2]
	part         []float32 // the transpose of some rows of the right one, or of narrower matrices
	dac, act     []float32 // [C, C]
}

// attentionRoom holds the columns of two [HW, HW] matrices that fit into the second-level cache.
type attentionRoom struct {
	columns int
	e, m    []float32
}

func newAttentionRoom(hw int) *attentionRoom {
	const floats = 1 << 16 // of a matrix
	r := &attentionRoom{columns: min(hw, max(floats/hw, 8))}
	r.e, r.m = make([]float32, hw*r.columns), make([]float32, hw*r.columns)
	return r
}

func newAttention(hw, c int, room *attentionRoom) *attention {
	floats := func(n int) []float32 { return make([]float32, n) }
	n := hw * c
	return &attention{
		hw: hw, c: c, room: room, norm: floats(hw), x: floats(n), xt: floats(n), x1: floats(n + hw),
		sum: floats(hw), looked: floats(n), ac: floats(c * c),
		spatial: floats(n), channel: floats(n), dspatial: floats(n), dchannel: floats(n),
		dx: floats(n), du: floats(n), tall: floats(n), left: floats(2 * (n + hw)), right: floats(2 * (n + hw)), part: floats(room.columns * (2*c + 2)), dac: floats(c * c), act: floats(c * c),
	}
}

// blocks calls do with a part [HW, n] of exp(X X^T), from column i on, after another. The matrix is symmetric, so that its
// columns are its rows; and as they are few, the part is gone through in the order in which it lies. A product of normalized
// positions is at most 1, so that no row's largest needs to be taken away first.
func (t *attention) blocks(do func(i, n int, e []float32)) {
	for i := 0; i < t.hw; i += t.room.columns {
		n := min(t.room.columns, t.hw-i)
		e, part := t.room.e[:t.hw*n], t.part[:t.c*n]
		transpose(part, t.x[i*t.c:], n, t.c)
		kernel.MatMul(e, t.x, part, t.hw, t.c, n, false)
		kernel.Exp(e, e)
		do(i, n, e)
	}
}

func (t *attention) look(m []float32) {
	hw, c := t.hw, t.c
	for i := range hw {
		row := m[i*c : (i+1)*c]
		t.norm[i] = float32(math.Sqrt(dotRow(row, row) + relationEps))
		for k, v := range row {
			t.x[i*c+k] = v / t.norm[i]
		}
		copy(t.x1[i*(c+1):], t.x[i*c:(i+1)*c])
		t.x1[i*(c+1)+c] = 1
	}
	transpose(t.xt, t.x, hw, c)

	t.blocks(func(i, n int, e []float32) {
		looked := t.part[:(c+1)*n]
		clear(looked)
		kernel.MatMulTA(looked, t.x1, e, c+1, hw, n)
		copy(t.sum[i:], looked[c*n:])
		transpose(t.looked[i*c:(i+n)*c], looked, c, n)
	})

	clear(t.ac)
	kernel.MatMulTA(t.ac, t.x, t.x, c, hw, c)
	softminRows(t.ac, c) // the row's maximum is a constant that the softmax takes away
	kernel.MatMul(t.tall, t.ac, t.xt, c, c, hw, false)
	transpose(t.channel, t.tall, c, hw)

	for i, v := range t.x {
		t.looked[i] /= t.sum[i/c]
		t.spatial[i] = float32(attended*t.looked[i]) + v
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
	t.spatialGradient()

	// out^T = A x^T: dx^T += A^T dout^T, dA = dout^T x; E = x^T x: dx += x (dE + dE^T).
	kernel.MatMul(t.dx, t.dchannel, t.ac, hw, c, c, true)
	clear(t.dac)
	kernel.MatMulTA(t.dac, t.dchannel, t.x, c, hw, c)
	softminRowsBackward(t.dac, t.ac, c)
	kernel.MatMul(t.dx, t.x, t.dac, hw, c, c, true)
	transpose(t.act, t.dac, c, c)
	kernel.MatMul(t.dx, t.x, t.act, hw, c, c, true)

	// x = m/|m|: dm = (dx - x <x, dx>)/|m|.
	for i := range hw {
		x, dx, d := t.x[i*c:(i+1)*c], t.dx[i*c:(i+1)*c], dmap[i*c:(i+1)*c]
		along := float32(dotRow(x, dx))
		for k := range d {
			d[k] += (dx[k] - float32(x[k]*along)) / t.norm[i]
		}
	}
}

// spatialGradient adds to dx what comes through y = A x, A_ij = e_ij/s_i, where e = exp(x x^T) is symmetric and s are the
// sums of its rows. With u_i = dy_i/s_i and v_i = <u_i, y_i>,
//
//	dx_i += sum_j e_ij u_j + m_ij x_j,  m_ij = e_ij (<u_i, x_j> + <x_i, u_j> - v_i - v_j),
//
// where m is symmetric, too, and one product of [u x -v 1] and [x u 1 -v].
func (t *attention) spatialGradient() {
	hw, c, wide := t.hw, t.c, 2*t.c+2
	for i := range hw {
		u, left, right := t.du[i*c:(i+1)*c], t.left[i*wide:], t.right[i*wide:]
		for k, d := range t.dspatial[i*c : (i+1)*c] {
			u[k] = d / t.sum[i]
		}
		v := float32(dotRow(u, t.looked[i*c:(i+1)*c]))
		x := t.x[i*c : (i+1)*c]
		copy(left, u)
		copy(left[c:], x)
		left[2*c], left[2*c+1] = -v, 1
		copy(right, x)
		copy(right[c:], u)
		right[2*c], right[2*c+1] = 1, -v
	}
	t.blocks(func(i, n int, e []float32) {
		m, part, dx := t.room.m[:hw*n], t.part[:wide*n], t.dx[i*c:(i+n)*c]
		transpose(part, t.right[i*wide:], n, wide)
		kernel.MatMul(m, t.left, part, hw, wide, n, false)
		kernel.Mul(m, m, e)
		kernel.MatMulTA(dx, m, t.x, n, hw, c)
		kernel.MatMulTA(dx, e, t.du, n, hw, c)
	})
}

// dotRow is kernel.Dot for rows as short as these.
func dotRow(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(float64(v) * float64(b[i]))
	}
	return sum
}

func transpose(dst, src []float32, rows, columns int) {
	for i := range rows {
		for j := range columns {
			dst[j*rows+i] = src[i*columns+j]
		}
	}
}

// softminRows replaces each row of n elements by the softmax of what is the opposite of it.
func softminRows(a []float32, n int) {
	for ; len(a) > 0; a = a[n:] {
		row := a[:n]
		least := row[0]
		for _, v := range row {
			least = min(least, v)
		}
		for i, v := range row {
			row[i] = least - v
		}
		kernel.Exp(row, row)
		var sum float64
		for _, v := range row {
			sum += float64(v)
		}
		kernel.ScaleBy(row, float32(1/sum))
	}
}

// softminRowsBackward replaces the gradient of softminRows' result a by that of its argument.
func softminRowsBackward(da, a []float32, n int) {
	for ; len(da) > 0; da, a = da[n:], a[n:] {
		d, row := da[:n], a[:n]
		along := float32(dotRow(d, row))
		for i, v := range row {
			d[i] = -v * (d[i] - along)
		}
	}
}
