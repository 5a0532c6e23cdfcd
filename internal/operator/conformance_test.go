package operator

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// The tests that come with ONNX, as Debian's libonnx-testdata installs them.
const testdata = "/usr/share/libonnx-testdata/data"

var update = flag.Bool("update", false, "write docs/operators.md")

// exceptions are the tests of known operators that fail, with the reason.
var exceptions = map[string]string{
	"node/test_training_dropout":              "training: a mask from a random generator that nobody else has",
	"node/test_training_dropout_default":      "training: a mask from a random generator that nobody else has",
	"node/test_training_dropout_default_mask": "training: a mask from a random generator that nobody else has",
	"node/test_training_dropout_mask":         "training: a mask from a random generator that nobody else has",
	"node/test_identity_opt":                  "of an optional sequence, not of a tensor",
	"node/test_identity_sequence":             "of a sequence, not of a tensor",
}

// TestConformance runs ONNX's own tests: all whose operators are known and whose tensors are of float32, of integers or
// of booleans must pass, but for the exceptions, which must fail. docs/operators.md has the counts.
func TestConformance(t *testing.T) {
	var dirs []string
	for _, kind := range []string{"node", "simple", "pytorch-converted", "pytorch-operator"} {
		found, _ := filepath.Glob(filepath.Join(testdata, kind, "test_*"))
		dirs = append(dirs, found...)
	}
	if len(dirs) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no tests of ONNX: `make oracles` installs libonnx-testdata")
		}
		t.Skip("no tests of ONNX: `make oracles` installs libonnx-testdata")
	}
	c := &conformance{passed: make(map[string]int), failed: make(map[string][]string)}
	for _, dir := range dirs {
		c.test(t, dir)
	}
	for name := range exceptions {
		if !slices.Contains(c.excused, name) {
			t.Errorf("%s: passes, or is none of the tests, and is listed as an exception", name)
		}
	}
	if c.all < 600 {
		t.Errorf("only %d tests of known operators", c.all)
	}
	t.Logf("%d tests of known operators, %d of others or of other types", c.all, c.others)
	path := filepath.Join("..", "..", "docs", "operators.md")
	page := c.page()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != page {
		t.Errorf("%s is not what the tests say (%v): go test ./internal/operator -run Conformance -update", path, err)
	}
}

// conformance counts tests by operator.
type conformance struct {
	all, others int
	passed      map[string]int
	failed      map[string][]string
	excused     []string
}

func (c *conformance) test(t *testing.T, dir string) {
	name := strings.TrimPrefix(dir, testdata+"/")
	m, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	ops := operatorsOf(m)
	if ops == nil {
		c.others++
		return
	}
	err = conform(m, dir)
	if errors.Is(err, errOtherType) {
		c.others++
		return
	}
	c.all++
	for _, op := range ops {
		if err == nil {
			c.passed[op]++
		} else {
			c.failed[op] = append(c.failed[op], name)
		}
	}
	switch _, excused := exceptions[name]; {
	case err == nil:
	case excused:
		c.excused = append(c.excused, name)
	default:
		t.Errorf("%s: %v", name, err)
	}
}

// operatorsOf returns the operators of a model, once each, or nil where one is not known.
func operatorsOf(m *onnx.Model) (ops []string) {
	for _, n := range m.Graph.Nodes {
		if !Known(n.Domain, n.OpType) {
			return nil
		}
		if !slices.Contains(ops, n.OpType) {
			ops = append(ops, n.OpType)
		}
	}
	return ops
}

var errOtherType = errors.New("tensors of another type")

// tested reports whether conformance is claimed for tensors of a type.
func tested(t onnx.DataType) bool { return t == onnx.Float || isInteger(t) }

// conform runs one of ONNX's tests.
func conform(m *onnx.Model, dir string) error {
	for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.Outputs) {
		if v.Type != onnx.Undefined && !tested(v.Type) {
			return errOtherType
		}
	}
	for _, n := range m.Graph.Nodes {
		if to := n.Attr("to"); n.OpType == "Cast" && to != nil && !tested(onnx.DataType(to.Int)) {
			return errOtherType
		}
	}
	if strings.Contains(dir, "BFLOAT16") { // held as uint16 in the data
		return errOtherType
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return fmt.Errorf("no data: %w", err)
	}
	for _, set := range sets {
		inputs := map[string]*Tensor{}
		i := 0
		for _, v := range m.Graph.Inputs {
			if m.Graph.Initializer(v.Name) != nil {
				continue
			}
			if inputs[v.Name], err = tensorFile(set, "input", i); err != nil {
				return err
			}
			i++
		}
		got, err := run(m, inputs)
		if err != nil {
			return err
		}
		for i, v := range m.Graph.Outputs {
			want, err := tensorFile(set, "output", i)
			if err != nil {
				return err
			}
			if err := differs(got[v.Name], want); err != nil {
				return fmt.Errorf("output %q: %w", v.Name, err)
			}
		}
	}
	return nil
}

// tensorFile reads the i-th input or output of a data set.
func tensorFile(dir, kind string, i int) (*Tensor, error) {
	b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s_%d.pb", kind, i)))
	if err != nil {
		return nil, err
	}
	t, err := onnx.DecodeTensor(b)
	if err != nil {
		return nil, err
	}
	return Read(t)
}

