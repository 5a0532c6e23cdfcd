package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// openCSV reads a table with a header and a row for each image, in its order. The columns are
//
//	file           of the image: JPEG or PNG
//	class_index    its class, a number from 0, or
//	label          its class: a number, or a name; names are numbered in their order
//
// and others are passed over; without both of the last two, images are unlabelled. Files lie beside the table, or in
// the folder that has its name without the ending, and without _labels: images.csv and images_labels.csv go with images/.
func openCSV(path string, _ Split) (*Source, error) {
	t, err := readTable(path)
	if err != nil {
		return nil, err
	}
	file, err := t.column("file")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(t.rows) == 0 {
		return nil, fmt.Errorf("%s: no row", path)
	}
	folder := imagesOf(path, t.rows[0][file])
	var paths []string
	for _, row := range t.rows {
		paths = append(paths, filepath.Join(folder, filepath.FromSlash(row[file])))
	}
	s := files(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), paths)
	s.Whole = true
	if s.Labels, s.Classes, err = t.labels(); errors.Is(err, errNoLabels) {
		return s, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// imagesOf returns the folder in which the first file of a table is, that of the table where it is in none.
func imagesOf(table, first string) string {
	stem := strings.TrimSuffix(table, filepath.Ext(table))
	beside := filepath.Dir(table)
	for _, folder := range []string{beside, strings.TrimSuffix(stem, "_labels"), stem, filepath.Join(beside, "images")} {
		if _, err := os.Stat(filepath.Join(folder, filepath.FromSlash(first))); err == nil {
			return folder
		}
	}
	return beside
}

// table is a CSV file with a header.
type table struct {
	header []string
	rows   [][]string
}

// readTable reads a table; its errors name the file.
func readTable(path string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err == nil && len(rows) == 0 {
		err = errors.New("empty")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rows[0][0] = strings.TrimPrefix(rows[0][0], "\ufeff") // which some programs begin a file with
	return &table{rows[0], rows[1:]}, nil
}

func (t *table) column(name string) (int, error) {
	i := slices.Index(t.header, name)
	if i < 0 {
		return 0, fmt.Errorf("columns are %q, want %q", t.header, name)
	}
	return i, nil
}

var errNoLabels = errors.New(`no column "class_index" or "label"`)

// labels returns the class of each row, with their names where the table has names.
func (t *table) labels() (labels []int, classes []string, err error) {
	column := slices.Index(t.header, "class_index")
	numbers := column >= 0
	if !numbers {
		if column = slices.Index(t.header, "label"); column < 0 {
			return nil, nil, fmt.Errorf("columns are %q: %w", t.header, errNoLabels)
		}
		numbers = !slices.ContainsFunc(t.rows, func(row []string) bool {
			_, err := strconv.Atoi(row[column])
			return err != nil
		})
	}
	if !numbers {
		labels, classes = number(t.rows, column)
		return labels, classes, nil
	}
	for i, row := range t.rows {
		label, err := strconv.Atoi(row[column])
		if err != nil || label < 0 {
			return nil, nil, fmt.Errorf("row %d: %s is %q", i+2, t.header[column], row[column])
		}
		labels = append(labels, label)
	}
	return labels, nil, nil
}

// number gives the names in a column numbers, in the order of the names.
func number(rows [][]string, column int) (numbers []int, names []string) {
	for _, row := range rows {
		names = append(names, row[column])
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, row := range rows {
		i, _ := slices.BinarySearch(names, row[column])
		numbers = append(numbers, i)
	}
	return numbers, names
}
