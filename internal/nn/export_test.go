package nn

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// everyOp is a network with each operator and optional input there is, but Identity, which the importer
// drops.
func everyOp(t *testing.T) *Network {
	n := sketch(t, []string{"s2", "y"},
		"conv x > c1", "bn c1 > b1", "relu6 b1 > r1", "depthwise r1 > c2", "leaky c2 > r2", "maxpool r2 > m", "avgpool m > a",
		"slice r1 > l", "add l a > s1", "pad l > p1", "padone p1 > p2", "relu p2 > r3", "gap r3 > g",
		"flatten g > f", "gemm f > y", "relu s1 > s2")
	n.Layer("node_c2").In = n.Layer("node_c2").In[:2] // no bias
	n.prune()
	n.Name = "every op"
	n.Metadata = map[string]string{"dev.example.b": "2", "dev.example.a": "1"}
	return n
}

// noise returns a batch of standard normal images for the input of n.
func noise(n *Network, batch int) []float32 {
	rng := rand.New(rand.NewPCG(11, 12))
	x := make([]float32, batch*size(n.Values[n.Inputs[0]].Shape))
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// export writes n, checks the model and returns it as its file is read.
func export(t *testing.T, n *Network, o ExportOptions) *onnx.Model {
	t.Helper()
	m, err := Export(n, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := onnx.Check(m); err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = onnx.Decode(b); err != nil {
		t.Fatal(err)
	}
	return m
}

func reimport(t *testing.T, m *onnx.Model) *Network {
	t.Helper()
	n, err := Import(m)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// calibrate gives every quantizer of a placement the range of values seen, as the methods do it.
func calibrate(t *testing.T, p *Placement, values map[string][]float32) {
	t.Helper()
	for _, w := range p.Weights {
		if !w.Quantizer.Calibrated() {
			fitWeight(w)
			w.Round()
		}
	}
	for _, s := range p.Activations {
		if s.Tied {
			continue
		}
		x := values[s.Tensor]
		if x == nil {
			x = values[strings.TrimSuffix(s.Tensor, "_QuantizeLinear_Input")]
		}
		if x == nil {
			t.Fatalf("no values for %q", s.Tensor)
		}
		var o quant.MinMax
		o.Observe(x)
		lo, hi := o.Range()
		s.Quantizer.SetRange(0, lo, hi)
	}
}

// quantize places and calibrates, after BatchNorms were folded.
func quantize(t *testing.T, n *Network, o PlaceOptions, x []float32, batch int) {
	t.Helper()
	values := evaluate(t, n, x, batch)
	p, err := Place(n, o)
	if err != nil {
		t.Fatal(err)
	}
	calibrate(t, p, values)
	if o.Scheme == Deploy {
		QuantizeNorms(n)
	}
}

func nodesOf(m *onnx.Model, op string) (nodes []*onnx.Node) {
	for _, n := range m.Graph.Nodes {
		if n.OpType == op {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func findNode(t *testing.T, m *onnx.Model, name string) *onnx.Node {
	t.Helper()
	for _, n := range m.Graph.Nodes {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("no node %q", name)
	return nil
}

func TestExportFloat(t *testing.T) {
	n := everyOp(t)
	m := export(t, n, ExportOptions{ProducerName: "zaq", ProducerVersion: "1", Metadata: []onnx.Property{{Key: "dev.example.b", Value: "3"}}})
	if m.IRVersion != 7 || m.Opset() != 13 || m.ProducerName != "zaq" || m.ProducerVersion != "1" || m.Graph.Name != "every op" {
		t.Errorf("IR %d, opset %d, producer %q %q, graph %q", m.IRVersion, m.Opset(), m.ProducerName, m.ProducerVersion, m.Graph.Name)
	}
	if len(m.Metadata) != 2 || m.Metadata[0].Key != "dev.example.a" || m.Metadata[1].Value != "3" {
		t.Errorf("metadata %v", m.Metadata)
	}
	if d := m.Graph.Inputs[0].Shape[0]; d.Param != "N" || m.Graph.Outputs[1].Name != "y" {
		t.Errorf("batch axis %+v, outputs %v", d, m.Graph.Outputs)
	}
	if len(nodesOf(m, "BatchNormalization")) != 1 {
		t.Error("BatchNormalization is not kept")
	}
	x := noise(n, 2)
	want := evaluate(t, n, x, 2)
	got := evaluate(t, reimport(t, m), x, 2)
	for _, name := range n.Outputs {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("output %q changed by %g", name, distance(got[name], want[name]))
		}
	}

	n.BatchDim = ""
	m = export(t, n, ExportOptions{})
	if d := m.Graph.Inputs[0].Shape[0]; d.Size != 1 || d.Param != "" {
		t.Errorf("a baked-in batch becomes %+v", d)
	}
}

// The shared models keep their function through export and import.
func TestExportSharedModels(t *testing.T) {
	for _, name := range []string{"resnet20_akamaster", "resnet20_ehanw", "resnet8_mlperftiny"} {
		n := importFile(t, "cifar10", name+"_cifar10.onnx")
		x := noise(n, 1)
		back := reimport(t, export(t, n, ExportOptions{}))
		if !slices.Equal(back.Inputs, n.Inputs) || !slices.Equal(back.Outputs, n.Outputs) || back.BatchDim != n.BatchDim {
			t.Errorf("%s: %v to %v over %q, was %v to %v over %q", name, back.Inputs, back.Outputs, back.BatchDim, n.Inputs, n.Outputs, n.BatchDim)
		}
		want, got := evaluate(t, n, x, 1), evaluate(t, back, x, 1)
		if out := n.Outputs[0]; !slices.Equal(got[out], want[out]) {
			t.Errorf("%s: output changed by %g", name, distance(got[out], want[out]))
		}
	}
}

func TestOpsets(t *testing.T) {
	tests := []struct {
		source, asked int64
		wbits         int
		storage       string
		want, ir      int64 // want 0: an error
	}{
		{13, 0, 8, "", 13, 7},
		{11, 0, 8, "", 13, 7},
		{17, 0, 8, "", 17, 8},
		{13, 0, 5, "", 13, 7},
		{13, 0, 4, "", 21, 10},
		{13, 0, 2, Int4Packed, 21, 10},
		{13, 0, 4, Int4Wide, 13, 7},
		{13, 25, 4, "", 25, 13},
		{13, 19, 8, "", 19, 9},
		{17, 13, 8, "", 0, 0},
		{13, 19, 4, "", 0, 0},
		{9, 12, 8, "", 0, 0},
		{13, 0, 8, "int3", 0, 0},
	}
	for _, tt := range tests {
		n := sketch(t, []string{"c2"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2")
		n.Opset = tt.source
		quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: tt.wbits, ABits: 4}, noise(n, 1), 1)
		m, err := Export(n, ExportOptions{Opset: tt.asked, Int4Storage: tt.storage})
		switch {
		case err != nil && tt.want != 0:
			t.Errorf("%+v: %v", tt, err)
		case err == nil && tt.want == 0:
			t.Errorf("%+v: written", tt)
		case err == nil && (m.Opset() != tt.want || m.IRVersion != tt.ir):
			t.Errorf("%+v: opset %d, IR %d", tt, m.Opset(), m.IRVersion)
		}
	}
}

// roundBiases gives n the biases of back, which are no further than half a step of the accumulators away.
func roundBiases(t *testing.T, n, back *Network) {
	t.Helper()
	for l, w := range n.Weights() {
		b := n.Input(l, 2)
		if b == nil {
			continue
		}
		var step float32
		if p := n.Producer(l.In[0]); p != nil {
			if f, ok := p.Op.(FakeQuant); ok {
				step = f.Q.Scale[0]
			}
		}
		rounded := back.Values[b.Name].Data
		for c := range b.Data {
			if d := math.Abs(float64(b.Data[c] - rounded[c])); d > 0.5001*float64(step*w.Quant.Scale[min(c, len(w.Quant.Scale)-1)]) {
				t.Errorf("bias %q: element %d changed by %g", b.Name, c, d)
			}
		}
		b.Data = rounded
	}
}

// A quantized network comes back with the same function but for the rounding of biases; written a second
// time, the file is the same.
func TestExportQuantized(t *testing.T) {
	for _, scheme := range []string{Deploy, Paper} {
		for _, p := range []quant.Precision{{W: 8, A: 8}, {W: 4, A: 8}, {W: 4, A: 4}, {W: 2, A: 3}} {
			for _, perTensor := range []bool{false, true} {
				n := everyOp(t)
				if err := FoldBatchNorm(n); err != nil {
					t.Fatal(err)
				}
				x := noise(n, 2)
				quantize(t, n, PlaceOptions{Scheme: scheme, WBits: p.W, ABits: p.A, PerTensor: perTensor}, x, 2)
				m := export(t, n, ExportOptions{})
				back := reimport(t, m)
				roundBiases(t, n, back)
				want, got := evaluate(t, n, x, 2), evaluate(t, back, x, 2)
				for _, name := range n.Outputs {
					if !slices.Equal(want[name], got[name]) {
						t.Errorf("%s %v, per tensor %v: output %q changed by %g", scheme, p, perTensor, name, distance(want[name], got[name]))
					}
				}
				a, err := m.Encode()
				if err != nil {
					t.Fatal(err)
				}
				b, err := export(t, back, ExportOptions{}).Encode()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(a, b) {
					t.Errorf("%s %v, per tensor %v: the file changes when it is read and written", scheme, p, perTensor)
				}
			}
		}
	}
}

func TestExportDeployNames(t *testing.T) {
	n := sketch(t, []string{"y"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2", "flatten c2 > f", "gemm f > y")
	quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 4, ABits: 4}, noise(n, 1), 1)
	m := export(t, n, ExportOptions{})

	q, clip, dq := findNode(t, m, "r1_QuantizeLinear"), findNode(t, m, "r1_Clip"), findNode(t, m, "r1_DequantizeLinear")
	if !slices.Equal(q.Inputs, []string{"r1", "r1_scale", "r1_zero_point"}) || q.Outputs[0] != "r1_QuantizeLinear_Output" {
		t.Errorf("QuantizeLinear %v > %v", q.Inputs, q.Outputs)
	}
	if clip.Inputs[0] != "r1_QuantizeLinear_Output" || dq.Inputs[0] != clip.Outputs[0] || dq.Outputs[0] != "r1_DequantizeLinear_Output" {
		t.Errorf("Clip %v > %v, DequantizeLinear %v > %v", clip.Inputs, clip.Outputs, dq.Inputs, dq.Outputs)
	}
	if most, err := m.Graph.Initializer(clip.Inputs[2]).Int64s(); err != nil || most[0] != 15 {
		t.Errorf("4 bits are clipped at %v, %v", most, err)
	}
	for _, l := range []string{"x", "c1.w", "c1.b"} { // 8 bits and constants need no Clip
		for _, c := range nodesOf(m, "Clip") {
			if c.Name == l+"_Clip" {
				t.Errorf("%s is clipped", l)
			}
		}
	}
	if f, ok := m.Graph.Initializer("f_scale"), m.Graph.Initializer("c2_scale"); f != nil || ok == nil {
		t.Error("a tie group does not share the constants of its first tensor")
	}

	w := m.Graph.Initializer("c2.w_quantized")
	if w == nil || w.Type != onnx.Int4 {
		t.Fatalf("weights are %+v", w)
	}
	if cast := findNode(t, m, "c2.w_Cast"); cast.Inputs[0] != "c2.w_quantized" {
		t.Errorf("Cast reads %v", cast.Inputs)
	}
	if zp := m.Graph.Initializer("c2.w_zero_point"); zp.Type != onnx.Int8 || zp.Dims[0] != 4 {
		t.Errorf("zero point is %v %v", zp.Type, zp.Dims)
	}
	if axis := findNode(t, m, "c2.w_DequantizeLinear").Attr("axis"); axis == nil || axis.Int != 0 {
		t.Error("weights do not have axis 0")
	}

	b := m.Graph.Initializer("c2.b_quantized")
	if b == nil || b.Type != onnx.Int32 {
		t.Fatalf("bias is %+v", b)
	}
	bs, _ := m.Graph.Initializer("c2.b_scale").Floats()
	ws, _ := m.Graph.Initializer("c2.w_scale").Floats()
	xs, _ := m.Graph.Initializer("r1_scale").Floats()
	for c := range bs {
		if bs[c] != xs[0]*ws[c] {
			t.Errorf("bias scale %g, input %g times weight %g", bs[c], xs[0], ws[c])
		}
	}
}

// Where the input is float, as the image is to the first layer, the bias stays float too.
func TestExportPaperBias(t *testing.T) {
	n := sketch(t, []string{"y"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2", "flatten c2 > f", "gemm f > y")
	quantize(t, n, PlaceOptions{Scheme: Paper, WBits: 4, ABits: 4}, noise(n, 1), 1)
	m := export(t, n, ExportOptions{})
	for name, want := range map[string]onnx.DataType{"c1.b": onnx.Float, "c2.b_quantized": onnx.Int32, "y.b": onnx.Float} {
		if b := m.Graph.Initializer(name); b == nil || b.Type != want {
			t.Errorf("bias %q is %+v", name, b)
		}
	}
	if w := m.Graph.Initializer("c1.w_quantized"); w.Type != onnx.Uint4 {
		t.Errorf("weights are %v", w.Type)
	}
}

// A ReLU6 in front of QuantizeLinear moves into the bounds of the integers, even where the range reaches
// beyond 6; one that something else reads as well stays.
func TestExportFoldsClip(t *testing.T) {
	n := sketch(t, []string{"c2"}, "conv x > c1", "relu6 c1 > r1", "conv r1 > c2")
	x := make([]float32, 256)
	for i := range x {
		x[i] = float32(i%17) * 2
	}
	quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8}, x, 1)
	for _, l := range n.Layers {
		if f, ok := l.Op.(FakeQuant); ok && l.In[0] == "r1" {
			f.Q.SetRange(0, -1, 10)
		}
	}
	m := export(t, n, ExportOptions{})
	q, clip := findNode(t, m, "r1_QuantizeLinear"), findNode(t, m, "r1_Clip")
	if q.Inputs[0] != "c1" || len(nodesOf(m, "Clip")) != 1 {
		t.Errorf("QuantizeLinear reads %q, %d Clips", q.Inputs[0], len(nodesOf(m, "Clip")))
	}
	lo, _ := m.Graph.Initializer(clip.Inputs[1]).Int64s()
	hi, _ := m.Graph.Initializer(clip.Inputs[2]).Int64s()
	if lo[0] != 23 || hi[0] != 162 { // 255/11 = 23.2; 6*255/11 = 139.1
		t.Errorf("bounds %d and %d, want 23 and 162", lo[0], hi[0])
	}
	want, got := evaluate(t, n, x, 1), evaluate(t, reimport(t, m), x, 1)
	if db := quant.SQNR(want["c2"], got["c2"]); db < 60 {
		t.Errorf("the function changed: %.1f dB", db)
	}

	n.Outputs = append(n.Outputs, "r1")
	if m = export(t, n, ExportOptions{}); findNode(t, m, "r1_QuantizeLinear").Inputs[0] != "r1" {
		t.Error("a Clip that is an output was folded")
	}
}

// Channels with next to no weights and a real bias: int32 would overflow by far. See MobileNet v1, where
// folding leaves such channels.
func TestExportBiasOverflow(t *testing.T) {
	for _, perTensor := range []bool{false, true} {
		n := sketch(t, []string{"c2"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2")
		w, b := n.Values["c2.w"].Data, n.Values["c2.b"].Data
		for i := range 36 {
			w[i] *= 1e-12
			w[36+i] = 0
		}
		b[0], b[1], b[2] = 0.5, 0.7, 0
		if perTensor {
			for i := range w {
				w[i] *= 1e-12
			}
		}
		x := noise(n, 1)
		want := evaluate(t, n, x, 1)
		quantize(t, n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8, PerTensor: perTensor}, x, 1)
		m := export(t, n, ExportOptions{})
		ints, err := m.Graph.Initializer("c2.b_quantized").Int64s()
		if err != nil {
			t.Fatal(err)
		}
		for c, i := range ints {
			if i > maxBias+maxBias>>15 || i < -maxBias-maxBias>>15 {
				t.Errorf("per tensor %v: bias of channel %d is %d", perTensor, c, i)
			}
		}
		got := evaluate(t, reimport(t, m), x, 1)
		channels := 4
		if perTensor {
			channels = 1 // all of them share the coarser scale
		}
		for c := range channels {
			size := 256 / channels
			lo, hi := c*size, (c+1)*size
			if db := quant.SQNR(want["c2"][lo:hi], got["c2"][lo:hi]); db < 30 {
				t.Errorf("per tensor %v: channel %d has %.1f dB", perTensor, c, db)
			}
		}
	}
}

func TestExportErrors(t *testing.T) {
	n := sketch(t, []string{"c2"}, "conv x > c1", "relu c1 > r1", "conv r1 > c2")
	p, err := Place(n, PlaceOptions{Scheme: Deploy, WBits: 8, ABits: 8})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		if _, err := Export(n, ExportOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	expect(`tensor "x": quantizer is not calibrated`)
	for _, s := range p.Activations {
		s.Quantizer.SetRange(0, 0, 1)
	}
	expect(`weights "c1.w": quantizer is not calibrated`)
	for _, w := range p.Weights {
		fitWeight(w)
	}
	p.Weights[1].Quantizer.SetRange(6, 0, 1)
	expect(`weights "c2.w" have shape [4 4 3 3] and 7 scales`)
	p.Weights[1].Quantizer.Scale[0] = float32(math.NaN())
	expect(`weights "c2.w": quantizer has scale NaN in channel 0`)
}