// run computes the tensors of a whole graph.
func run(m *onnx.Model, inputs map[string]*Tensor) (map[string]*Tensor, error) {
	values := maps.Clone(inputs)
	for _, t := range m.Graph.Initializers {
		v, err := Read(t)
		if err != nil {
			return nil, err
		}
		values[t.Name] = v
	}
	for _, n := range m.Graph.Nodes {
		in := make([]*Tensor, len(n.Inputs))
		for i, name := range n.Inputs {
			in[i] = values[name]
		}
		out, err := Eval(n, m.Opset(), in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.OpType, err)
		}
		for i, name := range n.Outputs {
			if i < len(out) {
				values[name] = out[i]
			}
		}
	}
	return values, nil
}

// differs says how two tensors differ, by the tolerances of ONNX's own runner.
func differs(got, want *Tensor) error {
	if got == nil {
		return errors.New("missing")
	}
	if got.Type != want.Type || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("%v %v, want %v %v", got.Type, got.Shape, want.Type, want.Shape)
	}
	for i := range want.Len() {
		g, w := got.at(i), want.at(i)
		if g == w || g != g && w != w || math.Abs(g-w) <= 1e-7+1e-3*math.Abs(w) {
			continue
		}
		return fmt.Errorf("element %d is %v, want %v", i, g, w)
	}
	return nil
}

// page returns docs/operators.md.
func (c *conformance) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Operators

What zaq reads, folds, and carries through; written by the test that runs ONNX's own ones (`+"`go test ./internal/operator -run Conformance -update`"+`).

Each operator is read in the form that the file's operator set has, from 7 to 25; where the form changes, the second column says since which
opsets. Export writes opset 13, or 21 where int4 appears, or that of the source where it is higher. The last column counts ONNX's backend tests
(Debian's libonnx-testdata 1.12: node, simple, pytorch-converted, pytorch-operator) that have the operator and whose tensors are of float32,
integers or booleans: those that pass, of all. %d tests have known operators only; %d have others, or other types.

"layer" operators are those of a trunk that is quantized and trained, in the forms that the importer's errors name; "trained" ones have a
gradient there as well, but no quantized form of their own; of the others, those that only follow the last layer with weights go into the file as they are.
ConvTranspose becomes what it computes, a Conv, a DepthToSpace, or where strides differ a Transpose between two Reshapes, and where it has padding
a Slice, of which the Conv runs in integers; what follows it, pixel by pixel, is done before the pixels are moved. A dilated AveragePool becomes Gathers
that bring its elements together, and an AveragePool; its padding must count. A MaxPool takes over a Pad of -Inf, or of what is below all that it surrounds. A Conv of one output channel that reads a Softmax, the mean
that some detectors take of their boxes' sides, belongs to the tail. Bodies of If, Loop and Scan go into the file as they are; one that reads a
name from outside of itself is refused. Constants are folded with any.
Softmax, reductions and normalizations must not run over the images of a batch, and gains and shifts must be constants. What a file spells out of a
normalization stays real from the first mean on. MatMul of two computed tensors is trained like them, between matrices of one image; operators of one spatial
axis are read as those of two. A Softmax between quantizers over another axis than the last is written as LogSoftmax and Exp.
A MatMul over the pixels of a map that a Transpose has brought to [N, H, W, C] is read as a 1x1 Conv, a Resize of some axes as one by scales of all.

Inputs are float32, float16 or uint8. Heights and widths that a file leaves open have to be given (`+"`--input-size`, or `size`"+` in MODEL.json). An image may have channels last, [N, H, W, C], if a Transpose with perm 0, 3, 1, 2 follows, at once or behind
operators that work element by element or leave the axes in their order; bytes, if a Cast to float32 follows, at once or behind operators that move
elements. The network has [N, C, H, W] in float32, and the files that are written have what the source had. Weights of float16 are read as float32.

| operator | forms change at | where | tests |
|---|---|---|---|
`, c.all, c.others)
	for _, op := range Names() {
		var at []string
		for _, v := range versions[op] {
			at = append(at, fmt.Sprint(v))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d of %d |\n", op, strings.Join(at, ", "), place(op), c.passed[op], c.passed[op]+len(c.failed[op]))
	}
	fmt.Fprintf(&b, "\nTests of these operators that fail, and why:\n\n")
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		fmt.Fprintf(&b, "- `%s`: %s\n", name, exceptions[name])
	}
	return b.String()
}

// layers are the operators that have layers of their own in package nn.
var layers = []string{
	"Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "DequantizeLinear", "Flatten", "Gemm", "GlobalAveragePool",
	"GlobalMaxPool", "Identity", "LeakyRelu", "MatMul", "MaxPool", "Pad", "QuantizeLinear", "ReduceMean", "Relu", "Reshape", "Slice", "Split", "Squeeze",
}

func place(op string) string {
	_, unary := functions[op]
	_, pair := slopes[op]
	switch {
	case slices.Contains(layers, op):
		return "layer"
	case Moves(op) || unary || pair || TrainsLines(op) || op == "Resize" || op == "Upsample":
		return "trained"
	}
	return "tail"
}
