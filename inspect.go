package zaq

import (
	"strings"

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
	Layers     []LayerInfo    `json:"layers"`    // convolutions and linear layers, in graph order

	// BatchNorms counts convolutions whose output statistics the file still knows. Methods that generate
	// images need them.
	BatchNorms int `json:"batch_norms"`

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

// LayerInfo is a layer with weights.
type LayerInfo struct {
	Name           string `json:"name"`
	Kind           string `json:"kind"`
	Weights        []int  `json:"weights"` // their shape
	MACs           int64  `json:"macs"`
	WeightBits     int    `json:"weight_bits"`     // 32: float
	ActivationBits int    `json:"activation_bits"` // of the input
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
		Inputs:        m.ports(m.net.Inputs, m.file.Graph.Inputs),
		Outputs:       m.ports(m.net.Outputs, m.file.Graph.Outputs),
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
	for _, l := range m.net.Summary() {
		s.Operators[l.Kind]++
		s.Parameters += int64(l.Parameters)
		s.MACs += l.MACs
		if l.WeightBits == 0 {
			continue
		}
		if l.BatchNorm != nn.NoBatchNorm {
			s.BatchNorms++
		}
		s.Layers = append(s.Layers, LayerInfo{
			Name: l.Name, Kind: l.Kind, Weights: weights[l.Name], MACs: l.MACs,
			WeightBits: l.WeightBits, ActivationBits: l.ActivationBits,
		})
	}
	return s
}

// ports describes the named values with the element types that the file gives them.
func (m *Model) ports(names []string, infos []*onnx.ValueInfo) []Port {
	types := map[string]onnx.DataType{}
	for _, v := range infos {
		types[v.Name] = v.Type
	}
	var ports []Port
	for _, name := range names {
		ports = append(ports, Port{Name: name, Type: types[name].String(), Shape: m.net.Values[name].Shape})
	}
	return ports
}
