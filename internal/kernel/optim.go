package kernel

import "math"

// SGDStep is one step of stochastic gradient descent with momentum, as in PyTorch, on parameters w with gradient
// dw and velocity v (zero before the first step):
//
//	d = dw + weightDecay*w
//	v = momentum*v + d
//	w -= lr*v                    lr*(d + momentum*v) with nesterov
func SGDStep(w, dw, v []float32, lr, momentum, weightDecay float32, nesterov bool) {
	k := sgdParams{lr: lr, momentum: momentum, decay: weightDecay}
	if nesterov {
		k.direct, k.look = 1, momentum
	} else {
		k.look = 1
	}
	impl.sgd(w, dw[:len(w)], v[:len(w)], k)
}

// sgdParams are the constants of a step w -= lr*(direct*d + look*v).
type sgdParams struct{ lr, momentum, decay, direct, look float32 }

func sgdGo(w, dw, v []float32, k sgdParams) {
	for i := range w {
		d := float32(k.decay*w[i]) + dw[i]
		v[i] = float32(k.momentum*v[i]) + d
		step := float32(k.look*v[i]) + float32(k.direct*d)
		w[i] -= float32(k.lr * step)
	}
}

// AdamStep is step number step (from 1) of Adam, as in PyTorch, on parameters w with gradient dw and moments m
// and v (zero before the first step):
//
//	d = dw + weightDecay*w
//	m = beta1*m + (1-beta1)*d
//	v = beta2*v + (1-beta2)*d*d
//	w -= lr/(1-beta1^step) * m / (sqrt(v/(1-beta2^step)) + eps)
func AdamStep(w, dw, m, v []float32, lr, beta1, beta2, eps, weightDecay float32, step int) {
	c1 := 1 - math.Pow(float64(beta1), float64(step))
	c2 := 1 - math.Pow(float64(beta2), float64(step))
	impl.adam(w, dw[:len(w)], m[:len(w)], v[:len(w)], adamParams{
		decay: weightDecay,
		beta1: beta1, rest1: float32(1 - float64(beta1)),
		beta2: beta2, rest2: float32(1 - float64(beta2)),
		root: float32(1 / math.Sqrt(c2)), eps: eps,
		rate: float32(float64(lr) / c1),
	})
}

// adamParams are the constants of a step w -= rate*m/(root*sqrt(v) + eps).
type adamParams struct{ decay, beta1, rest1, beta2, rest2, root, eps, rate float32 }

func adamGo(w, dw, m, v []float32, k adamParams) {
	for i := range w {
		d := float32(k.decay*w[i]) + dw[i]
		m[i] = float32(k.beta1*m[i]) + float32(k.rest1*d)
		v[i] = float32(k.beta2*v[i]) + float32(float32(k.rest2*d)*d)
		root := float32(math.Sqrt(float64(v[i])))
		w[i] -= float32(k.rate * m[i] / (float32(k.root*root) + k.eps))
	}
}
