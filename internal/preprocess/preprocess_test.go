package preprocess

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func imagenet() *Spec {
	return &Spec{Input: "input", Scale: 1. / 255, Mean: []float64{0.485, 0.456, 0.406},
		Std: []float64{0.229, 0.224, 0.225}, Color: "rgb", Size: [2]int{32, 32}}
}

func nanodet() *Spec {
	return &Spec{Input: "input.1", Scale: 1, Mean: []float64{103.53, 116.28, 123.675},
		Std: []float64{57.375, 57.12, 58.395}, Color: "bgr", Size: [2]int{416, 416}, Resize: "stretch"}
}

func gray() *Spec {
	return &Spec{Scale: 2. / 255, Mean: []float64{1}, Std: []float64{1}, Color: "gray"}
}

func TestParse(t *testing.T) {
	tests := []struct {
		json string
		want *Spec
	}{
		{`{}`, &Spec{Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Color: "rgb"}},
		{`{"color":"gray"}`, &Spec{Scale: 1, Mean: []float64{0}, Std: []float64{1}, Color: "gray"}},
		{` {"mean":[1,2,3],"size":[240,320],"resize":"stretch"} `, &Spec{Scale: 1, Mean: []float64{1, 2, 3},
			Std: []float64{1, 1, 1}, Color: "rgb", Size: [2]int{240, 320}, Resize: "stretch"}},
		{`{"std":[2,2,4],"color":"bgr","scale":0.5,"input":"x","assumed":true}`, &Spec{Input: "x", Scale: 0.5,
			Mean: []float64{0, 0, 0}, Std: []float64{2, 2, 4}, Color: "bgr", Assumed: true}},
	}
	for _, test := range tests {
		got, err := Parse([]byte(test.json))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("Parse(%s) = %+v, %v, want %+v", test.json, got, err, test.want)
		}
	}
}

// Pixels are the input of a network that takes bytes, and nothing else may be said of it.
func TestBytes(t *testing.T) {
	s, err := Bytes([]int{-1, 3, 4, 6})
	want := &Spec{Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Color: "rgb", Size: [2]int{4, 6}}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v, want %+v", s, err, want)
	}
	if err := s.CheckBytes(); err != nil {
		t.Error(err)
	}
	for _, s := range []*Spec{imagenet(), nanodet(), gray()} {
		if err := s.CheckBytes(); err == nil || !strings.Contains(err.Error(), "takes pixels as they are") {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := Bytes([]int{-1, 4, 4, 6}); err == nil {
		t.Error("four channels are an image")
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ json, want string }{
		{``, "EOF"},
		{`null`, "null"},
		{`[]`, "array"},
		{`{"scale":1`, "EOF"},
		{`{} {}`, "more than one"},
		{`{"scale":0}`, "scale is 0"},
		{`{"scale":1e999}`, "1e999"},
		{`{"scale":"1"}`, "string"},
		{`{"color":"rbg"}`, `unknown color "rbg"; known: rgb, bgr, gray`},
		{`{"color":""}`, "unknown color"},
		{`{"mean":[1,2]}`, `mean has 2 values, color "rgb" 3 channels`},
		{`{"mean":[1,2,3],"color":"gray"}`, "mean has 3 values"},
		{`{"std":[1,2,3,4]}`, "mean has 4 values"},
		{`{"mean":[1,2,3],"std":[1]}`, "std has 1 values"},
		{`{"mean":[]}`, "mean has 0 values"},
		{`{"std":[1,0,1]}`, "std of channel 1 is 0"},
		{`{"std":[1,1,-2]}`, "std of channel 2 is -2"},
		{`{"std":[1,1,1e-320]}`, "channel 2 leaves the range of float32"},
		{`{"mean":[1e300,0,0]}`, "channel 0 leaves the range"},
		{`{"scale":1e38}`, "channel 0 leaves the range"},
		{`{"scale":1e-60}`, "channel 0 leaves the range"},
		{`{"size":[32]}`, "size is [32]"},
		{`{"size":[32,32,3]}`, "size is [32 32 3]"},
		{`{"size":[0,32]}`, "size is [0 32]"},
		{`{"size":[-1,-1]}`, "size is [-1 -1]"},
		{`{"resize":"fill","size":[1,1]}`, `unknown resize "fill"; known: stretch, crop`},
		{`{"resize":"stretch"}`, "without a size"},
		{`{"layout":"NHWC"}`, "layout"},
	}
	for _, test := range tests {
		if s, err := Parse([]byte(test.json)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Parse(%s) = %+v, %v, want an error with %q", test.json, s, err, test.want)
		}
	}
}

func TestEncode(t *testing.T) {
	for _, s := range []*Spec{imagenet(), nanodet(), gray()} {
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(b)
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%s parses to %+v, %v", b, back, err)
		}
		if strings.ContainsAny(string(b), " \n") {
			t.Errorf("%s is not compact", b)
		}
	}
	s := imagenet()
	s.Std[1] = math.NaN()
	if b, err := s.Encode(); err == nil {
		t.Errorf("a NaN encodes to %s", b)
	}
}

