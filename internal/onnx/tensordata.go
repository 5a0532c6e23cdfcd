package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// locationExternal is the value EXTERNAL of TensorProto.DataLocation.
const locationExternal = 1

// Fields of a TensorProto that hold elements of some types in a typed form, beside raw_data.
const (
	floatData  = 4
	int32Data  = 5
	int64Data  = 7
	doubleData = 10
	uint64Data = 11
)

var typedNames = map[protowire.Number]string{
	floatData: "float_data", int32Data: "int32_data", int64Data: "int64_data",
	doubleData: "double_data", uint64Data: "uint64_data",
}

// typedField returns the typed field that holds elements of type t, and the bytes that each of the
// field's values stands for. Types below 8 bits come packed into bytes, one byte a value; complex numbers
// are two values.
func typedField(t DataType) (num protowire.Number, width int) {
	switch t {
	case Float, Complex64:
		return floatData, 4
	case Double, Complex128:
		return doubleData, 8
	case Int64:
		return int64Data, 8
	case Uint64:
		return uint64Data, 8
	case Uint32:
		return uint64Data, 4
	case Int32:
		return int32Data, 4
	case Int16, Uint16, Float16, BFloat16:
		return int32Data, 2
	case Int8, Uint8, Bool, Int4, Uint4, Int2, Uint2:
		return int32Data, 1
	}
	return 0, 0
}

func (t *Tensor) decode(msg message) error {
	external := t.external != nil
	typed := message{off: msg.off} // typed fields as they stood: data_type may come after them
	err := msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.int64s(&t.Dims)
		case 2:
			var x int64
			err := f.int64(&x)
			t.Type = DataType(x)
			return err
		case floatData, int32Data, int64Data, doubleData, uint64Data:
			if typed.b == nil {
				typed.off = f.off - (len(f.full) - len(f.val))
			}
			return f.keep(&typed.b)
		case 6:
			t.strings = append(t.strings, nil)
			return f.bytes(&t.strings[len(t.strings)-1])
		case 8:
			return f.string(&t.Name)
		case 9:
			return f.bytes(&t.raw)
		case 12:
			return f.string(&t.Doc)
		case 13:
			return property(f, &t.external)
		case 14:
			var x int64
			err := f.int64(&x)
			external = x == locationExternal
			return err
		}
		return f.keep(&t.unknown)
	})
	switch {
	case err != nil:
		return err
	case !external:
		t.external = nil // means nothing then
	case len(t.raw) > 0 || len(typed.b) > 0:
		return errors.New("data both in the file and in an external one")
	case t.external == nil:
		return errors.New("external data without a location")
	}
	return t.convert(typed)
}

// convert moves elements from typed fields to raw. Those of a type that this package does not know stay
// unknown fields.
func (t *Tensor) convert(typed message) error {
	num, width := typedField(t.Type)
	if num == 0 {
		t.unknown = append(t.unknown, typed.b...)
		return nil
	}
	if len(typed.b) > 0 && len(t.raw) > 0 {
		return errors.New("data both in raw_data and in a typed field")
	}
	return typed.fields(func(f field) error {
		if f.num != num {
			if f.typ == protowire.BytesType && len(f.val) == 0 {
				return nil
			}
			return fmt.Errorf("%s in a tensor of %v, whose field is %s", typedNames[f.num], t.Type, typedNames[num])
		}
		wire := protowire.VarintType
		if num == floatData {
			wire = protowire.Fixed32Type
		} else if num == doubleData {
			wire = protowire.Fixed64Type
		}
		if wire != protowire.VarintType && f.typ == protowire.BytesType && t.raw == nil && len(f.val)%width == 0 {
			t.raw = f.val // packed floats are laid out like raw_data
			return nil
		}
		return f.scalars(wire, func(x uint64) {
			switch width {
			case 1:
				t.raw = append(t.raw, byte(x))
			case 2:
				t.raw = binary.LittleEndian.AppendUint16(t.raw, uint16(x))
			case 4:
				t.raw = binary.LittleEndian.AppendUint32(t.raw, uint32(x))
			default:
				t.raw = binary.LittleEndian.AppendUint64(t.raw, x)
			}
		})
	})
}
