package engine

import (
	"fmt"

	"zaq/internal/nn"
	"zaq/internal/operator"
)

func (l *lowering) batchNorm(layer *nn.Layer, op nn.BatchNorm, name string, x *Tensor) (*Tensor, error) {
	if len(layer.In) != 5 {
		return nil, fmt.Errorf("%d inputs", len(layer.In))
	}
	if v := l.net.Values[layer.In[0]]; v != nil && len(v.Shape) == 2 && x.H*x.W > 1 {
		// A channel of a flattened map is one of its elements.
		var err error
		x, err = l.move(&nn.Layer{In: layer.In[:1], Out: layer.Out}, name+" flat", 0, func(numbers []*operator.Tensor) (*operator.Tensor, error) {
			return numbers[0], nil
		})
		if err != nil {
			return nil, err
		}
	}
	gamma, err := l.vector(layer.In[1], x.C)
	if err != nil {
		return nil, err
	}
	beta, err := l.vector(layer.In[2], x.C)
	if err != nil {
		return nil, err
	}
	mean, err := l.constant(layer.In[3], x.C)
	if err != nil {
		return nil, err
	}
	variance, err := l.constant(layer.In[4], x.C)
	if err != nil {
		return nil, err
	}
	s := &Stats{Mean: append([]float32(nil), mean.Data...), Var: append([]float32(nil), variance.Data...), Epsilon: op.Epsilon}
	if l.o.TrainBN {
		s.Momentum = 0.1
		l.stores = append(l.stores, func() { copy(mean.Data, s.Mean); copy(variance.Data, s.Var) })
	}
	l.PreNorm = append(l.PreNorm, PreNorm{x, s})
	return l.g.BatchNorm(name, x, gamma, beta, s, l.o.TrainBN), nil
}

// scale multiplies all elements by one factor.
func (l *lowering) scale(op nn.Scale, name string, x *Tensor) *Tensor {
	factors, zeros, ones := make([]float32, x.C), make([]float32, x.C), make([]float32, x.C)
	for c := range factors {
		factors[c], ones[c] = op.Factor, 1
	}
	s := &Stats{Mean: zeros, Var: ones}
	return l.g.BatchNorm(name, x, NewParam(name+" factor", factors, false), NewParam(name+" shift", zeros, false), s, false)
}
