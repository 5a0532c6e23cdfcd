package fusion

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// sketch builds a graph of branches from one quantized input, x [1,4,8,8], on a grid of 256 levels from 0 to 6.
type sketch struct {
	g *onnx.Graph
}

func (s *sketch) node(op string, in []string, out string, attrs ...*onnx.Attribute) string {
	s.g.Nodes = append(s.g.Nodes, &onnx.Node{Name: out, OpType: op, Inputs: in, Outputs: []string{out}, Attributes: attrs})
	return out
}

func (s *sketch) floats(name string, dims []int64, v ...float32) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	for int64(len(v)) < n {
		v = append(v, v[len(v)-1])
	}
	s.g.Initializers = append(s.g.Initializers, onnx.NewFloats(name, dims, v))
	return name
}

func (s *sketch) ints(name string, typ onnx.DataType, dims []int64, v ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	for i := 0; int64(len(v)) < n; i++ {
		v = append(v, v[i])
	}
	s.g.Initializers = append(s.g.Initializers, onnx.NewInts(name, typ, dims, v))
	return name
}

// quantize adds QuantizeLinear and DequantizeLinear of uint8 and returns what the latter makes.
func (s *sketch) quantize(t string, scale float32, zero int64) string {
	sc, z := s.floats(t+"_scale", nil, scale), s.ints(t+"_zero", onnx.Uint8, nil, zero)
	q := s.node("QuantizeLinear", []string{t, sc, z}, t+"_q")
	return s.node("DequantizeLinear", []string{q, sc, z}, t+"_dq")
}

// weight adds 8-bit weights of scale 0.01.
func (s *sketch) weight(name string, dims ...int64) string {
	w := s.ints(name, onnx.Int8, dims, 5, -9, 30, 77, -120)
	return s.node("DequantizeLinear", []string{w, s.floats(name+"_scale", nil, 0.01), s.ints(name+"_zero", onnx.Int8, nil, 0)}, name+"_dq")
}

// bias adds an int32 bias of a scale.
func (s *sketch) bias(name string, n int64, scale float32) string {
	b := s.ints(name, onnx.Int32, []int64{n}, 100, -100)
	return s.node("DequantizeLinear", []string{b, s.floats(name+"_scale", nil, scale), s.ints(name+"_zero", onnx.Int32, nil, 0)}, name+"_dq")
}

func (s *sketch) output(t string, rank int) {
	dims := make([]onnx.Dim, rank)
	for i := range dims {
		dims[i].Size = -1
	}
	s.g.Outputs = append(s.g.Outputs, &onnx.ValueInfo{Name: t, Type: onnx.Float, Shape: dims})
}

