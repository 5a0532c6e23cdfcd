package engine

import "math"

// logitPair is what losses between the answers of two networks share: a loss of an image's logits and its gradient.
type logitPair struct {
	lossBase
	a, b *Tensor
	// of returns the loss of an image with logits a and b, and writes its gradient to da and db.
	of func(a, b []float32, da, db []float64) float64

	da, db []float64 // of an image
}

func (g *Graph) logitPair(name string, a, b *Tensor, of func(a, b []float32, da, db []float64) float64) *Loss {
	return g.addLoss(&logitPair{newLoss(name, a, b), a, b, of, make([]float64, a.Len()), make([]float64, b.Len())})
}

func (n *logitPair) each(p *Program, x, y *buffer, f func(i int, loss float64)) {
	k := n.a.Len()
	u, v := x.rows(p, 0, p.batch), y.rows(p, 0, p.batch)
	for i := range p.batch {
		f(i, n.of(u[i*k:(i+1)*k], v[i*k:(i+1)*k], n.da, n.db))
	}
}

func (n *logitPair) forward(b *builder) {
	x, y := b.value(n.a), b.value(n.b)
	b.global("loss", 1, func(int) {
		n.l.Value = 0
		n.each(b.p, x, y, func(_ int, loss float64) { n.l.Value += loss / float64(b.p.batch) })
	}, x, y)
}

func (n *logitPair) backward(b *builder) {
	x, y := b.value(n.a), b.value(n.b)
	dx, accX := b.gradTarget(n.a)
	dy, accY := b.gradTarget(n.b)
	coef := b.coef[n.l] / float64(b.p.batch)
	b.global("loss backward", 1, func(int) {
		var du, dv []float32
		if dx != nil {
			du = dx.rows(b.p, 0, b.p.batch)
		}
		if dy != nil {
			dv = dy.rows(b.p, 0, b.p.batch)
		}
		n.each(b.p, x, y, func(i int, _ float64) {
			for k := range n.da {
				put(du, i*len(n.da)+k, float32(coef*n.da[k]), accX)
				put(dv, i*len(n.db)+k, float32(coef*n.db[k]), accY)
			}
		})
	}, x, y, dx, dy)
}

// LogSoftmax writes the logarithms of the softmax of x/t.
func LogSoftmax(dst []float64, x []float32, t float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, float64(v)/t)
	}
	var sum float64
	for k, v := range x {
		dst[k] = float64(v)/t - top
		sum += math.Exp(dst[k])
	}
	for k := range dst {
		dst[k] -= math.Log(sum)
	}
}

// Distill adds the loss by which a student learns from a teacher's answers (Hinton et al. 2015),
//
//	T^2 / K * KL(softmax(teacher/T) || softmax(student/T)),
//
// averaged over images and over the K classes, as GDFQ has it.
func (g *Graph) Distill(name string, teacher, student *Tensor, temperature float64) *Loss {
	k, t := teacher.Len(), temperature
	p, q := make([]float64, k), make([]float64, k)
	return g.logitPair(name, teacher, student, func(a, b []float32, da, db []float64) (loss float64) {
		LogSoftmax(p, a, t)
		LogSoftmax(q, b, t)
		for i := range p {
			loss += float64(math.Exp(p[i]) * (p[i] - q[i]))
		}
		for i := range p {
			pi := math.Exp(p[i])
			da[i] = t / float64(k) * pi * (p[i] - q[i] - loss)
			db[i] = t / float64(k) * (math.Exp(q[i]) - pi)
		}
		return t * t / float64(k) * loss
	})
}

// JensenShannon adds the mean over images of the divergence of two networks' answers at a temperature,
//
//	1/2 KL(p || m) + 1/2 KL(q || m),   m = (p + q)/2,
//
// which lies between 0 and log 2. DeepInversion's competition term is 1 less this. (The public code clamps
// probabilities to [0.01, 0.99] and has the arguments of KL the other way around.)
func (g *Graph) JensenShannon(name string, a, b *Tensor, temperature float64) *Loss {
	k := a.Len()
	p, q, m := make([]float64, k), make([]float64, k), make([]float64, k)
	return g.logitPair(name, a, b, func(x, y []float32, dx, dy []float64) (loss float64) {
		LogSoftmax(p, x, temperature)
		LogSoftmax(q, y, temperature)
		var ep, eq float64 // expectations of log(p/m) under p, and of log(q/m) under q
		for i := range p {
			m[i] = math.Log((math.Exp(p[i]) + math.Exp(q[i])) / 2)
			ep += float64(math.Exp(p[i]) * (p[i] - m[i]))
			eq += float64(math.Exp(q[i]) * (q[i] - m[i]))
		}
		// dJS/dp_i = 1/2 log(p_i/m_i), up to a constant that the softmax takes away.
		for i := range p {
			dx[i] = 0.5 / temperature * math.Exp(p[i]) * (p[i] - m[i] - ep)
			dy[i] = 0.5 / temperature * math.Exp(q[i]) * (q[i] - m[i] - eq)
		}
		return 0.5 * (ep + eq)
	})
}
