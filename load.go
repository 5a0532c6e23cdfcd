package zaq

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
)

// loaded is what a file becomes: its messages, and the network that they describe.
type loaded struct {
	file  *onnx.Model
	net   *nn.Network
	input string // name of the input that images go to
	bytes int64  // of the file and of what it keeps in others
	files []string
}

func load(path string, c loadConfig) (*Model, error) {
	file, source, err := onnx.ReadSource(path)
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, sum: source.SHA256, loaded: loaded{file: file, bytes: source.Bytes, files: source.Files}}
	if err := m.settleSize(c); err != nil {
		return nil, err
	}
	if m.net, err = nn.Import(file); err != nil {
		return nil, advised(fmt.Errorf("%s: %w", path, err))
	}
	if err := m.findPreprocessing(c); err != nil {
		return nil, err
	}
	return m, nil
}

// advised adds to an error of import what can be done.
func advised(err error) error {
	advice := ""
	var open *nn.OpenSizeError
	switch {
	case errors.As(err, new(*nn.InputTypeError)):
		advice = "export the float network, with images of float32 or float16, or of uint8 or float64 that a Cast makes float32"
	case errors.As(err, &open) && open.Image:
		advice = "--input-size HxW says it, or \"size\": [H, W] of preprocess in MODEL.json; what is written has that size"
	default:
		return err
	}
	return &HintError{Err: err, Advice: advice}
}

// settleSize gives images whose height or width the file leaves open those that the caller gives or, where there are none, the
// description of the model.
func (m *Model) settleSize(c loadConfig) error {
	size := c.size
	if size == [2]int{} {
		if !nn.HasOpenSize(m.file) {
			return nil
		}
		side, err := m.sidecar(c)
		if err != nil || side == nil || side.Preprocess.Size == [2]int{} {
			return err
		}
		size = side.Preprocess.Size
	}
	if err := nn.SetInputSize(m.file, size); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	return nil
}

// findPreprocessing sets m.pre from a JSON file that was named, the model's metadata, the JSON file beside it, or an
// assumption, in this order, has the caller change it, and checks it against the model.
func (m *Model) findPreprocessing(c loadConfig) error {
	side, err := m.sidecar(c)
	if err != nil {
		return err
	}
	if err := m.describe(side); err != nil {
		return err
	}
	spec, source := (*preprocess.Spec)(nil), m.path
	switch stored := m.net.Metadata[keyPreprocess]; {
	case side != nil:
		spec, source = &side.Preprocess, side.Path
		m.files = append(m.files, side.Path)
		if err := m.checkClasses(side); err != nil {
			return err
		}
	case stored != "":
		if spec, err = preprocess.Parse([]byte(stored)); err != nil {
			return fmt.Errorf("%s: metadata %s: %w", m.path, keyPreprocess, err)
		}
	}
	name := ""
	if spec != nil {
		name = spec.Input
	}
	if m.input, err = m.imageInput(name, source, spec); err != nil {
		return err
	}
	shape := m.net.Values[m.input].Shape
	bytes := m.net.Port(m.input).Type == onnx.Uint8
	guess := spec == nil
	if guess {
		if z, _ := m.net.Normalization(m.input); bytes {
			spec, err = preprocess.Bytes(shape)
		} else {
			spec, err = preprocess.AssumedBehind(shape, z.Scale, z.Shift)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
	}
	m.pre = Preprocessing(*spec)
	if len(m.net.Inputs) > 1 {
		m.pre.Input = m.input // it goes into what is made of this file
	}
	found := m.pre
	if c.override != nil {
		c.override(&m.pre)
		if !reflect.DeepEqual(m.pre, found) {
			source = m.path + ": with what was given" // no file is to blame
		}
	}
	if c.size != [2]int{} {
		m.pre.Size = c.size
	}
	if m.pre.Resize != "" && m.pre.Size == [2]int{} && len(shape) == 4 && shape[2] > 0 && shape[3] > 0 {
		m.pre.Size = [2]int{shape[2], shape[3]}
	}
	final := preprocess.Spec(m.pre)
	if err := final.Validate(); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if err := final.CheckInput(shape); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if bytes {
		if err := final.CheckBytes(); err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
	}
	if guess && final.Assumed {
		if final.Mean[0] == 0 {
			c.log.Warn("nothing says how pixels become the input of "+m.path+", which normalizes it: pixels are assumed", "scale", float32(final.Scale))
		} else {
			c.log.Warn("nothing says how pixels become the input of "+m.path+": standardized input is assumed",
				"mean", fmt.Sprint(final.Mean), "std", fmt.Sprint(final.Std))
		}
	}
	m.warnOfOthers(c.log)
	return nil
}

// sidecar reads the description of the model: the one that was named or, where the file brings none of its own, the one
// beside it, which need not be. (Beside a file that zaq wrote, what has its name is as likely the result of zaq eval --json.)
func (m *Model) sidecar(c loadConfig) (*preprocess.Sidecar, error) {
	switch {
	case c.describe != "":
		return preprocess.ReadSidecar(c.describe)
	case slices.ContainsFunc(m.file.Metadata, func(p onnx.Property) bool { return p.Key == keyPreprocess && p.Value != "" }):
		return nil, nil
	}
	return preprocess.LoadSidecar(m.path)
}

// checkClasses compares the number of classes that a sidecar promises with the outputs of a classifier.
func (m *Model) checkClasses(side *preprocess.Sidecar) error {
	shape := m.net.Values[m.net.Outputs[0]].Shape
	if side.NumClasses == 0 || len(m.net.Outputs) != 1 || len(shape) != 2 || shape[1] == side.NumClasses {
		return nil
	}
	return fmt.Errorf("%s: num_classes is %d, and output %q of the model has %d", side.Path, side.NumClasses, m.net.Outputs[0], shape[1])
}