// Every rule once, in one file: what is predicted of it is what ONNX Runtime does.
func TestPredictAgainstORT(t *testing.T) {
	const step = 6. / 255
	s := &sketch{g: &onnx.Graph{Name: "branches"}}
	s.g.Inputs = []*onnx.ValueInfo{{Name: "x", Type: onnx.Float, Shape: []onnx.Dim{{Size: 1}, {Size: 4}, {Size: 8}, {Size: 8}}}}
	x := s.quantize("x", step, 0)
	kernel := onnx.AttrIs("kernel_shape", 1, 1)
	conv := func(name string, in ...string) string { return s.node("Conv", in, name, kernel) }
	weight := func(name string) string { return s.weight(name+"_w", 4, 4, 1, 1) }
	want := map[string]string{} // node: kernel, or "float: reason"
	end := func(t string, scale float32, zero int64) { s.output(s.quantize(t, scale, zero), 4) }

	want["plain"] = "QLinearConv"
	end(conv("plain", x, weight("plain"), s.bias("plain_b", 4, 0.01*step)), step, 128)
	want["float bias"] = "QLinearConv"
	end(conv("float bias", x, weight("float bias"), s.floats("float bias_b", []int64{4}, 1, 2)), step, 128)
	want["other bias"] = "float: its bias has scale"
	end(conv("other bias", x, weight("other bias"), s.bias("other bias_b", 4, 0.04*step)), step, 128)
	floatWeight := func(name string) string { return s.floats(name+"_w", []int64{4, 4, 1, 1}, 0.5, 0.1) }
	want["float weight"] = "QLinearConv"
	end(conv("float weight", x, floatWeight("float weight")), step, 128)
	want["all float"], want["all float_y"] = "QLinearConv", "fused"
	end(s.node("Relu", []string{conv("all float", x, floatWeight("all float"), s.floats("all float_b", []int64{4}, 1, 2))}, "all float_y"), step, 0)
	want["weight but bias"] = "float: its weight is float"
	end(conv("weight but bias", x, floatWeight("weight but bias"), s.bias("weight but bias_b", 4, 0.01*step)), step, 128)
	want["weight to float"] = "float: its weight is float"
	s.output(conv("weight to float", x, floatWeight("weight to float")), 4)
	want["float input"] = "float: its input is float"
	end(conv("float input", "x", weight("float input")), step, 128)

	want["relu"], want["relu_y"] = "QLinearConv", "fused"
	end(s.node("Relu", []string{conv("relu", x, weight("relu"))}, "relu_y"), step, 0)
	want["wide relu"], want["wide relu_y"] = "float: Relu follows, and integers reach from -3.012", "float: there is no integer kernel for Relu"
	end(s.node("Relu", []string{conv("wide relu", x, weight("wide relu"))}, "wide relu_y"), step, 128)
	six := []string{s.floats("zero", nil, 0), s.floats("six", nil, 6)}
	want["clip"], want["clip_y"] = "QLinearConv", "fused"
	end(s.node("Clip", append([]string{conv("clip", x, weight("clip"))}, six...), "clip_y"), 0.02, 0)
	want["wide clip"], want["wide clip_y"] = "float: Clip follows, and integers reach from 0 to 7.65", "float"
	end(s.node("Clip", append([]string{conv("wide clip", x, weight("wide clip"))}, six...), "wide clip_y"), 0.03, 0)
	want["swish"], want["swish_y"] = "float: HardSwish follows without a QuantizeLinear", "float: there is no integer kernel for HardSwish"
	end(s.node("HardSwish", []string{conv("swish", x, weight("swish"))}, "swish_y"), step, 9)
	want["norm"], want["norm_y"] = "float: a BatchNormalization follows", "float: there is no integer kernel for BatchNormalization"
	norm := []string{conv("norm", x, weight("norm"))}
	for _, name := range []string{"gamma", "beta", "mean", "var"} {
		norm = append(norm, s.floats("norm_"+name, []int64{4}, 1, 2))
	}
	end(s.node("BatchNormalization", norm, "norm_y"), step, 128)

	want["shared"], want["shared_y"] = "float: its result has 2 readers", "float: there is no integer kernel for Relu"
	shared := conv("shared", x, weight("shared"))
	end(shared, step, 128)
	s.output(s.node("Relu", []string{shared}, "shared_y"), 4)
	want["shown"] = "float: its result \"shown\" is an output"
	s.output(conv("shown", x, weight("shown")), 4)

	y := s.quantize(conv("second", x, weight("second")), step, 100)
	want["second"] = "QLinearConv"
	for _, op := range []string{"Add", "Mul"} {
		want[op] = "QLinear" + op
		end(s.node(op, []string{x, y}, op), 2*step, 100)
	}
	want["Sub"] = "float: there is no integer kernel for Sub"
	end(s.node("Sub", []string{x, y}, "Sub"), 2*step, 100)
	want["half sum"] = "float: input 1 is float"
	end(s.node("Add", []string{x, "x"}, "half sum"), 2*step, 0)
	want["Concat"] = "QLinearConcat"
	end(s.node("Concat", []string{x, y}, "Concat", onnx.AttrI("axis", 1)), 2*step, 100)
	for op, attrs := range map[string][]*onnx.Attribute{
		"GlobalAveragePool": nil, "AveragePool": {onnx.AttrIs("kernel_shape", 2, 2)}, "LeakyRelu": {onnx.AttrF("alpha", 0.1)},
		"Sigmoid": nil, "Softmax": {onnx.AttrI("axis", 1)},
	} {
		want[op] = "QLinear" + op
		scale, zero := float32(step), int64(100)
		if op == "Sigmoid" || op == "Softmax" { // which have no choice
			scale, zero = 1./256, 0
		}
		end(s.node(op, []string{y}, op, attrs...), scale, zero)
	}

	pool := onnx.AttrIs("kernel_shape", 2, 2)
	want["MaxPool"] = "MaxPool"
	end(s.node("MaxPool", []string{y}, "MaxPool", pool), step, 100)
	want["other grid"] = "float: it only moves values, and its input and output have different grids"
	end(s.node("MaxPool", []string{y}, "other grid", pool), 2*step, 100)
	want["Transpose"] = "Transpose"
	end(s.node("Transpose", []string{y}, "Transpose", onnx.AttrIs("perm", 0, 2, 3, 1)), step, 100)
	want["Reshape"] = "Reshape"
	end(s.node("Reshape", []string{y, s.ints("shape", onnx.Int64, []int64{4}, 1, 2, 16, 8)}, "Reshape"), step, 100)
	want["Slice"] = "Slice"
	end(s.node("Slice", []string{y, s.ints("starts", onnx.Int64, []int64{1}, 1), s.ints("ends", onnx.Int64, []int64{1}, 3)}, "Slice"), step, 100)
	axis := func(name string, v ...int64) string { return s.ints(name, onnx.Int64, []int64{int64(len(v))}, v...) }
	for _, m := range []struct {
		op, kernel string
		in         []string
		attrs      []*onnx.Attribute
	}{
		{"DepthToSpace", "DepthToSpace", nil, []*onnx.Attribute{onnx.AttrI("blocksize", 2)}},
		{"SpaceToDepth", "float: there is no integer kernel for SpaceToDepth", nil, []*onnx.Attribute{onnx.AttrI("blocksize", 2)}},
		{"Gather", "Gather", []string{axis("rows", 2, 0, 1)}, []*onnx.Attribute{onnx.AttrI("axis", 2)}},
		{"Expand", "Expand", []string{axis("wide", 2, 4, 8, 8)}, nil},
		{"Tile", "Tile", []string{axis("tiles", 1, 2, 1, 1)}, nil},
		{"Unsqueeze", "Unsqueeze", []string{axis("new", 1)}, nil},
		{"Squeeze", "Squeeze", []string{axis("old", 0)}, nil},
		{"GlobalMaxPool", "float: there is no integer kernel for GlobalMaxPool", nil, nil},
		{"ReduceMax", "float: there is no integer kernel for ReduceMax", nil, []*onnx.Attribute{onnx.AttrIs("axes", 2, 3)}},
		{"Neg", "float: there is no integer kernel for Neg", nil, nil},
		{"Identity", "float: there is no integer kernel for Identity", nil, nil},
	} {
		want[m.op] = m.kernel
		end(s.node(m.op, append([]string{y}, m.in...), m.op, m.attrs...), step, 100)
	}
	// What only moves integers and is not quantized again is done before they are dequantized.
	perm := onnx.AttrIs("perm", 0, 2, 3, 1)
	for _, m := range []struct {
		op, kernel string
		in         []string
		attrs      []*onnx.Attribute
	}{
		{"Transpose", "Transpose", nil, []*onnx.Attribute{perm}},
		{"Reshape", "Reshape", []string{axis("to", 1, 2, 16, 8)}, nil},
		{"MaxPool", "MaxPool", nil, []*onnx.Attribute{pool}},
		{"Slice", "Slice", []string{axis("from", 1), axis("until", 3)}, nil},
		{"Squeeze", "Squeeze", []string{axis("first", 0)}, nil},
		{"Unsqueeze", "Unsqueeze", []string{axis("one", 1)}, nil},
		{"Flatten", "float: Neg follows without a QuantizeLinear", nil, nil},
		{"Gather", "float: Neg follows without a QuantizeLinear", []string{axis("row", 2)}, []*onnx.Attribute{onnx.AttrI("axis", 2)}},
		{"DepthToSpace", "float: Neg follows without a QuantizeLinear", nil, []*onnx.Attribute{onnx.AttrI("blocksize", 2)}},
	} {
		name := m.op + " to float"
		want[name], want[name+"_y"] = m.kernel, "float: there is no integer kernel for Neg"
		s.output(s.node("Neg", []string{s.node(m.op, append([]string{y}, m.in...), name, m.attrs...)}, name+"_y"), 4)
	}
	want["at the end"], want["behind it"] = "Reshape", "Transpose"
	s.output(s.node("Transpose", []string{s.node("Reshape", []string{y, axis("end", 1, 2, 16, 8)}, "at the end")}, "behind it", perm), 4)

	scales := s.floats("scales", []int64{4}, 1, 1, 2, 2)
	want["Resize"] = "Resize"
	end(s.node("Resize", []string{y, "", scales}, "Resize", onnx.AttrS("mode", "nearest"),
		onnx.AttrS("coordinate_transformation_mode", "asymmetric"), onnx.AttrS("nearest_mode", "floor")), step, 100)
	want["linear"] = "float: interpolation of mode linear"
	end(s.node("Resize", []string{y, "", scales}, "linear", onnx.AttrS("mode", "linear")), step, 100)
	want["Pad"] = "float: there is no integer kernel for Pad"
	end(s.node("Pad", []string{y, s.ints("pads", onnx.Int64, []int64{8}, 0, 1, 0, 0, 0, 1, 0, 0)}, "Pad"), step, 100)
	want["ConvTranspose"] = "float: there is no integer kernel for ConvTranspose"
	end(s.node("ConvTranspose", []string{y, weight("up")}, "ConvTranspose", kernel), step, 100)

	want["Flatten"] = "Flatten"
	flat := s.quantize(s.node("Flatten", []string{y}, "Flatten"), step, 100)
	linear := func(name string) []string {
		return []string{flat, s.weight(name+"_w", 256, 3), s.bias(name+"_b", 3, 0.01*step)}
	}
	want["logits"] = "QGemm"
	s.output(s.node("Gemm", linear("logits"), "logits"), 2)
	want["Gemm"] = "QGemm"
	s.output(s.quantize(s.node("Gemm", linear("Gemm"), "Gemm"), 1, 128), 2)
	want["float gemm"] = "float: its bias is float"
	s.output(s.node("Gemm", append(linear("float gemm")[:2], s.floats("float gemm_fb", []int64{3}, 1)), "float gemm"), 2)
	want["float gemm bias"] = "QGemm"
	s.output(s.quantize(s.node("Gemm", append(linear("float gemm bias")[:2], s.floats("float gemm bias_fb", []int64{3}, 1)), "float gemm bias"), 1, 128), 2)
	want["all float gemm"] = "QGemm"
	s.output(s.quantize(s.node("Gemm", []string{flat, s.floats("all float gemm_w", []int64{256, 3}, 0.1, -0.2), s.floats("all float gemm_b", []int64{3}, 1)}, "all float gemm"), 1, 128), 2)
	want["float matmul"] = "float: its weight is float"
	s.output(s.quantize(s.node("MatMul", []string{flat, s.floats("float matmul_w", []int64{256, 3}, 0.1, -0.2)}, "float matmul"), 1, 128), 2)
	want["MatMul"] = "QLinearMatMul"
	s.output(s.quantize(s.node("MatMul", linear("MatMul")[:2], "MatMul"), 1, 128), 2)
	want["product"] = "MatMulIntegerToFloat"
	s.output(s.node("MatMul", linear("product")[:2], "product"), 2)

	compare(t, s.g, 14, want)
}

