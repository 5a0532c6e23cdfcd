package zaq

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"zaq/internal/dataset"
	"zaq/internal/detect"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
)

// Detection is how a detector did on images with boxes.
type Detection struct {
	Data string `json:"data"` // the specification that was evaluated
	N    int    `json:"n"`    // images

	// MAP50 is the mean over Classes of the average precision at an overlap of half, 0 to 1, as PASCAL VOC computes it since
	// 2010: all-point interpolation, objects marked difficult neither count nor hurt.
	MAP50   float64   `json:"map50"`
	Classes []ClassAP `json:"classes"` // those that occur in the data, in the order of the network

	Images []FoundBoxes `json:"images,omitempty"` // what was found, image by image, with EvalOptions.Boxes

	Elapsed time.Duration `json:"elapsed_ns"`
}

// ClassAP is the average precision for one class.
type ClassAP struct {
	Name  string  `json:"name"`
	Boxes int     `json:"boxes"` // objects that count
	AP    float64 `json:"ap"`    // 0 to 1
}

// FoundBoxes is what a detector found in an image, in falling order of scores.
type FoundBoxes struct {
	File  string     `json:"file"`
	Boxes []FoundBox `json:"boxes"`
}

// FoundBox is an object that was found: its class, how sure the network is, 0 to 1, and its sides in pixels of the image.
type FoundBox struct {
	Class string  `json:"class"`
	Score float64 `json:"score"`
	XMin  float64 `json:"xmin"`
	YMin  float64 `json:"ymin"`
	XMax  float64 `json:"xmax"`
	YMax  float64 `json:"ymax"`
}

// IsDetector reports whether it is known how boxes are read from the outputs of m: from the "decoder" in MODEL.json, or
// from the metadata of a file that zaq wrote.
func (m *Model) IsDetector() bool { return m.decoder != nil }

// HasBoxes reports whether a specification of data is of a format with boxes, for EvaluateDetector.
func HasBoxes(spec string) bool {
	kind, _, _ := strings.Cut(spec, ":")
	return dataset.Detection(kind)
}

// EvaluateDetector runs m, float or quantized, over the test images that spec names and compares the boxes that it finds
// with those that are known. Spec is one of
//
//	voc:DIR          the form of PASCAL VOC: folders JPEGImages and Annotations (or images and annotations), and
//	                 ImageSets/Main with test.txt or val.txt, or every image that has annotations
//	boxes:FILE.csv   a table with the columns file, name, xmin, ymin, xmax, ymax, and difficult or not; the images of a
//	                 folder images beside it, or the files that it names
//
// Classes are matched by name. Images are resized to the network's input where Preprocessing.Resize is "stretch".
func EvaluateDetector(ctx context.Context, m *Model, spec string, o EvalOptions) (*Detection, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	start := time.Now()
	d, err := evaluateDetector(ctx, m, spec, o.withDefaults())
	if err != nil {
		return nil, interruptedBriefly(ctx, err)
	}
	d.Data, d.Elapsed = spec, time.Since(start)
	return d, nil
}

// check reports the first option that cannot be.
func (o EvalOptions) check() error {
	for _, f := range []struct {
		name string
		v    int
	}{{"limit", o.Limit}, {"batch", o.Batch}} {
		if f.v < 0 {
			return negative(f.name, f.v)
		}
	}
	o = o.withDefaults()
	if err := oneOf("engine", o.Engine, Engines...); err != nil {
		return err
	}
	return oneOf("requant", o.Requant, Requants...)
}

func (o EvalOptions) withDefaults() EvalOptions {
	if o.Engine == "" {
		o.Engine = Engines[0]
	}
	if o.Requant == "" {
		o.Requant = Requants[0]
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// description is what is known of the outputs of a model.
type description struct {
	decoder *detect.Decoder
	names   []string // of the classes; nil where nobody knows, or needs to
}

// Keys of the metadata with the description of a detector.
const (
	keyDecoder = "dev.zaq.decoder"
	keyClasses = "dev.zaq.classes"
)

// describe finds the description of a detector in the file beside the model, or in the model's metadata.
func (m *Model) describe(side *preprocess.Sidecar) (err error) {
	switch stored := m.net.Metadata[keyDecoder]; {
	case side != nil && side.Decoder != nil:
		if m.decoder, err = detect.ParseDecoder(side.Decoder); err == nil {
			m.names, err = side.ClassNames()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", side.Path, err)
		}
	case side == nil && stored != "":
		if m.decoder, err = detect.ParseDecoder([]byte(stored)); err != nil {
			return fmt.Errorf("%s: metadata %s: %w", m.path, keyDecoder, err)
		}
		if names := m.net.Metadata[keyClasses]; names != "" {
			m.names = strings.Split(names, "\n")
		}
	}
	return nil
}

// metadata is the description as a file that zaq writes keeps it.
func (d description) metadata() ([]onnx.Property, error) {
	if d.decoder == nil {
		return nil, nil
	}
	b, err := json.Marshal(d.decoder)
	if err != nil {
		return nil, err
	}
	properties := []onnx.Property{{Key: keyDecoder, Value: string(b)}}
	if d.names != nil {
		properties = append(properties, onnx.Property{Key: keyClasses, Value: strings.Join(d.names, "\n")})
	}
	return properties, nil
}
