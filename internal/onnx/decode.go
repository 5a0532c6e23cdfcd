package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Decode reads a model from the bytes of an ONNX file. The model refers to b, which must not change as
// long as the model is in use: that is how large weights are read without copying them.
//
// Tensors whose elements are in other files keep the reference to them; ReadFile resolves it.
func Decode(b []byte) (*Model, error) {
	m := new(Model)
	err := m.decode(message{b, 0})
	switch {
	case err == nil && m.Graph != nil:
		return m, nil
	case foreign(b) != "":
		return nil, fmt.Errorf("not an ONNX file: %s", foreign(b))
	case err == nil:
		return nil, errors.New("not an ONNX file: it has no graph")
	case m.IRVersion == 0: // which comes first in a file
		return nil, fmt.Errorf("not an ONNX file: %w", err)
	}
	return nil, err
}

// foreign says what a file that is no ONNX model is, where its first bytes tell.
func foreign(b []byte) string {
	head := b[:min(len(b), 512)]
	switch {
	case len(b) == 0:
		return "it is empty"
	case bytes.HasPrefix(b, []byte("version https://git-lfs")):
		return "it is a Git LFS pointer, which stands for a file that was not downloaded"
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return "it is a zip archive (PyTorch's own format?)"
	case bytes.HasPrefix(b, []byte("\x89HDF")):
		return "it is an HDF5 file (Keras?)"
	case len(b) > 8 && string(b[4:8]) == "TFL3":
		return "it is a TensorFlow Lite file"
	case isText(head):
		return "it is text"
	}
	return ""
}

// isText reports whether b, the head of a file, is text. The last rune may be cut.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return len(b) < utf8.UTFMax && !utf8.FullRune(b)
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' || r == 0x7f {
			return false
		}
		b = b[n:]
	}
	return true
}

// The methods below read a message into a struct. As protobuf demands, a singular field that comes again
// replaces the value, and a message that comes again is merged into the one before.

func (m *Model) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.int64(&m.IRVersion)
		case 2:
			return f.string(&m.ProducerName)
		case 3:
			return f.string(&m.ProducerVersion)
		case 4:
			return f.string(&m.Domain)
		case 5:
			return f.int64(&m.ModelVersion)
		case 6:
			return f.string(&m.Doc)
		case 7:
			g := m.Graph
			if g == nil {
				g = new(Graph)
			}
			if err := f.message(g.decode); err != nil {
				return fmt.Errorf("graph: %w", err)
			}
			m.Graph = g
			return nil
		case 8:
			m.Opsets = append(m.Opsets, Opset{})
			return f.message(m.Opsets[len(m.Opsets)-1].decode)
		case 14:
			return property(f, &m.Metadata)
		}
		return f.keep(&m.unknown)
	})
}

func (o *Opset) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.string(&o.Domain)
		case 2:
			return f.int64(&o.Version)
		}
		return f.keep(&o.unknown)
	})
}

func property(f field, dst *[]Property) error {
	*dst = append(*dst, Property{})
	return f.message((*dst)[len(*dst)-1].decode)
}

func (p *Property) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.string(&p.Key)
		case 2:
			return f.string(&p.Value)
		}
		return f.keep(&p.unknown)
	})
}

func (g *Graph) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			n := new(Node)
			g.Nodes = append(g.Nodes, n)
			if err := f.message(n.decode); err != nil {
				return fmt.Errorf("node %d %q: %w", len(g.Nodes)-1, n.label(), err)
			}
			return nil
		case 2:
			return f.string(&g.Name)
		case 5:
			t := new(Tensor)
			g.Initializers = append(g.Initializers, t)
			if err := f.message(t.decode); err != nil {
				return fmt.Errorf("initializer %d %q: %w", len(g.Initializers)-1, t.Name, err)
			}
			return nil
		case 10:
			return f.string(&g.Doc)
		case 11:
			return value(f, &g.Inputs)
		case 12:
			return value(f, &g.Outputs)
		case 13:
			return value(f, &g.Values)
		}
		return f.keep(&g.unknown)
	})
}

