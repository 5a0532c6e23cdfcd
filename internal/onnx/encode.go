package onnx

import (
	"errors"
	"fmt"
	"math"
)

// maxEncoded is the most that protobuf implementations accept in one message.
const maxEncoded = math.MaxInt32

// Encode returns the model as the bytes of an ONNX file. Fields are written in the order of their
// numbers, then what was kept unknown; repeated scalars are not packed, as the schema has it. Equal
// models give equal bytes, and decoding and encoding the result gives the same bytes again.
func (m *Model) Encode() ([]byte, error) {
	if m.Graph == nil {
		return nil, errors.New("model has no graph")
	}
	n := size(m.encode)
	if n > maxEncoded {
		return nil, fmt.Errorf("model takes %d bytes, more than the 2 GiB of an ONNX file without external data", n)
	}
	w := writer{buf: make([]byte, 0, n), write: true}
	m.encode(&w)
	return w.buf, nil
}

func (m *Model) encode(w *writer) {
	w.int(1, m.IRVersion)
	w.text(2, m.ProducerName)
	w.text(3, m.ProducerVersion)
	w.text(4, m.Domain)
	if m.ModelVersion != 0 {
		w.int(5, m.ModelVersion)
	}
	w.text(6, m.Doc)
	w.message(7, m.Graph.encode)
	for i := range m.Opsets {
		w.message(8, m.Opsets[i].encode)
	}
	for i := range m.Metadata {
		w.message(14, m.Metadata[i].encode)
	}
	w.raw(m.unknown)
}

// encode writes the domain even where it is "", because every other writer does.
func (o *Opset) encode(w *writer) {
	w.string(1, o.Domain)
	w.int(2, o.Version)
	w.raw(o.unknown)
}

func (p *Property) encode(w *writer) {
	w.string(1, p.Key)
	w.string(2, p.Value)
	w.raw(p.unknown)
}

func (g *Graph) encode(w *writer) {
	for _, n := range g.Nodes {
		w.message(1, n.encode)
	}
	w.text(2, g.Name)
	for _, t := range g.Initializers {
		w.message(5, t.encode)
	}
	w.text(10, g.Doc)
	for _, v := range g.Inputs {
		w.message(11, v.encode)
	}
	for _, v := range g.Outputs {
		w.message(12, v.encode)
	}
	for _, v := range g.Values {
		w.message(13, v.encode)
	}
	w.raw(g.unknown)
}

func (n *Node) encode(w *writer) {
	for _, s := range n.Inputs {
		w.string(1, s)
	}
	for _, s := range n.Outputs {
		w.string(2, s)
	}
	w.text(3, n.Name)
	w.text(4, n.OpType)
	for _, a := range n.Attributes {
		w.message(5, a.encode)
	}
	w.text(6, n.Doc)
	w.text(7, n.Domain)
	w.raw(n.unknown)
}

func (a *Attribute) encode(w *writer) {
	w.text(1, a.Name)
	if a.Type == AttrFloat || math.Float32bits(a.Float) != 0 {
		w.float(2, a.Float)
	}
	if a.Type == AttrInt || a.Int != 0 {
		w.int(3, a.Int)
	}
	if a.Type == AttrString || len(a.String) > 0 {
		w.bytes(4, a.String)
	}
	if a.Tensor != nil {
		w.message(5, a.Tensor.encode)
	}
	for _, x := range a.Floats {
		w.float(7, x)
	}
	for _, x := range a.Ints {
		w.int(8, x)
	}
	for _, s := range a.Strings {
		w.bytes(9, s)
	}
	if a.Type != 0 {
		w.int(20, int64(a.Type))
	}
	w.raw(a.unknown)
}

func (v *ValueInfo) encode(w *writer) {
	w.text(1, v.Name)
	if v.hasTensorType() || len(v.unknownType) > 0 {
		w.message(2, v.encodeType)
	}
	w.text(3, v.Doc)
	w.raw(v.unknown)
}

func (v *ValueInfo) hasTensorType() bool {
	return v.Type != Undefined || v.Shape != nil || len(v.unknownTensor) > 0
}

func (v *ValueInfo) encodeType(w *writer) {
	if v.hasTensorType() {
		w.message(1, v.encodeTensorType)
	}
	w.raw(v.unknownType)
}

func (v *ValueInfo) encodeTensorType(w *writer) {
	if v.Type != Undefined {
		w.int(1, int64(v.Type))
	}
	if v.Shape != nil {
		w.message(2, v.encodeShape)
	}
	w.raw(v.unknownTensor)
}

func (v *ValueInfo) encodeShape(w *writer) {
	for i := range v.Shape {
		w.message(1, v.Shape[i].encode)
	}
	w.raw(v.unknownShape)
}

func (d *Dim) encode(w *writer) {
	switch {
	case d.Param != "":
		w.string(2, d.Param)
	case d.Size >= 0:
		w.int(1, d.Size)
	}
	w.raw([]byte(d.unknown))
}

func (t *Tensor) encode(w *writer) {
	for _, d := range t.Dims {
		w.int(1, d)
	}
	w.int(2, int64(t.Type))
	for _, s := range t.strings {
		w.bytes(6, s)
	}
	w.text(8, t.Name)
	if len(t.raw) > 0 {
		w.bytes(9, t.raw)
	}
	w.text(12, t.Doc)
	for i := range t.external {
		w.message(13, t.external[i].encode)
	}
	if t.external != nil {
		w.int(14, locationExternal)
	}
	w.raw(t.unknown)
}
