package dataset

import (
	"fmt"
	"image/color"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zaq/internal/realdata"
)

func annotation(file string, objects ...string) []byte {
	return []byte("<annotation><filename>" + file + "</filename>" + strings.Join(objects, "") + "</annotation>")
}

func object(name string, difficult int, x0, y0, x1, y1 float64) string {
	return fmt.Sprintf("<object><name>%s</name><difficult>%d</difficult><bndbox><xmin>%v</xmin><ymin>%v</ymin><xmax>%v</xmax><ymax>%v</ymax></bndbox></object>",
		name, difficult, x0, y0, x1, y1)
}

func TestVOC(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, "JPEGImages", name+".png"), plain(t, 9, 8, color.NRGBA{1, 2, 3, 255}))
		write(t, filepath.Join(dir, "Annotations", name+".xml"), annotation(name+".png", object("dog", 0, 1, 2, 3.5, 4), object("cat", 1, 0, 0, 8, 9)))
	}
	write(t, filepath.Join(dir, "Annotations", "b.xml"), annotation("b.png"))
	s, err := OpenSource("voc:"+dir, Test)
	if err != nil {
		t.Fatal(err)
	}
	boxes := []Box{{1, 1, 2, 3.5, 4, false}, {0, 0, 0, 8, 9, true}}
	if s.N != 3 || !reflect.DeepEqual(s.Boxes, [][]Box{boxes, nil, boxes}) || !reflect.DeepEqual(s.Classes, []string{"cat", "dog"}) || s.Labels != nil {
		t.Errorf("%+v", s)
	}
	if img, err := s.Image(2); err != nil || img.H != 9 || filepath.Base(img.File) != "c.png" {
		t.Errorf("%+v, %v", img, err)
	}

	write(t, filepath.Join(dir, "ImageSets", "Main", "train.txt"), []byte("a\nb\n"))
	write(t, filepath.Join(dir, "ImageSets", "Main", "val.txt"), []byte("c\n"))
	for split, want := range map[Split]int{Train: 2, Test: 1} {
		if s, err := OpenSource("voc:"+dir, split); err != nil || s.N != want {
			t.Errorf("%v: %+v, %v", split, s, err)
		}
	}
}

func TestVOCRefused(t *testing.T) {
	dir := t.TempDir()
	refused := func(want string) {
		t.Helper()
		if s, err := OpenSource("voc:"+dir, Test); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v, want an error with %q", s, err, want)
		}
	}
	refused("no folder JPEGImages or images")
	write(t, filepath.Join(dir, "images", "a.png"), nil)
	refused("no folder Annotations or annotations")
	write(t, filepath.Join(dir, "annotations", "readme.txt"), nil)
	refused("annotations: no XML files")
	for text, want := range map[string]string{
		"":                         "a.xml: EOF",
		"<annotation>":             "a.xml: XML syntax error",
		"<other></other>":          "a.xml: expected element type <annotation>",
		object("x", 0, 1, 1, 1, 2): "a.xml: expected",
		string(annotation("a.png", object("x", 0, 5, 1, 5, 2))):                         "a.png: a box of class \"x\" from 5, 1 to 5, 2 is empty",
		string(annotation("a.png", "<object><bndbox><xmin>z</xmin></bndbox></object>")): `a.xml: strconv.ParseFloat: parsing "z"`,
	} {
		write(t, filepath.Join(dir, "annotations", "a.xml"), []byte(text))
		refused(want)
	}
	write(t, filepath.Join(dir, "ImageSets", "Main", "val.txt"), nil)
	refused("val.txt: empty")
	write(t, filepath.Join(dir, "ImageSets", "Main", "val.txt"), []byte("nowhere"))
	refused("nowhere.xml: no such file")
}

func TestBoxes(t *testing.T) {
	img := plain(t, 9, 8, color.NRGBA{1, 2, 3, 255})
	table := "file,name,xmin,ymin,xmax,ymax,difficult\nb.png,dog,1,2,3.5,4,0\nb.png,cat,0,0,8,9,1\na.png,,,,,,\n"
	dog, cat := Box{1, 1, 2, 3.5, 4, false}, Box{0, 0, 0, 8, 9, true}

	dir := t.TempDir() // a table of files beside it: they are the set, in its order
	path := filepath.Join(dir, "boxes.csv")
	write(t, filepath.Join(dir, "b.png"), img)
	write(t, path, []byte(table))
	s, err := OpenSource("boxes:"+path, Test)
	if err != nil || s.N != 2 || !reflect.DeepEqual(s.Boxes, [][]Box{{dog, cat}, nil}) || !reflect.DeepEqual(s.Classes, []string{"cat", "dog"}) {
		t.Errorf("%+v, %v", s, err)
	}

	dir = t.TempDir() // a folder of images: all of them are the set, in the order of names
	path = filepath.Join(dir, "boxes.csv")
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, "images", name+".png"), img)
	}
	write(t, path, []byte(table))
	s, err = OpenSource("boxes:"+path, Test)
	if err != nil || s.N != 3 || !reflect.DeepEqual(s.Boxes, [][]Box{nil, {dog, cat}, nil}) {
		t.Errorf("%+v, %v", s, err)
	}

	for text, want := range map[string]string{
		"file,name,xmin,ymin,xmax\n":                                        `want "ymax"`,
		"file,name,xmin,ymin,xmax,ymax\n":                                   "no row",
		"file,name,xmin,ymin,xmax,ymax\nb.png,dog,1,x,3,4\n":                `row 2: ymin is "x"`,
		"file,name,xmin,ymin,xmax,ymax\nb.png,dog,1,5,3,4\n":                "is empty",
		"file,name,xmin,ymin,xmax,ymax\nb.png,dog,1,NaN,3,4\n":              "is empty",
		"file,name,xmin,ymin,xmax,ymax\nb.png,d,-Inf,1,+Inf,4\n":            "too large",
		"file,name,xmin,ymin,xmax,ymax\nb.png,d,0,1,3,4\nz.png,d,0,1,3,4\n": "row 3: no file z.png",
	} {
		write(t, path, []byte(text))
		if s, err := OpenSource("boxes:"+path, Test); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want an error with %q", text, s, err, want)
		}
	}
}

func TestSharedDetectionSets(t *testing.T) {
	data := realdata.Path(t)
	for spec, want := range map[string]struct{ images, boxes, difficult int }{
		"voc:" + filepath.Join(data, "detection", "voc100"):                       {100, 273, 38},
		"boxes:" + filepath.Join(data, "detection", "openimages150", "boxes.csv"): {150, 342, 0},
	} {
		s, err := OpenSource(spec, Test)
		if err != nil {
			t.Fatal(err)
		}
		boxes, difficult := 0, 0
		for _, image := range s.Boxes {
			boxes += len(image)
			for _, b := range image {
				if b.Difficult {
					difficult++
				}
			}
		}
		if s.N != want.images || boxes != want.boxes || difficult != want.difficult {
			t.Errorf("%s: %d images, %d boxes, %d difficult", spec, s.N, boxes, difficult)
		}
	}
}
