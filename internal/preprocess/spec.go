// Package preprocess says how pixels become the input of a network: the scale, mean and deviation of each
// channel, their order, and the image size.
//
// Values are per channel, in the order of the network's input:
//
//	value = (pixel * scale - mean) / std,   pixel in 0..255
//
// The description lies in a JSON file beside the model (see [LoadSidecar]) and travels in the metadata of
// the models that are written. Real images and generated ones go through the same arithmetic ([Spec.Affine]).
package preprocess

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Pixels of natural images have about this mean and standard deviation, of 255.
const (
	PixelMean = 120
	PixelStd  = 64
)

// Spec is the preprocessing of one input.
type Spec struct {
	Input  string    `json:"input,omitempty"` // name of the network's input that it is about; "" is its only one
	Scale  float64   `json:"scale"`
	Mean   []float64 `json:"mean"` // of each channel of the input, in its order and after Scale
	Std    []float64 `json:"std"`
	Color  string    `json:"color"`            // order of the channels: "rgb", "bgr" or "gray"
	Size   [2]int    `json:"size"`             // height, width; 0, 0 where any will do
	Resize string    `json:"resize,omitempty"` // how images get Size: "stretch", "crop", or "" for those that have it: see Fit

	// Assumed marks a description that nobody gave: see the function Assumed.
	Assumed bool `json:"assumed,omitempty"`
}

// Assumed is the preprocessing of a network of which nothing is known but the shape of its input,
// [N,C,H,W] with what is open not positive: inputs are standardised, that is, natural images reach the
// network with mean 0 and deviation 1. Check it against the network's first BatchNormalization and say
// that it was assumed.
func Assumed(shape []int) (*Spec, error) {
	if len(shape) != 4 || shape[1] != 1 && shape[1] != 3 {
		return nil, fmt.Errorf("input of shape %v is no image: want [N,3,H,W] or [N,1,H,W]", shape)
	}
	s := &Spec{Scale: 1, Color: "rgb", Assumed: true}
	if shape[1] == 1 {
		s.Color = "gray"
	}
	for range shape[1] {
		s.Mean, s.Std = append(s.Mean, PixelMean), append(s.Std, PixelStd)
	}
	if shape[2] > 0 && shape[3] > 0 {
		s.Size = [2]int{shape[2], shape[3]}
	}
	return s, nil
}

// AssumedBehind is Assumed for a network that begins with scale*x + shift in each channel: inputs are pixels of 0 to 255, or
// of 0 to 1, where that standardises them better than inputs which are so already.
func AssumedBehind(shape []int, scale, shift []float64) (*Spec, error) {
	best, err := Assumed(shape)
	if err != nil || len(scale) != shape[1] {
		return best, err
	}
	off := func(s *Spec) (sum float64) {
		mul, add := s.Affine()
		for c, a := range scale {
			mean := a*(PixelMean*float64(mul[c])+float64(add[c])) + shift[c]
			sum += math.Abs(math.Log(math.Abs(a*PixelStd*float64(mul[c])))) + math.Abs(mean)
		}
		return sum
	}
	for _, k := range []float64{1, 1. / 255} {
		raw := *best
		raw.Scale, raw.Mean, raw.Std = k, make([]float64, len(scale)), slices.Repeat([]float64{1}, len(scale))
		if off(&raw) < off(best) {
			best = &raw
		}
	}
	return best, nil
}

// Bytes is the preprocessing of an input of bytes, of which nothing else is known: pixels are what they are. The network
// normalizes them itself.
func Bytes(shape []int) (*Spec, error) {
	s, err := Assumed(shape)
	if err != nil {
		return nil, err
	}
	s.Assumed = false
	for c := range s.Mean {
		s.Mean[c], s.Std[c] = 0, 1
	}
	return s, nil
}

// CheckBytes returns an error where pixels would not stay as they are: the network's input has bytes.
func (s *Spec) CheckBytes() error {
	for c := range s.Mean {
		if s.Scale != 1 || s.Mean[c] != 0 || s.Std[c] != 1 {
			return fmt.Errorf("preprocess: %s is uint8 and takes pixels as they are: scale must be 1, means 0 and deviations 1, not %v, %v, %v",
				s.input(), s.Scale, s.Mean, s.Std)
		}
	}
	return nil
}

