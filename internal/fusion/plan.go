package fusion

import (
	"fmt"
	"math"
	"slices"

	"zaq/internal/onnx"
)

// plan is a graph with the relations that the rules ask for.
type plan struct {
	g         *onnx.Graph
	producer  map[string]*onnx.Node
	consumers map[string][]*onnx.Node
	constants map[string]*onnx.Tensor
	outputs   map[string]bool
	shapes    map[string]bool       // tensors of integers that are computed: shape arithmetic
	fused     map[*onnx.Node]string // nodes that a kernel before them does
	carried   map[*onnx.Node]bool   // nodes that move integers, which become floats behind them
}

func newPlan(g *onnx.Graph) *plan {
	p := &plan{
		g: g, producer: map[string]*onnx.Node{}, consumers: map[string][]*onnx.Node{}, constants: map[string]*onnx.Tensor{},
		outputs: map[string]bool{}, shapes: map[string]bool{}, fused: map[*onnx.Node]string{},
		carried: map[*onnx.Node]bool{},
	}
	for _, t := range g.Initializers {
		p.constants[t.Name] = t
	}
	for _, o := range g.Outputs {
		p.outputs[o.Name] = true
	}
	for _, n := range g.Nodes {
		captured, _ := n.Captured() // of a file that was read
		for _, t := range slices.Concat(n.Inputs, captured) {
			if t != "" {
				p.consumers[t] = append(p.consumers[t], n)
			}
		}
		for _, t := range n.Outputs {
			p.producer[t] = n
		}
		if a := n.Attr("value"); n.OpType == "Constant" && a != nil && a.Tensor != nil {
			p.constants[n.Outputs[0]] = a.Tensor
		}
		if p.isShape(n) {
			for _, t := range n.Outputs {
				p.shapes[t] = true
			}
		}
	}
	return p
}

// isShape reports whether n computes shapes, not values.
func (p *plan) isShape(n *onnx.Node) bool {
	switch n.OpType {
	case "Shape", "Constant", "Size":
		return true
	case "QuantizeLinear", "DequantizeLinear":
		return false
	}
	computed := false
	for _, t := range n.Inputs {
		if t == "" || p.constants[t] != nil {
			continue
		}
		if !p.shapes[t] {
			return false
		}
		computed = true
	}
	return computed
}

// isFloat reports whether n computes on floats as the file says: it is no quantizer, no shape arithmetic, and works
// neither on integers between two quantizers nor on a weight.
func (p *plan) isFloat(n *onnx.Node) bool {
	if n.OpType == "QuantizeLinear" || n.OpType == "DequantizeLinear" || p.isShape(n) || len(n.Inputs) == 0 {
		return false
	}
	if p.constants[n.Inputs[0]] != nil && (n.OpType == "Cast" || n.OpType == "Identity") {
		return false
	}
	source := p.producer[n.Inputs[0]]
	return source == nil || source.OpType != "QuantizeLinear"
}

// grid is what a QuantizeLinear or DequantizeLinear rounds to.
type grid struct {
	typ   onnx.DataType
	scale []float64
	zero  []int64
}

func (g grid) equal(other grid) bool {
	return g.typ == other.typ && slices.Equal(g.scale, other.scale) && slices.Equal(g.zero, other.zero)
}

// bounds are the real values that the grid, of one scale, represents.
func (g grid) bounds() (lo, hi float64) {
	least, most := 0.0, 255.0
	if g.typ == onnx.Int8 {
		least, most = -128, 127
	}
	return (least - float64(g.zero[0])) * g.scale[0], (most - float64(g.zero[0])) * g.scale[0]
}

// gridOf reads the constants of a quantizer.
func (p *plan) gridOf(q *onnx.Node) (grid, error) {
	g := grid{typ: onnx.Uint8, zero: []int64{0}}
	scale := p.constants[q.Inputs[1]]
	if scale == nil {
		return g, fmt.Errorf("the scale of %s is computed", q.Name)
	}
	v, err := scale.Floats()
	if err != nil || len(v) == 0 {
		return g, fmt.Errorf("the scale of %s cannot be read", q.Name)
	}
	for _, s := range v {
		g.scale = append(g.scale, float64(s))
	}
	if len(q.Inputs) > 2 && q.Inputs[2] != "" {
		zero := p.constants[q.Inputs[2]]
		if zero == nil {
			return g, fmt.Errorf("the zero point of %s is computed", q.Name)
		}
		g.typ = zero.Type
		if g.zero, err = zero.Int64s(); err != nil || len(g.zero) == 0 {
			return g, fmt.Errorf("the zero point of %s cannot be read", q.Name)
		}
	} else if t := p.constants[q.Inputs[0]]; t != nil {
		g.typ = t.Type
	}
	return g, nil
}

