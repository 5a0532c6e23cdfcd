package zaq

import (
	"context"
	"fmt"
	"strings"

	"zaq/internal/fusion"
	"zaq/internal/nn"
	"zaq/internal/onnx"
)

// Summary is what a model file holds.
type Summary struct {
	Path     string `json:"path"`
	SHA256   string `json:"sha256"`
	Bytes    int64  `json:"bytes"`
	Opset    int64  `json:"opset"`
	Producer string `json:"producer,omitempty"`

	Inputs  []Port `json:"inputs"`
	Outputs []Port `json:"outputs"`

	Parameters int64          `json:"parameters"`
	MACs       int64          `json:"macs"`      // multiply-accumulates of convolutions and linear layers, for one image
	Operators  map[string]int `json:"operators"` // how many layers of each kind
	Layers     []LayerInfo    `json:"layers"`    // in graph order, without quantizers

	// Weighted counts convolutions and linear layers, BatchNorms those of them whose output statistics the file still
	// knows. Methods that generate images need them.
	Weighted   int `json:"weighted"`
	BatchNorms int `json:"batch_norms"`

	// Kernels counts the integer kernels that ONNX Runtime is expected to run on a CPU, by name: a prediction, by the
	// rules of version 1.30. It is empty for a float file.
	Kernels map[string]int `json:"ort_kernels,omitempty"`

	Preprocessing Preprocessing `json:"preprocessing"`
	Quantized     *Quantized    `json:"quantized,omitempty"` // nil for a float model
	Metadata      []Property    `json:"metadata,omitempty"`
}

// Port is an input or output of the network.
type Port struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"` // -1: the batch axis
}

// LayerInfo is a layer.
type LayerInfo struct {
	Name           string `json:"name"`
	Kind           string `json:"kind"`
	Weights        []int  `json:"weights,omitempty"` // their shape, of a convolution or linear layer
	Output         []int  `json:"output"`            // its shape; -1: the batch axis
	Parameters     int    `json:"parameters,omitempty"`
	MACs           int64  `json:"macs,omitempty"`
	BatchNorm      string `json:"batch_norm,omitempty"`      // of a layer with weights: "after" it, "folded" into it with its statistics known, or "" for none
	WeightBits     int    `json:"weight_bits,omitempty"`     // 32: float; 0: it has none
	ActivationBits int    `json:"activation_bits,omitempty"` // of the input

	// Kernel is the integer kernel that ONNX Runtime is expected to run for it, in a quantized file; Fused says that the one
	// before does this layer too, and Float why it stays float.
	Kernel string `json:"ort_kernel,omitempty"`
	Fused  bool   `json:"ort_fused,omitempty"`
	Float  string `json:"ort_float,omitempty"`
}

// Quantized is how a file says it was quantized.
type Quantized struct {
	Method    string `json:"method"`
	Precision string `json:"precision"`
	Scheme    string `json:"scheme"`
	Seed      uint64 `json:"seed"`
	Kernels   string `json:"kernels"`
	Version   string `json:"version"` // of zaq
	Source    string `json:"source"`  // SHA-256 of the float model

	MicroBatch int `json:"micro_batch,omitempty"` // see Result
}

// Property is a key and value of the file's free metadata.
type Property struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Inspect says what the model holds.
func Inspect(m *Model) *Summary {
	s := &Summary{
		Path: m.path, SHA256: m.SHA256(), Bytes: m.bytes, Opset: m.net.Opset,
		Producer:      strings.TrimSpace(m.file.ProducerName + " " + m.file.ProducerVersion),
		Inputs:        m.inputPorts(),
		Outputs:       m.outputPorts(),
		Operators:     map[string]int{},
		Preprocessing: m.pre,
		Quantized:     quantized(m.net.Metadata),
	}
	for _, p := range m.file.Metadata {
		s.Metadata = append(s.Metadata, Property{p.Key, p.Value})
	}
	weights := map[string][]int{}
	for layer, w := range m.net.Weights() {
		weights[layer.Name] = w.Shape
	}
	kernels := map[string]fusion.Kernel{} // by what a node makes
	for _, k := range fusion.Predict(m.file.Graph) {
		kernels[k.Node.Outputs[0]] = k
		if k.Name != "" && !k.Fused {
			if s.Kernels == nil {
				s.Kernels = map[string]int{}
			}
			s.Kernels[k.Name]++
		}
	}
	for i, l := range m.net.Summary() {
		s.Operators[l.Kind]++
		s.Parameters += int64(l.Parameters)
		s.MACs += l.MACs
		if l.WeightBits > 0 {
			s.Weighted++
		}
		if l.BatchNorm != nn.NoBatchNorm {
			s.BatchNorms++
		}
		layer := m.net.Layers[i]
		if _, ok := layer.Op.(nn.FakeQuant); ok {
			continue
		}
		k := kernels[layer.Out[0]]
		s.Layers = append(s.Layers, LayerInfo{
			Name: l.Name, Kind: l.Kind, Weights: weights[l.Name], Output: l.Output, Parameters: l.Parameters, MACs: l.MACs,
			BatchNorm: string(l.BatchNorm), WeightBits: l.WeightBits, ActivationBits: l.ActivationBits,
			Kernel: k.Name, Fused: k.Fused, Float: k.Why,
		})
	}
	return s
}

// InspectAs says what would become of m, a float model, and which integer kernels ONNX Runtime is expected to run of it, quantized
// to a precision under a scheme ("": the default). For that squant quantizes it, in memory: which kernels there are
// does not depend on how well a method does. Path and SHA256 stay those of m, Bytes is the size that the file would have.
func InspectAs(ctx context.Context, m *Model, precision, scheme string) (*Summary, error) {
	r, err := Quantize(ctx, m, InspectOptions(precision, scheme))
	if err != nil {
		return nil, err
	}
	file, err := onnx.Decode(r.data)
	if err != nil {
		return nil, err
	}
	net, err := nn.Import(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	q := *m
	q.file, q.net, q.bytes = file, net, int64(r.Len())
	return Inspect(&q), nil
}

// InspectOptions are how InspectAs quantizes.
func InspectOptions(precision, scheme string) Options {
	return Options{Method: "squant", Precision: precision, Scheme: scheme}
}

// inputPorts describes the inputs as the file declares them.
func (m *Model) inputPorts() (ports []Port) {
	for _, name := range m.net.Inputs {
		shape, typ := m.net.Declared(name)
		ports = append(ports, Port{Name: name, Type: typ.String(), Shape: shape})
	}
	return ports
}

// outputPorts describes the outputs, with the element types that the file gives them.
func (m *Model) outputPorts() (ports []Port) {
	types := map[string]onnx.DataType{}
	for _, v := range m.file.Graph.Outputs {
		types[v.Name] = v.Type
	}
	for _, name := range m.net.Outputs {
		ports = append(ports, Port{Name: name, Type: types[name].String(), Shape: m.net.Values[name].Shape})
	}
	return ports
}
