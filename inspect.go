package zaq

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
func Inspect(m *Model) (*Summary, error) {
	s, err := inspect(m)
	if err != nil {
		return nil, err
	}
	s.Path, s.SHA256, s.Preprocessing = m.path, m.SHA256(), m.pre
	return s, nil
}