// Parse reads the JSON form of a Spec and validates it. Left out, scale is 1, means 0, deviations 1, and
// color is "rgb". A field that it does not know is an error: it could change what the numbers mean.
func Parse(b []byte) (*Spec, error) {
	type fields Spec // without UnmarshalJSON, which calls this
	s := &Spec{Scale: 1, Color: "rgb"}
	wire := struct {
		*fields
		Size []int `json:"size"` // an array would let a third number pass
	}{fields: (*fields)(s)}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return nil, fmt.Errorf("preprocess: %w", plain(err))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("preprocess: more than one JSON value")
	}
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return nil, errors.New("preprocess: null is no description")
	}
	if n := len(wire.Size); n != 0 && n != copy(s.Size[:], wire.Size) || n == 1 {
		return nil, fmt.Errorf("preprocess: size is %v, want a height and a width", wire.Size)
	}
	channels := max(len(s.Mean), len(s.Std))
	if channels == 0 {
		channels = channelsOf[s.Color]
	}
	if s.Mean == nil {
		s.Mean = make([]float64, channels)
	}
	if s.Std == nil {
		s.Std = make([]float64, channels)
		for c := range s.Std {
			s.Std[c] = 1
		}
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// UnmarshalJSON is Parse, so that a Spec inside other JSON is as strict.
func (s *Spec) UnmarshalJSON(b []byte) error {
	parsed, err := Parse(b)
	if err == nil {
		*s = *parsed
	}
	return err
}

// Encode returns the compact JSON form, which Parse reads.
func (s *Spec) Encode() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// channelsOf is the number of channels of each Color.
var channelsOf = map[string]int{"rgb": 3, "bgr": 3, "gray": 1}

// Validate returns an error where the description contradicts itself.
func (s *Spec) Validate() error {
	channels, ok := channelsOf[s.Color]
	switch {
	case !ok:
		return fmt.Errorf("preprocess: unknown color %q; known: rgb, bgr, gray", s.Color)
	case len(s.Mean) != channels:
		return fmt.Errorf("preprocess: mean has %d values, color %q %d channels", len(s.Mean), s.Color, channels)
	case len(s.Std) != channels:
		return fmt.Errorf("preprocess: std has %d values, color %q %d channels", len(s.Std), s.Color, channels)
	case s.Scale == 0 || !finite(s.Scale):
		return fmt.Errorf("preprocess: scale is %v, want a number other than 0", s.Scale)
	case s.Size[0] < 0 || s.Size[1] < 0 || (s.Size[0] == 0) != (s.Size[1] == 0):
		return fmt.Errorf("preprocess: size is %v, want a height and a width", s.Size)
	case s.Resize != "" && s.Resize != "stretch" && s.Resize != "crop":
		return fmt.Errorf("preprocess: unknown resize %q; known: stretch, crop", s.Resize)
	case s.Resize != "" && s.Size[0] == 0:
		return fmt.Errorf("preprocess: resize %q without a size", s.Resize)
	}
	mul, add := s.Affine()
	for c := range channels {
		if s.Std[c] <= 0 || !finite(s.Std[c]) {
			return fmt.Errorf("preprocess: std of channel %d is %v, want a positive number", c, s.Std[c])
		}
		if !finite(float64(255*mul[c])) || !finite(float64(add[c])) || mul[c] == 0 {
			return fmt.Errorf("preprocess: channel %d leaves the range of float32: scale %v, mean %v, std %v",
				c, s.Scale, s.Mean[c], s.Std[c])
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }

// Channels returns the number of channels of the input.
func (s *Spec) Channels() int { return len(s.Mean) }

// CheckImages returns an error where Fit cannot make the network's input of images of this size.
func (s *Spec) CheckImages(height, width, channels int) error {
	if channels != s.Channels() {
		return fmt.Errorf("images have %d channels, the network's preprocessing (color %q) %d", channels, s.Color, s.Channels())
	}
	if s.Resize == "" && s.Size[0] > 0 && s.Size != [2]int{height, width} {
		return fmt.Errorf("images are %dx%d, the network's preprocessing has size %dx%d and no resize", height, width, s.Size[0], s.Size[1])
	}
	return nil
}

// CheckInput returns an error where the description contradicts the shape of the network's input,
// [N,C,H,W]. Axes that are not positive are open.
func (s *Spec) CheckInput(shape []int) error {
	if len(shape) != 4 {
		return fmt.Errorf("preprocess: %s has shape %v, not [N,C,H,W]", s.input(), shape)
	}
	if shape[1] > 0 && shape[1] != s.Channels() {
		return fmt.Errorf("preprocess: %s has %d channels, color %q %d", s.input(), shape[1], s.Color, s.Channels())
	}
	for i, axis := range []string{"height", "width"} {
		if have := shape[2+i]; have > 0 && s.Size[i] > 0 && have != s.Size[i] {
			return fmt.Errorf("preprocess: %s has %s %d, size says %d", s.input(), axis, have, s.Size[i])
		}
	}
	return nil
}

// input names the input in errors.
func (s *Spec) input() string {
	if s.Input == "" {
		return "the input"
	}
	return fmt.Sprintf("input %q", s.Input)
}
