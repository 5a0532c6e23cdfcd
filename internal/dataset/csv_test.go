package dataset

import (
	"image/color"
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/realdata"
)

func TestCSV(t *testing.T) {
	red := plain(t, 2, 2, color.NRGBA{200, 1, 2, 255})
	for _, test := range []struct {
		name, table, text string
		images            []string
		labels            []int
		classes           []string
	}{
		{"beside", "x.csv", "file,label\nb.png,3\na.png,0\n", []string{"a.png", "b.png"}, []int{3, 0}, nil},
		{"in folders", "x.csv", "label,file\n1,d/b.png\n0,e/a.png\n", []string{"e/a.png", "d/b.png"}, []int{1, 0}, nil},
		{"folder of the stem", "x.csv", "file,label\na.png,2\n", []string{"x/a.png"}, []int{2}, nil},
		{"folder without _labels", "x_labels.csv", "file,class_index,wnid,name\na.png,7,n1,tench\n", []string{"x/a.png"}, []int{7}, nil},
		{"folder images", "x.csv", "\ufefffile,label\na.png,2\n", []string{"images/a.png"}, []int{2}, nil},
		{"names", "x.csv", "file,label\na.png,dog\nb.png,cat\na.png,dog\n", []string{"a.png", "b.png"}, []int{1, 0, 1}, []string{"cat", "dog"}},
		{"unlabelled", "x.csv", "file,other\na.png,dog\n", []string{"a.png"}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range test.images {
				write(t, filepath.Join(dir, name), red)
			}
			path := filepath.Join(dir, test.table)
			write(t, path, []byte(test.text))
			s, err := Open("csv:"+path, Test)
			if err != nil || s.N != max(len(test.labels), 1) || !slices.Equal(s.Labels, test.labels) || !slices.Equal(s.Classes, test.classes) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

func TestCSVRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.csv")
	for text, want := range map[string]string{
		"":                            "x.csv: empty",
		"name,label\n":                `x.csv: columns are ["name" "label"], want "file"`,
		"file,label\n":                "x.csv: no row",
		"file,label\na.png,1\n":       "a.png: no such file",
		"file,label\na.png\n":         "wrong number of fields",
		"file,label\na.png,-2\n":      `x.csv: row 2: label is "-2"`,
		"file,class_index\na.png,x\n": `x.csv: row 2: class_index is "x"`,
	} {
		write(t, path, []byte(text))
		fails(t, "csv:"+path, Test, want)
	}
}

// The tables of the shared data work as they are.
func TestSharedCSV(t *testing.T) {
	data := realdata.Path(t)
	s, err := OpenSource("csv:"+filepath.Join(data, "imagenet", "sample500_labels.csv"), Test)
	if err != nil || s.N != 500 || s.Labels[499] != 998 {
		t.Fatalf("%+v, %v", s, err)
	}
	img, err := s.Image(499)
	if err != nil || img.H != 224 || img.W != 224 {
		t.Errorf("%v", err)
	}
}
