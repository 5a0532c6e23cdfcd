package zaq

import (
	"context"
	"fmt"
	"strings"

	"zaq/internal/dataset"
	"zaq/internal/method"
	"zaq/internal/nn"
)

// Methods are the ways to quantize, the default first.
var Methods = []string{"zaq", "rtn", "dfq", "aciq", "squant", "zeroq", "deepinversion", "gdfq", "ft"}

// ImageSources are the places that a method can have its images from; which is its own, the table of methods says.
// "statistics" is none: activation ranges then follow from what BatchNormalization declares.
var ImageSources = []string{method.SourceGenerator, method.SourceZeroQ, method.SourceDeepInversion, method.SourceStatistics}

// trait are what is known of a method before it runs.
type trait struct {
	trains   bool
	data     bool   // learns from labelled images
	images   string // where it takes images from unless told otherwise
	observer string // what it does about activation ranges unless told otherwise, where that is its own; "": observerFor
	run      func(ctx context.Context, net *nn.Network, o method.Options) (*method.Result, error)
}

// traits of all Methods.
var traits = map[string]trait{
	"zaq":           {trains: true, images: method.SourceGenerator, run: method.ZAQ},
	"gdfq":          {trains: true, images: method.SourceGenerator, run: method.GDFQ},
	"ft":            {trains: true, data: true, images: method.SourceData},
	"rtn":           {images: method.SourceGenerator, run: method.RTN},
	"dfq":           {images: method.SourceStatistics, run: method.DFQ},
	"aciq":          {images: method.SourceStatistics, observer: "laplace", run: method.ACIQ},
	"squant":        {images: method.SourceStatistics, run: method.SQuant},
	"zeroq":         {images: method.SourceZeroQ, run: method.ZeroQ},
	"deepinversion": {images: method.SourceDeepInversion, run: method.DeepInversion},
}

// Trains reports whether the method o names learns, and so has steps and a checkpoint.
func (o Options) Trains() bool { return traits[o.withDefaults().Method].trains }

// keeps reports whether a run takes so long that its state is worth a checkpoint: something is trained, Q, a generator or
// images.
func (o Options) keeps() bool {
	d := o.withDefaults()
	return d.Trains() || d.CalibrationDir == "" && (d.generates() || d.optimises())
}

// Draws reports whether quantizing m by o draws random numbers, so that another seed gives another result.
func (m *Model) Draws(o Options) bool {
	if o.keeps() {
		return true
	}
	trunk, _ := nn.Cut(m.net)
	return !normalized(trunk) && o.CalibrationDir == "" // noise takes the place of statistics
}

// checkMethod reports what does not go together with the method. o has its defaults.
func (o Options) checkMethod() error {
	t := traits[o.Method]
	if t.data {
		if o.Data == "" {
			return &HintError{
				Err:    &OptionError{"data", "", "method " + o.Method + " learns from labelled images"},
				Advice: "name some with --data, such as cifar10:DIR: its training images are taken",
			}
		}
		if o.Images != method.SourceData {
			return &OptionError{"images", o.Images, "method " + o.Method + " learns from --data alone"}
		}
		return checkData(o.Data)
	}
	if o.Data != "" {
		return &OptionError{"data", o.Data, "method " + o.Method + " looks at no data"}
	}
	if err := oneOf("images", o.Images, ImageSources...); err != nil {
		return err
	}
	statistics := o.Images == method.SourceStatistics && o.CalibrationDir == ""
	switch {
	case t.trains && o.Images == method.SourceStatistics:
		return &OptionError{"images", o.Images, "method " + o.Method + " needs images to learn from"}
	case !t.trains && o.CalibrationDir != "" && (o.optimises() || o.Images != t.images):
		return o.twoSources()
	case statistics && !method.ByStatistics(o.Observer):
		return &OptionError{"observer", o.Observer, "needs batches of images, and ranges come from statistics"}
	case !statistics && !method.ByImages(o.Observer):
		return &OptionError{"observer", o.Observer, "goes by statistics, and ranges come from images"}
	}
	return nil
}

// twoSources is the error of images that would be made for ranges which come from those of CalibrationDir.
func (o Options) twoSources() error {
	e := &HintError{
		Err:    &OptionError{"calib", "", "method " + o.Method + " has ranges from images that it optimises, not from those of a folder"},
		Advice: "--method rtn --calib DIR rounds by the images of the folder",
	}
	if own := traits[o.Method].images; o.Images != own {
		e.Err = &OptionError{"calib", "", "ranges come from --images " + o.Images + " or from images of a folder, not from both"}
		e.Advice = "without --images, --method " + o.Method + " --calib DIR goes by the images of the folder"
	}
	return e
}

// runMethod runs the method that o names.
func (m *Model) runMethod(ctx context.Context, o Options, net *nn.Network, mo method.Options) (*method.Result, error) {
	t := traits[o.Method]
	if !t.data {
		return t.run(ctx, net, mo)
	}
	set, err := m.trainingImages(o)
	if err != nil {
		return nil, err
	}
	return method.FT(ctx, net, set, mo)
}

// trainingImages opens the training images of o.Data. A folder can keep test images apart, so one that does not is refused;
// a single file cannot, so that whoever evaluates is told to look elsewhere.
func (m *Model) trainingImages(o Options) (*dataset.Set, error) {
	spec := o.Data
	if err := m.oneInput("--data feeds", adviceNoSet); err != nil {
		return nil, err
	}
	input := m.net.Values[m.input].Shape
	size := [2]int{}
	if kind := "fashion-mnist:"; len(spec) >= len(kind) && spec[:len(kind)] == kind {
		size = [2]int{input[2], input[3]}
	}
	source, err := dataset.OpenSource(spec, dataset.Train)
	if err != nil {
		return nil, err
	}
	switch {
	case source.Whole && strings.HasPrefix(spec, "imagefolder:"):
		return nil, &HintError{
			Err:    fmt.Errorf("%s: the folder has no part to train on, so that images to test on would be trained on", spec),
			Advice: "name a folder with train and with test or val inside: its train is taken",
		}
	case source.Whole:
		o.Log.Warn(fmt.Sprintf("%s has no part to train on: all of its %d images are trained on, so measure on others", spec, source.N))
	}
	set, err := loadImages(source, size)
	if err != nil {
		return nil, err
	}
	if set.Labels == nil {
		return nil, fmt.Errorf("%s: the images have no labels", spec)
	}
	return set, nil
}