// reference is the definition, in float64, for a pixel of the channel of the network.
func reference(s *Spec, pixels []uint8, at, c int) float64 {
	source := c
	if s.Color == "bgr" {
		source = 2 - c
	}
	return (float64(pixels[at*s.Channels()+source])*s.Scale - s.Mean[c]) / s.Std[c]
}

func TestApply(t *testing.T) {
	for _, s := range []*Spec{imagenet(), nanodet(), gray()} {
		for _, n := range []int{0, 1, 2, 5} {
			for _, plane := range []int{1, 3, 256, 257} {
				channels := s.Channels()
				pixels := make([]uint8, n*plane*channels)
				for i := range pixels {
					pixels[i] = uint8(i * 97 / 3)
				}
				nhwc, nchw := make([]float32, len(pixels)), make([]float32, len(pixels))
				s.Apply(nhwc, pixels, n)
				s.ApplyNCHW(nchw, pixels, n)
				for at := range n * plane {
					for c := range channels {
						want := reference(s, pixels, at, c)
						a := nhwc[at*channels+c]
						b := nchw[(at/plane*channels+c)*plane+at%plane]
						if math.Abs(float64(a)-want) > 1e-6 || a != b {
							t.Fatalf("%s, n %d, plane %d, pixel %d channel %d: NHWC %v, NCHW %v, want %v",
								s.Color, n, plane, at, c, a, b, want)
						}
					}
				}
			}
		}
	}
}

// A generated image and a real one of the same pixels are the same input, to the bit.
func TestAffineIsApply(t *testing.T) {
	for _, s := range []*Spec{imagenet(), nanodet(), gray()} {
		mul, add := s.Affine()
		low, high := s.PixelRange()
		channels := s.Channels()
		pixels, got := make([]uint8, 256*channels), make([]float32, 256*channels)
		for i := range pixels {
			pixels[i] = uint8(i / channels)
		}
		s.Apply(got, pixels, 1)
		for i, v := range got {
			p, c := float32(i/channels), i%channels
			if want := float32(p*mul[c]) + add[c]; v != want {
				t.Fatalf("%s: pixel %v is %v by Apply, %v by Affine", s.Color, p, v, want)
			}
			if v < low[c] || v > high[c] {
				t.Fatalf("%s: pixel %v is %v, outside [%v, %v]", s.Color, p, v, low[c], high[c])
			}
		}
		if !slices.Equal(got[:channels], low) || !slices.Equal(got[255*channels:], high) {
			t.Errorf("%s: range %v to %v, pixels 0 and 255 are %v and %v", s.Color, low, high, got[:channels], got[255*channels:])
		}
	}
	inverted := &Spec{Scale: -1, Mean: []float64{-255}, Std: []float64{255}, Color: "gray"}
	if low, high := inverted.PixelRange(); low[0] != 0 || high[0] != 1 {
		t.Errorf("inverted: range %v to %v", low, high)
	}
}

