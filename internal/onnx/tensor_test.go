package onnx

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// decodeTensor reads a TensorProto as an initializer of a model.
func decodeTensor(t *testing.T, parts ...[]byte) *Tensor {
	t.Helper()
	m, err := Decode(modelBytes(lenField(5, parts...)))
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph.Initializers[0]
}

// unpacked writes one varint field per value.
func unpacked(num protowire.Number, v []int64) (b []byte) {
	for _, x := range v {
		b = append(b, intField(num, x)...)
	}
	return b
}

// Integers are the same from raw_data (as NewInts writes it) and from the typed field, packed or not.
func TestInt64s(t *testing.T) {
	tests := []struct {
		typ   DataType
		field protowire.Number
		v     []int64
		typed []int64 // values of the typed field; nil: v
		raw   string
	}{
		{Uint8, 5, []int64{0, 200, 255}, nil, "\x00\xc8\xff"},
		{Int8, 5, []int64{-128, -1, 127}, nil, "\x80\xff\x7f"},
		{Uint16, 5, []int64{1, 65535}, nil, "\x01\x00\xff\xff"},
		{Int16, 5, []int64{-32768, 258}, nil, "\x00\x80\x02\x01"},
		{Int32, 5, []int64{math.MinInt32, -2, math.MaxInt32}, nil, "\x00\x00\x00\x80\xfe\xff\xff\xff\xff\xff\xff\x7f"},
		{Int64, 7, []int64{math.MinInt64, 5}, nil, "\x00\x00\x00\x00\x00\x00\x00\x80\x05\x00\x00\x00\x00\x00\x00\x00"},
		{Uint32, 11, []int64{math.MaxUint32}, nil, "\xff\xff\xff\xff"},
		{Uint64, 11, []int64{math.MaxInt64}, nil, "\xff\xff\xff\xff\xff\xff\xff\x7f"},
		{Bool, 5, []int64{1, 0, 1}, nil, "\x01\x00\x01"},
		{Int4, 5, []int64{-8, 7, -1, 0}, []int64{0x78, 0x0f}, "\x78\x0f"},
		{Int4, 5, []int64{-8, 7, -1}, []int64{0x78, 0x0f}, "\x78\x0f"},
		{Uint4, 5, []int64{15}, []int64{15}, "\x0f"},
		{Uint4, 5, []int64{1, 2, 3, 4, 5}, []int64{0x21, 0x43, 0x05}, "\x21\x43\x05"},
		{Int2, 5, []int64{-2, -1, 0, 1, -2}, []int64{0x4e, 0x02}, "\x4e\x02"},
		{Uint2, 5, []int64{3, 2, 1}, []int64{0x1b}, "\x1b"},
		{Uint2, 5, []int64{0, 1, 2, 3}, []int64{0xe4}, "\xe4"},
		{Int8, 5, nil, nil, ""},
		{Int4, 5, nil, nil, ""},
	}
	for _, test := range tests {
		typed := test.typed
		if typed == nil {
			typed = test.v
		}
		dims := []int64{int64(len(test.v))}
		head := join(unpacked(1, dims), intField(2, int64(test.typ)))
		made := NewInts("t", test.typ, dims, test.v)
		if string(made.raw) != test.raw {
			t.Errorf("%v %v: raw data is %q, want %q", test.typ, test.v, made.raw, test.raw)
		}
		for form, w := range map[string]*Tensor{
			"made":     made,
			"raw":      decodeTensor(t, head, strField(9, test.raw)),
			"packed":   decodeTensor(t, head, lenField(test.field, varints(typed...))),
			"unpacked": decodeTensor(t, head, unpacked(test.field, typed)),
			"early":    decodeTensor(t, lenField(test.field, varints(typed...)), head),
		} {
			got, err := w.Int64s()
			if err != nil || !slices.Equal(got, test.v) {
				t.Errorf("%v, %s: %v, error %v, want %v", test.typ, form, got, err, test.v)
			}
		}
	}
}

