package zaq

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// synthetic returns n images of a color that depends on seed.
func synthetic(n, depth, seed int, labels []int) *Synthetic {
	s := &Synthetic{N: n, Height: 2, Width: 3, Depth: depth, Labels: labels, pixels: make([]uint8, n*2*3*depth)}
	for i := range s.pixels {
		s.pixels[i] = uint8(7*i + seed)
	}
	return s
}

// tree lists the files below dir.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A folder that is written to again holds the images of the last run and what others put there.
func TestWriteImagesAgain(t *testing.T) {
	for _, depth := range []int{1, 3} {
		dir := t.TempDir()
		if err := synthetic(4, depth, 0, []int{3, 1, 2, 0}).Write(dir); err != nil {
			t.Fatal(err)
		}
		mine := []string{"notes.txt", "png/0.png", "png/cat.jpg"}
		for _, name := range mine {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := synthetic(2, depth, 1, nil).Write(dir); err != nil {
			t.Fatal(err)
		}
		want := append(mine, "grid.png", "images.npy", "png/00000.png", "png/00001.png")
		slices.Sort(want)
		if got := tree(t, dir); !slices.Equal(got, want) {
			t.Errorf("depth %d: %v, want %v", depth, got, want)
		}
	}
}

// Files that only look like those of an earlier run are neither removed nor written over, nor is anything else then.
func TestWriteImagesBesideOthers(t *testing.T) {
	for _, c := range []struct {
		what    string
		earlier *Synthetic
		name    string
	}{
		{"no earlier run", nil, "00000.png"},
		{"an image more than it made", synthetic(2, 3, 0, []int{0, 1}), "00002.png"},
		{"an image in the place of its own", synthetic(2, 3, 0, nil), "00001.png"},
		{"no image", synthetic(2, 3, 0, nil), "00001.png"},
	} {
		dir := t.TempDir()
		if c.earlier != nil {
			if err := c.earlier.Write(dir); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "png", c.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		other := synthetic(1, 3, 50, nil)
		if err := writePNG(path, other.picture(other.pixels, other.Height, other.Width)); err != nil {
			t.Fatal(err)
		}
		if c.what == "no image" {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before, content := tree(t, dir), readFile(t, path)
		if err := CheckImagesFolder(dir); err == nil || Hint(err) == "" {
			t.Errorf("%s: %v", c.what, err)
		}
		if err := synthetic(3, 3, 1, nil).Write(dir); err == nil {
			t.Errorf("%s: was written to", c.what)
		}
		if got := tree(t, dir); !slices.Equal(got, before) || !bytes.Equal(readFile(t, path), content) {
			t.Errorf("%s: %v, was %v", c.what, got, before)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