// Pixels that need no preprocessing come through exactly.
func TestIdentityIsExact(t *testing.T) {
	s, err := Parse([]byte(`{"color":"gray"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 3)
	s.Apply(got, []uint8{0, 1, 255}, 1)
	if !slices.Equal(got, []float32{0, 1, 255}) || math.Signbit(float64(got[0])) {
		t.Errorf("0, 1, 255 become %v", got)
	}
}

func TestApplyPanics(t *testing.T) {
	for name, call := range map[string]func(){
		"lengths":      func() { imagenet().Apply(make([]float32, 3), make([]uint8, 6), 1) },
		"no images":    func() { imagenet().Apply(make([]float32, 3), make([]uint8, 3), 0) },
		"part of one":  func() { imagenet().ApplyNCHW(make([]float32, 9), make([]uint8, 9), 2) },
		"below no one": func() { imagenet().Apply(nil, nil, -1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func TestCheckInput(t *testing.T) {
	tests := []struct {
		shape []int
		want  string
	}{
		{[]int{-1, 3, 32, 32}, ""},
		{[]int{1, 3, -1, 0}, ""},
		{[]int{-1, -1, 32, 32}, ""},
		{[]int{-1, 1, 32, 32}, `input "input" has 1 channels, color "rgb" 3`},
		{[]int{-1, 3, 224, 32}, "height 224, size says 32"},
		{[]int{-1, 3, 32, 224}, "width 224, size says 32"},
		{[]int{-1, 32, 32, 3}, "has 32 channels"},
		{[]int{3, 32, 32}, "not [N,C,H,W]"},
		{nil, "not [N,C,H,W]"},
	}
	for _, test := range tests {
		err := imagenet().CheckInput(test.shape)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("CheckInput(%v): error %v, want %q", test.shape, err, test.want)
		}
	}
	if err := gray().CheckInput([]int{-1, 1, 5, 7}); err != nil {
		t.Errorf("a description without a size: %v", err)
	}
}

func TestCheckImages(t *testing.T) {
	if err := imagenet().CheckImages(32, 32, 3); err != nil {
		t.Error(err)
	}
	if err := gray().CheckImages(7, 9, 1); err != nil {
		t.Error(err)
	}
	if err := imagenet().CheckImages(28, 28, 3); err == nil || !strings.Contains(err.Error(), "images are 28x28") {
		t.Errorf("28x28: %v", err)
	}
	stretched := imagenet()
	stretched.Resize = "stretch"
	if err := stretched.CheckImages(28, 30, 3); err != nil {
		t.Error(err)
	}
	if err := imagenet().CheckImages(32, 32, 1); err == nil || !strings.Contains(err.Error(), "images have 1 channels") {
		t.Errorf("gray: %v", err)
	}
}

func TestAssumed(t *testing.T) {
	for _, shape := range [][]int{{-1, 3, 32, 32}, {1, 1, 28, 28}, {-1, 3, -1, -1}} {
		s, err := Assumed(shape)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(); err != nil || !s.Assumed {
			t.Errorf("%v: %+v: %v", shape, s, err)
		}
		if err := s.CheckInput(shape); err != nil {
			t.Error(err)
		}
		mul, add := s.Affine()
		for c := range mul { // pixels one deviation about the mean become -1, 0 and 1
			for g := float32(-1); g <= 1; g++ {
				if got := (PixelMean+PixelStd*g)*mul[c] + add[c]; math.Abs(float64(got-g)) > 1e-6 {
					t.Errorf("%v: pixel %v becomes %v", shape, PixelMean+PixelStd*g, got)
				}
			}
		}
	}
	for _, shape := range [][]int{nil, {1, 2, 3, 3}, {-1, -1, 3, 3}, {-1, 10}} {
		if s, err := Assumed(shape); err == nil {
			t.Errorf("Assumed(%v) = %+v", shape, s)
		}
	}
}

// Networks that normalize their images are given pixels.
func TestAssumedBehind(t *testing.T) {
	shape := []int{-1, 3, 32, 32}
	each := func(v ...float64) []float64 { return append([]float64{v[0], v[0], v[0]}, v[1:]...)[:3] }
	for name, tt := range map[string]struct {
		scale, shift, pixel float64 // 0: standardized before
	}{
		"nothing": {1, 0, 0}, "of bytes": {1. / 58, -2, 1}, "bytes to -1..1": {1. / 127.5, -1, 1}, "bytes to 0..1": {1. / 255, 0, 1}, "bytes centred": {1, -120, 1},
		"0..1 to -1..1": {2, -1, 1. / 255}, "0..1": {4.4, -2, 1. / 255}, "a factor": {0.5, 0, 0}, "zero": {0, 0, 0},
	} {
		s, err := AssumedBehind(shape, each(tt.scale), each(tt.shift))
		if err != nil {
			t.Fatal(err)
		}
		want := tt.pixel
		if s.Mean[0] != 0 {
			s.Scale = 0
		}
		if s.Scale != want || !s.Assumed || s.Size != [2]int{32, 32} {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, scale := range [][]float64{nil, {1}} { // none, and one that makes three channels of one
		if s, err := AssumedBehind(shape, scale, scale); err != nil || s.Mean[0] != PixelMean {
			t.Errorf("%v: %+v, %v", scale, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []*Spec{imagenet(), nanodet(), gray()} {
		b, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"mean":null,"size":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		encoded, err := s.Encode()
		if err != nil || !json.Valid(encoded) {
			t.Fatalf("%s parses to %+v, which does not encode: %v", b, s, err)
		}
		back, err := Parse(encoded)
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("%s comes back as %+v, %v", fmt.Sprintf("%+v", s), back, err)
		}
	})
}
