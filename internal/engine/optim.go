package engine

import (
	"math"

	"zaq/internal/kernel"
)

// SGD is stochastic gradient descent with momentum and weight decay, as PyTorch has it:
// v = momentum*v + g + decay*w; w -= lr*v, or lr*(g + decay*w + momentum*v) with Nesterov's momentum.
type SGD struct {
	Params   []*Param
	LR       float64
	Momentum float64
	Decay    float64 // of parameters that decay
	Nesterov bool

	Velocity [][]float32
}

// NewSGD returns an optimizer for params.
func NewSGD(params []*Param, momentum, decay float64, nesterov bool) *SGD {
	return &SGD{Params: params, Momentum: momentum, Decay: decay, Nesterov: nesterov, Velocity: likeParams(params)}
}

// Step moves the parameters along their gradients.
func (o *SGD) Step() {
	for i, p := range o.Params {
		decay := o.Decay
		if !p.Decay {
			decay = 0
		}
		kernel.SGDStep(p.Data, p.Grad, o.Velocity[i], float32(o.LR), float32(o.Momentum), float32(decay), o.Nesterov)
		p.Changed()
	}
}

// Adam is the optimizer of Kingma and Ba (2015), as PyTorch has it.
type Adam struct {
	Params       []*Param
	LR           float64
	Beta1, Beta2 float64
	Steps        int // taken so far

	M, V [][]float32
}

// NewAdam returns an optimizer for params.
func NewAdam(params []*Param, lr, beta1, beta2 float64) *Adam {
	return &Adam{Params: params, LR: lr, Beta1: beta1, Beta2: beta2, M: likeParams(params), V: likeParams(params)}
}

const adamEps = 1e-8

// Step moves the parameters.
func (o *Adam) Step() {
	o.Steps++
	for i, p := range o.Params {
		kernel.AdamStep(p.Data, p.Grad, o.M[i], o.V[i], float32(o.LR), float32(o.Beta1), float32(o.Beta2), adamEps, 0, o.Steps)
		p.Changed()
	}
}

func likeParams(params []*Param) [][]float32 {
	s := make([][]float32, len(params))
	for i, p := range params {
		s[i] = make([]float32, len(p.Data))
	}
	return s
}

// ClipGradNorm scales the gradients of params so that their common norm is at most limit, and returns the norm
// that they had (Pascanu et al. 2013).
func ClipGradNorm(params []*Param, limit float64) float64 {
	norm := GradNorm(params)
	if limit > 0 && norm > limit {
		for _, p := range params {
			kernel.ScaleBy(p.Grad, float32(limit/norm))
		}
	}
	return norm
}

// Schedule gives the learning rate of a step as a factor of the first one.
type Schedule func(step, total int) float64

// Cosine falls from 1 to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts).
func Cosine(step, total int) float64 {
	return 0.5 * (1 + math.Cos(math.Pi*float64(step)/float64(max(total, 1))))
}

// Thirds divides by ten after each third: the schedule that ZAQ was published with.
func Thirds(step, total int) float64 {
	return math.Pow(0.1, float64(min(3*step/max(total, 1), 2)))
}