func TestFloats(t *testing.T) {
	inf := math.Inf(1)
	f32 := protowire.AppendFixed32(protowire.AppendFixed32(nil, math.Float32bits(1.5)), math.Float32bits(float32(-inf)))
	f64 := protowire.AppendFixed64(protowire.AppendFixed64(nil, math.Float64bits(0.1)), math.Float64bits(1e300))
	halves := []int64{0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0xfc00, 0x3555, 0x0400}
	halfValues := []float32{1, -2, 65504, 0x1p-24, float32(math.Copysign(0, -1)), float32(-inf), 0.333251953125, 0x1p-14}
	var halfRaw []byte
	for _, h := range halves {
		halfRaw = binary.LittleEndian.AppendUint16(halfRaw, uint16(h))
	}
	tests := []struct {
		name string
		typ  DataType
		data []byte
		want []float32
	}{
		{"float raw", Float, lenField(9, f32), []float32{1.5, float32(-inf)}},
		{"float packed", Float, lenField(4, f32), []float32{1.5, float32(-inf)}},
		{"float unpacked", Float, join(floatField(4, 1.5), floatField(4, float32(-inf))), []float32{1.5, float32(-inf)}},
		{"float packed twice", Float, join(lenField(4, f32[:4]), lenField(4, f32[4:])), []float32{1.5, float32(-inf)}},
		{"double raw", Double, lenField(9, f64), []float32{0.1, float32(inf)}},
		{"double packed", Double, lenField(10, f64), []float32{0.1, float32(inf)}},
		{"double unpacked", Double, doubleField(10, 0.1), []float32{0.1}},
		{"half raw", Float16, lenField(9, halfRaw), halfValues},
		{"half typed", Float16, lenField(5, varints(halves...)), halfValues},
		{"bfloat16 raw", BFloat16, strField(9, "\x80\x3f\x49\xc0"), []float32{1, -3.140625}},
		{"bfloat16 typed", BFloat16, lenField(5, varints(0x3f80, 0xc049)), []float32{1, -3.140625}},
		{"none", Float, nil, []float32{}},
	}
	for _, test := range tests {
		w := decodeTensor(t, intField(1, int64(len(test.want))), intField(2, int64(test.typ)), test.data)
		got, err := w.Floats()
		same := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
		if err != nil || !slices.EqualFunc(got, test.want, same) {
			t.Errorf("%s: %v, error %v, want %v", test.name, got, err, test.want)
		}
	}
	if v := float16(0x7e00); v == v {
		t.Errorf("half NaN is %v", v)
	}
	if got, err := NewFloats("w", []int64{1, 2}, []float32{3, -4}).Floats(); err != nil || !slices.Equal(got, []float32{3, -4}) {
		t.Errorf("NewFloats: %v, error %v", got, err)
	}
}

func TestStrings(t *testing.T) {
	w := decodeTensor(t, intField(1, 2), intField(2, int64(String)), strField(6, "a"), strField(6, ""))
	if got, err := w.Strings(); err != nil || !slices.Equal(got, []string{"a", ""}) {
		t.Errorf("%q, error %v", got, err)
	}
	w.Dims[0] = 3
	if _, err := w.Strings(); err == nil {
		t.Error("3 strings read from 2")
	}
}

func TestLen(t *testing.T) {
	tests := []struct {
		dims []int64
		n    int // -1: error
	}{
		{nil, 1},
		{[]int64{2, 3, 5}, 30},
		{[]int64{4, 0}, 0},
		{[]int64{math.MaxInt64, math.MaxInt64, 0}, 0},
		{[]int64{math.MaxInt64}, math.MaxInt64},
		{[]int64{1 << 32, 1 << 31}, -1},
		{[]int64{1 << 62, 4}, -1}, // wraps to 0
		{[]int64{-1}, -1},
		{[]int64{0, -1}, -1},
		{[]int64{-2, -3}, -1},
		{[]int64{math.MinInt64, 2}, -1},
	}
	for _, test := range tests {
		n, err := (&Tensor{Name: "w", Dims: test.dims}).Len()
		if err != nil {
			n = -1
			if !strings.Contains(err.Error(), `"w"`) {
				t.Errorf("error does not name the tensor: %v", err)
			}
		}
		if n != test.n {
			t.Errorf("%v: %d, want %d", test.dims, n, test.n)
		}
	}
}

func TestTensorErrors(t *testing.T) {
	floats := NewFloats("w", []int64{3}, []float32{1, 2})
	huge := NewBytes("w", Int64, []int64{math.MaxInt64}, nil)
	ints := func(w *Tensor) error { _, err := w.Int64s(); return err }
	reals := func(w *Tensor) error { _, err := w.Floats(); return err }
	tests := []struct {
		name string
		w    *Tensor
		read func(*Tensor) error
		want string
	}{
		{"too few", floats, reals, "8 bytes of data, but float32 of [3] takes 12"},
		{"wrong kind", floats, ints, "float32 where integers are wanted"},
		{"wrong kind", NewInts("w", Int8, nil, []int64{1}), reals, "int8 where floats are wanted"},
		{"unknown type", NewBytes("w", 99, nil, []byte{1}), ints, "type 99 where integers are wanted"},
		{"size overflows", huge, ints, "too large"},
		{"odd nibbles", NewInts("w", Int4, []int64{5}, make([]int64, 4)), ints, "2 bytes of data, but int4 of [5] takes 3"},
		{"above int64", NewBytes("w", Uint64, nil, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")), ints, "element 0, 18446744073709551615, does not fit"},
		{"not loaded", &Tensor{Name: "w", Type: Float, external: []Property{{Key: "location", Value: "f"}}}, reals, "not loaded"},
	}
	for _, test := range tests {
		err := test.read(test.w)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `tensor "w"`) {
			t.Errorf("%s: error is %v, want %q", test.name, err, test.want)
		}
	}
}

func TestNewIntsPanics(t *testing.T) {
	tests := []struct {
		typ DataType
		v   int64
	}{{Int8, 128}, {Int8, -129}, {Uint8, -1}, {Uint8, 256}, {Int4, 8}, {Uint4, 16}, {Int2, 2}, {Uint2, 4}, {Bool, 2},
		{Uint64, -1}, {Int32, 1 << 31}, {Float, 0}, {Undefined, 0}}
	for _, test := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d accepted as %v", test.v, test.typ)
				}
			}()
			NewInts("w", test.typ, nil, []int64{test.v})
		}()
	}
}