// dequantized returns the grid of input i of n, which must come from a DequantizeLinear.
func (p *plan) dequantized(n *onnx.Node, i int, what string) (grid, error) {
	if i >= len(n.Inputs) {
		return grid{}, fmt.Errorf("%s is left out", what)
	}
	d := p.producer[n.Inputs[i]]
	if d == nil || d.OpType != "DequantizeLinear" {
		return grid{}, fmt.Errorf("%s is float", what)
	}
	for _, in := range p.g.Inputs {
		if in.Name == d.Inputs[0] && in.Type == onnx.Int8 {
			return grid{}, fmt.Errorf("%s is an int8 input of the model, which no QuantizeLinear makes", what)
		}
	}
	return p.gridOf(d)
}

// quantizer is a QuantizeLinear that a kernel absorbs, with the activation functions on the way to it.
type quantizer struct {
	q       *onnx.Node
	grid    grid
	through []*onnx.Node
}

// quantized returns the quantizer that alone reads what n makes, or says who else does.
func (p *plan) quantized(n *onnx.Node) (*quantizer, error) {
	out := &quantizer{}
	t := n.Outputs[0]
	for {
		if p.outputs[t] {
			return nil, fmt.Errorf("its result %q is an output of the model, in float", t)
		}
		readers := p.consumers[t]
		if len(readers) != 1 {
			return nil, fmt.Errorf("its result has %d readers, not one QuantizeLinear", len(readers))
		}
		r := readers[0]
		switch r.OpType {
		case "QuantizeLinear":
			var err error
			out.q = r
			if out.grid, err = p.gridOf(r); err != nil {
				return nil, err
			}
			return out, p.absorbable(out)
		case "Relu", "Clip":
			if len(out.through) > 0 { // one of two would be left
				return nil, fmt.Errorf("%s and %s follow, of which a QuantizeLinear does one", out.through[0].OpType, r.OpType)
			}
			out.through = append(out.through, r)
			t = r.Outputs[0]
		case "BatchNormalization":
			return nil, fmt.Errorf("a BatchNormalization follows that is not folded into it")
		default:
			return nil, fmt.Errorf("%s follows without a QuantizeLinear between", r.OpType)
		}
	}
}

// absorbable checks that rounding to the grid does all that the activation functions do.
func (p *plan) absorbable(out *quantizer) error {
	lo, hi := out.grid.bounds()
	for _, f := range out.through {
		least, most := 0.0, math.Inf(1)
		if f.OpType == "Clip" {
			least, most = p.clipBounds(f)
		}
		if lo < least || hi > most {
			return fmt.Errorf("%s follows, and integers reach from %.4g to %.4g", f.OpType, lo, hi)
		}
	}
	return nil
}

// clipBounds reads the bounds of a Clip: attributes before opset 11, inputs since.
func (p *plan) clipBounds(n *onnx.Node) (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	for i, to := range []*float64{&lo, &hi} {
		if a := n.Attr([]string{"min", "max"}[i]); a != nil {
			*to = float64(a.Float)
		}
		if i+1 < len(n.Inputs) && p.constants[n.Inputs[i+1]] != nil {
			if v, err := p.constants[n.Inputs[i+1]].Floats(); err == nil && len(v) == 1 {
				*to = float64(v[0])
			}
		}
	}
	return lo, hi
}

// carries reports whether n moves integers that become floats behind it.
func (p *plan) carries(n *onnx.Node) bool {
	from := p.producer[n.Inputs[0]]
	return carriers[n.OpType] && n.Domain == "" && from != nil && (from.OpType == "DequantizeLinear" || p.carried[from]) && !p.feedsQuantizer(n)
}

// feedsQuantizer reports whether a QuantizeLinear reads what n makes.
func (p *plan) feedsQuantizer(n *onnx.Node) bool {
	return slices.ContainsFunc(p.consumers[n.Outputs[0]], func(r *onnx.Node) bool { return r.OpType == "QuantizeLinear" })
}

// reachesQuantizer reports whether what n makes goes to a QuantizeLinear and nowhere else, through activations that clip at most.
func (p *plan) reachesQuantizer(n *onnx.Node) bool {
	for {
		readers := p.consumers[n.Outputs[0]]
		if len(readers) != 1 || p.outputs[n.Outputs[0]] {
			return false
		}
		n = readers[0]
		if n.OpType != "Relu" && n.OpType != "Clip" {
			return n.OpType == "QuantizeLinear"
		}
	}
}
