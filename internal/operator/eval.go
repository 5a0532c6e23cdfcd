// Package operator has the operators of ONNX, one plain function each, found by name.
//
// They are the definition that everything else is measured against, written for being read: loops as in the
// specification, sums in float64, and nothing done to make them fast. The importer folds constants with them, so that
// the arithmetic that exporters do on shapes vanishes; what comes behind the quantized part of a network (boxes,
// softmax) runs on them; and ONNX's own backend tests check them.
//
// Each function reads every form that its operator had from opset 7 on: what was an attribute once and is an input
// now is asked for by one name (see parameters).
package operator

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"zaq/internal/onnx"
)

// ErrUnknown is returned for an operator that this package does not have.
var ErrUnknown = errors.New("operator not known")

// function computes a node.
type function func(c *call) []*Tensor

// table has all operators of ONNX's own domain; the files beside this one add theirs.
var table = map[string]function{}

func register(fs map[string]function) { maps.Copy(table, fs) }

// Known reports whether there is an operator of that name.
func Known(domain, op string) bool {
	return (domain == "" || domain == "ai.onnx") && table[op] != nil
}

// Names returns all operators, sorted.
func Names() []string { return slices.Sorted(maps.Keys(table)) }

// Eval computes the outputs of a node as an operator set defines it. Inputs that are left out are nil; constants
// that are attributes in older operator sets are read there. Neither inputs nor outputs may be written to: they may
// share memory. The error does not name the node.
func Eval(n *onnx.Node, opset int64, in []*Tensor) (out []*Tensor, err error) {
	if !Known(n.Domain, n.OpType) {
		return nil, ErrUnknown
	}
	defer recovered(&err)
	for i, t := range in {
		if t != nil && t.Len() > 0 && IsFloat(t.Type) && WantsIntegers(n.OpType, i) {
			fail("input %d is %v where integers are wanted", i, t.Type)
		}
	}
	return table[n.OpType](&call{n, opset, in}), nil
}

// recovered makes an error of what ended an evaluation; it is to be deferred.
func recovered(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = r
	case runtime.Error: // an index outside of an array, whose number says nothing to who reads the model
		*err = errors.New("its inputs or attributes do not fit it")
	default:
		panic(r)
	}
}

// failure is an error that Eval returns.
type failure struct{ error }

// fail ends the evaluation of a node.
func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// call is a node with its inputs at hand.
type call struct {
	node  *onnx.Node
	opset int64
	in    []*Tensor
}

// has reports whether the i-th input is there.
func (c *call) has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// arg returns the i-th input.
func (c *call) arg(i int) *Tensor {
	if !c.has(i) {
		fail("input %d is missing", i)
	}
	return c.in[i]
}

// float returns the i-th input, which must be floats.
func (c *call) floats(i int) *Tensor {
	x := c.arg(i)
	if x.Data == nil && x.Len() > 0 {
		fail("input %d is %v, not floats", i, x.Type)
	}
	return x
}

// parameter is where an operator has one of its parameters since an opset: in an input. Before, it was an attribute.
type parameter struct {
	input int
	since int64
}

// parameters are those that have moved from attributes to inputs.
var parameters = map[string]map[string]parameter{
	"Clip":      {"min": {1, 11}, "max": {2, 11}},
	"Dropout":   {"ratio": {1, 12}},
	"Pad":       {"pads": {1, 11}, "value": {2, 11}},
	"ReduceSum": {"axes": {1, 13}},
	"Slice":     {"starts": {1, 10}, "ends": {2, 10}, "axes": {3, 10}, "steps": {4, 10}},
	"Split":     {"split": {1, 13}},
	"Squeeze":   {"axes": {1, 13}},
	"TopK":      {"k": {1, 10}},
	"Unsqueeze": {"axes": {1, 13}},
	"Upsample":  {"scales": {1, 9}},

	"ReduceL1":        {"axes": {1, 18}},
	"ReduceL2":        {"axes": {1, 18}},
	"ReduceLogSum":    {"axes": {1, 18}},
	"ReduceLogSumExp": {"axes": {1, 18}},
	"ReduceMax":       {"axes": {1, 18}},
	"ReduceMean":      {"axes": {1, 18}},
	"ReduceMin":       {"axes": {1, 18}},
	"ReduceProd":      {"axes": {1, 18}},
	"ReduceSumSquare": {"axes": {1, 18}},
}

