package zaq

import (
	"fmt"
	"log/slog"
	"strings"

	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
)

// Preprocessing is about one input of a network, and sets of images can feed no more than that. What takes none of them works
// for any number of inputs: method.Options.PixelsOf says what the others get.

// imageInput returns the input called name or, where it is "", the only one. Of several it is the first that suits what is
// known (nil: nothing): a color picture rather than a gray one.
func (m *Model) imageInput(name, source string, known *preprocess.Spec) (string, error) {
	inputs := m.net.Inputs
	if name == "" {
		if len(inputs) == 1 {
			return inputs[0], nil
		}
		channels := []int{3, 1}
		if known != nil {
			channels = []int{known.Channels()}
		}
		for _, c := range channels {
			for _, in := range inputs {
				if shape := m.net.Values[in].Shape; len(shape) == 4 && shape[1] == c {
					return in, nil
				}
			}
		}
		return "", fmt.Errorf("%s: none of the %d inputs (%s) is an image of %s channels, of shape [N,C,H,W]",
			source, len(inputs), strings.Join(inputs, ", "), strings.Trim(strings.ReplaceAll(fmt.Sprint(channels), " ", " or "), "[]"))
	}
	for _, in := range inputs {
		if in == name {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s: input %q is none of the model's: %s", source, name, strings.Join(inputs, ", "))
}

// PreprocessingOf is how pixels become what an input takes, for an image of its size. It is not ok where nobody knows: the input
// is no picture, or none that the one described says anything about.
func (m *Model) PreprocessingOf(input string) (p Preprocessing, ok bool) {
	if len(m.net.Inputs) == 1 {
		return m.pre, input == m.input
	}
	sizes, err := m.net.InputSizes()
	if err != nil {
		return Preprocessing{}, false
	}
	o := method.Options{Pixels: (*preprocess.Spec)(&m.pre)}
	for _, in := range sizes {
		if pixels := o.PixelsOf(m.net, in); in.Name == input && pixels != nil {
			p = Preprocessing(*pixels)
			p.Input, p.Size = input, [2]int{in.H, in.W}
			return p, true
		}
	}
	return Preprocessing{}, false
}

// warnOfOthers names the inputs that are quantized and of which nothing is known. A file that is quantized has no need of it.
func (m *Model) warnOfOthers(log *slog.Logger) {
	if len(m.net.Inputs) == 1 || m.net.Metadata[keyMethod] != "" {
		return
	}
	trunk, _ := nn.Cut(m.net)
	sizes, err := trunk.InputSizes()
	if err != nil {
		return // whoever quantizes it is told
	}
	o := method.Options{Pixels: (*preprocess.Spec)(&m.pre)}
	for _, in := range sizes {
		if o.PixelsOf(trunk, in) == nil {
			log.Warn(fmt.Sprintf("nothing says what input %q of %s takes: numbers with mean 0 and deviation 1 are assumed", in.Name, m.path))
		}
	}
}

// oneInput refuses what is about the images of one input where the network has more. What ends in a verb.
func (m *Model) oneInput(what, advice string) error {
	if n := len(m.net.Inputs); n > 1 {
		return &HintError{
			Err:    fmt.Errorf("%s: %s one input, and the model has %d: %s", m.path, what, n, strings.Join(m.net.Inputs, ", ")),
			Advice: advice,
		}
	}
	return nil
}

// What remains possible with several inputs.
const (
	adviceRun   = "zaq run takes a .npy for each --input and gives the outputs to compare"
	adviceNoSet = "every method but ft makes images for all inputs by itself"
)
