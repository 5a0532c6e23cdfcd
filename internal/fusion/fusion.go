// Package fusion predicts what ONNX Runtime makes of a quantized file on a CPU: which nodes become integer kernels, and
// why the others stay float. Nothing is run; the rules are those of ONNX Runtime 1.30 (its QDQ selectors), which tests
// hold against the graph that it really runs.
//
// In QDQ form a file says "dequantize, compute in float, quantize" around every node. ONNX Runtime puts one kernel in the
// place of the three where it has one, where all inputs are dequantized, and where nobody else wants the float result.
// What only moves integers may be rewritten once more, such as two Slices of a tensor to a Split.
package fusion

import (
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// Kernel is what becomes of a node.
type Kernel struct {
	Node *onnx.Node
	// Name is the integer kernel: "QLinearConv"; the operator itself where it moves integers as well as floats; "" where the
	// node stays float.
	Name string
	// Fused marks a Relu or Clip that the kernel before it does: Name is that kernel.
	Fused bool
	// Why says, of a node that stays float, for what reason.
	Why string
	// Out is the tensor of integers that the kernel makes; "" where it makes floats.
	Out string
}

// Predict returns the kernels of all nodes that compute on floats in the file, in its order. It is nil where the file is
// not quantized at all.
func Predict(g *onnx.Graph) []Kernel {
	p := newPlan(g)
	if !slices.ContainsFunc(g.Nodes, func(n *onnx.Node) bool { return n.OpType == "DequantizeLinear" }) {
		return nil
	}
	var kernels []Kernel
	for _, n := range g.Nodes {
		if p.isFloat(n) {
			kernels = append(kernels, p.kernel(n))
		}
	}
	return kernels
}

// kernel decides about one node.
func (p *plan) kernel(n *onnx.Node) Kernel {
	k := Kernel{Node: n}
	if by, ok := p.fused[n]; ok {
		k.Name, k.Fused = by, true
		return k
	}
	name, out, err := p.integer(n)
	if err != nil {
		k.Why = err.Error()
		return k
	}
	k.Name = name
	if out != nil {
		k.Out = out.q.Outputs[0]
		for _, f := range out.through {
			p.fused[f] = name
		}
	}
	return k
}

// kernels are the integer forms of operators that compute. All want dequantized inputs and a quantized output.
var kernels = map[string]string{
	"Conv": "QLinearConv", "Gemm": "QGemm", "MatMul": "QLinearMatMul", "Add": "QLinearAdd", "Mul": "QLinearMul",
	"GlobalAveragePool": "QLinearGlobalAveragePool", "AveragePool": "QLinearAveragePool", "LeakyRelu": "QLinearLeakyRelu",
	"Sigmoid": "QLinearSigmoid", "Softmax": "QLinearSoftmax", "Concat": "QLinearConcat",
}

// movers are the operators that run on integers as they are, where nothing is to be rounded: input and output have one
// grid.
var movers = map[string]bool{
	"MaxPool": true, "Resize": true, "Reshape": true, "Flatten": true, "Transpose": true, "Slice": true, "Gather": true,
	"Squeeze": true, "Unsqueeze": true, "Expand": true, "Tile": true, "Split": true,
	"DepthToSpace": true,
}

// carriers are movers that integers pass on to others, or to a DequantizeLinear that ONNX Runtime moves behind them, where no
// QuantizeLinear follows.
var carriers = map[string]bool{"MaxPool": true, "Reshape": true, "Transpose": true, "Slice": true, "Squeeze": true, "Unsqueeze": true}

// integer returns the kernel of n and the quantizer that it absorbs, nil where the kernel makes floats; or an error that
// says why n stays float.
func (p *plan) integer(n *onnx.Node) (name string, out *quantizer, err error) {
	name = kernels[n.OpType]
	if n.Domain != "" || name == "" && !movers[n.OpType] {
		return "", nil, fmt.Errorf("there is no integer kernel for %s", n.OpType)
	}
	if p.carries(n) {
		p.carried[n] = true
		return n.OpType, nil, nil
	}
	x, err := p.dequantized(n, 0, "its input")
	if err != nil {
		return "", nil, err
	}
	switch n.OpType {
	case "Conv", "Gemm", "MatMul":
		if err := p.weights(n, x); err != nil {
			return "", nil, err
		}
	case "Add", "Mul", "Concat":
		for i := range n.Inputs[1:] {
			other, err := p.dequantized(n, i+1, fmt.Sprintf("input %d", i+1))
			if err != nil {
				return "", nil, err
			}
			if other.typ != x.typ {
				return "", nil, fmt.Errorf("its inputs are %v and %v", x.typ, other.typ)
			}
		}
	case "Resize":
		if a := n.Attr("mode"); a != nil && string(a.String) != "nearest" {
			return "", nil, fmt.Errorf("interpolation of mode %s stays float", a.String)
		}
	}
	out, err = p.quantized(n)
	if err != nil {
		// A linear layer that ends a network may make floats.
		if floats := map[string]string{"Gemm": "QGemm", "MatMul": "MatMulIntegerToFloat"}[n.OpType]; floats != "" && !p.feedsQuantizer(n) {
			return floats, nil, nil
		}
		return "", nil, err
	}
	if out.grid.typ != x.typ {
		return "", nil, fmt.Errorf("its input is %v, its output %v", x.typ, out.grid.typ)
	}
	if movers[n.OpType] {
		if !out.grid.equal(x) {
			return "", nil, fmt.Errorf("it only moves values, and its input and output have different grids")
		}
		name = n.OpType
	}
	return name, out, nil
}

// weights checks weight and bias of a Conv, Gemm or MatMul. What is a float constant of a Conv or Gemm between two
// quantizers, ONNX Runtime quantizes itself: a weight with one scale, a bias with that of the sums.
func (p *plan) weights(n *onnx.Node, x grid) error {
	float := func(i int) bool {
		return n.OpType != "MatMul" && len(x.scale) == 1 && p.constants[n.Inputs[i]] != nil && p.constants[n.Inputs[i]].Type == onnx.Float && p.reachesQuantizer(n)
	}
	biased := len(n.Inputs) > 2 && n.Inputs[2] != ""
	if float(1) && (!biased || float(2)) {
		return nil
	}
	w, err := p.dequantized(n, 1, "its weight")
	if err != nil {
		return err
	}
	if w.typ == onnx.Int4 || w.typ == onnx.Uint4 {
		return fmt.Errorf("its weights have 4 bits and no Cast to 8")
	}
	if !biased || float(2) {
		return nil
	}
	b, err := p.dequantized(n, 2, "its bias")
	if err != nil {
		return err
	}
	if b.typ != onnx.Int32 {
		return fmt.Errorf("its bias is %v, not int32", b.typ)
	}
	for c, s := range b.scale {
		want := x.scale[0] * w.scale[min(c, len(w.scale)-1)]
		if d := s - want; d > 0.01*want || d < -0.01*want {
			return fmt.Errorf("its bias has scale %.4g in channel %d, input and weights %.4g", s, c, want)
		}
	}
	return nil
}
