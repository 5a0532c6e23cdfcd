package onnx

import "strconv"

// DataType is the element type of a tensor (TensorProto.DataType).
type DataType int32

// Element types, numbered as in the ONNX schema.
const (
	Undefined  DataType = 0
	Float      DataType = 1
	Uint8      DataType = 2
	Int8       DataType = 3
	Uint16     DataType = 4
	Int16      DataType = 5
	Int32      DataType = 6
	Int64      DataType = 7
	String     DataType = 8
	Bool       DataType = 9
	Float16    DataType = 10
	Double     DataType = 11
	Uint32     DataType = 12
	Uint64     DataType = 13
	Complex64  DataType = 14
	Complex128 DataType = 15
	BFloat16   DataType = 16
	Uint4      DataType = 21
	Int4       DataType = 22
	Uint2      DataType = 25
	Int2       DataType = 26
)

var dataTypes = map[DataType]struct {
	name string
	bits int
}{
	Float: {"float32", 32}, Uint8: {"uint8", 8}, Int8: {"int8", 8}, Uint16: {"uint16", 16}, Int16: {"int16", 16},
	Int32: {"int32", 32}, Int64: {"int64", 64}, String: {"string", 0}, Bool: {"bool", 8}, Float16: {"float16", 16},
	Double: {"float64", 64}, Uint32: {"uint32", 32}, Uint64: {"uint64", 64}, Complex64: {"complex64", 64},
	Complex128: {"complex128", 128}, BFloat16: {"bfloat16", 16}, Uint4: {"uint4", 4}, Int4: {"int4", 4},
	Uint2: {"uint2", 2}, Int2: {"int2", 2},
}

// String returns the type's name, such as "float32".
func (t DataType) String() string {
	if d, ok := dataTypes[t]; ok {
		return d.name
	}
	return "type " + strconv.Itoa(int(t))
}

// Bits returns the size of one element, or 0 where elements have no fixed size.
func (t DataType) Bits() int { return dataTypes[t].bits }
