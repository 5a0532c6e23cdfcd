package onnx

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// The functions below build messages byte by byte, independently of the encoder.

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func lenField(num protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), join(parts...))
}

func strField(num protowire.Number, s string) []byte { return lenField(num, []byte(s)) }

func intField(num protowire.Number, x int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(x))
}

func floatField(num protowire.Number, x float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, num, protowire.Fixed32Type), math.Float32bits(x))
}

func doubleField(num protowire.Number, x float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), math.Float64bits(x))
}

func varints(x ...int64) (b []byte) {
	for _, x := range x {
		b = protowire.AppendVarint(b, uint64(x))
	}
	return b
}

// modelBytes returns a model whose graph has the given fields.
func modelBytes(graph ...[]byte) []byte {
	return join(intField(1, 8), lenField(7, graph...), lenField(8, strField(1, ""), intField(2, 17)))
}

// A file with fields that the package does not know in every message is the same after a round trip.
func TestUnknownFieldsAreKept(t *testing.T) {
	later := join(strField(90, "later"), intField(91, -1), doubleField(92, 0.5), floatField(93, 0.25),
		protowire.AppendGroup(protowire.AppendTag(nil, 94, protowire.StartGroupType), 94, intField(1, 1)))
	tensor := join(intField(1, 2), intField(1, 1), intField(2, int64(Float)), strField(8, "w"),
		lenField(9, make([]byte, 8)), strField(12, "doc"), lenField(3, intField(1, 0)), later)
	float8 := join(intField(1, 2), intField(2, 17), strField(8, "f8"), lenField(5, varints(56, 56)))
	shape := join(lenField(1, intField(1, 3), strField(3, "DATA_CHANNEL"), later), lenField(1, strField(2, "N")),
		lenField(1), lenField(1, intField(1, 0)), later)
	values := join(
		lenField(11, strField(1, "x"), lenField(2, lenField(1, intField(1, 1), lenField(2, shape), later),
			strField(6, "IMAGE"), later), strField(3, "doc"), later),
		lenField(11, strField(1, "sequence"), lenField(2, lenField(4, lenField(1)))),
		lenField(12, strField(1, "scalar"), lenField(2, lenField(1, intField(1, 7), lenField(2)))),
		lenField(12, strField(1, "untyped")))
	subgraph := lenField(1, strField(4, "Relu"), later)
	attributes := join(
		lenField(5, strField(1, "g"), intField(20, int64(AttrGraph)), lenField(6, subgraph), later),
		lenField(5, strField(1, "f"), floatField(2, 0), intField(20, int64(AttrFloat))),
		lenField(5, strField(1, "i"), intField(3, 0), intField(20, int64(AttrInt))),
		lenField(5, strField(1, "s"), lenField(4), intField(20, int64(AttrString))),
		lenField(5, strField(1, "t"), lenField(5, tensor), intField(20, int64(AttrTensor))),
		lenField(5, strField(1, "fs"), floatField(7, 1), floatField(7, 2), intField(20, int64(AttrFloats))),
		lenField(5, strField(1, "is"), intField(8, 1), intField(8, -2), intField(20, int64(AttrInts))),
		lenField(5, strField(1, "ss"), strField(9, "a"), strField(9, ""), intField(20, int64(AttrStrings))),
		lenField(5, strField(1, "none"), intField(20, int64(AttrInts))),
		lenField(5, strField(1, "sparse"), intField(20, 11), lenField(22, lenField(1, tensor))))
	node := lenField(1, strField(1, "x"), strField(1, ""), strField(2, "y"), strField(3, "n"), strField(4, "If"),
		attributes, strField(6, "doc"), strField(7, "com.example"), lenField(9, strField(1, "k")), later)
	graph := join(node, strField(2, "g"), lenField(5, tensor), lenField(5, float8),
		lenField(5, intField(1, 2), intField(2, int64(String)), strField(6, "a"), strField(6, ""), strField(8, "s")),
		strField(10, "doc"), values, lenField(14, strField(1, "w")), lenField(15, lenField(1, tensor)), later)
	file := join(intField(1, 8), strField(2, "maker"), strField(3, "1"), strField(4, "d"), intField(5, 3),
		strField(6, "doc"), lenField(7, graph), lenField(8, strField(1, ""), intField(2, 17), later),
		lenField(14, strField(1, "b"), strField(2, "1"), later), lenField(14, strField(1, "a"), strField(2, "2")),
		lenField(20, lenField(1)), lenField(25, strField(1, "function")), later)

	m, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, file) {
		t.Errorf("%d bytes became %d\n%q\n%q", len(file), len(got), file, got)
	}
	x := m.Graph.Inputs[0]
	want := []Dim{{Size: 3}, {Size: -1, Param: "N"}, {Size: -1}, {Size: 0}}
	for i := range x.Shape {
		x.Shape[i].unknown = ""
	}
	if x.Type != Float || !slices.Equal(x.Shape, want) {
		t.Errorf("input is %v %v", x.Type, x.Shape)
	}
	if s := m.Graph.Outputs[0].Shape; s == nil || len(s) != 0 {
		t.Errorf("shape of a scalar is %#v", s)
	}
	if s := m.Graph.Outputs[1].Shape; s != nil {
		t.Errorf("shape of an untyped value is %#v", s)
	}
}

