package dataset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// openBoxes reads a detection set from a table with a header and a row for each box. The columns are
//
//	file                    of the image: JPEG or PNG
//	xmin, ymin, xmax, ymax  sides of the box, in pixels of the image
//	name                    of its class
//	difficult               1 where it neither counts nor hurts; may be left out
//
// and others are passed over. Where a folder images lies beside the table its images are the set, those without a row
// too; otherwise the files that the table names, where openCSV would look for them. A row with nothing but a file is
// an image without boxes.
func openBoxes(path string, _ Split) (*Source, error) {
	t, err := readTable(path)
	if err != nil {
		return nil, err
	}
	s, err := t.boxes(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (t *table) boxes(path string) (*Source, error) {
	var columns [6]int
	for i, name := range []string{"file", "name", "xmin", "ymin", "xmax", "ymax"} {
		var err error
		if columns[i], err = t.column(name); err != nil {
			return nil, err
		}
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("no row")
	}
	folder := imagesOf(path, t.rows[0][columns[0]])
	paths, index, err := t.imagesOfBoxes(folder, columns[0])
	if err != nil {
		return nil, err
	}
	difficult := slices.Index(t.header, "difficult")
	var rows []boxRow
	for n, row := range t.rows {
		image, ok := index[row[columns[0]]]
		if !ok {
			return nil, fmt.Errorf("row %d: no file %s in %s", n+2, row[columns[0]], folder)
		}
		if strings.Join(row, "") == row[columns[0]] { // an image without boxes
			continue
		}
		var sides [4]float64
		for i := range sides {
			text := row[columns[2+i]]
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("row %d: %s is %q", n+2, t.header[columns[2+i]], text)
			}
			sides[i] = v
		}
		rows = append(rows, boxRow{image: image, class: row[columns[1]], box: Box{
			XMin: sides[0], YMin: sides[1], XMax: sides[2], YMax: sides[3], Difficult: difficult >= 0 && row[difficult] == "1",
		}})
	}
	return detection(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), paths, rows)
}

// imagesOfBoxes returns the images of the set, and where each file of the table is among them.
func (t *table) imagesOfBoxes(folder string, file int) (paths []string, index map[string]int, err error) {
	index = map[string]int{}
	if filepath.Base(folder) == "images" {
		if paths, _, err = list(folder); err != nil {
			return nil, nil, err
		}
		for i, p := range paths {
			index[filepath.Base(p)] = i
		}
		return paths, index, nil
	}
	for _, row := range t.rows {
		if _, ok := index[row[file]]; !ok {
			index[row[file]] = len(paths)
			paths = append(paths, filepath.Join(folder, filepath.FromSlash(row[file])))
		}
	}
	return paths, index, nil
}
