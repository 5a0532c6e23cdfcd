// Package onnx reads, checks and writes ONNX model files.
//
// It knows the file format and nothing about networks: protobuf messages become plain Go structs and
// back, and whatever this package does not understand is kept byte for byte, so that a file read and
// written again has lost nothing. The encoder is deterministic: the same model gives the same bytes.
//
// The codec is written by hand over protowire rather than generated from the schema, for four reasons.
// Generated code does not promise the same bytes from one release to the next, and this package does.
// Fields that are newer than this package, or that it has no use for (subgraphs, functions, sparse
// tensors, training information), pass through untouched wherever they stand. The weights, which are
// nearly all of a file, are never copied when read, and once when written. And the dozen messages that
// matter take a few hundred lines, where generated code and its runtime would add megabytes to the
// program.
//
// Tensors hold their elements in one form, little-endian bytes, whichever of the schema's fields a file
// used (raw_data, float_data, int32_data, ...), and are always written as raw_data.
package onnx

// Model is an ONNX ModelProto.
type Model struct {
	IRVersion       int64
	Opsets          []Opset
	ProducerName    string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	Doc             string
	Graph           *Graph
	Metadata        []Property // order is kept

	unknown []byte
}

// Opset names an operator set and the version of it that a model uses. The default domain is "".
type Opset struct {
	Domain  string
	Version int64

	unknown []byte
}

// Property is a key and value of free metadata. Keys carry a reverse-DNS prefix.
type Property struct {
	Key, Value string

	unknown []byte
}

// Graph is an ONNX GraphProto: nodes in topological order, constants, and the typed names at its border.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []*Node
	Initializers []*Tensor
	Inputs       []*ValueInfo
	Outputs      []*ValueInfo
	Values       []*ValueInfo // types of inner tensors, where the file gives them

	unknown []byte
}

// Node applies an operator. An empty string in Inputs is an optional input left out.
type Node struct {
	Name       string
	OpType     string
	Domain     string
	Doc        string
	Inputs     []string
	Outputs    []string
	Attributes []*Attribute

	unknown []byte
}

// AttributeType says which field of an Attribute holds its value (AttributeProto.AttributeType).
type AttributeType int32

// The attribute types that this package gives meaning to; others are kept as unknown fields.
const (
	AttrFloat   AttributeType = 1
	AttrInt     AttributeType = 2
	AttrString  AttributeType = 3
	AttrTensor  AttributeType = 4
	AttrGraph   AttributeType = 5
	AttrFloats  AttributeType = 6
	AttrInts    AttributeType = 7
	AttrStrings AttributeType = 8
)

// Attribute is a named constant of a Node.
type Attribute struct {
	Name    string
	Type    AttributeType
	Float   float32
	Int     int64
	String  []byte
	Tensor  *Tensor
	Floats  []float32
	Ints    []int64
	Strings [][]byte

	unknown []byte // Graph, SparseTensor, TypeProto and what came later
}

// ValueInfo is the name, type and shape of a tensor.
type ValueInfo struct {
	Name  string
	Type  DataType
	Shape []Dim // nil: rank unknown, or not a tensor
	Doc   string

	unknown       []byte
	unknownType   []byte // of the TypeProto: denotation, and every type that is not a tensor
	unknownTensor []byte // of its tensor type
	unknownShape  []byte // of its shape
}

// Dim is one axis of a shape: a size, or a name for a size that is known only at run time, or neither.
type Dim struct {
	Size  int64  // -1 where unknown
	Param string // "N", "batch_size", ...; where set, Size is not used

	unknown string // denotation; a string, so that Dims can be compared
}

// Tensor is a constant: an initializer or the value of an attribute. Its elements are read with Floats,
// Int64s, Strings or Bytes, whichever way the file stored them.
type Tensor struct {
	Name string
	Type DataType
	Dims []int64
	Doc  string

	raw      []byte     // little endian, 4-bit types packed low nibble first; may alias the file's bytes
	strings  [][]byte   // elements of a String tensor
	external []Property // where the elements are (location, offset, length), while they are not loaded
	unknown  []byte
}
