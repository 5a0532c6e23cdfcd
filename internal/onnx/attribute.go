package onnx

// Attr returns the attribute called name, or nil.
func (n *Node) Attr(name string) *Attribute {
	for _, a := range n.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// label is what error messages call the node: its name, else that of its first output.
func (n *Node) label() string {
	if n.Name != "" {
		return n.Name
	}
	for _, s := range n.Outputs {
		if s != "" {
			return s
		}
	}
	return n.OpType
}

// AttrF returns a float attribute.
func AttrF(name string, v float32) *Attribute {
	return &Attribute{Name: name, Type: AttrFloat, Float: v}
}

// AttrI returns an integer attribute.
func AttrI(name string, v int64) *Attribute {
	return &Attribute{Name: name, Type: AttrInt, Int: v}
}

// AttrS returns a string attribute.
func AttrS(name, v string) *Attribute {
	return &Attribute{Name: name, Type: AttrString, String: []byte(v)}
}

// AttrT returns a tensor attribute.
func AttrT(name string, v *Tensor) *Attribute {
	return &Attribute{Name: name, Type: AttrTensor, Tensor: v}
}

// AttrFs returns an attribute that is a list of floats.
func AttrFs(name string, v ...float32) *Attribute {
	return &Attribute{Name: name, Type: AttrFloats, Floats: v}
}

// AttrIs returns an attribute that is a list of integers.
func AttrIs(name string, v ...int64) *Attribute {
	return &Attribute{Name: name, Type: AttrInts, Ints: v}
}

// AttrSs returns an attribute that is a list of strings.
func AttrSs(name string, v ...string) *Attribute {
	a := &Attribute{Name: name, Type: AttrStrings}
	for _, s := range v {
		a.Strings = append(a.Strings, []byte(s))
	}
	return a
}

// Initializer returns the initializer called name, or nil.
func (g *Graph) Initializer(name string) *Tensor {
	for _, t := range g.Initializers {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Opset returns the version of the default operator set, or 0 where the model does not import it.
func (m *Model) Opset() int64 {
	v, _ := m.opset("")
	return v
}

// opset returns the version of an operator set. "ai.onnx" is another name of the default one.
func (m *Model) opset(domain string) (version int64, ok bool) {
	if domain == "ai.onnx" {
		domain = ""
	}
	for _, o := range m.Opsets {
		if o.Domain == domain || o.Domain == "ai.onnx" && domain == "" {
			return o.Version, true
		}
	}
	return 0, false
}
