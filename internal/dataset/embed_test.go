package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"reflect"
	"strings"
	"testing"
)

func TestEncodeDecode(t *testing.T) {
	unlabelled := small(3, 4, 5, 3)
	unlabelled.Labels, unlabelled.Classes = nil, nil
	for _, s := range []*Set{small(1, 1, 1, 1), small(7, 3, 5, 1), small(2, 33, 7, 3), unlabelled} {
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%d images of %dx%dx%d come back as %+v, %v", s.N, s.H, s.W, s.C, back, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for want, change := range map[string]func(*Set){
		"2 channels":         func(s *Set) { s.C, s.Pixels = 2, s.Pixels[:s.N*s.H*s.W*2] },
		"pixel values":       func(s *Set) { s.Pixels = s.Pixels[1:] },
		"1 labels for":       func(s *Set) { s.Labels = s.Labels[:1] },
		"label 2 is none of": func(s *Set) { s.Labels[1] = 2 },
		"empty or too large": func(s *Set) { s.N, s.Pixels, s.Labels = 0, nil, nil },
	} {
		s := small(3, 2, 2, 3)
		change(s)
		if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

// embedded puts a header before a PNG.
func embedded(t testing.TB, header embedHeader, png []byte) []byte {
	t.Helper()
	b, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint32([]byte(embedMagic), uint32(len(b)))
	return append(append(out, b...), png...)
}

func TestDecodeRefuses(t *testing.T) {
	good, err := small(3, 2, 2, 3).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(good) - 12 { // the last chunk of a PNG only ends it
		if _, err := Decode(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes decode", n, len(good))
		}
	}
	future := bytes.Clone(good)
	future[7] = 2
	gray := pngOf(t, image.NewGray(image.Rect(0, 0, 2, 6)))
	deep := pngOf(t, image.NewGray16(image.Rect(0, 0, 2, 6)))
	for want, b := range map[string][]byte{
		"not of this form":         []byte("PNG and more that is something else"),
		"version 2 of the form":    future,
		"channels, want 1 or 3":    embedded(t, embedHeader{N: 3, H: 2, W: 2, C: 4}, gray),
		"empty or too large":       embedded(t, embedHeader{N: 1 << 40, H: 1 << 40, W: 2, C: 1}, gray),
		"cannot hold 1048576":      embedded(t, embedHeader{N: 1 << 10, H: 1 << 5, W: 1 << 5, C: 1}, gray),
		"want 2 images of 2x2":     embedded(t, embedHeader{N: 2, H: 2, W: 2, C: 1}, gray),
		"images have 3 channels":   embedded(t, embedHeader{N: 3, H: 2, W: 2, C: 3}, gray),
		"*image.Gray16, and":       embedded(t, embedHeader{N: 3, H: 2, W: 2, C: 1}, deep),
		"label 1 is none of the 1": embedded(t, embedHeader{N: 1, H: 2, W: 2, C: 1, Labels: []int{1}, Classes: []string{"a"}}, gray),
		"label -1 is none":         embedded(t, embedHeader{N: 1, H: 2, W: 2, C: 1, Labels: []int{-1}}, gray),
	} {
		if s, err := Decode(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, error %v, want %q in it", s, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good, err := small(3, 2, 2, 3).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(embedded(f, embedHeader{N: 1, H: 1, W: 1, C: 1}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		if len(s.Pixels) != s.N*s.H*s.W*s.C {
			t.Errorf("%d values for %d images of %dx%dx%d", len(s.Pixels), s.N, s.H, s.W, s.C)
		}
		if _, err := s.Encode(); err != nil {
			t.Error(err)
		}
	})
}