// Weights of 4 bits are integers to ONNX Runtime behind a Cast to 8 only.
func TestPredictPackedAgainstORT(t *testing.T) {
	s := &sketch{g: &onnx.Graph{Name: "packed"}}
	s.g.Inputs = []*onnx.ValueInfo{{Name: "x", Type: onnx.Float, Shape: []onnx.Dim{{Size: 1}, {Size: 4}, {Size: 8}, {Size: 8}}}}
	x := s.quantize("x", 0.02, 0)
	kernel := onnx.AttrIs("kernel_shape", 1, 1)
	scale := s.floats("scale", nil, 0.1)

	w := s.ints("w", onnx.Int4, []int64{4, 4, 1, 1}, 1, -7, 3)
	cast := s.node("Cast", []string{w}, "wide", onnx.AttrI("to", int64(onnx.Int8)))
	wide := s.node("DequantizeLinear", []string{cast, scale, s.ints("zero8", onnx.Int8, nil, 0)}, "wide_dq")
	s.output(s.quantize(s.node("Conv", []string{x, wide}, "cast", kernel), 0.02, 128), 4)

	packed := s.node("DequantizeLinear", []string{w, scale, s.ints("zero4", onnx.Int4, nil, 0)}, "four_dq")
	s.output(s.quantize(s.node("Conv", []string{x, packed}, "packed", kernel), 0.02, 128), 4)

	compare(t, s.g, 21, map[string]string{"cast": "QLinearConv", "packed": "float: its weights have 4 bits and no Cast"})
}