// integerInputs are the inputs that must be integers or booleans whatever the others are, by position: indices, shapes,
// axes.
var integerInputs = map[string][]int{
	"Compress": {1}, "ConstantOfShape": {0}, "CumSum": {1}, "Expand": {1}, "Gather": {1}, "GatherElements": {1}, "GatherND": {1},
	"Pad": {1, 3}, "Reshape": {1}, "Resize": {3}, "ReverseSequence": {1}, "Scatter": {1}, "ScatterElements": {1}, "ScatterND": {1},
	"Slice": {1, 2, 3, 4}, "Split": {1}, "Squeeze": {1}, "Tile": {1}, "TopK": {1}, "Trilu": {1}, "Unsqueeze": {1}, "Where": {0},

	"ReduceL1": {1}, "ReduceL2": {1}, "ReduceLogSum": {1}, "ReduceLogSumExp": {1}, "ReduceMax": {1}, "ReduceMean": {1}, "ReduceMin": {1},
	"ReduceProd": {1}, "ReduceSum": {1}, "ReduceSumSquare": {1},
}

// WantsIntegers reports whether the i-th input of an operator must be integers or booleans.
func WantsIntegers(op string, i int) bool { return slices.Contains(integerInputs[op], i) }

// moved returns the input that has a parameter, where it is not an attribute.
func (c *call) moved(name string) (*Tensor, bool) {
	p, ok := parameters[c.node.OpType][name]
	if !ok || c.opset < p.since {
		return nil, false
	}
	if !c.has(p.input) {
		return nil, true
	}
	return c.in[p.input], true
}

// ints returns a parameter that is a list of integers; ok is false where it is left out.
func (c *call) ints(name string) (list []int, ok bool) {
	if t, moved := c.moved(name); moved {
		if t == nil {
			return nil, false
		}
		return t.list(), true
	}
	a := c.node.Attr(name)
	if a == nil {
		return nil, false
	}
	return Integers(a.Ints, len(a.Ints)).list(), true
}

// list returns the elements as ints.
func (t *Tensor) list() []int {
	if t.Ints == nil && t.Len() > 0 {
		fail("%v where integers are wanted", t.Type)
	}
	list := make([]int, len(t.Ints))
	for i, v := range t.Ints {
		list[i] = int(min(max(v, -1<<40), 1<<40)) // sums of two cannot overflow
	}
	return list
}

// number returns a parameter that is one float.
func (c *call) number(name string, def float32) float32 {
	if t, moved := c.moved(name); moved {
		if t == nil {
			return def
		}
		return t.scalar()
	}
	if a := c.node.Attr(name); a != nil {
		return a.Float
	}
	return def
}

// scalar returns the only element of t as a float.
func (t *Tensor) scalar() float32 {
	switch {
	case len(t.Data) == 1:
		return t.Data[0]
	case len(t.Ints) == 1:
		return float32(t.Ints[0])
	}
	fail("%v where a scalar is wanted", t.Shape)
	return 0
}

// int returns an attribute that is an integer.
func (c *call) int(name string, def int) int {
	if a := c.node.Attr(name); a != nil {
		return int(min(max(a.Int, -1<<40), 1<<40))
	}
	return def
}

// text returns an attribute that is a string.
func (c *call) text(name, def string) string {
	if a := c.node.Attr(name); a != nil {
		return string(a.String)
	}
	return def
}

// axis counts an axis from the end where it is negative.
func axis(a, rank int) int {
	if a < 0 {
		a += rank
	}
	if a < 0 || a >= rank {
		fail("axis %d of %d", a, rank)
	}
	return a
}

// axes is axis for a list, which must not have one twice.
func axes(list []int, rank int) []int {
	resolved := make([]int, len(list))
	for i, a := range list {
		if resolved[i] = axis(a, rank); slices.Contains(resolved[:i], resolved[i]) {
			fail("axis %d is there twice", a)
		}
	}
	return resolved
}

func one(t *Tensor) []*Tensor { return []*Tensor{t} }
