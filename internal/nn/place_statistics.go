package nn

import "slices"

// A normalization that a file spells out is arithmetic with means: they are subtracted, and the root of a mean of squares is divided by.
// No runtime has integer kernels for it, and on 256 levels small squares are none. So it stays real, from the first mean to what layers
// with integer kernels read; as a LayerNormalization does that is one node.

// findStatistics notes what reductions and normalizations make, and what arithmetic without integer kernels makes of that.
func (d *deployment) findStatistics() {
	d.statistics = make(map[string]bool)
	for _, l := range d.n.Layers {
		if d.measures(l) || d.followsStatistics(l) {
			mark(d.statistics, l.Out)
		}
	}
}

// measures reports whether l is a reduction or a normalization. What a Softmax makes, from 0 to 1, lies well on a grid.
func (d *deployment) measures(l *Layer) bool {
	op, ok := l.Op.(Operator)
	return ok && op.onLines() && op.Type != "Softmax" && op.Type != "LogSoftmax"
}

// followsStatistics reports whether l is arithmetic with statistics that no integer kernel does.
func (d *deployment) followsStatistics(l *Layer) bool {
	statistic := func(t string) bool { return d.statistics[t] }
	switch op := l.Op.(type) {
	case Clip, Reshape, Flatten: // a Clip keeps a norm from being 0
		return statistic(l.In[0])
	case Add:
		return statistic(l.In[0]) && statistic(l.In[1])
	case Operator:
		switch {
		case op.Domain != "":
			return false
		case op.Moves():
			return statistic(l.In[0])
		case op.Type == "Add", op.Type == "Mul": // of integers there are kernels
			return slices.ContainsFunc(l.In, statistic) && !slices.ContainsFunc(l.In, func(t string) bool {
				return !statistic(t) && !d.n.Values[t].Const()
			})
		case slices.Contains([]string{"Sub", "Div", "Pow", "Sqrt", "Reciprocal", "Exp", "Log", "Abs", "Neg"}, op.Type):
			return slices.ContainsFunc(l.In, statistic)
		}
	}
	return false
}

// normalizing reports whether t stays real within a normalization: a statistic for more of its arithmetic, or squares of which only means
// are taken.
func (d *deployment) normalizing(t string) bool {
	if !d.statistics[t] && !d.squared(t) || len(d.consumers[t]) == 0 {
		return false
	}
	return !slices.ContainsFunc(d.consumers[t], func(c *Layer) bool {
		return !d.measures(c) && !(d.statistics[t] && d.followsStatistics(c))
	})
}

func (d *deployment) squared(t string) bool {
	l := d.producer[t]
	if l == nil {
		return false
	}
	op, ok := l.Op.(Operator)
	return ok && (op.Type == "Pow" || op.Type == "Mul" && len(l.In) == 2 && l.In[0] == l.In[1])
}
