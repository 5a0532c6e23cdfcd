package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	_ "image/jpeg"
	_ "image/png"
)

// openImageFolder reads a folder of JPEG and PNG files as RGB images:
//
//   - images in the folder itself, in the order of their names. Labels come from labels.csv in the folder or
//     FOLDER_labels.csv beside it, with a header and the columns "file" and "class_index"; without such a
//     file the images are unlabelled.
//   - else a folder for each class, numbered in the order of their names.
//
// A folder with train and with test or val inside has a part for each split; any other is taken for the
// split that is asked for. Hidden files and files of other types are passed over.
func openImageFolder(path string, split Split) (*Set, error) {
	if path == "" {
		return nil, errors.New("no folder given: want imagefolder:DIR")
	}
	root := splitFolder(filepath.Clean(path), split)
	images, folders, err := list(root)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: filepath.Base(path)}
	if len(images) > 0 {
		if s.Labels, err = readLabels(root, images); err != nil {
			return nil, err
		}
	} else {
		for class, folder := range folders {
			inside, _, err := list(folder)
			if err != nil {
				return nil, err
			}
			images = append(images, inside...)
			s.Labels = append(s.Labels, slices.Repeat([]int{class}, len(inside))...)
			s.Classes = append(s.Classes, filepath.Base(folder))
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%s: no JPEG or PNG files in it or in its folders", root)
	}
	return s, s.load(images)
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
		switch extension := strings.ToLower(filepath.Ext(inside)); {
		case strings.HasPrefix(entry.Name(), "."):
		case isFolder(inside):
			folders = append(folders, inside)
		case extension == ".jpg" || extension == ".jpeg" || extension == ".png":
			images = append(images, inside)
		}
	}
	return images, folders, nil
}

// load decodes the files, as many at a time as there are processors.
func (s *Set) load(files []string) error {
	height, width, err := imageSize(files[0])
	if err != nil {
		return err
	}
	s.N, s.H, s.W, s.C = len(files), height, width, 3
	s.Pixels = make([]uint8, s.N*s.H*s.W*s.C)
	errs := make([]error, len(files))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		workers.Go(func() {
			for i := int(next.Add(1) - 1); i < len(files); i = int(next.Add(1) - 1) {
				errs[i] = s.loadImage(i, files)
				if errs[i] != nil {
					next.Store(int64(len(files)))
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) loadImage(i int, files []string) error {
	height, width, err := imageSize(files[i])
	if err != nil {
		return err
	}
	if height != s.H || width != s.W {
		return fmt.Errorf("%s is %dx%d (height x width), %s is %dx%d: the images of a set must share a size",
			files[i], height, width, files[0], s.H, s.W)
	}
	f, err := os.Open(files[i])
	if err != nil {
		return err
	}
	defer f.Close()
	img, _, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", files[i], err)
	}
	writeRGB(s.Image(i), img)
	return nil
}

// imageSize reads the header of an image file, so that a size which cannot be is refused before its
// pixels take memory.
func imageSize(path string) (height, width int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	config, _, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	const limit = 1 << 14
	if config.Height < 1 || config.Width < 1 || config.Height > limit || config.Width > limit {
		return 0, 0, fmt.Errorf("%s is %dx%d: empty or too large", path, config.Height, config.Width)
	}
	return config.Height, config.Width, nil
}

// readLabels returns the class of each image, or nil where no file of labels lies in or beside the folder.
func readLabels(folder string, images []string) ([]int, error) {
	for _, path := range []string{filepath.Join(folder, "labels.csv"), folder + "_labels.csv"} {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		labels, err := labelsOf(f, images)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return labels, nil
	}
	return nil, nil
}

func labelsOf(f *os.File, images []string) ([]int, error) {
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("empty")
	}
	file, class := slices.Index(rows[0], "file"), slices.Index(rows[0], "class_index")
	if file < 0 || class < 0 {
		return nil, fmt.Errorf(`columns are %q, want "file" and "class_index"`, rows[0])
	}
	byName := make(map[string]int, len(rows))
	for i, row := range rows[1:] {
		label, err := strconv.Atoi(row[class])
		if err != nil || label < 0 {
			return nil, fmt.Errorf("row %d: class_index is %q", i+2, row[class])
		}
		byName[row[file]] = label
	}
	labels := make([]int, len(images))
	for i, path := range images {
		label, ok := byName[filepath.Base(path)]
		if !ok {
			return nil, fmt.Errorf("no row for %s", filepath.Base(path))
		}
		labels[i] = label
	}
	return labels, nil
}