// Writers may pack repeated scalars or not, split them, repeat messages, and order fields as they like.
func TestEquivalentForms(t *testing.T) {
	floats := protowire.AppendFixed32(protowire.AppendFixed32(nil, math.Float32bits(1)), math.Float32bits(2))
	node := func(parts ...[]byte) []byte { return modelBytes(lenField(1, lenField(5, parts...))) }
	tests := []struct {
		name string
		a, b []byte
	}{
		{"ints", node(intField(8, 1), intField(8, 300)), node(lenField(8, varints(1, 300)))},
		{"ints split", node(intField(8, 1), intField(8, 300)), node(lenField(8, varints(1)), intField(8, 300))},
		{"floats", node(floatField(7, 1), floatField(7, 2)), node(lenField(7, floats))},
		{"dims", modelBytes(lenField(5, intField(1, 2), intField(1, 3))), modelBytes(lenField(5, lenField(1, varints(2, 3))))},
		{"order", node(strField(1, "a"), intField(8, 1)), node(intField(8, 1), strField(1, "a"))},
		{"last wins", node(strField(1, "a")), node(strField(1, "b"), strField(1, "a"))},
		{"merged", modelBytes(strField(2, "g"), strField(10, "d")),
			join(modelBytes(strField(2, "g")), lenField(7, strField(10, "d")))},
		{"dimension", modelBytes(lenField(11, lenField(2, lenField(1, lenField(2, lenField(1, intField(1, 4))))))),
			modelBytes(lenField(11, lenField(2, lenField(1, lenField(2, lenField(1, strField(2, "N"), intField(1, 4)))))))},
		{"type not stated", node(intField(3, 7), intField(20, int64(AttrInt))), node(intField(3, 7))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got [2][]byte
			for i, b := range [][]byte{test.a, test.b} {
				m, err := Decode(b)
				if err != nil {
					t.Fatal(err)
				}
				if got[i], err = m.Encode(); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got[0], got[1]) {
				t.Errorf("not the same:\n%q\n%q", got[0], got[1])
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := modelBytes(lenField(1, strField(1, "x"), strField(2, "y"), strField(3, "relu"), strField(4, "Relu")))
	tensor := func(parts ...[]byte) []byte { return modelBytes(lenField(5, parts...)) }
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "not an ONNX file: it is empty"},
		{"text", []byte("Hello, this is not a model.\n"), "not an ONNX file: it is text"},
		{"text, UTF-8", []byte("모델이 아니다\n"), "not an ONNX file: it is text"},
		{"text, rune cut at the head's end", []byte("\n" + strings.Repeat("한", 400)), "not an ONNX file: it is text"},
		{"HTML", []byte("<!DOCTYPE html><html>"), "not an ONNX file: it is text"},
		{"Git LFS", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "not an ONNX file: it is a Git LFS pointer"},
		{"zip", []byte("PK\x03\x04\x00\x00\x08\x08"), "not an ONNX file: it is a zip"},
		{"HDF5", []byte("\x89HDF\r\n\x1a\n"), "not an ONNX file: it is an HDF5"},
		{"TFLite", []byte("\x1c\x00\x00\x00TFL3\x00"), "not an ONNX file: it is a TensorFlow Lite"},
		{"zeros", make([]byte, 100), "not an ONNX file: byte 0: no field starts here"},
		{"ones", bytes.Repeat([]byte{0xff}, 100), "not an ONNX file: byte 0: no field starts here"},
		{"tensor file", join(intField(1, 3), intField(2, 1), lenField(9, make([]byte, 12))), "field 2 has wire type 0"},
		{"no graph", join(intField(1, 8), strField(2, "maker")), "not an ONNX file: it has no graph"},
		{"truncated in graph", whole[:12], "truncated at byte 12"},
		{"truncated in opset", whole[:len(whole)-1], "truncated at byte 29"},
		{"truncated tag", append(slices.Clone(whole), 0x80), "truncated at byte 31"},
		{"giant length", join(intField(1, 8), []byte{0x3a}, varints(math.MaxInt64)), "truncated at byte 12"},
		{"inner length", modelBytes(lenField(1, strField(3, "relu"), []byte{0x0a, 0x7f})), `graph: node 0 "relu": truncated at byte 14`},
		{"wire type", modelBytes(lenField(1, strField(3, "relu"), intField(1, 1))), `node 0 "relu": byte 13: field 1 has wire type 0`},
		{"overlong varint", join(intField(1, 8), []byte{0x28}, bytes.Repeat([]byte{0xff}, 12)), "byte 3: malformed value"},
		{"attribute", modelBytes(lenField(1, strField(3, "n"), lenField(5, strField(1, "a"), strField(2, "x")))), `node 0 "n": attribute 0 "a": byte`},
		{"deep groups", join(intField(1, 8), bytes.Repeat([]byte{0x9b, 0x06}, 100_000)), "byte 4: malformed value"},
		{"float bytes", tensor(intField(2, 1), strField(8, "w"), lenField(4, make([]byte, 7))), `initializer 0 "w": truncated`},
		{"typed and raw", tensor(intField(2, 1), strField(8, "w"), floatField(4, 1), lenField(9, make([]byte, 4))), `"w": data both in raw_data and in a typed field`},
		{"wrong typed field", tensor(intField(2, 3), strField(8, "w"), floatField(4, 1)), `"w": float_data in a tensor of int8`},
		{"external and raw", tensor(intField(2, 1), strField(8, "w"), lenField(9, make([]byte, 4)), lenField(13), intField(14, 1)), `"w": data both in the file`},
		{"external, nowhere", tensor(intField(2, 1), strField(8, "w"), intField(14, 1)), `"w": external data without a location`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := Decode(test.file)
			if err == nil {
				t.Fatalf("accepted: %+v", m)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %q, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Errorf("error is no short line: %q", err)
			}
		})
	}
}

