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
	"text/template"

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
	c := &conformance{passed: map[string]int{}, failed: map[string][]string{}, otherTypes: map[string][]string{}, unknown: map[string]int{}}
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
	t.Logf("%d tests of known operators", c.all)
	path := filepath.Join("..", "..", "docs", "operators.md")
	page := c.page(t)
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
	all        int
	passed     map[string]int
	failed     map[string][]string
	excused    []string
	otherTypes map[string][]string // tests that are not run, by the type
	unknown    map[string]int      // and those of operators that are not known, by the first
}

func (c *conformance) test(t *testing.T, dir string) {
	name := strings.TrimPrefix(dir, testdata+"/")
	m, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	ops, unknown := operatorsOf(m)
	if unknown != "" {
		c.unknown[unknown]++
		return
	}
	if typ := otherType(m, dir); typ != "" {
		c.otherTypes[typ] = append(c.otherTypes[typ], name)
		return
	}
	err = conform(m, dir)
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

// operatorsOf returns the operators of a model, once each, or the first that is not known.
func operatorsOf(m *onnx.Model) (ops []string, unknown string) {
	for _, n := range m.Graph.Nodes {
		if !Known(n.Domain, n.OpType) {
			return nil, n.OpType
		}
		if !slices.Contains(ops, n.OpType) {
			ops = append(ops, n.OpType)
		}
	}
	return ops, ""
}

// tested reports whether conformance is claimed for tensors of a type.
func tested(t onnx.DataType) bool { return t == onnx.Float || isInteger(t) }

// otherType returns the first type of a test's tensors for which nothing is claimed, or "".
func otherType(m *onnx.Model, dir string) string {
	if strings.Contains(dir, "BFLOAT16") { // held as uint16 in the data
		return onnx.BFloat16.String()
	}
	for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.Outputs) {
		if v.Type != onnx.Undefined && !tested(v.Type) {
			return v.Type.String()
		}
	}
	for _, n := range m.Graph.Nodes {
		if to := n.Attr("to"); n.OpType == "Cast" && to != nil && !tested(onnx.DataType(to.Int)) {
			return onnx.DataType(to.Int).String()
		}
	}
	return ""
}

// conform runs one of ONNX's tests.
func conform(m *onnx.Model, dir string) error {
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
func (c *conformance) page(t *testing.T) string {
	type row struct {
		Operator, Forms, Place string
		Passed, All            int
	}
	type line struct{ Name, Why string }
	type group struct{ Type, Names string }
	data := struct {
		Tests, Others int
		Unknown       string
		Rows          []row
		Exceptions    []line
		OtherTypes    []group
	}{Tests: c.all, Unknown: strings.Join(slices.Sorted(maps.Keys(c.unknown)), ", ")}
	for _, n := range c.unknown {
		data.Others += n
	}
	for _, op := range Names() {
		forms := strings.Trim(strings.ReplaceAll(fmt.Sprint(versions[op]), " ", ", "), "[]")
		data.Rows = append(data.Rows, row{op, forms, place(op), c.passed[op], c.passed[op] + len(c.failed[op])})
	}
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		data.Exceptions = append(data.Exceptions, line{name, exceptions[name]})
	}
	for _, typ := range slices.Sorted(maps.Keys(c.otherTypes)) {
		names := slices.Clone(c.otherTypes[typ])
		slices.Sort(names)
		data.OtherTypes = append(data.OtherTypes, group{typ, "`" + strings.Join(names, "`, `") + "`"})
	}
	var b strings.Builder
	if err := template.Must(template.ParseFiles(filepath.Join("testdata", "operators.md"))).Execute(&b, data); err != nil {
		t.Fatal(err)
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
