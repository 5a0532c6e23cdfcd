package zaq

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"zaq/internal/dataset"
	"zaq/internal/detect"
	"zaq/internal/kernel"
)

// evaluateDetector runs m over the data set, batch by batch, as evaluate does for classifiers.
func evaluateDetector(ctx context.Context, m *Model, spec string, o EvalOptions) (*Detection, error) {
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	if m.decoder == nil {
		return nil, &HintError{
			Err:    fmt.Errorf("%s: nothing says how boxes are read from its outputs", m.path),
			Advice: `a JSON file beside the model, or --description FILE, has the "decoder"`,
		}
	}
	if m.pre.Resize == "crop" {
		return nil, fmt.Errorf("%s: boxes are not known in images that are cropped: resize stretch keeps them", m.path)
	}
	if err := m.oneInput("--data feeds", adviceRun); err != nil {
		return nil, err
	}
	set, err := openTestSource(spec)
	if err != nil {
		return nil, err
	}
	if o.Limit > 0 {
		set = set.Subset(o.Limit)
	}
	classes, err := m.classesOf(set, o)
	if err != nil {
		return nil, err
	}
	batch := min(o.batch(m), set.N)
	p, err := m.predictor(batch, o)
	if err != nil {
		return nil, err
	}
	d, scorer := &Detection{N: set.N}, detect.NewScorer(0.5)
	images := make([]*dataset.Image, batch) // without their pixels
	for i := 0; i < set.N; i += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(batch, set.N-i)
		err := m.readInputs(p.Input(), set, i, n, func(j int, img *dataset.Image) {
			images[j] = &dataset.Image{File: img.File, H: img.H, W: img.W}
		})
		if err != nil {
			return nil, err
		}
		if err := p.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w", m.path, err)
		}
		outputs := m.outputs(p)
		for j, img := range images[:n] {
			found, err := m.decoder.Decode(outputs(j), [2]int(m.net.Values[m.input].Shape[2:]))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.path, err)
			}
			scorer.Add(truth(set.Boxes[i+j], classes, img), found)
			if o.Boxes {
				d.Images = append(d.Images, m.inPixels(found, img))
			}
		}
		o.Progress(Progress{Phase: PhaseEvaluate, Step: i + n, Total: set.N})
	}
	aps, mean := scorer.Result()
	d.MAP50 = mean
	for _, a := range aps {
		d.Classes = append(d.Classes, ClassAP{Name: m.names[a.Class], Boxes: a.Boxes, AP: a.AP})
	}
	return d, nil
}

// outputs returns what the network made of each image of the batch.
func (m *Model) outputs(p predictor) func(i int) map[string]detect.Output {
	all := make([][]float32, len(m.net.Outputs))
	for k := range all {
		all[k] = p.Output(k)
	}
	return func(i int) map[string]detect.Output {
		of := map[string]detect.Output{}
		for k, name := range m.net.Outputs {
			n := p.Classes(k)
			of[name] = detect.Output{Shape: p.Shape(k), Data: all[k][i*n : (i+1)*n]}
		}
		return of
	}
}

// classesOf maps the classes of a data set to those of the network, by name; -1 for one that it does not know, which is
// left out with a warning.
func (m *Model) classesOf(set *dataset.Source, o EvalOptions) ([]int, error) {
	if set.Boxes == nil {
		return nil, fmt.Errorf("%s is a detector, and %s has no boxes", m.path, set.Name)
	}
	if m.names == nil {
		return nil, &HintError{
			Err:    fmt.Errorf("%s: the names of its classes are not known, and %s has boxes by name", m.path, set.Name),
			Advice: `"classes" in the JSON file beside the model names a file with one on each line`,
		}
	}
	var classes []int
	var unknown []string
	for _, name := range set.Classes {
		class := slices.Index(m.names, name)
		if class < 0 {
			unknown = append(unknown, name)
		}
		classes = append(classes, class)
	}
	switch {
	case len(unknown) > 0 && len(unknown) == len(classes):
		return nil, fmt.Errorf("%s knows none of the classes of %s: %s", m.path, set.Name, strings.Join(unknown, ", "))
	case len(unknown) > 0:
		o.Log.Warn("classes that the network does not know are left out", "classes", strings.Join(unknown, ", "))
	}
	return classes, nil
}

// truth are the objects of an image of classes that the network knows, in fractions of the image.
func truth(boxes []dataset.Box, classes []int, img *dataset.Image) (objects []detect.Truth) {
	w, h := float64(img.W), float64(img.H)
	for _, b := range boxes {
		if class := classes[b.Class]; class >= 0 {
			box := detect.Box{XMin: b.XMin / w, YMin: b.YMin / h, XMax: b.XMax / w, YMax: b.YMax / h}
			objects = append(objects, detect.Truth{Class: class, Box: box, Difficult: b.Difficult})
		}
	}
	return objects
}

// inPixels describes what was found in an image.
func (m *Model) inPixels(found []detect.Detection, img *dataset.Image) FoundBoxes {
	f := FoundBoxes{File: filepath.Base(img.File), Boxes: []FoundBox{}}
	w, h := float64(img.W), float64(img.H)
	for _, d := range found {
		name := fmt.Sprint(d.Class)
		if d.Class < len(m.names) {
			name = m.names[d.Class]
		}
		f.Boxes = append(f.Boxes, FoundBox{
			Class: name, Score: d.Score, XMin: d.Box.XMin * w, YMin: d.Box.YMin * h, XMax: d.Box.XMax * w, YMax: d.Box.YMax * h,
		})
	}
	return f
}