// Every prefix of a file is refused, except where it ends with a whole field after the graph.
func TestEveryTruncation(t *testing.T) {
	whole := modelBytes(lenField(1, strField(4, "Relu")), lenField(5, intField(1, 1), lenField(9, make([]byte, 4))))
	graphEnd := len(whole) - len(lenField(8, strField(1, ""), intField(2, 17)))
	for n := range whole {
		if _, err := Decode(whole[:n]); (err == nil) != (n == graphEnd) {
			t.Errorf("%d of %d bytes: error %v", n, len(whole), err)
		}
	}
}

// Memory follows the size of the input, whatever numbers stand in it.
func TestAllocationIsBounded(t *testing.T) {
	huge := join(lenField(1, varints(1<<40, 1<<20)), intField(2, int64(Int4)), strField(8, "w"))
	many := bytes.Repeat(lenField(1, varints(math.MaxInt64)), 1000)
	dim := lenField(1, bytes.Repeat(intField(90, 1), 100_000))
	file := modelBytes(lenField(5, huge, lenField(9, make([]byte, 8))), lenField(5, many),
		lenField(11, lenField(2, lenField(1, lenField(2, dim)))))
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			m, err := Decode(file)
			if err != nil {
				b.Fatal(err)
			}
			for _, w := range m.Graph.Initializers {
				if _, err := w.Int64s(); err == nil {
					b.Fatal("huge dims accepted")
				}
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 64*int64(len(file)) {
		t.Errorf("%d bytes allocated for %d", got, len(file))
	}
}

// Large tensors refer to the bytes of the file.
func TestDecodeAliases(t *testing.T) {
	file := modelBytes(lenField(5, intField(1, 1<<18), intField(2, 1), strField(8, "raw"), lenField(9, make([]byte, 1<<20))),
		lenField(5, intField(1, 1<<18), intField(2, 1), strField(8, "typed"), lenField(4, make([]byte, 1<<20))))
	m, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range file {
		if file[i] == 0 {
			file[i] = 1
		}
	}
	for _, w := range m.Graph.Initializers {
		if b, err := w.Bytes(); err != nil || b[0] != 1 || b[len(b)-1] != 1 {
			t.Errorf("tensor %q was copied (error %v)", w.Name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(modelBytes(lenField(1, strField(1, "x"), strField(2, "y"), strField(4, "Relu"), lenField(5, strField(1, "a"),
		intField(8, 3), lenField(5, intField(1, 1), intField(2, 22), lenField(5, varints(7)))))))
	f.Add(modelBytes(lenField(5, intField(1, 3), intField(2, 11), strField(8, "d"), doubleField(10, 1)),
		lenField(5, intField(2, 8), strField(6, "s")), lenField(15, lenField(1, strField(8, "sparse")))))
	f.Add(modelBytes(lenField(11, strField(1, "x"), lenField(2, lenField(1, intField(1, 1), lenField(2,
		lenField(1, strField(2, "N")), lenField(1, intField(1, 3))))))))
	f.Add(modelBytes(lenField(5, intField(1, 4), intField(2, 1), lenField(13, strField(1, "location"), strField(2, "a")),
		intField(14, 1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		Check(m)
		m.tensors(func(w *Tensor) error {
			w.Floats()
			w.Int64s()
			w.Strings()
			return nil
		})
		m.Graph.refuseNested(0)
		first, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		m, err = Decode(first)
		if err != nil {
			t.Fatalf("own output: %v", err)
		}
		second, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("not stable:\n%q\n%q", first, second)
		}
	})
}