// Of two activations one is left, which makes the Conv a float one. ONNX Runtime 1.30 computes it so, and cannot save what it made.
func TestPredictTwo(t *testing.T) {
	s := &sketch{g: &onnx.Graph{Name: "two"}}
	conv := s.node("Conv", []string{s.quantize("x", 0.02, 0), s.weight("w", 4, 4, 1, 1)}, "conv", onnx.AttrIs("kernel_shape", 1, 1))
	s.output(s.quantize(s.node("Relu", []string{s.node("Relu", []string{conv}, "one")}, "two"), 0.02, 0), 4)
	for _, k := range Predict(s.g) {
		if k.Name != "" || k.Fused {
			t.Errorf("%s: predicted %s", k.Node.Name, k.Name)
		}
	}
}

// A float file has nothing to predict.
func TestPredictFloat(t *testing.T) {
	s := &sketch{g: &onnx.Graph{Name: "float"}}
	s.node("Relu", []string{"x"}, "y")
	if k := Predict(s.g); k != nil {
		t.Errorf("%v", k)
	}
}

// compare holds a prediction against what is wanted, and against the graph that ONNX Runtime runs.
func compare(t *testing.T, g *onnx.Graph, opset int64, want map[string]string) {
	t.Helper()
	dir := t.TempDir()
	m := &onnx.Model{IRVersion: map[int64]int64{14: 7, 21: 10}[opset], Opsets: []onnx.Opset{{Version: opset}}, Graph: g}
	path, optimized := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "optimized.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	x := onnx.NewFloats("x", []int64{1, 4, 8, 8}, make([]float32, 256))
	oracle.RunORT(t, path, []*onnx.Tensor{x}, oracle.ORTOptions{Level: oracle.Extended, SaveOptimized: optimized})
	run, err := onnx.ReadFile(optimized)
	if err != nil {
		t.Fatal(err)
	}
	makes := map[string]string{}
	for _, n := range run.Graph.Nodes {
		for _, out := range n.Outputs {
			makes[out] = n.OpType
		}
	}
	predicted := Predict(g)
	if len(predicted) != len(want) {
		t.Errorf("%d nodes of %d", len(predicted), len(want))
	}
	for _, k := range predicted {
		got := k.Name
		switch {
		case k.Fused:
			got = "fused"
		case k.Why != "":
			got = "float: " + k.Why
		}
		if w, ok := want[k.Node.Name]; !ok || !strings.HasPrefix(got, w) {
			t.Errorf("%s: predicted %q, want %q", k.Node.Name, got, w)
		}
		if problem := contradicts(k, g, makes); problem != "" {
			t.Errorf("%s: predicted %q, and %s", k.Node.Name, got, problem)
		}
	}
}