func (n *Node) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.strings(&n.Inputs)
		case 2:
			return f.strings(&n.Outputs)
		case 3:
			return f.string(&n.Name)
		case 4:
			return f.string(&n.OpType)
		case 5:
			a := new(Attribute)
			n.Attributes = append(n.Attributes, a)
			if err := f.message(a.decode); err != nil {
				return fmt.Errorf("attribute %d %q: %w", len(n.Attributes)-1, a.Name, err)
			}
			return nil
		case 6:
			return f.string(&n.Doc)
		case 7:
			return f.string(&n.Domain)
		}
		return f.keep(&n.unknown)
	})
}

func (a *Attribute) decode(msg message) error {
	var kind AttributeType // of the last value; files of IR versions 1 and 2 do not state it
	err := msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.string(&a.Name)
		case 2:
			kind = AttrFloat
			return f.float(&a.Float)
		case 3:
			kind = AttrInt
			return f.int64(&a.Int)
		case 4:
			kind = AttrString
			return f.bytes(&a.String)
		case 5:
			kind = AttrTensor
			if a.Tensor == nil {
				a.Tensor = new(Tensor)
			}
			return f.message(a.Tensor.decode)
		case 6:
			kind = AttrGraph
		case 7:
			kind = AttrFloats
			return f.floats(&a.Floats)
		case 8:
			kind = AttrInts
			return f.int64s(&a.Ints)
		case 9:
			kind = AttrStrings
			a.Strings = append(a.Strings, nil)
			return f.bytes(&a.Strings[len(a.Strings)-1])
		case 20:
			var t int64
			err := f.int64(&t)
			a.Type = AttributeType(t)
			return err
		}
		return f.keep(&a.unknown)
	})
	if a.Type == 0 {
		a.Type = kind
	}
	return err
}

func value(f field, dst *[]*ValueInfo) error {
	v := new(ValueInfo)
	*dst = append(*dst, v)
	if err := f.message(v.decode); err != nil {
		return fmt.Errorf("value %q: %w", v.Name, err)
	}
	return nil
}

func (v *ValueInfo) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.string(&v.Name)
		case 2:
			return f.message(v.decodeType)
		case 3:
			return f.string(&v.Doc)
		}
		return f.keep(&v.unknown)
	})
}

func (v *ValueInfo) decodeType(msg message) error {
	return msg.fields(func(f field) error {
		if f.num == 1 {
			return f.message(v.decodeTensorType)
		}
		return f.keep(&v.unknownType)
	})
}

func (v *ValueInfo) decodeTensorType(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			var t int64
			err := f.int64(&t)
			v.Type = DataType(t)
			return err
		case 2:
			if v.Shape == nil {
				v.Shape = []Dim{} // a shape without dims is that of a scalar
			}
			return f.message(v.decodeShape)
		}
		return f.keep(&v.unknownTensor)
	})
}

func (v *ValueInfo) decodeShape(msg message) error {
	return msg.fields(func(f field) error {
		if f.num != 1 {
			return f.keep(&v.unknownShape)
		}
		d := Dim{Size: -1}
		if err := f.message(d.decode); err != nil {
			return fmt.Errorf("dimension %d: %w", len(v.Shape), err)
		}
		v.Shape = append(v.Shape, d)
		return nil
	})
}

func (d *Dim) decode(msg message) error {
	var unknown []byte
	err := msg.fields(func(f field) error {
		switch f.num {
		case 1:
			d.Param = ""
			err := f.int64(&d.Size)
			d.Size = max(d.Size, -1)
			return err
		case 2:
			d.Size = -1
			return f.string(&d.Param)
		}
		return f.keep(&unknown)
	})
	d.unknown = string(unknown)
	return err
}
