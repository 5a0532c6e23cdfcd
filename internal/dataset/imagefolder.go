package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openImageFolder lists a folder of JPEG and PNG files:
//
//   - images in the folder itself, in the order of their names. Labels come from labels.csv in the folder or
//     FOLDER_labels.csv beside it, tables as of csv:FILE; without such a file the images are unlabelled.
//   - else a folder for each class, numbered in the order of their names.
//
// A folder with train and with test or val inside has a part for each split; any other is taken for the
// split that is asked for. Hidden files and files of other types are passed over.
func openImageFolder(path string, split Split) (*Source, error) {
	root := splitFolder(filepath.Clean(path), split)
	images, folders, err := list(root)
	if err != nil {
		return nil, err
	}
	var labels []int
	var classes []string
	if len(images) > 0 {
		if labels, classes, err = readLabels(root, images); err != nil {
			return nil, err
		}
	} else {
		for class, folder := range folders {
			inside, _, err := list(folder)
			if err != nil {
				return nil, err
			}
			images = append(images, inside...)
			labels = append(labels, slices.Repeat([]int{class}, len(inside))...)
			classes = append(classes, filepath.Base(folder))
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%s: no JPEG or PNG files in it or in its folders", root)
	}
	s := files(filepath.Base(path), images)
	s.Labels, s.Classes, s.Whole = labels, classes, root == filepath.Clean(path)
	return s, nil
}

func splitFolder(path string, split Split) string {
	train := filepath.Join(path, "train")
	for _, name := range []string{"test", "val"} {
		if test := filepath.Join(path, name); isFolder(test) && isFolder(train) {
			if split == Train {
				return train
			}
			return test
		}
	}
	return path
}

// list returns the paths of the image files and of the folders in a folder, each in the order of names.
func list(path string) (images, folders []string, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		inside := filepath.Join(path, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case isFolder(inside):
			folders = append(folders, inside)
		case isImage(inside):
			images = append(images, inside)
		}
	}
	return images, folders, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// readLabels returns the class of each image, or nil where no file of labels lies in or beside the folder.
func readLabels(folder string, images []string) ([]int, []string, error) {
	for _, path := range []string{filepath.Join(folder, "labels.csv"), folder + "_labels.csv"} {
		t, err := readTable(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		labels, classes, err := labelsOf(t, images)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		return labels, classes, nil
	}
	return nil, nil, nil
}

// labelsOf looks up the row of each image.
func labelsOf(t *table, images []string) ([]int, []string, error) {
	file, err := t.column("file")
	if err != nil {
		return nil, nil, err
	}
	all, classes, err := t.labels()
	if err != nil {
		return nil, nil, err
	}
	byName := make(map[string]int, len(t.rows))
	for i, row := range t.rows {
		byName[row[file]] = all[i]
	}
	labels := make([]int, len(images))
	for i, path := range images {
		label, ok := byName[filepath.Base(path)]
		if !ok {
			return nil, nil, fmt.Errorf("no row for %s", filepath.Base(path))
		}
		labels[i] = label
	}
	return labels, classes, nil
}