// contradicts says how the operators that make each tensor in ONNX Runtime contradict a prediction.
func contradicts(k Kernel, g *onnx.Graph, makes map[string]string) string {
	switch out := k.Node.Outputs[0]; {
	case k.Fused:
		if makes[out] != "" {
			return fmt.Sprintf("%s is made by %s", out, makes[out])
		}
	case k.Out != "":
		if makes[k.Out] != k.Name {
			return fmt.Sprintf("%s is made by %q", k.Out, makes[k.Out])
		}
	case k.Name != "":
		if makes[out] != k.Name && makes[out+"_q_to_dq"] != k.Name { // as ONNX Runtime calls what it dequantizes later than the file does
			return fmt.Sprintf("%s is made by %q", out, makes[out])
		}
	default:
		// What stays float makes its tensor by a float operator, or is part of one that makes what comes of it.
		for makes[out] == "" {
			reader := slices.IndexFunc(g.Nodes, func(n *onnx.Node) bool { return slices.Contains(n.Inputs, out) })
			if reader < 0 {
				return fmt.Sprintf("%s is not made", out)
			}
			out = g.Nodes[reader].Outputs[0]
		}
		if op := makes[out]; strings.HasPrefix(op, "QLinear") || op == "QGemm" || op == "MatMulIntegerToFloat" {
			return fmt.Sprintf("%s is made by %s", out, op)
		}
	}
	return ""
}
