package dataset

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openVOC lists a detection set in the form of PASCAL VOC: DIR has the folders JPEGImages (or images) and Annotations
// (or annotations), with an XML file for each image. Where there is ImageSets/Main, the test split is its test.txt, or
// else val.txt, and the training split train.txt; otherwise every annotated image is taken, in the order of names.
// Classes are the names that occur, in their order.
func openVOC(path string, split Split) (*Source, error) {
	images, err := oneFolder(path, "JPEGImages", "images")
	if err != nil {
		return nil, err
	}
	annotations, err := oneFolder(path, "Annotations", "annotations")
	if err != nil {
		return nil, err
	}
	names, err := vocNames(path, annotations, split)
	if err != nil {
		return nil, err
	}
	var paths []string
	var rows []boxRow
	for i, name := range names {
		file := filepath.Join(annotations, name+".xml")
		a, err := readVOC(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		image := a.Filename
		if image == "" {
			image = name + ".jpg"
		}
		paths = append(paths, filepath.Join(images, filepath.Base(filepath.FromSlash(image))))
		for _, o := range a.Objects {
			rows = append(rows, boxRow{image: i, class: o.Name, box: Box{
				XMin: o.Box.XMin, YMin: o.Box.YMin, XMax: o.Box.XMax, YMax: o.Box.YMax, Difficult: o.Difficult != 0,
			}})
		}
	}
	return detection(filepath.Base(path), paths, rows)
}

// oneFolder returns the first of the named folders that is in path.
func oneFolder(path string, names ...string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	for _, name := range names {
		if inside := filepath.Join(path, name); isFolder(inside) {
			return inside, nil
		}
	}
	return "", fmt.Errorf("%s: no folder %s in it", path, strings.Join(names, " or "))
}

// vocNames returns the names of the annotated images of a split, without endings.
func vocNames(path, annotations string, split Split) ([]string, error) {
	lists := []string{"test.txt", "val.txt"}
	if split == Train {
		lists = []string{"train.txt"}
	}
	for _, name := range lists {
		list := filepath.Join(path, "ImageSets", "Main", name)
		b, err := os.ReadFile(list)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && len(strings.Fields(string(b))) == 0 {
			err = fmt.Errorf("%s: empty", list)
		}
		return strings.Fields(string(b)), err
	}
	entries, err := os.ReadDir(annotations)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); strings.EqualFold(filepath.Ext(name), ".xml") && !strings.HasPrefix(name, ".") {
			names = append(names, strings.TrimSuffix(name, filepath.Ext(name)))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no XML files in it", annotations)
	}
	return names, nil
}

// vocAnnotation is the part of an annotation that is used.
type vocAnnotation struct {
	XMLName  xml.Name    `xml:"annotation"`
	Filename string      `xml:"filename"`
	Objects  []vocObject `xml:"object"`
}

type vocObject struct {
	Name      string `xml:"name"`
	Difficult int    `xml:"difficult"`
	Box       struct {
		XMin float64 `xml:"xmin"`
		YMin float64 `xml:"ymin"`
		XMax float64 `xml:"xmax"`
		YMax float64 `xml:"ymax"`
	} `xml:"bndbox"`
}

func readVOC(path string) (*vocAnnotation, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := new(vocAnnotation)
	if err := xml.Unmarshal(b, a); err != nil {
		return nil, err
	}
	return a, nil
}

// boxRow is a box with what names it.
type boxRow struct {
	image int
	class string
	box   Box
}

// detection is a source of image files with their boxes.
func detection(name string, paths []string, rows []boxRow) (*Source, error) {
	s := files(name, paths)
	s.Boxes = make([][]Box, s.N)
	for _, r := range rows {
		s.Classes = append(s.Classes, r.class)
	}
	slices.Sort(s.Classes)
	s.Classes = slices.Compact(s.Classes)
	for _, r := range rows {
		b := r.box
		if w, h := b.XMax-b.XMin, b.YMax-b.YMin; !(w > 0 && h > 0 && w*h < 1e12) { // NaN too
			return nil, fmt.Errorf("%s: a box of class %q from %v, %v to %v, %v is empty or too large", paths[r.image], r.class, b.XMin, b.YMin, b.XMax, b.YMax)
		}
		b.Class, _ = slices.BinarySearch(s.Classes, r.class)
		s.Boxes[r.image] = append(s.Boxes[r.image], b)
	}
	return s, nil
}
